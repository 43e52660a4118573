/* SPDX-License-Identifier: MIT */
/*
 * Mark rate: builds a large live heap with the collector held, then times full collections of it,
 * in which nothing dies. What is left is the cost of finding live objects.
 *
 *     mark SHAPE OBJECTS ROUNDS
 *
 * tree      binary tree of 16-byte nodes, linked in the order of allocation (depth first)
 * shuffled  the same nodes, linked in random order
 * graph     64-byte objects with 3 edges to random others
 * list      one list of 16-byte cells in random order: each step waits for memory
 * chain     one list in the order of allocation: a marker that recurses, or a mark stack without
 *           bound, grows with it
 * spine     a list whose every cell also holds a leaf; the list goes on to the left in its first
 *           half and to the right in its second, so that one of them waits whatever the order
 * array     one array of pointers to 32-byte objects in random order
 * mixed     16 to 512 bytes; 60% of the words point to random objects, 40% are numbers
 * numbers   64-byte objects, two of eight words are pointers
 *
 * In the last two and in graph an object carries its own number in its first word, and a word is a
 * pointer if and only if it lies between 2^32 and 2^63. So the program can count the live objects
 * itself, before and after the collections.
 *
 * Beside the time of collections it prints what memory the first one needs: rss_per_heap is the
 * peak resident memory during it divided by what the program asked for, rss_growth the same
 * divided by the resident memory before it.
 */
#include "collector.h"

#include "bench.h"

#include <stdbool.h>

enum { NODE_BYTES = 16, LEAF_BYTES = 32, OBJECT_WORDS = 8, MAX_WORDS = 64, MAX_ROUNDS = 100 };

/* What the array's objects hold: a number. */
enum { LEAF_VALUE = 0x1ea7 };

typedef struct node {
    struct node *left;
    struct node *right;
} node;

/* The only reference to the heap. Volatile: it must be in memory whenever a collection starts. */
static void *volatile root;

/* Words of each object, for the shapes with numbered objects. Holds no pointers. */
static uint8_t *object_words;
static size_t n_objects;

/* What the program asked for. */
static size_t heap_bytes;

static void *object_new(size_t size_bytes)
{
    heap_bytes += size_bytes;
    return bench_need(collector_new(size_bytes));
}

static bool word_is_pointer(uint64_t word)
{
    return word >> 32 != 0 && word >> 63 == 0;
}

/* A number that no pointer can be mistaken for: small, or with the top bit set. */
static uint64_t random_number(bench_rng *rng)
{
    uint64_t r = bench_random(rng);

    return (r & 1) != 0 ? r >> 32 : r | (uint64_t)1 << 63;
}

static void swap_pointers(void **a, void **b)
{
    void *t = *a;

    *a = *b;
    *b = t;
}

/* `n` new objects in random order, in a scratch table. */
static void **shuffled_objects(size_t n, size_t size_bytes, bench_rng *rng)
{
    void **table = bench_scratch(n * sizeof *table);
    size_t i;

    for (i = 0; i < n; i++)
        table[i] = object_new(size_bytes);
    for (i = n - 1; i > 0; i--)
        swap_pointers(&table[i], &table[bench_below(rng, i + 1)]);
    return table;
}

static node *tree_in_order(size_t n)
{
    node *t = object_new(NODE_BYTES);
    size_t n_left = (n - 1) / 2, n_right = n - 1 - n_left;

    t->left = n_left > 0 ? tree_in_order(n_left) : NULL;
    t->right = n_right > 0 ? tree_in_order(n_right) : NULL;
    return t;
}

static size_t tree_count(const node *t)
{
    return t == NULL ? 0 : 1 + tree_count(t->left) + tree_count(t->right);
}

static void build_tree(bench_rng *rng)
{
    (void)rng;
    root = tree_in_order(n_objects);
}

static void build_shuffled(bench_rng *rng)
{
    void **table = shuffled_objects(n_objects, NODE_BYTES, rng);
    size_t i;

    for (i = 0; i < n_objects; i++) {
        node *t = table[i];

        t->left = 2 * i + 1 < n_objects ? table[2 * i + 1] : NULL;
        t->right = 2 * i + 2 < n_objects ? table[2 * i + 2] : NULL;
    }
    root = table[0];
    bench_scratch_return(table, n_objects * sizeof *table);
}

static size_t count_tree(void)
{
    return tree_count(root);
}

static void build_list(bench_rng *rng)
{
    void **table = shuffled_objects(n_objects, NODE_BYTES, rng);
    size_t i;

    for (i = 0; i < n_objects; i++) {
        node *cell = table[i];

        cell->left = i + 1 < n_objects ? table[i + 1] : NULL;
        cell->right = NULL;
    }
    root = table[0];
    bench_scratch_return(table, n_objects * sizeof *table);
}

