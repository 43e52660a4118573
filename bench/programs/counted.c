/* SPDX-License-Identifier: MIT */
/*
 * Objects that go with their last reference; under malloc, the same objects freed by hand, without counts.
 *
 *     counted trees DEPTH ROUNDS     complete binary trees: each node is made, retained once, released once, and
 *                                    goes with the last reference to its tree
 *     counted plain DEPTH ROUNDS     the same without the retain and the release
 *     counted handover BATCHES       one thread makes objects, another ends them
 */
#include "collector.h"

#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct node {
    struct node *left, *right;
} node;

static uint64_t n_ended;

#if COLLECTOR_IS_MANUAL

static void end_node(node *n)
{
    n_ended++;
    if (n->left)
        end_node(n->left);
    if (n->right)
        end_node(n->right);
    free(n);
}

static node *new_node(void)
{
    node *n = bench_need(malloc(sizeof *n));
    n->left = n->right = NULL;
    return n;
}

static void count_once(node *n) { (void)n; }

#else

#include <gleaner/refcount.h>

static void release_children(void *p)
{
    node *n = p;
    n_ended++;
    if (n->left)
        gc_release(n->left);
    if (n->right)
        gc_release(n->right);
}

static node *new_node(void) { return bench_need(gc_rc_malloc(sizeof(node), release_children)); }

static void end_node(node *n) { gc_release(n); }

static void count_once(node *n)
{
    gc_retain(n);
    gc_release(n);
}

#endif

/* ---- Trees ------------------------------------------------------------------------------------ */

static node *make_tree(size_t depth, bool counts)
{
    node *n = new_node();
    if (counts)
        count_once(n);
    if (depth > 0) {
        n->left = make_tree(depth - 1, counts);
        n->right = make_tree(depth - 1, counts);
    }
    return n;
}

static void run_trees(size_t depth, size_t n_rounds, bool counts)
{
    uint64_t start = bench_cpu_ns();
    for (size_t i = 0; i < n_rounds; i++)
        end_node(make_tree(depth, counts));
    uint64_t spent = bench_cpu_ns() - start;
    bench_metric("cpu_ns_per_node", (double)spent / (double)n_ended, "ns");
    bench_check("nodes", n_ended);
}

/* ---- Handover --------------------------------------------------------------------------------- */

enum { BATCH = 64, RING = 64 };

static node *ring[RING][BATCH];
static _Alignas(128) _Atomic size_t n_put;
static _Alignas(128) _Atomic size_t n_taken;
static size_t n_batches;

static void *produce(void *arg)
{
    bench_bind(1);
    for (size_t i = 0; i < n_batches; i++) {
        while (i - atomic_load_explicit(&n_taken, memory_order_acquire) == RING)
            sched_yield();
        for (size_t k = 0; k < BATCH; k++)
            ring[i % RING][k] = new_node();
        atomic_store_explicit(&n_put, i + 1, memory_order_release);
    }
    return arg;
}

static void consume(void)
{
    for (size_t i = 0; i < n_batches; i++) {
        while (atomic_load_explicit(&n_put, memory_order_acquire) == i)
            sched_yield();
        for (size_t k = 0; k < BATCH; k++)
            end_node(ring[i % RING][k]);
        atomic_store_explicit(&n_taken, i + 1, memory_order_release);
    }
}

static void run_handover(void)
{
    pthread_t producer;
    uint64_t start = bench_wall_ns();
    bench_bind(0);
    if (pthread_create(&producer, NULL, produce, NULL) != 0)
        bench_die("no thread");
    consume();
    pthread_join(producer, NULL);
    bench_metric("ns_per_object", (double)(bench_wall_ns() - start) / (double)n_ended, "ns");
    bench_check("objects", n_ended);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    collector_init();
    if (strcmp(what, "trees") == 0 || strcmp(what, "plain") == 0) {
        run_trees(bench_arg(argc, argv, 2, "DEPTH"), bench_arg(argc, argv, 3, "ROUNDS"), what[0] == 't');
    } else if (strcmp(what, "handover") == 0) {
        n_batches = bench_arg(argc, argv, 2, "BATCHES");
        run_handover();
    } else {
        bench_die("trees, plain or handover");
    }
    return 0;
}
