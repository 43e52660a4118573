/* SPDX-License-Identifier: MIT */
/*
 * GCBench as John Ellis, Pete Kovac and Hans Boehm described it, written anew: a temporary tree
 * stretches the heap, a long-lived tree and a large array of doubles stay, then trees of growing
 * depth are built, half of them from the root down (every node written after it became old),
 * half from the leaves up, so many of each that every depth allocates the same amount.
 *
 *     gcbench STRETCH_DEPTH          (the original: 18)
 */
#include "collector.h"

#include "bench.h"

enum { MIN_DEPTH = 4, DEPTH_STEP = 2, N_DOUBLES = 500000 };

typedef struct node {
    struct node *left;
    struct node *right;
    int32_t i;
    int32_t j;
} node;

static uint64_t tree_size(unsigned depth)
{
    return ((uint64_t)2 << depth) - 1;
}

static node *node_new(node *left, node *right)
{
    node *n = bench_need(collector_new(sizeof *n));

    n->left = left;
    n->right = right;
    n->i = 0;
    n->j = 0;
    return n;
}

/* Top down: gives `n` two subtrees of depth - 1. */
static void populate(unsigned depth, node *n)
{
    if (depth == 0)
        return;
    n->left = node_new(NULL, NULL);
    n->right = node_new(NULL, NULL);
    populate(depth - 1, n->left);
    populate(depth - 1, n->right);
}

/* Bottom up. */
static node *make_tree(unsigned depth)
{
    node *left, *right;

    if (depth == 0)
        return node_new(NULL, NULL);
    left = make_tree(depth - 1);
    right = make_tree(depth - 1);
    return node_new(left, right);
}

static uint64_t count(const node *n)
{
    return n == NULL ? 0 : 1 + count(n->left) + count(n->right);
}

static void construct(unsigned depth, unsigned stretch_depth)
{
    uint64_t n_trees = 2 * tree_size(stretch_depth) / tree_size(depth);
    uint64_t top_down = 0, bottom_up = 0, i;

    for (i = 0; i < n_trees; i++) {
        node *tree = node_new(NULL, NULL);

        populate(depth, tree);
        top_down += tree->left != NULL;
    }
    for (i = 0; i < n_trees; i++)
        bottom_up += make_tree(depth)->right != NULL;
    if (top_down != n_trees || bottom_up != n_trees)
        bench_die("a tree lost its children");
    printf("check depth_%u trees %" PRIu64 "\n", depth, n_trees);
}

static void run(unsigned stretch_depth)
{
    unsigned max_depth = stretch_depth - 2, depth;
    node *long_lived;
    double *array, sum = 0;
    size_t i;

    bench_check("stretch_nodes", count(make_tree(stretch_depth)));
    long_lived = node_new(NULL, NULL);
    populate(max_depth, long_lived);
    array = bench_need(collector_new_atomic(N_DOUBLES * sizeof *array));
    for (i = 0; i < N_DOUBLES; i++)
        array[i] = 1.0 / (double)(i + 1);
    for (depth = MIN_DEPTH; depth <= max_depth; depth += DEPTH_STEP)
        construct(depth, stretch_depth);
    for (i = 0; i < N_DOUBLES; i++)
        sum += array[i];
    bench_check("long_lived_nodes", count(long_lived));
    printf("check array_sum %.9f\n", sum);
}

int main(int argc, char **argv)
{
    size_t stretch_depth = bench_arg(argc, argv, 1, "STRETCH_DEPTH");
    uint64_t wall_ns, cpu_ns;

    if (stretch_depth < MIN_DEPTH + 2 || stretch_depth > 28)
        bench_die("STRETCH_DEPTH must be 6 to 28");
    collector_init();
    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    run((unsigned)stretch_depth);
    bench_metric("cpu_seconds", (double)(bench_cpu_ns() - cpu_ns) / 1e9, "s");
    bench_metric("seconds", (double)(bench_wall_ns() - wall_ns) / 1e9, "s");
    return 0;
}
