/* SPDX-License-Identifier: MIT */
/*
 * A server as Larson and Krishnan saw it: each thread replaces random objects of its table; after
 * OPERATIONS it ends and leaves the table, full of its objects, to a new thread. So most objects
 * are freed by another thread than the one that allocated them, which is already gone.
 *
 *     larson THREADS LIVE GENERATIONS OPERATIONS
 */
#include "bench.h"

#include <pthread.h>

enum { MAX_THREADS = 64 };

/* Two cache lines apart (they are fetched in pairs): threads must not share what they write. */
typedef struct {
    _Alignas(128) uint64_t **objects;
    bench_rng rng;
    size_t cpu;
} table;

static size_t n_live, n_operations;

/* An object's first word tells in which slot it lies. */
static uint64_t *object_new(table *t, size_t i)
{
    uint64_t *object = bench_need(malloc(bench_random_size(&t->rng)));

    *object = i;
    return object;
}

static void object_delete(table *t, size_t i)
{
    if (*t->objects[i] != i)
        bench_die("an object changed under its owner");
    free(t->objects[i]);
}

static void *generation(void *arg)
{
    table *t = arg;
    size_t n;

    bench_bind(t->cpu);
    for (n = 0; n < n_operations; n++) {
        size_t i = bench_below(&t->rng, n_live);

        object_delete(t, i);
        t->objects[i] = object_new(t, i);
    }
    return NULL;
}

static void table_init(table *t, size_t seed)
{
    size_t i;

    t->objects = bench_scratch(n_live * sizeof *t->objects);
    t->rng.state = seed;
    t->cpu = seed;
    for (i = 0; i < n_live; i++)
        t->objects[i] = object_new(t, i);
}

static void run_generation(table *tables, size_t n_threads)
{
    pthread_t threads[MAX_THREADS];
    size_t i;

    for (i = 0; i < n_threads; i++)
        if (pthread_create(&threads[i], NULL, generation, &tables[i]) != 0)
            bench_die("pthread_create failed");
    for (i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    table tables[MAX_THREADS];
    size_t n_threads = bench_arg(argc, argv, 1, "THREADS");
    size_t n_generations, i;
    uint64_t wall_ns, cpu_ns;
    double n_total;

    n_live = bench_arg(argc, argv, 2, "LIVE");
    n_generations = bench_arg(argc, argv, 3, "GENERATIONS");
    n_operations = bench_arg(argc, argv, 4, "OPERATIONS");
    if (n_threads > MAX_THREADS)
        bench_die("at most 64 THREADS");
    for (i = 0; i < n_threads; i++)
        table_init(&tables[i], i);
    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    for (i = 0; i < n_generations; i++)
        run_generation(tables, n_threads);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - wall_ns;
    n_total = (double)(n_generations * n_operations);
    for (i = 0; i < n_threads; i++)
        bench_check("last_random", bench_random(&tables[i].rng));
    bench_metric("ns_per_op", (double)wall_ns / n_total, "ns");
    bench_metric("cpu_ns_per_op", (double)cpu_ns / (n_total * (double)n_threads), "ns");
    return 0;
}
