/* SPDX-License-Identifier: MIT */
/* Whole collections: what a report says, the garbage list, memory that is short, threads, forks. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/gc.h>

#include "base/knobs.h"
#include "collect/collect.h"
#include "collect/cycle.h"
#include "collect/lost.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap_fixture.h"
#include "os/memory.h"

enum { MANY = 1000, MOST = 950 };

typedef struct node {
    struct node *next;
    uint64_t key;
} node;

static node *volatile kept; /* static data is a root */

static __attribute__((noinline)) node *make_list(size_t n)
{
    node *head = NULL;
    for (size_t i = 0; i < n; i++) {
        node *fresh = gl_heap_alloc(sizeof *fresh, GL_KIND_SCANNED, true);
        if (!fresh) {
            return NULL;
        }
        fresh->next = head;
        fresh->key = i;
        head = fresh;
    }
    return head;
}

/* SIZE_MAX if an object of the list is gone. No function of Check here: it has a lock, which a fork
 * beside other threads would copy while it is held. */
static size_t length(const node *list)
{
    size_t n = 0;
    gl_object object;
    for (; list; list = list->next) {
        if (!gl_heap_find_exact((uintptr_t)list, &object)) {
            return SIZE_MAX;
        }
        n++;
    }
    return n;
}

/* Makes garbage in a deep frame; then nothing on the stack refers to it. */
static __attribute__((noinline)) void make_garbage(size_t n)
{
    volatile char frame[8192];
    frame[0] = frame[sizeof frame - 1] = 0;
    for (size_t i = 0; i < n; i++) {
        (void)gl_heap_alloc(sizeof(node), GL_KIND_SCANNED, true);
    }
}

START_TEST(test_report)
{
    gl_cycle_report r;
    kept = make_list(MANY);
    make_garbage(MANY);
    gl_heap_counts counts;
    gl_heap_count(&counts);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_eq(r.candidates, counts.live_objects);
    ck_assert_uint_ge(r.collected, MOST);
    ck_assert_uint_le(r.collected, MANY);
    ck_assert_uint_eq(r.reclaimed_bytes, r.collected * sizeof(node));
    ck_assert_uint_eq(r.heap_before_bytes - r.live_bytes, r.reclaimed_bytes);
    ck_assert_uint_eq(r.sequence, 1);
    ck_assert_int_eq(r.reason, GC_REASON_EXPLICIT);
    ck_assert_uint_gt(r.root_bytes, 0);
    ck_assert_uint_eq(r.n_threads, 1);
    ck_assert(!r.is_skipped);
    ck_assert_uint_le(r.pause_ns, r.duration_ns);
    ck_assert_uint_le(r.stop_ns + r.roots_ns + r.mark_ns + r.weak_ns + r.flip_ns, r.pause_ns);
    ck_assert_uint_eq(length(kept), MANY);
    ck_assert_uint_eq(fixture_verify(), counts.live_objects - r.collected);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_eq(r.sequence, 2);
    ck_assert_uint_le(r.collected, MANY - MOST);
    kept = NULL;
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_ge(r.collected, MOST);
}
END_TEST

START_TEST(test_statistics_add_up)
{
    gc_stats stats = {.size = sizeof stats};
    gl_cycle_report r;
    uint64_t collected = 0, bytes = 0, pauses = 0;
    for (int i = 0; i < 20; i++) {
        make_garbage(100);
        ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
        collected += r.collected;
        bytes += r.reclaimed_bytes;
        pauses += r.pause_ns;
    }
    gl_collect_fill_stats(&stats);
    ck_assert_uint_eq(stats.generations[2].collections, 20);
    ck_assert_uint_eq(stats.generations[2].collected, collected);
    ck_assert_uint_eq(stats.reclaimed_bytes, bytes);
    ck_assert_uint_eq(stats.pause_count, 20);
    ck_assert_uint_eq(stats.pause_total_ns, pauses);
    ck_assert_uint_ge(stats.pause_max_ns, stats.pause_p99_ns);
    ck_assert_uint_ge(stats.pause_p99_ns, stats.pause_p50_ns);
}
END_TEST

