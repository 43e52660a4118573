/* SPDX-License-Identifier: MIT */
/* tests/api/start.c - the first use of the library, and the time before it. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/gc.h>

#include "suites.h"

/* ---- Before the first use -------------------------------------------------------------------- */

/* As the kernel has them: sigaction() does not speak of the library's. */
static int n_handlers(void)
{
    int n = 0;
    for (int s = SIGRTMIN; s <= SIGRTMAX; s++) {
        uintptr_t action[8] = {0};
        n += syscall(SYS_rt_sigaction, s, NULL, action, 8) == 0 && action[0] != (uintptr_t)SIG_DFL;
    }
    return n;
}

static int n_mappings(void)
{
    char line[1000];
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        n++;
    }
    if (maps) {
        fclose(maps);
    }
    return n;
}

/* Prints handlers and mappings before the library is used, and after. */
static void be_idle(void)
{
    n_mappings(); /* stdio has its buffers now */
    int handlers = n_handlers(), mappings = n_mappings();
    gc_base(&handlers); /* questions start nothing */
    gc_sizeof(&handlers);
    gc_is_tracked(&handlers);
    gc_get_freeze_count();
    int handlers_then = n_handlers(), mappings_then = n_mappings();
    gc_malloc(10);
    printf("%d %d %d", handlers, handlers_then, n_handlers());
    printf(" %d %d %d", mappings, mappings_then, n_mappings());
}

START_TEST(an_unused_library_does_nothing)
{
    outcome o;
    int handlers[3], mappings[3];
    run_child("be_idle", NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_int_eq(sscanf(o.out, "%d %d %d %d %d %d", &handlers[0], &handlers[1], &handlers[2],
                            &mappings[0], &mappings[1], &mappings[2]),
                     6);
    if (!is_malloc_ours()) { /* there, the program's first malloc() was the first use */
        ck_assert_int_eq(handlers[0], 0);
        ck_assert_int_eq(handlers[1], 0);
        ck_assert_int_eq(mappings[0], mappings[1]);
        ck_assert_int_gt(mappings[2], mappings[1]);
    }
    ck_assert_int_eq(handlers[2], 1);
}
END_TEST

static void leave_at_once(void)
{
    printf("unused");
}

START_TEST(an_unused_library_writes_no_statistics)
{
    outcome o;
    run_child("leave_at_once", (const char *const[]){"GLEANER_STATS_FILE=/dev/stdout", NULL}, &o);
    ck_assert_exited(&o, 0);
    if (!is_malloc_ours()) {
        ck_assert_str_eq(o.out, "unused");
    }
}
END_TEST

/* ---- Many first uses at once ------------------------------------------------------------------
 */

enum { N_THREADS = 8 };

static pthread_barrier_t barrier;

static void *use(void *arg)
{
    pthread_barrier_wait(&barrier);
    size_t *p = gc_malloc(100);
    if (p) {
        *p = (size_t)arg;
        gc_collect();
    }
    return p && *p == (size_t)arg && gc_sizeof(p) >= 100 ? NULL : arg;
}

static void start_in_threads(void)
{
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&barrier, NULL, N_THREADS);
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_create(&threads[i], NULL, use, (void *)(i + 1));
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        if (result) {
            exit(2);
        }
    }
}

START_TEST(threads_may_start_it_together)
{
    for (int i = 0; i < 20; i++) {
        outcome o;
        run_child("start_in_threads", NULL, &o);
        ck_assert_exited(&o, 0);
        ck_assert_str_eq(o.err, "");
    }
}
END_TEST

static void *use_once(void *arg)
{
    pthread_barrier_wait(&barrier);
    gc_malloc(100);
    return arg;
}

/* Forks while another thread is perhaps in the middle of the start. */
static void fork_during_start(void)
{
    pthread_t thread;
    int status;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, use_once, NULL);
    pthread_barrier_wait(&barrier);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20); /* a lock that nobody holds any more would be for ever */
        _exit(gc_malloc(100) ? (gc_collect(), 0) : 1);
    }
    waitpid(pid, &status, 0);
    pthread_join(thread, NULL);
    exit(status == 0 ? 0 : 3);
}

START_TEST(a_fork_may_come_during_the_start)
{
    for (int i = 0; i < 50; i++) {
        outcome o;
        run_child("fork_during_start", NULL, &o);
        ck_assert_exited(&o, 0);
        ck_assert_str_eq(o.err, "");
    }
}
END_TEST

/* ---- Failure ----------------------------------------------------------------------------------
 */

/* The first attempts to start find no memory; later ones do. */
static void start_again(void)
{
    int n_failed = 0;
    gc_config config = {.size = sizeof config, .options = "fail_after=0"};
    while (!gc_malloc(10) && n_failed < 10) {
        n_failed++;
    }
    printf("%d", n_failed);
    if (gc_init(&config) != 0 || !gc_malloc(10)) {
        exit(4);
    }
}

START_TEST(a_start_that_fails_may_be_tried_again)
{
    outcome o;
    if (is_malloc_ours()) {
        return; /* there, a process without memory does not start at all */
    }
    run_child("start_again", (const char *const[]){"GLEANER_FAIL_AFTER=1", NULL}, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.out, "10");
    ck_assert_str_eq(o.err, "");
}
END_TEST

const child start_children[] = {
    {"be_idle", be_idle},
    {"leave_at_once", leave_at_once},
    {"start_in_threads", start_in_threads},
    {"fork_during_start", fork_during_start},
    {"start_again", start_again},
    {NULL, NULL},
};

Suite *start_suite(void)
{
    Suite *suite = suite_create("start");
    TCase *one = tcase_create("start");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, an_unused_library_does_nothing);
    tcase_add_test(one, an_unused_library_writes_no_statistics);
    tcase_add_test(one, threads_may_start_it_together);
    tcase_add_test(one, a_fork_may_come_during_the_start);
    tcase_add_test(one, a_start_that_fails_may_be_tried_again);
    suite_add_tcase(suite, one);
    return suite;
}