static size_t count_list(void)
{
    const node *cell;
    size_t n = 0;

    for (cell = root; cell != NULL; cell = cell->left)
        n++;
    return n;
}

static node *node_new(node *left, node *right)
{
    node *t = object_new(NODE_BYTES);

    t->left = left;
    t->right = right;
    return t;
}

static void build_chain(bench_rng *rng)
{
    node *last = node_new(NULL, NULL);
    size_t i;

    (void)rng;
    root = last;
    for (i = 1; i < n_objects; i++)
        last = last->left = node_new(NULL, NULL);
}

/* Whether the list of `spine` goes on to the left at cell i. */
static bool spine_is_left(size_t i)
{
    return i < n_objects / 4;
}

static void build_spine(bench_rng *rng)
{
    node *last = NULL;
    size_t i;

    (void)rng;
    for (i = 0; i < n_objects / 2; i++) {
        node *leaf = node_new(NULL, NULL);
        node *cell = spine_is_left(i) ? node_new(NULL, leaf) : node_new(leaf, NULL);

        if (last == NULL)
            root = cell;
        else if (spine_is_left(i - 1))
            last->left = cell;
        else
            last->right = cell;
        last = cell;
    }
}

static size_t count_spine(void)
{
    const node *cell = root;
    size_t n_cells;

    for (n_cells = 0; cell != NULL; n_cells++) {
        bool is_left = spine_is_left(n_cells);
        const node *leaf = is_left ? cell->right : cell->left;

        if (leaf == NULL || leaf->left != NULL || leaf->right != NULL)
            bench_die("a leaf was lost or overwritten");
        cell = is_left ? cell->left : cell->right;
    }
    return 2 * n_cells;
}

static void build_array(bench_rng *rng)
{
    size_t n = n_objects - 1, i; /* one object is the array itself */
    void **table = shuffled_objects(n, LEAF_BYTES, rng);
    void **array = object_new(n * sizeof *array);

    memcpy(array, table, n * sizeof *array);
    for (i = 0; i < n; i++)
        *(uint64_t *)array[i] = LEAF_VALUE;
    root = array;
    bench_scratch_return(table, n * sizeof *table);
}

static size_t count_array(void)
{
    void **array = root;
    size_t i;

    for (i = 0; i < n_objects - 1; i++)
        if (*(uint64_t *)array[i] != LEAF_VALUE)
            bench_die("an element of the array was lost");
    return n_objects;
}

/* The numbered objects, each filled by `fill(object, words, table, rng)`. */
typedef void fill_object(uint64_t *object, size_t n_words, uint64_t **table, bench_rng *rng);

static void build_objects(size_t min_words, size_t max_words, fill_object *fill, bench_rng *rng)
{
    uint64_t **table = bench_scratch(n_objects * sizeof *table);
    size_t i;

    object_words = bench_scratch(n_objects);
    for (i = 0; i < n_objects; i++) {
        size_t n_pairs = min_words / 2 + bench_below(rng, (max_words - min_words) / 2 + 1);

        object_words[i] = (uint8_t)(2 * n_pairs);
        table[i] = object_new(2 * n_pairs * sizeof **table);
        table[i][0] = i;
    }
    for (i = 0; i < n_objects; i++)
        fill(table[i], object_words[i], table, rng);
    root = table[0];
    bench_scratch_return(table, n_objects * sizeof *table);
}

static void fill_graph(uint64_t *object, size_t n_words, uint64_t **table, bench_rng *rng)
{
    size_t i;

    for (i = 1; i < n_words; i++)
        object[i] = i <= 3 ? (uint64_t)table[bench_below(rng, n_objects)] : random_number(rng);
}

static void fill_mixed(uint64_t *object, size_t n_words, uint64_t **table, bench_rng *rng)
{
    size_t i;

    for (i = 1; i < n_words; i++) {
        bool is_pointer = bench_below(rng, 10) < 6;

        object[i] = is_pointer ? (uint64_t)table[bench_below(rng, n_objects)] : random_number(rng);
    }
}

static void fill_numbers(uint64_t *object, size_t n_words, uint64_t **table, bench_rng *rng)
{
    size_t i, child = 2 * object[0] + 1;

    for (i = 1; i < n_words; i++) {
        bool is_pointer = (i == 2 || i == 5) && child < n_objects;

        object[i] = is_pointer ? (uint64_t)table[child++] : random_number(rng);
    }
}

static void build_graph(bench_rng *rng)
{
    build_objects(OBJECT_WORDS, OBJECT_WORDS, fill_graph, rng);
}

static void build_mixed(bench_rng *rng)
{
    build_objects(2, MAX_WORDS, fill_mixed, rng);
}