/* ---- The garbage list ----------------------------------------------------------------------- */

START_TEST(test_garbage_list)
{
    static void *saved[2 * MANY];
    gl_cycle_report r;
    gl_collect_set_debug(GC_DEBUG_SAVEALL);
    make_garbage(MANY);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_eq(r.collected, 0);
    ck_assert_uint_ge(r.uncollectable, MOST);
    size_t n = gl_collect_get_garbage(saved, 2 * MANY);
    ck_assert_uint_eq(n, r.uncollectable);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(fixture_find(saved[i]).start, (uintptr_t)saved[i]);
    }
    memset(saved, 0, sizeof saved);
    ck_assert_uint_eq(gl_collect_get_garbage(NULL, 0), n);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_eq(gl_collect_get_garbage(NULL, 0), n); /* kept, and not found again */
    gl_collect_set_debug(0);
    gl_collect_clear_garbage();
    ck_assert_uint_eq(gl_collect_get_garbage(saved, 2 * MANY), 0);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_ge(r.collected, MOST);
    fixture_verify();
}
END_TEST

/* Without memory for the list an object is reclaimed as usual; nothing is half done. */
START_TEST(test_garbage_list_without_memory)
{
    gl_cycle_report r;
    gl_collect_set_debug(GC_DEBUG_SAVEALL);
    make_garbage(300000);
    ck_assert(gl_cycle_prepare());
    gl_os_inject_commit_failure(1, true);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    gl_os_inject_commit_failure(0, false);
    ck_assert_uint_eq(gl_collect_get_garbage(NULL, 0), r.uncollectable);
    ck_assert_uint_gt(r.collected, 0);
    ck_assert_uint_ge(r.collected + r.uncollectable, 299000);
    fixture_verify();
}
END_TEST

/* ---- Short of memory ------------------------------------------------------------------------ */

/* The system refuses every nth request while the library starts, and for a while after; what was
 * refused at first works later. */
START_TEST(test_memory_is_short_at_the_start)
{
    size_t n_refused = 0;
    char options[32];
    snprintf(options, sizeof options, "fail_after=%d", _i);
    ck_assert_int_eq(setenv("GLEANER_OPTIONS", options, 1), 0);
    for (int i = 0; i < 100; i++) {
        n_refused += gl_heap_alloc(100, GL_KIND_SCANNED, true) == NULL;
    }
    gl_cycle_report r;
    if (gl_heap_is_ready()) {
        gl_collect(GC_REASON_EXPLICIT, &r);
    }
    ck_assert(_i > 1 || n_refused == 100);
    ck_assert_int_eq(setenv("GLEANER_OPTIONS", "", 1), 0); /* read again if it has not started */
    gl_os_inject_commit_failure(0, false);
    kept = make_list(MANY);
    make_garbage(MANY);
    gl_collect_disable();
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_ge(r.collected, MOST);
    ck_assert_uint_eq(length(kept), MANY);
    fixture_verify();
}
END_TEST

/* ---- Threads and forks ---------------------------------------------------------------------- */

static volatile int is_done;

/* Large objects, too: the verifier must never see one half made, half resized or half freed. */
static bool churn_large(uint64_t *chance)
{
    size_t bytes = 30000 + fixture_below(chance, 300000);
    void *p = gl_heap_alloc(bytes, GL_KIND_ATOMIC, false);
    void *q = p ? gl_heap_realloc(p, 30000 + fixture_below(chance, 300000), "realloc") : NULL;
    return q && (fixture_below(chance, 2) || gl_heap_free(q, "free"));
}

