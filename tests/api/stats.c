/* SPDX-License-Identifier: MIT */
/* tests/api/stats.c - what the library tells about itself: numbers, trace, files. */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>

#include "config.h"
#include "suites.h"

/* ---- gc_get_stats ---------------------------------------------------------------------------- */

static gc_stats get_stats(void)
{
    gc_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(gc_get_stats(&stats), 0);
    ck_assert_uint_eq(stats.size, sizeof stats);
    return stats;
}

START_TEST(numbers_follow_the_program)
{
    enum { N = 20000, BYTES = 100 };
    static void *objects[N];
    gc_disable();
    gc_stats start = get_stats();
    for (size_t i = 0; i < N; i++) {
        objects[i] = gc_malloc(BYTES);
    }
    gc_keep_alive(objects); /* the compiler must store them */
    gc_stats full = get_stats();
    ck_assert_uint_ge(full.live_objects, start.live_objects + N);
    ck_assert_uint_le(full.live_objects, start.live_objects + N + 100);
    ck_assert_uint_ge(full.live_bytes, start.live_bytes + N * BYTES);
    ck_assert_uint_le(full.live_bytes, start.live_bytes + N * 2 * BYTES);
    ck_assert_uint_ge(full.allocated_bytes, start.allocated_bytes + N * BYTES);
    ck_assert_uint_ge(full.heap_bytes, full.live_bytes);
    ck_assert_uint_gt(full.metadata_bytes, 0);
    ck_assert_uint_gt(full.rss_bytes, full.live_bytes);
    memset(objects, 0, sizeof objects);
    size_t n_reclaimed = gc_collect();
    gc_stats after = get_stats();
    ck_assert_uint_eq(after.generations[2].collections, full.generations[2].collections + 1);
    ck_assert_uint_eq(after.generations[2].collected, full.generations[2].collected + n_reclaimed);
    ck_assert_uint_ge(after.generations[2].candidates, full.generations[2].candidates + N);
    ck_assert_uint_gt(after.generations[2].duration_ns, full.generations[2].duration_ns);
    ck_assert_uint_ge(after.reclaimed_bytes, full.reclaimed_bytes + (N - N / 20) * BYTES);
    ck_assert_uint_lt(after.live_objects, full.live_objects - N + N / 20);
    ck_assert_uint_eq(after.pause_count, full.pause_count + 1);
    ck_assert_uint_gt(after.pause_total_ns, full.pause_total_ns);
    ck_assert_uint_ge(after.pause_max_ns, after.pause_p99_ns - after.pause_p99_ns / 8);
    ck_assert_uint_ge(after.pause_p99_ns, after.pause_p50_ns);
    ck_assert_uint_gt(after.pause_p50_ns, 0);
    ck_assert_uint_eq(after.skipped, 0);
}
END_TEST

START_TEST(older_and_newer_programs_may_ask)
{
    struct {
        gc_stats stats;
        unsigned char more[64];
    } s;
    memset(&s, 0x55, sizeof s);
    s.stats.size = offsetof(gc_stats, live_objects); /* an older, shorter structure */
    ck_assert_int_eq(gc_get_stats(&s.stats), 0);
    ck_assert_uint_eq(s.stats.live_objects, 0x5555555555555555u);
    ck_assert_uint_ne(s.stats.live_bytes, 0x5555555555555555u);
    s.stats.size = sizeof s; /* a newer, longer one */
    ck_assert_int_eq(gc_get_stats(&s.stats), 0);
    ck_assert_uint_eq(s.stats.size, sizeof s);
    ck_assert_int_eq(s.more[0], 0x55);
    s.stats.size = 4;
    errno = 0;
    ck_assert_int_eq(gc_get_stats(&s.stats), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(the_version_is_three_numbers)
{
    int major, minor, patch;
    char rest;
    ck_assert_int_eq(sscanf(gc_version(), "%d.%d.%d%c", &major, &minor, &patch, &rest), 3);
    ck_assert_str_eq(gc_version(), PACKAGE_VERSION);
}
END_TEST

/* ---- Debug flags ----------------------------------------------------------------------------- */

START_TEST(saveall_keeps_garbage)
{
    static batch b;
    static void *garbage[20 * MANY];
    gc_collect();
    gc_set_debug(GC_DEBUG_SAVEALL);
    ck_assert_uint_eq(gc_get_debug(), GC_DEBUG_SAVEALL);
    make_garbage(&b, gc_malloc, 80);
    gc_collect();
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY);
    size_t n = gc_get_garbage(NULL, 0);
    ck_assert_uint_ge(n, MOST);
    ck_assert_uint_eq(gc_get_garbage(garbage, 20 * MANY), n);
    for (size_t i = 0; i < n && i < 20 * MANY; i++) {
        ck_assert_ptr_eq(gc_base(garbage[i]), garbage[i]);
    }
    ck_assert_uint_ge(get_stats().generations[2].uncollectable, MOST);
    memset(garbage, 0, sizeof garbage);
    gc_collect();
    ck_assert_uint_ge(gc_get_garbage(NULL, 0), n); /* the list keeps them */
    gc_set_debug(0);
    gc_clear_garbage();
    ck_assert_uint_eq(gc_get_garbage(NULL, 0), 0);
    gc_collect();
    ck_assert_uint_le(count_alive(b.hidden, MANY), FEW);
}
END_TEST

static size_t count_lines(const char *text, const char *beginning)
{
    size_t n = 0;
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        n += strncmp(line, beginning, strlen(beginning)) == 0;
    }
    return n;
}