static void build_numbers(bench_rng *rng)
{
    build_objects(OBJECT_WORDS, OBJECT_WORDS, fill_numbers, rng);
}

/* Walks the numbered objects from the root. */
static size_t count_objects(void)
{
    uint64_t **stack = bench_scratch(n_objects * sizeof *stack);
    uint8_t *is_seen = bench_scratch(n_objects);
    size_t depth = 0, n_seen = 0;

    stack[depth++] = root;
    is_seen[*(uint64_t *)root] = 1;
    while (depth > 0) {
        uint64_t *object = stack[--depth];
        size_t i;

        if (object[0] >= n_objects)
            bench_die("an object was overwritten");
        n_seen++;
        for (i = 1; i < object_words[object[0]]; i++) {
            uint64_t *target = (uint64_t *)object[i];

            if (!word_is_pointer(object[i]) || is_seen[*target] != 0)
                continue;
            is_seen[*target] = 1;
            stack[depth++] = target;
        }
    }
    bench_scratch_return(stack, n_objects * sizeof *stack);
    bench_scratch_return(is_seen, n_objects);
    return n_seen;
}

typedef struct {
    const char *name;
    void (*build)(bench_rng *rng);
    size_t (*count)(void);
} shape;

static const shape shapes[] = {
    {"tree", build_tree, count_tree},          {"shuffled", build_shuffled, count_tree},
    {"graph", build_graph, count_objects},     {"list", build_list, count_list},
    {"array", build_array, count_array},       {"mixed", build_mixed, count_objects},
    {"numbers", build_numbers, count_objects}, {"chain", build_chain, count_list},
    {"spine", build_spine, count_spine},
};

static const shape *find_shape(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    fprintf(stderr, "error: no shape is called `%s'\n", name);
    exit(2);
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double median_ns(uint64_t *ns, size_t n)
{
    qsort(ns, n, sizeof *ns, compare_ns);
    return ((double)ns[(n - 1) / 2] + (double)ns[n / 2]) / 2;
}

/* A line of /proc/self/status in KiB: VmRSS, or VmHWM, its peak. */
static double status_kib(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    size_t n = strlen(name);
    char line[256];
    double kib = 0;

    while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, n) == 0 && line[n] == ':')
            kib = strtod(line + n + 1, NULL);
    if (kib == 0)
        bench_die("/proc/self/status does not tell the resident memory");
    fclose(f);
    return kib;
}

/* Where the kernel refuses, the peak is that since the program began: never too small. */
static void restart_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");

    if (f != NULL) {
        fputs("5", f);
        fclose(f);
    }
}

/* The first collection grows the mark stack and takes page faults: its time says little. */
static void measure_memory(void)
{
    double before_kib, peak_kib;

    restart_peak();
    before_kib = status_kib("VmRSS");
    collector_collect();
    peak_kib = status_kib("VmHWM");
    bench_metric("rss_per_heap", peak_kib * 1024 / (double)heap_bytes, "ratio");
    bench_metric("rss_growth", peak_kib / before_kib, "ratio");
}

static void time_collections(size_t n_rounds, size_t n_live)
{
    uint64_t wall_ns[MAX_ROUNDS], cpu_ns[MAX_ROUNDS];
    size_t i;

    for (i = 0; i < n_rounds; i++) {
        uint64_t wall_start = bench_wall_ns(), cpu_start = bench_cpu_ns();

        collector_collect();
        cpu_ns[i] = bench_cpu_ns() - cpu_start;
        wall_ns[i] = bench_wall_ns() - wall_start;
    }
    bench_metric("cpu_ns_per_object", median_ns(cpu_ns, n_rounds) / (double)n_live, "ns");
    bench_metric("ns_per_object", median_ns(wall_ns, n_rounds) / (double)n_live, "ns");
    bench_metric("fastest_ns_per_object", (double)wall_ns[0] / (double)n_live, "ns");
}

int main(int argc, char **argv)
{
    bench_rng rng = {42};
    size_t n_rounds, n_live;
    const shape *s;

    if (argc != 4)
        bench_die("usage: mark SHAPE OBJECTS ROUNDS");
    s = find_shape(argv[1]);
    n_objects = bench_arg(argc, argv, 2, "OBJECTS");
    n_rounds = bench_arg(argc, argv, 3, "ROUNDS");
    if (n_rounds > MAX_ROUNDS || n_objects < 4 || n_objects >> 32 != 0)
        bench_die("OBJECTS must be 4 to 2^32 - 1, ROUNDS at most 100");
    collector_init();
    collector_hold();
    s->build(&rng);
    collector_resume();
    n_live = s->count();
    bench_check("live_objects", n_live);
    measure_memory();
    time_collections(n_rounds, n_live);
    if (s->count() != n_live)
        bench_die("live objects were lost");
    return 0;
}
