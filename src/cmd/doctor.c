/* SPDX-License-Identifier: MIT */
/*
 * cmd/doctor.c - `gleaner doctor`: whether a program can be trusted on Gleaner's heap, and why not.
 *
 * The report begins with what weighs most and ends with the verdict. It is written after the
 * program has ended, so that it does not run into the program's own output.
 */
#include "cmd/doctor.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: gleaner doctor [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
    "\n"
    "Says whether PROGRAM can be trusted on Gleaner's heap: looks at its file and the\n"
    "libraries that it loads, then runs it with frequent collections and tells what\n"
    "happened, most important first, each with what to do.\n"
    "\n"
    "  -m, --mode=MODE          mode of the run: collect (default), malloc or safe\n"
    "  -o, --option=NAME=VALUE  set any option of the library; may be repeated\n"
    "  -O, --output=FILE        write the report to FILE, not to standard error\n"
    "  -n, --no-run             look at the files only\n"
    "  -h, --help               this text\n"
    "\n"
    "The verdict is one of: good, good with remarks, not recommended, not possible.\n"
    "\n"
    "Exit status: 0 good, with remarks or without; 1 not recommended; 2 not possible;\n"
    "125 if gleaner itself fails, 126 if PROGRAM cannot be executed, 127 if it is not\n"
    "found. That of PROGRAM is in the report.\n";

static const struct option options[] = {
    {"mode", required_argument, NULL, 'm'},   {"option", required_argument, NULL, 'o'},
    {"output", required_argument, NULL, 'O'}, {"no-run", no_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

typedef struct request {
    FILE *output;
    const char *output_name;
    bool is_run;
    bool wants_help;
} request;

/* ---- The report ------------------------------------------------------------------------------ */

void gl_report_add(gl_report *report, gl_weight weight, const char *advice, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (report->n_lines < GL_REPORT_MAX) {
        int i = report->n_lines++;
        report->lines[i].weight = weight;
        report->lines[i].text = gl_cmd_vformat(format, list);
        report->lines[i].advice = advice;
    }
    va_end(list);
}

static const char *const verdicts[] = {"good", "good with remarks", "not recommended",
                                       "not possible"};
static const int statuses[] = {0, 0, 1, 2};

static gl_weight heaviest(const gl_report *report)
{
    gl_weight weight = GL_NOTE;
    for (int i = 0; i < report->n_lines; i++) {
        weight = report->lines[i].weight > weight ? report->lines[i].weight : weight;
    }
    return weight;
}

static void write_lines(const gl_report *report, gl_weight weight, FILE *output)
{
    static const char *const words[] = {"note", "remark", "against it", "impossible"};
    for (int i = 0; i < report->n_lines; i++) {
        if (report->lines[i].weight == weight) {
            fprintf(output, "%s: %s\n", words[weight], report->lines[i].text);
            if (report->lines[i].advice != NULL) {
                fprintf(output, "    %s\n", report->lines[i].advice);
            }
        }
    }
}

/* The exit status. */
static int write_report(const gl_report *report, const char *path, const request *wish)
{
    fprintf(wish->output, "gleaner doctor: %s\n", path);
    for (int weight = GL_IMPOSSIBLE; weight >= GL_NOTE; weight--) {
        write_lines(report, (gl_weight)weight, wish->output);
    }
    gl_weight worst = heaviest(report);
    fprintf(wish->output, "verdict: %s\n", verdicts[worst]);
    if (fflush(wish->output) != 0 || ferror(wish->output)) {
        gl_cmd_say("cannot write to %s: %s", wish->output_name, strerror(errno));
        return GL_EXIT_FAILED;
    }
    return statuses[worst];
}

/* ---- The command line ------------------------------------------------------------------------ */

static bool open_output(request *wish, const char *name)
{
    wish->output = fopen(name, "we"); /* the program is not to inherit it */
    wish->output_name = name;
    if (wish->output == NULL) {
        gl_cmd_say("cannot write to %s: %s", name, strerror(errno));
        return false;
    }
    return true;
}

static bool apply(int option, request *wish)
{
    switch (option) {
    case 'm':
        return gl_set_named("mode", optarg);
    case 'o':
        return gl_set_pair(optarg);
    case 'O':
        return open_output(wish, optarg);
    case 'n':
        wish->is_run = false;
        return true;
    case 'h':
        wish->wants_help = true;
        return true;
    default:
        return false; /* getopt_long() has said why */
    }
}

/* Collections come as often as a test needs them, unless the user says how often. */
static bool set_default(const char *variable, const char *name, const char *value)
{
    return getenv(variable) != NULL || gl_set_named(name, value);
}

static bool set_defaults(void)
{
    return set_default("GLEANER_TRIGGER_BYTES", "trigger_bytes", "64k") &&
           set_default("GLEANER_PERCENT", "percent", "50") &&
           set_default("GLEANER_QUARANTINE_BYTES", "quarantine_bytes", "1m");
}

static bool read_command_line(int argc, char **argv, request *wish)
{
    argv[0] = (char *)(uintptr_t) "gleaner doctor"; /* getopt_long() begins its messages with it */
    int option;
    while (!wish->wants_help &&
           (option = getopt_long(argc, argv, "+m:o:O:nh", options, NULL)) != -1) {
        if (!apply(option, wish)) {
            return false;
        }
    }
    if (!wish->wants_help && optind == argc) {
        gl_cmd_say("doctor: no program is given (see gleaner doctor --help)");
        return false;
    }
    return true;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int examine(char **argv, const request *wish)
{
    const char *library = gl_library_find();
    if (library == NULL) {
        return GL_EXIT_FAILED;
    }
    const char *path;
    int status = gl_program_find(argv[0], &path);
    if (status != 0) {
        return status;
    }
    gl_program program;
    gl_report report = {.n_lines = 0};
    (void)gl_program_inspect(path, library, &program);
    for (int i = 0; i < program.n_refusals; i++) {
        gl_report_add(&report, GL_IMPOSSIBLE, NULL, "%s", program.refusals[i]);
    }
    if (report.n_lines == 0) {
        gl_doctor_look_at_files(&program, &report);
    }
    if (wish->is_run && heaviest(&report) < GL_IMPOSSIBLE) {
        status = gl_doctor_run(path, argv, library, &report);
    } else {
        gl_report_add(&report, GL_NOTE, NULL, "it was not run");
    }
    return status != 0 ? status : write_report(&report, path, wish);
}

int gl_cmd_doctor(int argc, char **argv)
{
    request wish = {.output = stderr, .output_name = "standard error", .is_run = true};
    if (!read_command_line(argc, argv, &wish)) {
        return GL_EXIT_FAILED;
    }
    if (wish.wants_help) {
        fputs(help, stdout);
        return 0;
    }
    return set_defaults() ? examine(argv + optind, &wish) : GL_EXIT_FAILED;
}
