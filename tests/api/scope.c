/* SPDX-License-Identifier: MIT */
/*
 * tests/api/scope.c - GC_WITH and GC_SCOPE. Compiled with -fexceptions, so that pthread_exit() and
 * cancellation run what the blocks have to run at their end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>
#include <gleaner/scope.h>

#include "suites.h"

static const size_t mib = 1 << 20;

/* ---- GC_WITH --------------------------------------------------------------------------------- */

static int n_opened, n_closed;
static void *last_closed;

static int *open_one(int *p)
{
    n_opened++;
    return p;
}

static void close_one(int *p)
{
    n_closed++;
    last_closed = p;
}

static int open_number(int n)
{
    n_opened++;
    return n;
}

static int close_number(int n)
{
    n_closed++;
    last_closed = (void *)(intptr_t)n;
    return -1;
}

static long close_long(long n)
{
    n_closed++;
    last_closed = (void *)n;
    return 0;
}

static int resource;

START_TEST(with_closes_at_the_end)
{
    int n_runs = 0;
    GC_WITH (int *, r, open_one(&resource), close_one) {
        ck_assert_ptr_eq(r, &resource);
        ck_assert_int_eq(n_closed, 0);
        n_runs++;
        r = NULL; /* what is closed is what was opened */
    }
    ck_assert_int_eq(n_runs, 1);
    ck_assert_int_eq(n_opened, 1);
    ck_assert_int_eq(n_closed, 1);
    ck_assert_ptr_eq(last_closed, &resource);
}
END_TEST

START_TEST(with_closes_however_the_block_is_left)
{
    int n_turns = 0;
    for (int i = 0; i < 3; i++) {
        GC_WITH (int *, r, open_one(&resource), close_one) {
            if (i == 0) {
                break;
            } else if (i == 1) {
                continue;
            }
            goto out;
        }
        n_turns++; /* break and continue leave the block, not the loop */
    }
out:
    ck_assert_int_eq(n_turns, 2);
    ck_assert_int_eq(n_opened, 3);
    ck_assert_int_eq(n_closed, 3);
}
END_TEST

static int leave_by_return(void)
{
    GC_WITH (int *, r, open_one(&resource), close_one) {
        return *r + n_closed; /* is computed before the end */
    }
    return -1;
}

START_TEST(with_closes_at_a_return)
{
    resource = 5;
    ck_assert_int_eq(leave_by_return(), 5);
    ck_assert_int_eq(n_closed, 1);
}
END_TEST

START_TEST(with_skips_what_did_not_open)
{
    errno = 0;
    GC_WITH (FILE *, file, fopen("/nonexistent/file", "r"), fclose) {
        ck_abort_msg("not opened");
    }
    ck_assert_int_eq(errno, ENOENT);
    GC_WITH (int, fd, open("/nonexistent/file", O_RDONLY), close) {
        ck_abort_msg("not opened");
    }
    GC_WITH (int *, r, open_one(NULL), close_one) {
        ck_abort_msg("not opened");
    }
    GC_WITH (int, n, open_number(-1), close_number) {
        ck_abort_msg("not opened");
    }
    ck_assert_int_eq(n_opened, 2);
    ck_assert_int_eq(n_closed, 0);
}
END_TEST

START_TEST(with_takes_integers)
{
    GC_WITH (int, zero, open_number(0), close_number) {
        ck_assert_int_eq(zero, 0); /* a good descriptor */
    }
    ck_assert_int_eq(n_closed, 1);
    GC_WITH (const int, seven, open_number(7), close_number) {
        ck_assert_int_eq(seven, 7);
    }
    ck_assert_ptr_eq(last_closed, (void *)7);
    GC_WITH (long, big, 0x123456789abl, close_long) {
        ck_assert(big == 0x123456789abl);
    }
    ck_assert_ptr_eq(last_closed, (void *)0x123456789abl);
    ck_assert_int_eq(n_closed, 3);
}
END_TEST

/* Two on nested lines, two on one line: nothing is shadowed (-Wshadow -Werror). */
START_TEST(with_nests)
{
    int there = 0;
    GC_WITH (FILE *, null, fopen("/dev/null", "w"), fclose)
        GC_WITH (int, zero, open("/dev/zero", O_RDONLY), close) {
            char byte = 1;
            ck_assert_int_eq(read(zero, &byte, 1), 1);
            ck_assert_int_eq(byte, 0);
            ck_assert_int_ge(fputc(byte, null), 0);
            there = zero;
        }
    ck_assert_int_eq(fcntl(there, F_GETFD), -1);
    GC_WITH (int *, a, open_one(&resource), close_one) GC_WITH (int *, b, a, close_one) (void)*b;
    ck_assert_int_eq(n_closed, 2);
}
END_TEST

