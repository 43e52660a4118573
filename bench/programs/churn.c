/* SPDX-License-Identifier: MIT */
/*
 * malloc and free in four patterns, in one thread or several that share nothing but the allocator.
 *
 *     churn PATTERN THREADS LIVE OPERATIONS
 *
 * The patterns are those of patterns.h: replace, lifo, fifo, batch. OPERATIONS is per thread.
 */
#include "patterns.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64 };

static pattern_function *pattern;
static _Atomic size_t n_waiting;
static size_t n_threads;
static worker workers[MAX_THREADS];

static void *work(void *arg)
{
    if (n_threads > 1)
        bench_bind((size_t)((worker *)arg - workers));
    /* Everybody starts at once, so that a slow birth does not hide contention. */
    atomic_fetch_add(&n_waiting, 1);
    while (atomic_load(&n_waiting) < n_threads)
        ;
    pattern(arg);
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[MAX_THREADS];
    size_t i;

    for (i = 1; i < n_threads; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            bench_die("pthread_create failed");
    work(&workers[0]);
    for (i = 1; i < n_threads; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    size_t n_live, n_operations, i;
    uint64_t wall_ns, cpu_ns;

    if (argc != 5)
        bench_die("usage: churn PATTERN THREADS LIVE OPERATIONS");
    pattern = pattern_find(argv[1]);
    n_threads = bench_arg(argc, argv, 2, "THREADS");
    n_live = bench_arg(argc, argv, 3, "LIVE");
    n_operations = bench_arg(argc, argv, 4, "OPERATIONS");
    if (n_threads > MAX_THREADS || n_operations < n_live)
        bench_die("at most 64 THREADS, and at least LIVE OPERATIONS");
    for (i = 0; i < n_threads; i++)
        worker_init(&workers[i], i, n_live, n_operations);
    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    run_threads();
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - wall_ns;
    for (i = 0; i < n_threads; i++)
        bench_check("objects", workers[i].next_number);
    bench_metric("ns_per_op", (double)wall_ns / (double)n_operations, "ns");
    bench_metric("cpu_ns_per_op", (double)cpu_ns / (double)(n_operations * n_threads), "ns");
    return 0;
}
