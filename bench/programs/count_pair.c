/* SPDX-License-Identifier: MIT */
/*
 * A retain and a release: Gleaner's, beside a plain increment and decrement and beside atomic ones with the
 * orders that std::shared_ptr has; each of these as calls into a shared object (count_calls.c), and inlined.
 *
 *     count_pair OBJECTS PAIRS       by the owner, of so many objects in turn (a power of two)
 *     count_pair 0 PAIRS             two threads, one object
 *
 * Five rounds, in turn; the median of each. The plain count inlined is volatile: else nothing would be left.
 */
#include "bench.h"

#include <pthread.h>
#include <stdbool.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>

#include "count_calls.h"

enum { ROUNDS = 5, N_WAYS = 5 };

static counted **objects;
static size_t mask, n_pairs;

static void count_by_gleaner(size_t i)
{
    void *p = gc_retain(objects[i & mask]);
    gc_release(p);
}

static void call_plain(size_t i)
{
    void *p = plain_retain(objects[i & mask]);
    if (plain_release(p))
        bench_die("a count is wrong");
}

static void call_atomic(size_t i)
{
    void *p = atomic_retain(objects[i & mask]);
    if (atomic_release(p))
        bench_die("a count is wrong");
}

static void inline_plain(size_t i)
{
    volatile long *count = &objects[i & mask]->plain;
    (*count)++;
    (*count)--;
}

static void inline_atomic(size_t i)
{
    _Atomic long *count = &objects[i & mask]->atomic;
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    if (atomic_fetch_sub_explicit(count, 1, memory_order_acq_rel) == 1)
        bench_die("a count is wrong");
}

#define LOOP(name)                            \
    static void *run_##name(void *arg)        \
    {                                         \
        for (size_t i = 0; i < n_pairs; i++)  \
            name(i);                          \
        return arg;                           \
    }
LOOP(count_by_gleaner)
LOOP(call_plain)
LOOP(call_atomic)
LOOP(inline_plain)
LOOP(inline_atomic)

static const struct {
    const char *metric;
    void *(*run)(void *);
    bool is_safe; /* in two threads at once */
} ways[N_WAYS] = {
    {"ns_per_pair", run_count_by_gleaner, true},
    {"plain_call_ns", run_call_plain, false},
    {"plain_inline_ns", run_inline_plain, false},
    {"atomic_call_ns", run_call_atomic, true},
    {"atomic_inline_ns", run_inline_atomic, true},
};

static double run_once(size_t way, bool has_two_threads)
{
    pthread_t other;
    uint64_t start = bench_wall_ns();
    if (has_two_threads && pthread_create(&other, NULL, ways[way].run, NULL) != 0)
        bench_die("no thread");
    ways[way].run(NULL);
    if (has_two_threads)
        pthread_join(other, NULL);
    return (double)(bench_wall_ns() - start) / (double)n_pairs;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    bool has_two_threads = argc > 1 && strcmp(argv[1], "0") == 0;
    size_t n = has_two_threads ? 1 : bench_arg(argc, argv, 1, "OBJECTS");
    double ns[N_WAYS][ROUNDS];
    n_pairs = bench_arg(argc, argv, 2, "PAIRS");
    mask = n - 1;
    objects = bench_need(gc_calloc(n, sizeof *objects));
    for (size_t i = 0; i < n; i++) {
        objects[i] = bench_need(gc_rc_malloc(sizeof(counted), NULL));
        objects[i]->plain = 1;
        atomic_init(&objects[i]->atomic, 1);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t way = 0; way < N_WAYS; way++)
            ns[way][round] = has_two_threads && !ways[way].is_safe ? 0 : run_once(way, has_two_threads);
    for (size_t way = 0; way < N_WAYS; way++) {
        qsort(ns[way], ROUNDS, sizeof ns[way][0], compare);
        if (ns[way][ROUNDS / 2] > 0)
            bench_metric(ways[way].metric, ns[way][ROUNDS / 2], "ns");
    }
    if (!has_two_threads)
        bench_metric("to_plain", ns[0][ROUNDS / 2] / ns[1][ROUNDS / 2], "x");
    bench_metric("to_atomic", ns[0][ROUNDS / 2] / ns[3][ROUNDS / 2], "x");
    bench_check("count", (uint64_t)gc_get_refcount(objects[0]));
    return 0;
}
