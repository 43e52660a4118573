/* SPDX-License-Identifier: MIT */
/*
 * cmd/run.c - `gleaner run`: prepare the environment and become the program.
 *
 * Each option of the library becomes a variable GLEANER_<NAME>, not a part of GLEANER_OPTIONS: it
 * wins over what the environment says, and its value may hold a colon. The variables are inherited
 * by what the program starts, like LD_PRELOAD itself.
 */
#include "cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static bool set_variable(const char *name, const char *value)
{
    if (setenv(name, value, 1) != 0) {
        gl_cmd_say("cannot set %s: %m", name);
        return false;
    }
    return true;
}

/* An option of the library, checked, as its variable. */
static bool set_knob(const char *name, size_t length, const char *value)
{
    if (!gl_knob_check(name, length, value)) {
        return false;
    }
    char *variable = gl_cmd_format("GLEANER_%.*s", (int)length, name);
    for (char *c = variable; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return set_variable(variable, value);
}

static bool set_named(const char *name, const char *value)
{
    return set_knob(name, strlen(name), value);
}

static bool set_pair(const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        gl_cmd_say("--option: '%s' is not NAME=VALUE", text);
        return false;
    }
    return set_knob(text, (size_t)(equals - text), equals + 1);
}

/* Absolute, for the program may be in another directory when it exits. */
static bool set_stats(const char *file)
{
    if (file[0] == '/' || file[0] == '\0') {
        return set_named("stats_file", file);
    }
    char *directory = getcwd(NULL, 0);
    if (directory == NULL) {
        gl_cmd_say("--stats: where are we? %m");
        return false;
    }
    return set_named("stats_file", gl_cmd_format("%s/%s", directory, file));
}

static bool set_limit(const char *bytes)
{
    return set_named("memory_limit", bytes) && set_named("heap_max", bytes);
}

static bool apply(int option)
{
    switch (option) {
    case 'm':
        return set_named("mode", optarg);
    case 'l':
        return set_limit(optarg);
    case 't':
        return set_named("gctrace", "1");
    case 's':
        return set_stats(optarg);
    case 'o':
        return set_pair(optarg);
    default:
        return false; /* getopt_long() has said why */
    }
}

/* First in the list, and once: a program under `gleaner run` may use it again. */
static bool preload(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    if (others == NULL || others[0] == '\0') {
        return set_variable("LD_PRELOAD", library);
    }
    size_t length = strlen(library);
    if (strncmp(others, library, length) == 0 && strchr(": ", others[length]) != NULL) {
        return true;
    }
    return set_variable("LD_PRELOAD", gl_cmd_format("%s:%s", library, others));
}

/* execvp(), not execv(): it starts a shell for a script without its first line. The path has a
 * slash, so it is not searched for again. */
static int become(const char *path, char **argv)
{
    execvp(path, argv);
    int error = errno;
    gl_cmd_say("%s: cannot be executed: %s", path, strerror(error));
    return error == ENOENT ? GL_EXIT_NOT_FOUND : GL_EXIT_NOT_EXECUTABLE;
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
    int status = gl_program_find(argv[optind], library, &path);
    if (status != 0) {
        return status;
    }
    return preload(library) ? become(path, argv + optind) : GL_EXIT_FAILED;
}
