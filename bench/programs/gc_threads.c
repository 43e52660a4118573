/* SPDX-License-Identifier: MIT */
/*
 * Threads under a collector: TOTAL threads, ATONCE of them at a time, each builds TREES trees of
 * depth DEPTH, one after the other, and frees nothing.
 *
 *     gc_threads TOTAL ATONCE DEPTH TREES
 *
 * Many threads and small trees measure the birth and death of threads; two threads and large trees
 * measure allocation and collection that threads compete for.
 */
#include "collector.h"

#include "bench.h"

#include <pthread.h>

enum { MAX_AT_ONCE = 64 };

typedef struct node {
    struct node *left;
    struct node *right;
} node;

static size_t tree_depth, n_trees;

static node *tree_new(size_t depth)
{
    node *n = bench_need(collector_new(sizeof *n));

    n->left = depth > 0 ? tree_new(depth - 1) : NULL;
    n->right = depth > 0 ? tree_new(depth - 1) : NULL;
    return n;
}

static size_t tree_count(const node *n)
{
    return n == NULL ? 0 : 1 + tree_count(n->left) + tree_count(n->right);
}

static void tree_delete(node *n)
{
    if (n == NULL)
        return;
    tree_delete(n->left);
    tree_delete(n->right);
    collector_delete(n);
}

static void *work(void *arg)
{
    size_t n_nodes = 0, i;

    for (i = 0; i < n_trees; i++) {
        node *tree = tree_new(tree_depth);

        n_nodes += tree_count(tree);
        if (COLLECTOR_IS_MANUAL)
            tree_delete(tree);
    }
    *(size_t *)arg = n_nodes;
    return NULL;
}

static size_t run_batch(size_t n_threads)
{
    pthread_t threads[MAX_AT_ONCE];
    size_t counts[MAX_AT_ONCE];
    size_t total = 0, i;

    for (i = 0; i < n_threads; i++)
        if (pthread_create(&threads[i], NULL, work, &counts[i]) != 0)
            bench_die("pthread_create failed");
    for (i = 0; i < n_threads; i++) {
        pthread_join(threads[i], NULL);
        total += counts[i];
    }
    return total;
}

int main(int argc, char **argv)
{
    size_t n_total = bench_arg(argc, argv, 1, "TOTAL");
    size_t n_at_once = bench_arg(argc, argv, 2, "ATONCE");
    size_t n_nodes = 0, n_done;
    uint64_t wall_ns, cpu_ns;
    double wall_s;

    tree_depth = bench_arg(argc, argv, 3, "DEPTH");
    n_trees = bench_arg(argc, argv, 4, "TREES");
    if (n_at_once > MAX_AT_ONCE || tree_depth > 28)
        bench_die("ATONCE must be at most 64, DEPTH at most 28");
    collector_init();
    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    for (n_done = 0; n_done < n_total; n_done += n_at_once)
        n_nodes += run_batch(n_total - n_done < n_at_once ? n_total - n_done : n_at_once);
    wall_s = (double)(bench_wall_ns() - wall_ns) / 1e9;
    bench_metric("cpu_seconds", (double)(bench_cpu_ns() - cpu_ns) / 1e9, "s");
    bench_metric("seconds", wall_s, "s");
    bench_metric("us_per_thread", wall_s * 1e6 / (double)n_total, "us");
    bench_check("nodes", n_nodes);
    return 0;
}