static void *leave_by_pthread_exit(void *unused)
{
    GC_WITH (int *, r, open_one(&resource), close_one) {
        GC_SCOPE ("left by pthread_exit", mib) {
            pthread_exit(r);
        }
    }
    return unused;
}

START_TEST(pthread_exit_ends_blocks)
{
    pthread_t thread;
    gc_scope_stats s = {.size = sizeof s};
    ck_assert_int_eq(pthread_create(&thread, NULL, leave_by_pthread_exit, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(n_closed, 1);
    ck_assert_int_eq(gc_get_scope("left by pthread_exit", &s), 0);
    ck_assert_uint_eq(s.entered, 1);
    ck_assert_uint_eq(s.open, 0);
}
END_TEST

/* ---- GC_SCOPE -------------------------------------------------------------------------------- */

static gc_scope_stats stats_of(const char *name)
{
    gc_scope_stats s = {.size = sizeof s};
    ck_assert_int_eq(gc_get_scope(name, &s), 0);
    ck_assert_str_eq(s.name, name);
    return s;
}

/* Garbage in small objects; in fewer and larger ones where each costs a collection. */
static void churn(size_t bytes)
{
    size_t each = is_stressed() ? 4096 : 64;
    bytes /= is_stressed() ? 20 : 1;
    for (size_t done = 0; done < bytes; done += each) {
        gc_keep_alive(gc_malloc(each));
    }
}

static bool is_in_mode(const char *mode)
{
    const char *options = getenv("GLEANER_OPTIONS");
    return options && strstr(options, mode);
}

/* What is freed is free at once: not so in quarantine. */
static bool frees_at_once(void)
{
    return !is_in_mode("mode=safe");
}

/* Nothing is bounded where nothing is collected. */
static bool collects(void)
{
    return !is_in_mode("mode=malloc");
}

START_TEST(scope_counts_and_measures)
{
    gc_disable();
    for (int i = 0; i < 3; i++) {
        GC_SCOPE ("counted", 0) {
            void *p = gc_malloc_atomic(10 * mib);
            gc_scope_stats s = stats_of("counted");
            ck_assert_uint_eq(s.open, 1);
            gc_free(p);
            if (i == 1) {
                gc_collect();
            }
        }
    }
    gc_scope_stats s = stats_of("counted");
    ck_assert_uint_eq(s.entered, 3);
    ck_assert_uint_eq(s.open, 0);
    ck_assert_uint_ge(s.collections, 1);
    ck_assert_uint_gt(s.duration_ns, 0);
    ck_assert_uint_ge(s.peak_bytes, s.entry_bytes + 10 * mib);
    ck_assert_uint_lt(s.peak_bytes, s.entry_bytes + 11 * mib);
    if (frees_at_once()) {
        ck_assert_uint_lt(s.exit_bytes, s.entry_bytes + mib);
    }
    ck_assert_uint_ge(s.max_growth_bytes, 10 * mib);
    gc_enable();
}
END_TEST

START_TEST(scope_keeps_the_last_and_the_highest)
{
    for (size_t n = 3; n > 0; n--) {
        GC_SCOPE ("falling", 0) {
            gc_free(gc_malloc_atomic(n * 10 * mib));
        }
    }
    gc_scope_stats s = stats_of("falling");
    ck_assert_uint_lt(s.peak_bytes, s.entry_bytes + 11 * mib);
    ck_assert_uint_ge(s.max_peak_bytes, 30 * mib);
    ck_assert_uint_ge(s.max_growth_bytes, 30 * mib);
    ck_assert_uint_lt(s.max_growth_bytes, 32 * mib);
}
END_TEST

/* A peak belongs to all that were open then, and to none that began later. */
START_TEST(nested_scopes_have_their_own_peaks)
{
    GC_SCOPE ("outer", 0) {
        gc_free(gc_malloc_atomic(20 * mib));
        GC_SCOPE ("inner", 0) {
            gc_free(gc_malloc_atomic(5 * mib));
        }
        GC_SCOPE ("later", 0) GC_SCOPE ("on the same line", 0) gc_free(gc_malloc_atomic(9 * mib));
    }
    gc_scope_stats outer = stats_of("outer"), inner = stats_of("inner"), later = stats_of("later");
    ck_assert_uint_ge(outer.max_growth_bytes, 20 * mib);
    ck_assert_uint_lt(inner.max_growth_bytes, 6 * mib);
    if (frees_at_once()) { /* else the space of the first may be used by the second */
        ck_assert_uint_ge(inner.max_growth_bytes, 5 * mib);
        ck_assert_uint_ge(later.max_growth_bytes, 9 * mib);
    }
    ck_assert_uint_lt(later.max_growth_bytes, 10 * mib);
    ck_assert_uint_eq(stats_of("on the same line").entered, 1);
}
END_TEST

START_TEST(a_bound_holds)
{
    gc_config config = {.size = sizeof config, .trigger_bytes = 256 * mib};
    ck_assert_int_eq(gc_init(&config), 0);
    GC_SCOPE ("unbounded", 0) churn(100 * mib);
    gc_collect(); /* garbage that is there at the entry may be replaced by other */
    GC_SCOPE ("bounded", 8 * mib) churn(100 * mib);
    GC_SCOPE ("unbounded again", 0) churn(100 * mib);
    if (collects()) {
        ck_assert_uint_le(stats_of("bounded").max_growth_bytes, 8 * mib + 256 * 1024);
    }
    if (!is_stressed() && collects()) {
        ck_assert_uint_gt(stats_of("unbounded").max_growth_bytes, 50 * mib);
        ck_assert_uint_eq(stats_of("unbounded").collections, 0);
        ck_assert_uint_ge(stats_of("bounded").collections, 10);
        ck_assert_uint_eq(stats_of("unbounded again").collections, 0);
    }
}
END_TEST

START_TEST(the_tightest_bound_counts_and_ends_with_its_scope)
{
    gc_config config = {.size = sizeof config, .trigger_bytes = 256 * mib};
    ck_assert_int_eq(gc_init(&config), 0);
    GC_SCOPE ("wide", 32 * mib) {
        GC_SCOPE ("tight", 4 * mib) {
            GC_SCOPE ("wider than both", 64 * mib) churn(40 * mib);
        }
        if (collects()) {
            ck_assert_uint_le(stats_of("tight").max_growth_bytes, 4 * mib + 256 * 1024);
        }
        GC_SCOPE ("after it", 0) churn(60 * mib);
    }
    if (collects()) {
        ck_assert_uint_le(stats_of("wide").max_growth_bytes, 32 * mib + 256 * 1024);
    }
    if (!is_stressed()) {
        ck_assert_uint_gt(stats_of("after it").max_growth_bytes, 16 * mib);
    }
}
END_TEST

/* More is live than the bound allows: the program goes on, with an eighth of what lives between two
 * collections, and not with one at each fetch. */
START_TEST(live_data_breaks_a_bound_gently)
{
    gc_config config = {.size = sizeof config, .trigger_bytes = 256 * mib};
    ck_assert_int_eq(gc_init(&config), 0);
    enum { N = 512 };
    void **live = gc_malloc(N * sizeof *live);
    GC_SCOPE ("broken", mib) {
        for (int i = 0; i < N; i++) {
            live[i] = gc_malloc(64 * 1024 - 64);
        }
        churn(64 * mib);
    }
    gc_scope_stats s = stats_of("broken");
    ck_assert_uint_ge(s.max_growth_bytes, 32 * mib);
    if (collects()) {
        ck_assert_uint_le(s.max_growth_bytes, 74 * mib);
    }
    if (!is_stressed()) {
        ck_assert_uint_lt(s.collections, 80);
    }
    gc_keep_alive(live);
}
END_TEST

START_TEST(the_old_trigger_comes_back)
{
    gc_config config = {.size = sizeof config, .trigger_bytes = 256 * mib};
    ck_assert_int_eq(gc_init(&config), 0);
    GC_SCOPE ("before and after", 0) {
        for (int i = 0; i < 2; i++) {
            GC_SCOPE ("in between", 2 * mib) {
                churn(mib);
                if (i == 0) {
                    continue;
                }
                churn(20 * mib);
            }
        }
        churn(60 * mib); /* nothing is opened or closed before this */
    }
    if (!is_stressed()) {
        ck_assert_uint_ge(stats_of("before and after").max_growth_bytes, 50 * mib);
    }
}
END_TEST

static jmp_buf back;

static void jump_out_of_scope(void)
{
    GC_SCOPE ("jumped out of", 4 * mib) {
        longjmp(back, 1);
    }
}

START_TEST(a_scope_that_was_jumped_over_ends_with_the_next_around_it)
{
    GC_SCOPE ("around", 0) {
        if (setjmp(back) == 0) {
            jump_out_of_scope();
        }
        ck_assert_uint_eq(stats_of("jumped out of").open, 1);
    }
    ck_assert_uint_eq(stats_of("jumped out of").open, 0);
    static volatile int n;
    for (n = 0; n < 1000; n++) { /* one at the same place ends the one before */
        if (setjmp(back) == 0) {
            jump_out_of_scope();
        }
    }
    ck_assert_uint_eq(stats_of("jumped out of").entered, 1001);
    ck_assert_uint_eq(stats_of("jumped out of").open, 1);
}
END_TEST

static pthread_barrier_t barrier;

/* One after the other has its peak; all are open all the time. */
static void *peak_in_turn(void *arg)
{
    size_t turn = (size_t)(uintptr_t)arg;
    static const char *const names[] = {"thread 0", "thread 1", "thread 2", "thread 3"};
    for (size_t i = 0; i < turn; i++) {
        pthread_barrier_wait(&barrier);
    }
    GC_SCOPE (names[turn], 0) {
        gc_free(gc_malloc_atomic((4 - turn) * 10 * mib));
        for (size_t i = turn; i < 4; i++) {
            pthread_barrier_wait(&barrier);
        }
    }
    return NULL;
}

START_TEST(threads_have_right_peaks)
{
    pthread_t threads[4];
    pthread_barrier_init(&barrier, NULL, 4);
    for (uintptr_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, peak_in_turn, (void *)i), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    const char *const names[] = {"thread 0", "thread 1", "thread 2", "thread 3"};
    for (size_t i = 0; i < 4; i++) {
        uint64_t growth = stats_of(names[i]).max_growth_bytes;
        ck_assert_uint_ge(growth, (4 - i) * 10 * mib);
        if (frees_at_once()) {
            ck_assert_uint_le(growth, (4 - i) * 10 * mib + 2 * mib);
        }
    }
}
END_TEST

enum { N_THREADS = 4, N_RUNS = 2000 };

static void *open_and_close(void *unused)
{
    for (int i = 0; i < N_RUNS / (is_stressed() ? 20 : 1); i++) {
        GC_SCOPE ("shared", mib) {
            gc_keep_alive(gc_malloc(256));
            GC_SCOPE ("shared inner", 0) gc_keep_alive(gc_malloc(1024));
        }
    }
    return unused;
}

START_TEST(many_threads_use_one_scope)
{
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    gc_scope_stats s = stats_of("shared");
    ck_assert_uint_eq(s.entered, (uint64_t)N_THREADS * (uint64_t)(N_RUNS / (is_stressed() ? 20 : 1)));
    ck_assert_uint_eq(s.open, 0);
    ck_assert_uint_ge(s.max_peak_bytes, s.peak_bytes);
}
END_TEST

/* In the child its own run goes on, those of other threads have ended. */
static void fork_inside(void *unused)
{
    (void)unused;
    ck_assert_uint_eq(stats_of("over a fork").open, 1);
    ck_assert_uint_eq(stats_of("of another thread").open, 0);
    GC_SCOPE ("in the child", mib) churn(8 * mib);
    if (collects()) {
        ck_assert_uint_le(stats_of("in the child").max_growth_bytes, mib + 256 * 1024);
    }
}

static void *hold_open(void *unused)
{
    GC_SCOPE ("of another thread", 2 * mib) {
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

START_TEST(a_fork_keeps_own_scopes)
{
    pthread_t thread;
    outcome o;
    pthread_barrier_init(&barrier, NULL, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_open, NULL), 0);
    pthread_barrier_wait(&barrier);
    GC_SCOPE ("over a fork", 0) {
        run_forked(fork_inside, NULL, &o);
        ck_assert_exited(&o, 0);
        ck_assert_uint_eq(stats_of("of another thread").open, 1);
    }
    pthread_barrier_wait(&barrier);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(stats_of("of another thread").open, 0);
    ck_assert_uint_eq(stats_of("over a fork").open, 0);
}
END_TEST

static int count_named(const gc_scope_stats *s, void *arg)
{
    ck_assert_uint_eq(s->size, sizeof *s);
    ck_assert_ptr_nonnull(s->name);
    ++*(int *)arg;
    return strcmp(s->name, "second") == 0;
}

START_TEST(questions_and_their_errors)
{
    gc_scope_stats s = {.size = 0};
    int n = 0;
    errno = 0;
    ck_assert_int_eq(gc_get_scope("first", &s), -1);
    ck_assert_int_eq(errno, EINVAL);
    s.size = sizeof s;
    ck_assert_int_eq(gc_get_scope("first", &s), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_eq(gc_scope_each(count_named, &n), 0);
    char name[] = "first";
    GC_SCOPE (name, 0) memset(name, 'x', sizeof name - 1); /* it was copied */
    GC_SCOPE ("second", 0) (void)0;
    GC_SCOPE ("third", SIZE_MAX) (void)0; /* too large to be a bound */
    GC_SCOPE (NULL, 1) (void)0;
    ck_assert_uint_eq(gc_scope_each(count_named, &n), 2);
    ck_assert_int_eq(n, 2);
    ck_assert_uint_eq(stats_of("first").entered, 1);
    ck_assert_uint_eq(stats_of("").entered, 1);
    s = (gc_scope_stats){.size = offsetof(gc_scope_stats, open), .open = 77};
    ck_assert_int_eq(gc_get_scope("first", &s), 0);
    ck_assert_uint_eq(s.entered, 1);
    ck_assert_uint_eq(s.open, 77); /* beyond the size */
}
END_TEST

static void leave_scopes(void)
{
    GC_SCOPE ("first \"phase\"", 0) gc_free(gc_malloc_atomic(3 * mib));
    GC_SCOPE ("second", 0) (void)0;
}

const child scope_children[] = {{"leave_scopes", leave_scopes}, {NULL, NULL}};

START_TEST(a_line_at_exit)
{
    outcome o;
    run_child("leave_scopes", (const char *[]){"GLEANER_OPTIONS=scopes=1", NULL}, &o);
    ck_assert_exited(&o, 0);
    ck_assert_contains(o.err, "gleaner: scope \"first \"phase\"\": entered 1 time, in use ");
    ck_assert_contains(o.err, "growth 3.0 MiB), 0 collections, ");
    ck_assert_contains(o.err, "gleaner: scope \"second\": entered 1 time");
    run_child("leave_scopes", (const char *[]){NULL}, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.err, "");
}
END_TEST

Suite *scope_suite(void)
{
    Suite *suite = suite_create("scope");
    TCase *with = tcase_create("with");
    tcase_add_test(with, with_closes_at_the_end);
    tcase_add_test(with, with_closes_however_the_block_is_left);
    tcase_add_test(with, with_closes_at_a_return);
    tcase_add_test(with, with_skips_what_did_not_open);
    tcase_add_test(with, with_takes_integers);
    tcase_add_test(with, with_nests);
    tcase_add_test(with, pthread_exit_ends_blocks);
    suite_add_tcase(suite, with);
    TCase *scope = tcase_create("scope");
    tcase_set_timeout(scope, 60);
    tcase_add_test(scope, scope_counts_and_measures);
    tcase_add_test(scope, scope_keeps_the_last_and_the_highest);
    tcase_add_test(scope, nested_scopes_have_their_own_peaks);
    tcase_add_test(scope, a_bound_holds);
    tcase_add_test(scope, the_tightest_bound_counts_and_ends_with_its_scope);
    tcase_add_test(scope, the_old_trigger_comes_back);
    tcase_add_test(scope, live_data_breaks_a_bound_gently);
    tcase_add_test(scope, a_scope_that_was_jumped_over_ends_with_the_next_around_it);
    tcase_add_test(scope, threads_have_right_peaks);
    tcase_add_test(scope, many_threads_use_one_scope);
    tcase_add_test(scope, a_fork_keeps_own_scopes);
    tcase_add_test(scope, questions_and_their_errors);
    tcase_add_test(scope, a_line_at_exit);
    suite_add_tcase(suite, scope);
    return suite;
}
