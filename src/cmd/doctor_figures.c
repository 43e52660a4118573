/* SPDX-License-Identifier: MIT */
/*
 * cmd/doctor_figures.c - what the library wrote while the program ran: a line of statistics for
 * each process that ended by exit() (api/stats.c), and findings (api/findings.h).
 */
#include "cmd/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Lines of key=value ---------------------------------------------------------------------- */

/* Where the value begins; NULL if the line has no such key. */
static const char *value_of(const char *line, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = line; at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            return at + length + 1;
        }
    }
    return NULL;
}

static unsigned long long number_of(const char *line, const char *key)
{
    const char *value = value_of(line, key);
    return value != NULL ? strtoull(value, NULL, 10) : 0;
}

static const char *word_of(const char *line, const char *key)
{
    const char *value = value_of(line, key);
    return value != NULL ? gl_cmd_format("%.*s", (int)strcspn(value, " \n"), value) : "?";
}

/* To the end of the line. */
static const char *text_of(const char *line)
{
    const char *value = value_of(line, "text");
    return value != NULL ? gl_cmd_format("%.*s", (int)strcspn(value, "\n"), value) : "?";
}

static bool is_word(const char *line, const char *key, const char *word)
{
    return strcmp(word_of(line, key), word) == 0;
}

static void each_line(const char *path, void (*fn)(const char *line, void *arg), void *arg)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t bytes = 0;
    while (file != NULL && getline(&line, &bytes, file) >= 0) {
        fn(line, arg);
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
}

/* ---- Statistics ------------------------------------------------------------------------------ */

typedef struct totals {
    unsigned long long processes, collections, skipped, reclaimed_objects, reclaimed_bytes,
        condemned_bytes, exempt_bytes, quarantined_bytes, hidden_uses;
    bool is_collect, is_safe;
} totals;

static void add_process(const char *line, void *arg)
{
    totals *t = arg;
    t->processes++;
    t->collections += number_of(line, "collections");
    t->skipped += number_of(line, "skipped");
    t->reclaimed_objects += number_of(line, "reclaimed_objects");
    t->reclaimed_bytes += number_of(line, "reclaimed_bytes");
    t->condemned_bytes += number_of(line, "condemned_bytes");
    t->exempt_bytes += number_of(line, "exempt_bytes");
    t->quarantined_bytes += number_of(line, "quarantined_bytes");
    t->hidden_uses += number_of(line, "hidden_uses");
    t->is_collect = t->is_collect || is_word(line, "mode", "collect");
    t->is_safe = t->is_safe || is_word(line, "mode", "safe");
}

static void report_collections(const totals *t, gl_report *report)
{
    gl_report_add(report, GL_NOTE, NULL,
                  "%llu process%s ended by exit() and told %s figures: %llu collections",
                  t->processes, t->processes == 1 ? "" : "es", t->processes == 1 ? "its" : "their",
                  t->collections);
    if (t->skipped > 0) {
        gl_report_add(report, t->collections == 0 ? GL_AGAINST : GL_REMARK,
                      "Memory grows meanwhile, nothing is lost. A thread that blocks every signal"
                      " by system calls of its own, or waits in the kernel, cannot be stopped.",
                      "%llu collection%s given up, because a thread did not stop, or memory could"
                      " not be listed",
                      t->skipped, t->skipped == 1 ? " was" : "s were");
    }
    if (t->collections + t->skipped == 0 && (t->is_collect || t->is_safe)) {
        gl_report_add(report, GL_NOTE, "Let it do more: nothing can be said of its pointers.",
                      "it used so little memory that nothing was to be collected");
    }
}

static void report_memory(const totals *t, gl_report *report)
{
    if (t->is_collect && t->reclaimed_objects > 0) {
        gl_report_add(report, GL_NOTE, NULL,
                      "%llu objects that it had lost were reclaimed (%llu bytes)",
                      t->reclaimed_objects, t->reclaimed_bytes);
    }
    if (t->condemned_bytes > 0) {
        gl_report_add(report, GL_NOTE, NULL,
                      "%llu bytes seem to be lost, and were watched at the end",
                      t->condemned_bytes);
    }
    if (t->exempt_bytes > 0) {
        gl_report_add(report, GL_NOTE, NULL, "%llu bytes seem to be lost, and are kept for good",
                      t->exempt_bytes);
    }
    if (t->quarantined_bytes > 0) {
        gl_report_add(report, GL_NOTE, NULL,
                      "%llu bytes that it had freed were in quarantine at the end",
                      t->quarantined_bytes);
    }
}

