/* SPDX-License-Identifier: MIT */
/*
 * malloc and free in four patterns, in one thread or several that share nothing but the allocator.
 *
 *     churn PATTERN THREADS LIVE OPERATIONS
 *
 * replace  frees a random one of LIVE objects and allocates another in its place
 * lifo     allocates LIVE objects and frees them last to first, again and again
 * fifo     a queue of LIVE objects: frees the oldest, allocates a new one
 * batch    allocates LIVE objects and frees them first to last, again and again
 *
 * An operation is one malloc and one free; OPERATIONS is per thread. Each object gets a number,
 * which must still be there when it is freed.
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64 };

typedef struct {
    uint64_t *object;
    uint64_t number;
} slot;

typedef struct {
    slot *slots;
    uint64_t next_number;
    bench_rng rng;
} worker;

typedef void pattern_function(worker *w);

static size_t n_live, n_operations;
static pattern_function *pattern;
static _Atomic size_t n_waiting;
static size_t n_threads;
static worker workers[MAX_THREADS];

static void slot_fill(worker *w, slot *s)
{
    s->object = bench_need(malloc(bench_random_size(&w->rng)));
    s->number = w->next_number++;
    *s->object = s->number;
}

static void slot_empty(slot *s)
{
    if (*s->object != s->number)
        bench_die("an object changed under its owner");
    free(s->object);
    s->object = NULL;
}

static void replace(worker *w)
{
    size_t i;

    for (i = 0; i < n_live; i++)
        slot_fill(w, &w->slots[i]);
    for (i = n_live; i < n_operations; i++) {
        slot *s = &w->slots[bench_below(&w->rng, n_live)];

        slot_empty(s);
        slot_fill(w, s);
    }
    for (i = 0; i < n_live; i++)
        slot_empty(&w->slots[i]);
}

static void lifo(worker *w)
{
    size_t n_done, i;

    for (n_done = 0; n_done < n_operations; n_done += n_live) {
        for (i = 0; i < n_live; i++)
            slot_fill(w, &w->slots[i]);
        for (i = n_live; i > 0; i--)
            slot_empty(&w->slots[i - 1]);
    }
}

static void batch(worker *w)
{
    size_t n_done, i;

    for (n_done = 0; n_done < n_operations; n_done += n_live) {
        for (i = 0; i < n_live; i++)
            slot_fill(w, &w->slots[i]);
        for (i = 0; i < n_live; i++)
            slot_empty(&w->slots[i]);
    }
}

static void fifo(worker *w)
{
    size_t oldest = 0, i;

    for (i = 0; i < n_live; i++)
        slot_fill(w, &w->slots[i]);
    for (i = n_live; i < n_operations; i++) {
        slot_empty(&w->slots[oldest]);
        slot_fill(w, &w->slots[oldest]);
        oldest = oldest + 1 == n_live ? 0 : oldest + 1;
    }
    for (i = 0; i < n_live; i++)
        slot_empty(&w->slots[i]);
}

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

static pattern_function *find_pattern(const char *name)
{
    static const struct {
        const char *name;
        pattern_function *run;
    } patterns[] = {{"replace", replace}, {"lifo", lifo}, {"fifo", fifo}, {"batch", batch}};
    size_t i;

    for (i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (strcmp(patterns[i].name, name) == 0)
            return patterns[i].run;
    fprintf(stderr, "error: no pattern is called `%s'\n", name);
    exit(2);
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
    uint64_t wall_ns, cpu_ns;
    size_t i;

    if (argc != 5)
        bench_die("usage: churn PATTERN THREADS LIVE OPERATIONS");
    pattern = find_pattern(argv[1]);
    n_threads = bench_arg(argc, argv, 2, "THREADS");
    n_live = bench_arg(argc, argv, 3, "LIVE");
    n_operations = bench_arg(argc, argv, 4, "OPERATIONS");
    if (n_threads > MAX_THREADS || n_operations < n_live)
        bench_die("at most 64 THREADS, and at least LIVE OPERATIONS");
    for (i = 0; i < n_threads; i++) {
        workers[i].slots = bench_scratch(n_live * sizeof(slot));
        workers[i].next_number = 0;
        workers[i].rng.state = i;
    }
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
