/* SPDX-License-Identifier: MIT */
/*
 * How allocation scales with threads: the same work by THREADS threads one after the other, and by
 * all of them at once, ROUNDS times in turn. The threads share nothing but the allocator.
 *
 *     scale PATTERN THREADS LIVE OPERATIONS ROUNDS
 *
 * The patterns are those of patterns.h; OPERATIONS is per thread. Thread i is on CPU i in both
 * cases, and is a thread of its own even when it is alone: some allocators leave out locks while a
 * process never had a second thread, which is another question.
 *
 * scaling_cost is the wall time of all at once divided by the sum of the times alone: 1/THREADS
 * is perfect, 1 is no gain. machine_cost is the same of work that allocates nothing, measured in
 * the same rounds: no allocator can be better than the machine.
 */
#include "patterns.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64, MAX_ROUNDS = 100 };

typedef struct {
    worker w;
    size_t cpu;
    pattern_function *pattern;
    uint64_t start_ns;
    uint64_t end_ns;
} member;

static member members[MAX_THREADS];
static size_t n_threads;
static _Atomic size_t n_missing; /* threads that have not come to the start yet */

/* What a pattern does besides malloc and free: numbers, and stores to its own slots. */
static void compute(worker *w)
{
    size_t i;

    for (i = 0; i < w->n_operations; i++) {
        slot *s = &w->slots[bench_below(&w->rng, w->n_live)];

        s->number += bench_random_size(&w->rng);
        w->next_number++;
    }
}

static void *work(void *arg)
{
    member *m = arg;

    bench_bind(m->cpu);
    atomic_fetch_sub(&n_missing, 1);
    while (atomic_load(&n_missing) > 0)
        ;
    m->start_ns = bench_wall_ns();
    m->pattern(&m->w);
    m->end_ns = bench_wall_ns();
    return NULL;
}

/* Wall time from the first start to the last end of members `first` to `end` at once. */
static double run_together(pattern_function *pattern, size_t first, size_t end)
{
    uint64_t start_ns = UINT64_MAX, end_ns = 0;
    pthread_t threads[MAX_THREADS];
    size_t i;

    atomic_store(&n_missing, end - first);
    for (i = first; i < end; i++) {
        members[i].pattern = pattern;
        worker_init(&members[i].w, i, members[i].w.n_live, members[i].w.n_operations);
        if (pthread_create(&threads[i], NULL, work, &members[i]) != 0)
            bench_die("pthread_create failed");
    }
    for (i = first; i < end; i++) {
        pthread_join(threads[i], NULL);
        start_ns = members[i].start_ns < start_ns ? members[i].start_ns : start_ns;
        end_ns = members[i].end_ns > end_ns ? members[i].end_ns : end_ns;
    }
    return (double)(end_ns - start_ns);
}

static double run_in_turn(pattern_function *pattern)
{
    double sum_ns = 0;
    size_t i;

    for (i = 0; i < n_threads; i++)
        sum_ns += run_together(pattern, i, i + 1);
    return sum_ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static void run_rounds(pattern_function *pattern, size_t n_rounds, size_t n_operations)
{
    double together_ns[MAX_ROUNDS], alone_ns[MAX_ROUNDS], cost[MAX_ROUNDS], machine[MAX_ROUNDS];
    size_t i;

    run_together(pattern, 0, n_threads); /* untimed: the first page faults */
    for (i = 0; i < n_rounds; i++) {
        double sum_ns = run_in_turn(pattern);

        together_ns[i] = run_together(pattern, 0, n_threads);
        alone_ns[i] = sum_ns / (double)n_threads;
        cost[i] = together_ns[i] / sum_ns;
        sum_ns = run_in_turn(compute);
        machine[i] = run_together(compute, 0, n_threads) / sum_ns;
    }
    bench_metric("ns_per_op", median(together_ns, n_rounds) / (double)n_operations, "ns");
    bench_metric("ns_per_op_alone", median(alone_ns, n_rounds) / (double)n_operations, "ns");
    bench_metric("scaling_cost", median(cost, n_rounds), "ratio");
    bench_metric("machine_cost", median(machine, n_rounds), "ratio");
}

int main(int argc, char **argv)
{
    size_t n_live, n_operations, n_rounds, i;
    pattern_function *pattern;

    if (argc != 6)
        bench_die("usage: scale PATTERN THREADS LIVE OPERATIONS ROUNDS");
    pattern = pattern_find(argv[1]);
    n_threads = bench_arg(argc, argv, 2, "THREADS");
    n_live = bench_arg(argc, argv, 3, "LIVE");
    n_operations = bench_arg(argc, argv, 4, "OPERATIONS");
    n_rounds = bench_arg(argc, argv, 5, "ROUNDS");
    if (n_threads > MAX_THREADS || n_rounds > MAX_ROUNDS || n_operations < n_live)
        bench_die("at most 64 THREADS and 100 ROUNDS, and at least LIVE OPERATIONS");
    for (i = 0; i < n_threads; i++) {
        members[i].cpu = i;
        worker_init(&members[i].w, i, n_live, n_operations);
    }
    run_rounds(pattern, n_rounds, n_operations);
    for (i = 0; i < n_threads; i++)
        bench_check("operations", members[i].w.next_number);
    return 0;
}
