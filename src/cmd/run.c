/* SPDX-License-Identifier: MIT */
/* cmd/run.c - `gleaner run`: prepare the environment and become the program. */
#include "cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "usage: gleaner run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "Starts PROGRAM with libgleaner-malloc.so preloaded: its malloc is Gleaner's.\n"
    "\n"
    "  -m, --mode=MODE          collect (default): unreachable memory is reclaimed;\n"
    "                           malloc: it is not; safe: freed memory is reused only\n"
    "                           when nothing refers to it any more\n"
    "  -l, --limit=BYTES        bound the heap: collections come more often close to the\n"
    "                           limit, and allocation beyond it fails (10m, 1g)\n"
    "  -t, --trace              a line on stderr for each collection\n"
    "  -s, --stats=FILE         append a line of statistics to FILE when a process exits\n"
    "  -o, --option=NAME=VALUE  set any option of the library; may be repeated\n"
    "      --help-options       list these options\n"
    "  -h, --help               this text\n"
    "\n"
    "Exit status: that of PROGRAM; 125 if gleaner itself fails or the library cannot be\n"
    "preloaded into PROGRAM, 126 if PROGRAM cannot be executed, 127 if it is not found.\n";

enum { OPTION_HELP_OPTIONS = 256 };

static const struct option options[] = {
    {"mode", required_argument, NULL, 'm'},
    {"limit", required_argument, NULL, 'l'},
    {"trace", no_argument, NULL, 't'},
    {"stats", required_argument, NULL, 's'},
    {"option", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {"help-options", no_argument, NULL, OPTION_HELP_OPTIONS},
    {NULL, 0, NULL, 0},
};

/* Absolute, for the program may be in another directory when it exits. */
static bool set_stats(const char *file)
{
    if (file[0] == '/' || file[0] == '\0') {
        return gl_set_named("stats_file", file);
    }
    char *directory = getcwd(NULL, 0);
    if (directory == NULL) {
        gl_cmd_say("--stats: where are we? %m");
        return false;
    }
    return gl_set_named("stats_file", gl_cmd_format("%s/%s", directory, file));
}

static bool set_limit(const char *bytes)
{
    return gl_set_named("memory_limit", bytes) && gl_set_named("heap_max", bytes);
}

static bool apply(int option)
{
    switch (option) {
    case 'm':
        return gl_set_named("mode", optarg);
    case 'l':
        return set_limit(optarg);
    case 't':
        return gl_set_named("gctrace", "1");
    case 's':
        return set_stats(optarg);
    case 'o':
        return gl_set_pair(optarg);
    default:
        return false; /* getopt_long() has said why */
    }
}

int gl_cmd_run(int argc, char **argv)
{
    argv[0] = (char *)(uintptr_t) "gleaner run"; /* getopt_long() begins its messages with it */
    int option;
    while ((option = getopt_long(argc, argv, "+m:l:ts:o:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (option == OPTION_HELP_OPTIONS) {
            gl_knob_list();
            return 0;
        }
        if (!apply(option)) {
            return GL_EXIT_FAILED;
        }
    }
    if (optind == argc) {
        gl_cmd_say("run: no program is given (see gleaner run --help)");
        return GL_EXIT_FAILED;
    }
    const char *library = gl_library_find();
    if (library == NULL) {
        return GL_EXIT_FAILED;
    }
    const char *path;
    int status = gl_program_find(argv[optind], &path);
    if (status != 0) {
        return status;
    }
    gl_program program;
    status = gl_program_inspect(path, library, &program);
    for (int i = 0; i < program.n_refusals; i++) {
        gl_cmd_say("%s", program.refusals[i]);
    }
    if (status != 0) {
        return status;
    }
    return gl_set_preload(library) ? gl_become(path, argv + optind) : GL_EXIT_FAILED;
}
