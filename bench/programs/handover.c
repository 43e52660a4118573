/* SPDX-License-Identifier: MIT */
/*
 * Producer and consumer: one thread allocates messages, the other reads and frees them, through a
 * ring of batches. Every object is freed by a thread that did not allocate it.
 *
 *     handover BATCHES
 */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

enum { BATCH = 64, RING = 64 };

typedef struct {
    uint64_t *messages[BATCH];
} batch;

static batch ring[RING];
/* Batches ever put in (written by the producer) and taken out (by the consumer), on lines apart. */
static _Alignas(128) _Atomic size_t n_put;
static _Alignas(128) _Atomic size_t n_taken;
static size_t n_batches;

static void *produce(void *arg)
{
    bench_rng rng = {7};
    uint64_t number = 0;
    size_t i, k;

    (void)arg;
    bench_bind(1);
    for (i = 0; i < n_batches; i++) {
        batch *b = &ring[i % RING];

        while (i - atomic_load_explicit(&n_taken, memory_order_acquire) == RING)
            sched_yield();
        for (k = 0; k < BATCH; k++) {
            b->messages[k] = bench_need(malloc(bench_random_size(&rng)));
            *b->messages[k] = number++;
        }
        atomic_store_explicit(&n_put, i + 1, memory_order_release);
    }
    return NULL;
}

static uint64_t consume(void)
{
    uint64_t expected = 0;
    size_t i, k;

    for (i = 0; i < n_batches; i++) {
        batch *b = &ring[i % RING];

        while (atomic_load_explicit(&n_put, memory_order_acquire) == i)
            sched_yield();
        for (k = 0; k < BATCH; k++) {
            if (*b->messages[k] != expected++)
                bench_die("a message changed on its way");
            free(b->messages[k]);
        }
        atomic_store_explicit(&n_taken, i + 1, memory_order_release);
    }
    return expected;
}

int main(int argc, char **argv)
{
    uint64_t wall_ns, cpu_ns, n_messages;
    pthread_t producer;

    n_batches = bench_arg(argc, argv, 1, "BATCHES");
    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    if (pthread_create(&producer, NULL, produce, NULL) != 0)
        bench_die("pthread_create failed");
    bench_bind(0);
    n_messages = consume();
    pthread_join(producer, NULL);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - wall_ns;
    bench_check("messages", n_messages);
    bench_metric("ns_per_op", (double)wall_ns / (double)n_messages, "ns");
    bench_metric("cpu_ns_per_op", (double)cpu_ns / (double)n_messages, "ns");
    return 0;
}