/* Returns NULL if all is well. */
static void *churn(void *arg)
{
    uint64_t chance = (uint64_t)(uintptr_t)arg;
    node *lists[8] = {NULL};
    while (!is_done) {
        size_t i = fixture_below(&chance, 8);
        if (length(lists[i]) > 30 || (i == 0 && !churn_large(&chance))) {
            return arg;
        }
        lists[i] = make_list(1 + fixture_below(&chance, 30));
    }
    return NULL;
}

static void run_beside_threads(void (*fn)(void))
{
    pthread_t threads[3];
    is_done = 0;
    gl_collect_enable();
    for (uintptr_t i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
    }
    fn();
    is_done = 1;
    for (int i = 0; i < 3; i++) {
        void *fault;
        pthread_join(threads[i], &fault);
        ck_assert_msg(!fault, "thread %d lost an object", i + 1);
    }
}

static void collect_and_verify(void)
{
    gl_options.verify = 1;
    for (int i = 0; i < 200; i++) {
        gl_cycle_report r;
        ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
        ck_assert_uint_eq(length(kept), MANY);
        ck_assert_uint_eq(r.n_threads, 4);
    }
}

START_TEST(test_threads)
{
    kept = make_list(MANY);
    run_beside_threads(collect_and_verify);
    fixture_verify();
}
END_TEST

static void child_of_fork(void)
{
    gl_cycle_report r;
    size_t n = length(kept);
    make_garbage(MANY);
    bool is_sound = gl_collect(GC_REASON_EXPLICIT, &r) == GL_CYCLE_DONE && r.n_threads == 1 &&
                    r.collected >= MOST && n == MANY && length(kept) == MANY;
    fixture_verify();
    _exit(is_sound ? 0 : 1);
}

static void fork_often(void)
{
    gl_options.verify = 1;
    for (int i = 0; i < 60; i++) {
        int status;
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            child_of_fork();
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "child %d: status 0x%x", i, (unsigned)status);
    }
}

START_TEST(test_forks)
{
    kept = make_list(MANY);
    run_beside_threads(fork_often);
    fixture_verify();
}
END_TEST

/* ---- Frozen and pinned ---------------------------------------------------------------------- */

START_TEST(test_freeze)
{
    gl_cycle_report r;
    make_garbage(MANY);
    gl_collect_freeze();
    ck_assert_uint_ge(gl_heap.n_frozen, MANY);
    make_garbage(MANY);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_ge(r.collected, MOST);
    ck_assert_uint_le(r.collected, MANY);
    fixture_verify();
    gl_collect_unfreeze();
    ck_assert_uint_eq(gl_heap.n_frozen, 0);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, &r), GL_CYCLE_DONE);
    ck_assert_uint_ge(r.collected, MOST);
    fixture_verify();
}
END_TEST

/* ---- Rings of the kernel ---------------------------------------------------------------------- */

/* One for asynchronous input and output, which every kernel has that has not been built without. */
START_TEST(test_ring_is_noticed)
{
    unsigned long context = 0;
    make_garbage(MANY);
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, NULL), GL_CYCLE_DONE);
    ck_assert_ptr_null(gl_lost_why_kept());
    if (syscall(SYS_io_setup, 1, &context) != 0) {
        return; /* not here */
    }
    ck_assert_int_eq(gl_collect(GC_REASON_EXPLICIT, NULL), GL_CYCLE_DONE);
    ck_assert_ptr_nonnull(gl_lost_why_kept());
    syscall(SYS_io_destroy, context);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cycle");
    tcase_add_checked_fixture(t, fixture_setup, NULL);
    tcase_add_test(t, test_report);
    tcase_add_test(t, test_statistics_add_up);
    tcase_add_test(t, test_garbage_list);
    tcase_add_test(t, test_garbage_list_without_memory);
    tcase_add_test(t, test_threads);
    tcase_add_test(t, test_forks);
    tcase_add_test(t, test_freeze);
    tcase_add_test(t, test_ring_is_noticed);
    TCase *start = tcase_create("start");
    tcase_add_loop_test(start, test_memory_is_short_at_the_start, 1, 15);
    return fixture_run(t) | fixture_run(start);
}