static void ten_objects(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        gc_keep_alive(gc_malloc(777));
    }
}

static void collect_with_flags(void)
{
    gc_collect();
    gc_set_debug(GC_DEBUG_LEAK);
    call_deep(ten_objects, NULL);
    gc_collect();
    gc_set_debug(GC_DEBUG_STATS);
    gc_collect();
    gc_set_debug(0);
    gc_collect();
}

/* ---- The trace ------------------------------------------------------------------------------- */

/* The line as it is documented in src/api/cycle.c. */
static const char trace_pattern[] =
    "^gleaner: gc [0-9]+ full explicit: [0-9.]+ [KMG]?i?B -> [0-9.]+ [KMG]?i?B, "
    "[0-9]+ of [0-9]+ objects reclaimed, pause [0-9]+\\.[0-9]{3} ms "
    "\\(stop [0-9]+\\.[0-9]{3} roots [0-9]+\\.[0-9]{3} mark [0-9]+\\.[0-9]{3} "
    "weak [0-9]+\\.[0-9]{3} flip [0-9]+\\.[0-9]{3}\\), 1 thread$";

static size_t count_trace_lines(const char *text)
{
    regex_t expression;
    regmatch_t match;
    size_t n = 0;
    ck_assert_int_eq(regcomp(&expression, trace_pattern, REG_EXTENDED | REG_NEWLINE), 0);
    while (regexec(&expression, text, 1, &match, 0) == 0) {
        n++;
        text += match.rm_eo;
    }
    regfree(&expression);
    return n;
}

