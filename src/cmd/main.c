/* SPDX-License-Identifier: MIT */
/* cmd/main.c - the `gleaner` command: which subcommand is meant. */
#include "cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static const char usage[] =
    "usage: gleaner run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "       gleaner doctor [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "       gleaner options\n"
    "       gleaner --version | --help\n"
    "\n"
    "Gleaner gives an unmodified program a heap whose unreachable memory is reclaimed.\n"
    "\n"
    "  run      start a program on Gleaner's heap (gleaner run --help)\n"
    "  doctor   run a program and say whether it can be trusted on Gleaner's heap\n"
    "  options  list the options of the library, with their defaults\n"
    "\n"
    "See gleaner(1) and gleaner(7).\n";

/* Names that are taken: a later version has them. */
static const char *const later[] = {"check", "record", "report", "stats", "lines",
                                    "diff",  "why",    "graph",  "top",   "export"};

void gl_cmd_say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("gleaner: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

char *gl_cmd_vformat(const char *format, va_list list)
{
    char *text;
    if (vasprintf(&text, format, list) < 0) {
        gl_cmd_say("out of memory");
        exit(GL_EXIT_FAILED);
    }
    return text;
}

char *gl_cmd_format(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *text = gl_cmd_vformat(format, list);
    va_end(list);
    return text;
}

int gl_cmd_options(int argc, char **argv)
{
    if (argc > 1) {
        gl_cmd_say("options: takes no arguments, and got '%s'", argv[1]);
        return GL_EXIT_FAILED;
    }
    gl_knob_list();
    return 0;
}

static int fail_unknown(const char *word)
{
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        if (strcmp(word, later[i]) == 0) {
            gl_cmd_say("%s: not available in this version (%s)", word, PACKAGE_VERSION);
            return GL_EXIT_FAILED;
        }
    }
    gl_cmd_say("unknown %s '%s' (see gleaner --help)", word[0] == '-' ? "option" : "command", word);
    return GL_EXIT_FAILED;
}

/* A full disk or a closed pipe is a failure too. */
static int finish(int status)
{
    if (status == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        gl_cmd_say("cannot write to standard output");
        return GL_EXIT_FAILED;
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        return GL_EXIT_FAILED;
    }
    const char *word = argv[1];
    if (strcmp(word, "run") == 0) {
        return finish(gl_cmd_run(argc - 1, argv + 1));
    }
    if (strcmp(word, "doctor") == 0) {
        return finish(gl_cmd_doctor(argc - 1, argv + 1));
    }
    if (strcmp(word, "options") == 0) {
        return finish(gl_cmd_options(argc - 1, argv + 1));
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        fputs(usage, stdout);
        return finish(0);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("gleaner " PACKAGE_VERSION);
        return finish(0);
    }
    return fail_unknown(word);
}
