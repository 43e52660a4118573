/* SPDX-License-Identifier: MIT */
/*
 * main.c - the command line of Finch: a script from a file, or a conversation.
 *
 *     cc *.c $(pkg-config --cflags --libs gleaner) -lm -o finch
 */
#include "finch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: finch [--heap-max MEGABYTES] [FILE | -]\n"
    "Runs the script in FILE, or standard input. With -, or if standard input is a terminal: "
    "reads\n"
    "statements, runs each when it is complete, and shows what expressions give.\n"
    "--heap-max: memory beyond that is an error, which a script may catch with try().\n";

/* What protect() is to run. */
struct job {
    FILE *file;
    struct text text;
    int shows_value;
};

static void run_text(void *argument)
{
    const struct job *job = argument;
    current_line = 0;
    struct value value = run_program(parse(job->text.bytes));
    if (job->shows_value && value.type != TYPE_NIL) {
        printf("%s\n", to_string(value).as.string->text);
    }
    drop(value);
}

static void run_file(void *argument)
{
    struct job *job = argument;
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, job->file)) > 0) {
        append(&job->text, piece, n);
    }
    if (ferror(job->file)) {
        fail("%s", strerror(errno));
    }
    append(&job->text, "", 1);
    if (strlen(job->text.bytes) + 1 != job->text.length) {
        fail("the text contains a zero byte");
    }
    run_text(job);
}

static int run_script(FILE *file, const char *name)
{
    struct job job = {.file = file};
    if (protect(run_file, &job)) {
        return 0;
    }
    fflush(stdout);
    fprintf(stderr, "finch: %s: %s\n", name, error_text());
    return 1;
}

/* ---- The conversation ----------------------------------------------------------------------- */

/* Adds a line to the text, which stays one that ends in a zero byte. */
static void read_input(void *argument)
{
    struct job *job = argument;
    int c;
    do {
        c = getchar();
        if (c != EOF && c != '\0') {
            append(&job->text, &(char){(char)c}, 1);
        }
    } while (c != EOF && c != '\n');
    append(&job->text, "", 1);
    job->text.length--;
}

/* A statement that is not complete at the end of a line goes on in the next; an empty
 * line ends it. */
static void converse(void)
{
    struct job job = {.shows_value = 1};
    while (!feof(stdin) && !ferror(stdin)) {
        size_t before = job.text.length;
        if (isatty(STDIN_FILENO)) {
            fputs(before ? "... " : "> ", stdout);
        }
        fflush(stdout);
        is_incomplete = 0;
        int is_done = protect(read_input, &job) && protect(run_text, &job);
        if (is_incomplete && job.text.length > before + 1 && !feof(stdin)) {
            continue;
        }
        if (!is_done) {
            printf("error: %s\n", error_text());
        }
        job.text.length = 0;
    }
}

/* ---- The command line ----------------------------------------------------------------------- */

static void start(void *argument)
{
    (void)argument;
    define_builtins();
}

static int usage_error(const char *what, const char *which)
{
    fprintf(stderr, "finch: %s: %s\n", which, what);
    return 1;
}

static int set_heap_max(const char *text)
{
    char *end;
    errno = 0;
    unsigned long megabytes = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || megabytes < 1 || megabytes > 1u << 20) {
        return usage_error("is not a number of megabytes from 1 to 1048576", text);
    }
    gc_set_heap_max((size_t)megabytes << 20);
    return 0;
}

static int run(const char *name)
{
    if (!name && !isatty(STDIN_FILENO)) {
        return run_script(stdin, "standard input");
    }
    if (!name || strcmp(name, "-") == 0) {
        converse();
        return 0;
    }
    FILE *file = fopen(name, "r");
    if (!file) {
        return usage_error(strerror(errno), name);
    }
    int status = run_script(file, name);
    fclose(file);
    return status;
}

int main(int argc, char **argv)
{
    int i = 1, status = 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
    } else {
        if (argc > 2 && strcmp(argv[1], "--heap-max") == 0) {
            status = set_heap_max(argv[2]);
            i = 3;
        }
        if (argc > i + 1 || (argc == i + 1 && argv[i][0] == '-' && argv[i][1])) {
            status = usage_error("wrong arguments; --help shows the right ones", argv[i]);
        }
        set_stack_base();
        if (status == 0 && !protect(start, NULL)) {
            status = usage_error(error_text(), "start");
        }
        status = status ? status : run(argv[i]);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        status = usage_error("could not be written", "standard output");
    }
    if (fflush(NULL) != 0 || has_lost_text) {
        status = usage_error("could not be written", "a file");
    }
    return status;
}