/* ---- Findings -------------------------------------------------------------------------------- */

typedef struct finder {
    gl_report *report;
    unsigned n_started;
} finder;

/* A process and the children of its forks say the same. */
static void add_once(gl_report *report, gl_weight weight, const char *advice, const char *text)
{
    for (int i = 0; i < report->n_lines; i++) {
        if (strcmp(report->lines[i].text, text) == 0) {
            return;
        }
    }
    gl_report_add(report, weight, advice, "%s", text);
}

static void add_hidden(const char *line, const char *program, gl_report *report)
{
    add_once(report, GL_AGAINST,
             "It hides pointers. Run it in mode malloc; or, if a library of it does that, name it:"
             " -o hiders=LIBRARY, and lost memory is kept.",
             gl_cmd_format(
                 "%s used memory of at most %llu bytes to which no pointer was found: %s(), %llu"
                 " times",
                 program, number_of(line, "bytes"), word_of(line, "call"),
                 number_of(line, "count")));
}

/* Mode safe says so of a double free, and goes on. */
static void add_misuse(const char *line, const char *program, gl_report *report)
{
    const char *text = text_of(line), *mode = getenv("GLEANER_MODE");
    bool is_harmless = mode != NULL && strcmp(mode, "safe") == 0 &&
                       strncmp(text, "double free", strlen("double free")) == 0;
    add_once(report, is_harmless ? GL_REMARK : GL_AGAINST,
             is_harmless ? "Mode safe makes it harmless; the error is still one of the program."
                         : "That is an error of the program, which other allocators may not notice."
                           " In mode safe a double free does no harm.",
             gl_cmd_format("%s called %s() wrongly: %s", program, word_of(line, "call"), text));
}

static void add_finding(const char *line, void *arg)
{
    finder *f = arg;
    const char *program = word_of(line, "program");
    if (is_word(line, "finding", "started")) {
        f->n_started++;
    } else if (is_word(line, "finding", "hidden_pointer")) {
        add_hidden(line, program, f->report);
    } else if (is_word(line, "finding", "misuse")) {
        add_misuse(line, program, f->report);
    } else if (is_word(line, "finding", "lost_kept")) {
        add_once(f->report, GL_REMARK,
                 "Nothing to do: what it frees is reused. Its leaks are not cured.",
                 gl_cmd_format("what %s loses is kept for good: %s", program, text_of(line)));
    } else if (is_word(line, "finding", "not_stopped")) {
        add_once(f->report, GL_REMARK, NULL,
                 gl_cmd_format("thread %llu of %s does not take the signal that stops threads",
                               number_of(line, "tid"), program));
    } else if (is_word(line, "finding", "seccomp")) {
        add_once(f->report, GL_REMARK,
                 "Collections need system calls that a filter may forbid; then they are given up.",
                 gl_cmd_format("%s confines itself by seccomp", program));
    } else if (is_word(line, "finding", "no_proc")) {
        add_once(f->report, GL_REMARK,
                 "Mount /proc where it runs: threads and memory are found by it.",
                 gl_cmd_format("%s cannot read /proc", program));
    }
}

void gl_doctor_read_figures(const char *stats_file, const char *findings_file, gl_report *report)
{
    totals t = {.processes = 0};
    finder f = {.report = report};
    each_line(findings_file, add_finding, &f);
    each_line(stats_file, add_process, &t);
    if (f.n_started == 0) {
        gl_report_add(report, GL_IMPOSSIBLE, "See ld.so(8): something keeps LD_PRELOAD from it.",
                      "the library did not get into the program");
    } else if (t.processes == 0) {
        gl_report_add(report, GL_REMARK, "What happened to its memory is not known.",
                      "no process ended by exit()");
    } else {
        report_collections(&t, report);
        report_memory(&t, report);
    }
}