START_TEST(debug_flags_write_lines)
{
    outcome o;
    run_child("collect_with_flags", NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_uint_eq(count_trace_lines(o.err), 1); /* STATS, once */
    ck_assert_uint_ge(count_lines(o.err, "gleaner: uncollectable"), 5);
}
END_TEST

static void three_collections(void)
{
    for (int i = 0; i < 3; i++) {
        call_deep(ten_objects, NULL);
        gc_collect();
    }
}

START_TEST(nothing_is_written_unless_asked_for)
{
    outcome o;
    run_child("three_collections", NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.err, "");
    ck_assert_str_eq(o.out, "");
}
END_TEST

START_TEST(gctrace_writes_a_line_per_collection)
{
    outcome o;
    run_child("three_collections", (const char *const[]){"GLEANER_GCTRACE=1", NULL}, &o);
    ck_assert_exited(&o, 0);
    ck_assert_msg(count_trace_lines(o.err) == 3, "%s", o.err);
    ck_assert_uint_eq(count_lines(o.err, "gleaner: "), 3);
}
END_TEST

/* ---- Files ----------------------------------------------------------------------------------- */

static char path[] = "/tmp/gleaner-test-XXXXXX";

static void make_file(void)
{
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

/* The content, and the file is gone. */
static void take_file(char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    fclose(file);
    unlink(path);
}

START_TEST(the_trace_may_go_to_a_file)
{
    outcome o;
    char variable[100], text[16384];
    make_file();
    snprintf(variable, sizeof variable, "GLEANER_OPTIONS=gctrace=1:trace_file=%s", path);
    for (int i = 0; i < 2; i++) { /* is appended to */
        run_child("three_collections", (const char *const[]){variable, NULL}, &o);
        ck_assert_exited(&o, 0);
        ck_assert_str_eq(o.err, "");
    }
    take_file(text, sizeof text);
    ck_assert_msg(count_trace_lines(text) == 6, "%s", text);
}
END_TEST

static unsigned long long value_of(const char *line, const char *key)
{
    char pattern[64];
    unsigned long long value = 0;
    snprintf(pattern, sizeof pattern, " %s=", key);
    const char *at = strstr(line, pattern);
    ck_assert_msg(at != NULL, "no %s in: %s", key, line);
    ck_assert_int_eq(sscanf(at + strlen(pattern), "%llu", &value), 1);
    return value;
}

START_TEST(statistics_are_written_at_exit)
{
    outcome o;
    char variable[100], text[16384];
    make_file();
    snprintf(variable, sizeof variable, "GLEANER_STATS_FILE=%s", path);
    for (int i = 0; i < 2; i++) {
        run_child("three_collections", (const char *const[]){variable, NULL}, &o);
        ck_assert_exited(&o, 0);
        ck_assert_str_eq(o.err, "");
    }
    take_file(text, sizeof text);
    ck_assert_uint_eq(count_lines(text, "pid="), 2);
    ck_assert_contains(text, " program=");
    ck_assert_contains(text, " mode=collect ");
    ck_assert_uint_ge(value_of(text, "collections"), 3);
    ck_assert_uint_ge(value_of(text, "reclaimed_objects"), 20);
    ck_assert_uint_ge(value_of(text, "reclaimed_bytes"), 20 * 777);
    const char *const sizes[] = {"heap_bytes",  "metadata_bytes", "rss_bytes",
                                 "pause_count", "pause_max_ns",   "pause_total_ns"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ck_assert_uint_gt(value_of(text, sizes[i]), 0);
    }
    const char *const others[] = {"live_bytes", "live_objects", "returned_bytes", "pause_p99_ns"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        value_of(text, others[i]);
    }
    ck_assert_uint_eq(value_of(text, "skipped"), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_said_once)
{
    outcome o;
    run_child("three_collections",
              (const char *const[]){"GLEANER_OPTIONS=gctrace=1:trace_file=/nonexistent/file", NULL},
              &o);
    ck_assert_exited(&o, 0);
    ck_assert_uint_eq(count_lines(o.err, "gleaner: warning: cannot write to '/nonexistent/file'"),
                      1);
    ck_assert_uint_eq(count_lines(o.err, "gleaner:"), 1);
    run_child("three_collections",
              (const char *const[]){"GLEANER_OPTIONS=gctrace=1:trace_file=/dev/full", NULL}, &o);
    ck_assert_exited(&o, 0);
    ck_assert_uint_eq(count_lines(o.err, "gleaner: warning: cannot write to '/dev/full'"), 1);
    ck_assert_uint_eq(count_lines(o.err, "gleaner:"), 1);
}
END_TEST

const child stats_children[] = {
    {"three_collections", three_collections},
    {"collect_with_flags", collect_with_flags},
    {NULL, NULL},
};

Suite *stats_suite(void)
{
    Suite *suite = suite_create("stats");
    TCase *one = tcase_create("stats");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, numbers_follow_the_program);
    tcase_add_test(one, older_and_newer_programs_may_ask);
    tcase_add_test(one, the_version_is_three_numbers);
    tcase_add_test(one, saveall_keeps_garbage);
    tcase_add_test(one, debug_flags_write_lines);
    tcase_add_test(one, nothing_is_written_unless_asked_for);
    tcase_add_test(one, gctrace_writes_a_line_per_collection);
    tcase_add_test(one, the_trace_may_go_to_a_file);
    tcase_add_test(one, statistics_are_written_at_exit);
    tcase_add_test(one, a_file_that_cannot_be_written_is_said_once);
    suite_add_tcase(suite, one);
    return suite;
}
