/* SPDX-License-Identifier: MIT */
/*
 * Objects that go with their last reference; under malloc, the same objects freed by hand, without counts.
 *
 *     counted trees DEPTH ROUNDS     complete binary trees: each node is made, retained once, released once, and
 *                                    goes with the last reference to its tree
 *     counted plain DEPTH ROUNDS     the same without the retain and the release
 *     counted hand DEPTH ROUNDS      as trees; under malloc with counts that a program would make itself:
 *                                    plain ones, in a header of the object, in a shared object (count_calls.c)
 *     counted handover BATCHES       one thread makes objects, another ends them
 */
#include "collector.h"

#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "count_calls.h"

typedef struct node {
    struct node *left, *right;
} node;

static uint64_t n_ended;

#if COLLECTOR_IS_MANUAL

#define retain hand_retain
#define release hand_release

static void *new_counted(size_t size, void (*destructor)(void *)) { return hand_new(size, destructor); }

#else

#include <gleaner/refcount.h>

#define retain gc_retain
#define release gc_release

static void *new_counted(size_t size, void (*destructor)(void *))
{
    return gc_rc_malloc(size, destructor);
}

#endif

static void release_children(void *p)
{
    node *n = p;
    n_ended++;
    if (n->left)
        release(n->left);
    if (n->right)
        release(n->right);
}

static void free_tree(node *n)
{
    n_ended++;
    if (n->left)
        free_tree(n->left);
    if (n->right)
        free_tree(n->right);
    collector_delete(n);
}

static node *new_node(bool is_counted)
{
    if (is_counted)
        return bench_need(new_counted(sizeof(node), release_children));
    node *n = bench_need(collector_new(sizeof *n));
    n->left = n->right = NULL;
    return n;
}

static void end_node(node *n, bool is_counted)
{
    if (is_counted)
        release(n);
    else
        free_tree(n);
}

/* ---- Trees ------------------------------------------------------------------------------------ */

static node *make_tree(size_t depth, bool is_counted, bool has_pair)
{
    node *n = new_node(is_counted);
    if (is_counted && has_pair) {
        retain(n);
        release(n);
    }
    if (depth > 0) {
        n->left = make_tree(depth - 1, is_counted, has_pair);
        n->right = make_tree(depth - 1, is_counted, has_pair);
    }
    return n;
}

static void run_trees(size_t depth, size_t n_rounds, bool is_counted, bool has_pair)
{
    uint64_t start = bench_cpu_ns();
    for (size_t i = 0; i < n_rounds; i++)
        end_node(make_tree(depth, is_counted, has_pair), is_counted);
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
            ring[i % RING][k] = new_node(!COLLECTOR_IS_MANUAL);
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
            end_node(ring[i % RING][k], !COLLECTOR_IS_MANUAL);
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
    bool is_hand = strcmp(what, "hand") == 0, is_plain = strcmp(what, "plain") == 0;
    if (is_hand || is_plain || strcmp(what, "trees") == 0) {
        run_trees(bench_arg(argc, argv, 2, "DEPTH"), bench_arg(argc, argv, 3, "ROUNDS"),
                  is_hand || !COLLECTOR_IS_MANUAL, !is_plain);
    } else if (strcmp(what, "handover") == 0) {
        n_batches = bench_arg(argc, argv, 2, "BATCHES");
        run_handover();
    } else {
        bench_die("trees, plain, hand or handover");
    }
    return 0;
}
