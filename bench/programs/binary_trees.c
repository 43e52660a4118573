/* SPDX-License-Identifier: MIT */
/*
 * Binary trees, after the Computer Language Benchmarks Game: a stretch tree, a tree that lives to
 * the end, and very many short-lived trees of depth 4 to DEPTH. A node is two pointers, 16 bytes.
 *
 *     binary_trees DEPTH keep|free
 *
 * `keep` leaves dead trees to the collector, `free` frees each node after the tree was checked.
 * By hand (the malloc variant) both free, for otherwise it would only measure a leak.
 */
#include "collector.h"

#include "bench.h"

#include <stdbool.h>

enum { MIN_DEPTH = 4 };

typedef struct node {
    struct node *left;
    struct node *right;
} node;

static node *tree_new(unsigned depth)
{
    node *n = bench_need(collector_new(sizeof *n));

    if (depth > 0) {
        n->left = tree_new(depth - 1);
        n->right = tree_new(depth - 1);
    } else {
        n->left = NULL;
        n->right = NULL;
    }
    return n;
}

static uint64_t tree_count(const node *n)
{
    if (n->left == NULL)
        return 1;
    return 1 + tree_count(n->left) + tree_count(n->right);
}

static void tree_delete(node *n)
{
    if (n->left != NULL) {
        tree_delete(n->left);
        tree_delete(n->right);
    }
    collector_delete(n);
}

/* A tree from birth to death; its number of nodes. */
static uint64_t tree_life(unsigned depth, bool is_freed)
{
    node *tree = tree_new(depth);
    uint64_t n_nodes = tree_count(tree);

    if (is_freed)
        tree_delete(tree);
    return n_nodes;
}

static void run(unsigned max_depth, bool is_freed)
{
    uint64_t n_nodes = tree_life(max_depth + 1, is_freed);
    node *long_lived;
    unsigned depth;

    bench_check("stretch_nodes", n_nodes);
    long_lived = tree_new(max_depth);
    for (depth = MIN_DEPTH; depth <= max_depth; depth += 2) {
        uint64_t n_trees = (uint64_t)1 << (max_depth - depth + MIN_DEPTH);
        uint64_t i;

        n_nodes = 0;
        for (i = 0; i < n_trees; i++)
            n_nodes += tree_life(depth, is_freed);
        printf("check trees_of_depth_%u %" PRIu64 " nodes %" PRIu64 "\n", depth, n_trees, n_nodes);
    }
    bench_check("long_lived_nodes", tree_count(long_lived));
    if (is_freed)
        tree_delete(long_lived);
}

int main(int argc, char **argv)
{
    size_t depth = bench_arg(argc, argv, 1, "DEPTH");
    uint64_t wall_ns, cpu_ns;
    bool is_freed;

    if (argc != 3 || (strcmp(argv[2], "keep") != 0 && strcmp(argv[2], "free") != 0))
        bench_die("usage: binary_trees DEPTH keep|free");
    if (depth < MIN_DEPTH || depth > 30)
        bench_die("DEPTH must be 4 to 30");
    is_freed = COLLECTOR_IS_MANUAL || strcmp(argv[2], "free") == 0;
    collector_init();
    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    run((unsigned)depth, is_freed);
    bench_metric("cpu_seconds", (double)(bench_cpu_ns() - cpu_ns) / 1e9, "s");
    bench_metric("seconds", (double)(bench_wall_ns() - wall_ns) / 1e9, "s");
    return 0;
}
