/* SPDX-License-Identifier: MIT */
/*
 * The marker, on graphs built by hand. The only roots are those that a test passes, so what must
 * be marked and what must not is known exactly.
 */
#include <string.h>
#include <sys/mman.h>

#include "collect/cycle.h"
#include "collect/layout.h"
#include "collect/mark.h"
#include "heap/alloc.h"
#include "heap_fixture.h"
#include "os/helper.h"
#include "os/memory.h"

typedef struct node {
    struct node *left, *right;
} node;

static void *allocate(size_t bytes, gl_kind kind)
{
    void *p = gl_heap_alloc(bytes, kind, true);
    ck_assert_ptr_nonnull(p);
    return p;
}

static node *new_node(void) { return allocate(sizeof(node), GL_KIND_SCANNED); }

/* Marks from these words; the world stays stopped, so that the marks can be looked at. */
static void mark_from(const uintptr_t *words, size_t n, gl_root_kind kind)
{
    fixture_stop();
    gl_mark_prepare(gl_cycle_marker());
    gl_mark_range(gl_cycle_marker(), (uintptr_t)words, (uintptr_t)(words + n), kind);
    gl_mark_drain(gl_cycle_marker());
    gl_marker_trim(gl_cycle_marker());
    fixture_resume();
}

static void mark_from_pointer(const void *p)
{
    uintptr_t word = (uintptr_t)p;
    mark_from(&word, 1, GL_ROOT_MEMORY);
}

static bool is_marked(const void *p)
{
    gl_object object = fixture_find(p);
    return gl_mark_is_set(&object);
}

static bool count_one(const gl_object *object, void *n)
{
    *(size_t *)n += gl_mark_is_set(object);
    return true;
}

static size_t n_marked(void)
{
    size_t n = 0;
    gl_heap_each(count_one, &n);
    return n;
}

/* ---- Shapes --------------------------------------------------------------------------------- */

static node *make_tree(int depth)
{
    node *n = new_node();
    if (depth > 0) {
        n->left = make_tree(depth - 1);
        n->right = make_tree(depth - 1);
    }
    return n;
}

static void check_tree(const node *n)
{
    if (n) {
        ck_assert(is_marked(n));
        check_tree(n->left);
        check_tree(n->right);
    }
}

START_TEST(test_tree)
{
    node *garbage = make_tree(12), *tree = make_tree(12), *more_garbage = make_tree(12);
    mark_from_pointer(tree);
    check_tree(tree);
    ck_assert_uint_eq(n_marked(), (1u << 13) - 1);
    ck_assert(!is_marked(garbage) && !is_marked(more_garbage));
    mark_from_pointer(tree->left);
    ck_assert(!is_marked(tree));
    check_tree(tree->left);
    ck_assert_uint_eq(n_marked(), (1u << 12) - 1);
    mark_from(NULL, 0, GL_ROOT_MEMORY);
    ck_assert_uint_eq(n_marked(), 0);
}
END_TEST

static node *make_list(size_t n)
{
    node *head = NULL;
    for (size_t i = 0; i < n; i++) {
        node *next = head;
        head = new_node();
        head->right = next;
    }
    return head;
}

START_TEST(test_long_list)
{
    enum { LENGTH = 1000000 };
    node *list = make_list(LENGTH);
    make_list(1000);
    mark_from_pointer(list);
    ck_assert_uint_eq(n_marked(), LENGTH);
}
END_TEST

START_TEST(test_cycles)
{
    node *ring = make_list(1000), *other = make_list(1000), *self = new_node();
    node *last = ring, *other_last = other;
    while (last->right) {
        last = last->right;
        other_last = other_last->right;
    }
    last->right = ring;
    other_last->right = other;
    self->left = self->right = self;
    mark_from_pointer(ring->right->right);
    ck_assert_uint_eq(n_marked(), 1000);
    ck_assert(is_marked(ring) && !is_marked(other) && !is_marked(self));
    other->left = ring; /* a pointer from garbage counts for nothing */
    self->left = other;
    mark_from_pointer(self);
    ck_assert_uint_eq(n_marked(), 2001);
}
END_TEST

/* Nothing may be lost of a batch as full as can be: objects that need many spans, then whole rows of such
 * as need one, then many spans again. The array reads the same from both ends, wherever marking begins,
 * and holds a second batch, since two are in hand at once. Each word is a leaf's only reference. */
START_TEST(test_full_batches)
{
    enum { N_MANY = 23, N_ROWS = 65, N_MORE = 8, N_WORDS = 254 };
    enum { N = N_MANY + N_ROWS + N_MORE };
    void **array = allocate(2 * N * sizeof *array, GL_KIND_SCANNED);
    size_t n_objects = 1 + 2 * N;
    for (size_t i = 0; i < 2 * N; i++) {
        size_t place = i < N ? i : 2 * N - 1 - i;
        bool needs_many = place < N_MANY || place >= N_MANY + N_ROWS;
        size_t n_words = needs_many ? N_WORDS : 2;
        void **object = array[i] = allocate(n_words * sizeof *object, GL_KIND_SCANNED);
        for (size_t k = 0; k < n_words; k++, n_objects++) {
            object[k] = allocate(16, GL_KIND_ATOMIC);
        }
    }
    mark_from_pointer(array);
    ck_assert_uint_eq(n_marked(), n_objects);
}
END_TEST

/* A million pointers in one object: the mark stack must grow. */
static void **make_array(size_t n)
{
    void **array = allocate(n * sizeof *array, GL_KIND_SCANNED);
    for (size_t i = 0; i < n; i++) {
        array[i] = new_node();
    }
    return array;
}

START_TEST(test_wide_array)
{
    enum { WIDTH = 1000000 };
    make_array(100);
    void **array = make_array(WIDTH);
    mark_from_pointer(array);
    ck_assert_uint_eq(n_marked(), WIDTH + 1);
    ck_assert_uint_eq(gl_marker_overflows(gl_cycle_marker()), 0);
}
END_TEST

static size_t count_resident(char *start, size_t bytes)
{
    static unsigned char pages[64 << 20 >> 12];
    size_t n = 0;
    ck_assert_int_eq(mincore(start, bytes, pages), 0);
    for (size_t i = 0; i < bytes / 4096; i++) {
        n += pages[i] & 1;
    }
    return n;
}

/* A page of a large object that was never touched is not read: that would bring it into memory. */
START_TEST(test_sparse_object)
{
    enum { BYTES = 64 << 20, STEP = 5 << 20 };
    char *table = allocate(BYTES, GL_KIND_SCANNED);
    size_t n = 0;
    for (size_t at = 4096 - sizeof(void *); at < BYTES; at += STEP, n++) {
        *(void **)(table + at) = new_node();
    }
    size_t n_resident = count_resident(table, BYTES);
    mark_from_pointer(table + STEP);
    ck_assert_uint_eq(n_marked(), n + 1);
    ck_assert_uint_eq(count_resident(table, BYTES), n_resident);
    ck_assert_uint_lt(n_resident, BYTES / 4096 / 2);
}
END_TEST

/* Arrays in arrays: what is found last is popped first, so each level leaves most of its pointers
 * on the stack. Together width * depth + 1 + 3 * (depth - 1) objects. */
static void **make_nested_arrays(size_t width, int depth)
{
    void **array = make_array(width);
    for (int level = 1; level < depth; level++) {
        void **next = make_array(width);
        next[width - 1] = array;
        ((node *)next[width / 2])->left = make_list(3);
        array = next;
    }
    return array;
}

START_TEST(test_stack_that_cannot_grow)
{
    enum { WIDTH = 255, DEPTH = 600 };
    void **array = make_nested_arrays(WIDTH, DEPTH);
    ck_assert(gl_cycle_prepare());
    gl_os_inject_commit_failure(1, true);
    mark_from_pointer(array);
    gl_os_inject_commit_failure(0, false);
    ck_assert_uint_eq(n_marked(), DEPTH * WIDTH + 1 + (DEPTH - 1) * 3);
    ck_assert_uint_gt(gl_marker_overflows(gl_cycle_marker()), 0);
}
END_TEST

/* ---- Ways to refer to an object ------------------------------------------------------------- */

static const size_t some_sizes[] = {1, 16, 17, 100, 128, 129, 500, 5000, 21000, 65536, 300000};
enum { N_SIZES = sizeof some_sizes / sizeof some_sizes[0] };

START_TEST(test_interior_pointers)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        char *p = allocate(some_sizes[s], GL_KIND_SCANNED);
        void **holder = allocate(sizeof *holder, GL_KIND_SCANNED);
        size_t step = some_sizes[s] / 50 + 1;
        for (size_t at = 0; at < some_sizes[s]; at += step) {
            mark_from_pointer(p + at);
            ck_assert_uint_eq(n_marked(), 1);
            ck_assert(is_marked(p));
            *holder = p + at;
            mark_from_pointer(holder);
            ck_assert_uint_eq(n_marked(), 2);
            ck_assert(is_marked(p));
        }
    }
}
END_TEST

/* Above 128 bytes from anywhere; such a pointer still lies inside. */
START_TEST(test_one_past_the_end)
{
    for (size_t bytes = GL_SLACK_ABOVE + 1; bytes < 100000; bytes += bytes / 7) {
        char *p = allocate(bytes, GL_KIND_SCANNED);
        void **holder = allocate(sizeof *holder, GL_KIND_SCANNED);
        *holder = p + bytes;
        mark_from_pointer(holder);
        ck_assert_uint_eq(n_marked(), 2);
        ck_assert(is_marked(p));
    }
}
END_TEST

/* Up to 128 bytes: from a register always, from memory if what follows is not allocated. */
START_TEST(test_one_past_the_end_of_a_small_object)
{
    for (size_t bytes = 16; bytes <= GL_SLACK_ABOVE; bytes += 16) {
        char *slots[400];
        for (int i = 0; i < 400; i++) {
            slots[i] = allocate(bytes, GL_KIND_SCANNED);
        }
        int n_checked = 0;
        for (int i = 0; i < 399; i++) {
            if (slots[i + 1] == slots[i] + bytes) {
                uintptr_t end = (uintptr_t)slots[i] + bytes;
                mark_from(&end, 1, GL_ROOT_REGISTERS);
                ck_assert(is_marked(slots[i]) && is_marked(slots[i + 1]));
                ck_assert_uint_eq(n_marked(), 2);
                n_checked++;
            }
        }
        ck_assert_int_gt(n_checked, 300);
        for (int i = 1; i < 400; i += 2) {
            ck_assert(gl_heap_free(slots[i], "free"));
        }
        for (int i = 0; i < 400; i += 2) {
            mark_from_pointer(slots[i] + bytes);
            ck_assert(is_marked(slots[i]));
        }
    }
}
END_TEST

/* setjmp() stores such words. */
START_TEST(test_mangled_pointers)
{
    node *n = new_node();
    uintptr_t guard = 0;
    __asm__("mov %%fs:0x30, %0" : "=r"(guard));
    uintptr_t word = (uintptr_t)n ^ guard;
    word = word << 17 | word >> 47;
    mark_from(&word, 1, GL_ROOT_MEMORY);
    ck_assert(is_marked(n));
}
END_TEST

START_TEST(test_words_that_are_no_pointers)
{
    node *live = new_node(), *freed = new_node();
    void *large = allocate(500000, GL_KIND_SCANNED);
    uintptr_t end = gl_heap.base + gl_heap.used_bytes;
    ck_assert(gl_heap_free(freed, "free") && gl_heap_free(large, "free"));
    uintptr_t words[] = {0, 1, UINTPTR_MAX, gl_heap.base, gl_heap.base - 1, gl_heap.base + 8, end,
                         end - 1, end + 1, (uintptr_t)large, (uintptr_t)large + 70000,
                         ~(uintptr_t)live, (uintptr_t)&live};
    mark_from(words, sizeof words / sizeof words[0], GL_ROOT_MEMORY);
    ck_assert_uint_eq(n_marked(), 0);
    mark_from(words, sizeof words / sizeof words[0], GL_ROOT_REGISTERS);
    ck_assert_uint_eq(n_marked(), 0);
}
END_TEST

START_TEST(test_odd_root_ranges)
{
    node *n = new_node();
    uintptr_t words[3] = {(uintptr_t)n, (uintptr_t)n, (uintptr_t)n};
    uintptr_t start = (uintptr_t)words;
    fixture_stop();
    gl_mark_prepare(gl_cycle_marker());
    gl_mark_range(gl_cycle_marker(), start + 1, start + 15, GL_ROOT_MEMORY); /* no whole word */
    gl_mark_range(gl_cycle_marker(), start + 8, start + 8, GL_ROOT_MEMORY);
    gl_mark_range(gl_cycle_marker(), start + 8, start + 15, GL_ROOT_MEMORY);
    ck_assert(!is_marked(n));
    gl_mark_range(gl_cycle_marker(), start + 1, start + 16, GL_ROOT_MEMORY);
    ck_assert(is_marked(n));
    gl_mark_drain(gl_cycle_marker());
    fixture_resume();
}
END_TEST

/* ---- Kinds ---------------------------------------------------------------------------------- */

START_TEST(test_pointer_free_objects_are_not_scanned)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        size_t bytes = some_sizes[s] < 8 ? 8 : some_sizes[s];
        void **atomic = allocate(bytes, GL_KIND_ATOMIC);
        node *hidden = new_node();
        for (size_t i = 0; i < bytes / 8; i++) {
            atomic[i] = hidden;
        }
        mark_from_pointer(atomic);
        ck_assert(is_marked(atomic) && !is_marked(hidden));
    }
}
END_TEST

/* Every word of an object counts, also the last one that the program may use. */
START_TEST(test_every_word_is_scanned)
{
    static const gl_kind kinds[] = {GL_KIND_MALLOC, GL_KIND_SCANNED, GL_KIND_UNCOLLECTABLE};
    for (size_t s = 1; s < N_SIZES; s++) {
        for (int k = 0; k < 3; k++) {
            uintptr_t *p = allocate(some_sizes[s], kinds[k]);
            size_t n_words = fixture_find(p).bytes / sizeof *p;
            for (size_t i = 0; i < n_words; i += i + 1 < n_words ? (n_words - i + 19) / 20 : 1) {
                node *n = new_node();
                p[i] = (uintptr_t)n;
                mark_from_pointer(p);
                ck_assert_msg(is_marked(n), "word %zu of %zu", i, n_words);
                p[i] = 0;
            }
            node *n = new_node();
            p[n_words - 1] = (uintptr_t)n;
            mark_from_pointer((char *)p + some_sizes[s] / 2);
            ck_assert(is_marked(n));
        }
    }
}
END_TEST

/* Only what the layout names counts, in each element of an array. */
static void check_typed(size_t n_elements, size_t size_words, const size_t *words, size_t n_words)
{
    size_t offsets[16];
    int error;
    for (size_t i = 0; i < n_words; i++) {
        offsets[i] = words[i] * sizeof(void *);
    }
    const gc_layout *layout = gl_layout_new(size_words * sizeof(void *), offsets, n_words, &error);
    ck_assert_ptr_nonnull(layout);
    void **array = gl_heap_alloc_typed(n_elements * size_words * sizeof(void *), layout->number);
    ck_assert_ptr_nonnull(array);
    for (size_t i = 0; i < n_elements * size_words; i++) {
        array[i] = new_node();
    }
    mark_from_pointer(array);
    for (size_t i = 0; i < n_elements * size_words; i++) {
        bool is_pointer = false;
        for (size_t w = 0; w < n_words; w++) {
            is_pointer |= i % size_words == words[w];
        }
        ck_assert_msg(is_marked(array[i]) == is_pointer, "word %zu of %zu elements of %zu", i,
                      n_elements, size_words);
    }
}

START_TEST(test_typed_objects)
{
    static const size_t counts[] = {1, 2, 7, 100, 1000, 20000};
    static const size_t last[] = {6}, some[] = {0, 3, 4}, all[] = {0, 1, 2};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        check_typed(counts[i], 7, last, 1);
        check_typed(counts[i], 5, some, 3);
        check_typed(counts[i], 3, all, 3);
        check_typed(counts[i], 4, NULL, 0);
    }
}
END_TEST

/* ---- Random graphs -------------------------------------------------------------------------- */

enum { N_OBJECTS = 4000, MAX_EDGES = 6 };

typedef struct vertex {
    uintptr_t *p;
    size_t n_words;
    gl_kind kind;
    bool is_reachable; /* by the model */
    int edges[MAX_EDGES];
    int n_edges;
} vertex;

static vertex graph[N_OBJECTS];

/* Noise that looks like what it is not: small numbers, text, addresses of other things. */
static uintptr_t noise(uint64_t *chance)
{
    switch (fixture_below(chance, 4)) {
    case 0:
        return fixture_below(chance, 100000);
    case 1:
        return fixture_random(chance) | UINT64_C(0x4000000000000000);
    case 2:
        return (uintptr_t)&graph[fixture_below(chance, N_OBJECTS)];
    default:
        return 0;
    }
}

static void make_vertices(uint64_t *chance)
{
    static const size_t offsets[] = {8};
    int error;
    const gc_layout *layout = gl_layout_new(16, offsets, 1, &error);
    for (int i = 0; i < N_OBJECTS; i++) {
        vertex *v = &graph[i];
        size_t bytes = 16 + fixture_random_size(chance, 100000);
        v->kind = (gl_kind)(1 + fixture_below(chance, GL_N_KINDS - 1));
        v->p = v->kind == GL_KIND_TYPED ? gl_heap_alloc_typed(bytes, layout->number)
                                        : gl_heap_alloc(bytes, v->kind, true);
        ck_assert_ptr_nonnull(v->p);
        v->n_words = bytes / sizeof *v->p;
        v->n_edges = 0;
        v->is_reachable = false;
        for (size_t w = 0; w < v->n_words; w++) {
            v->p[w] = noise(chance);
        }
        if (fixture_below(chance, 3) == 0) { /* holes in the blocks */
            ck_assert(gl_heap_free(gl_heap_alloc(bytes, v->kind == GL_KIND_TYPED ? GL_KIND_SCANNED
                                                                                  : v->kind, false),
                                   "free"));
        }
    }
}

/* Puts pointers to the start or the middle; the model knows which of them count. */
static void make_edges(uint64_t *chance)
{
    for (int i = 0; i < N_OBJECTS; i++) {
        vertex *v = &graph[i];
        size_t n = fixture_below(chance, MAX_EDGES);
        for (size_t e = 0; e < n; e++) {
            int target = (int)fixture_below(chance, N_OBJECTS);
            size_t word = fixture_below(chance, v->n_words);
            bool is_taken = false;
            for (int k = 0; k < v->n_edges; k++) {
                is_taken |= v->p[word] == (uintptr_t)graph[v->edges[k]].p ||
                            gl_heap_contains(v->p[word]);
            }
            if (is_taken) {
                continue;
            }
            v->p[word] = (uintptr_t)graph[target].p +
                         fixture_below(chance, graph[target].n_words * 8);
            bool counts = v->kind != GL_KIND_ATOMIC && (v->kind != GL_KIND_TYPED || word % 2 == 1);
            if (counts) {
                v->edges[v->n_edges++] = target;
            }
        }
    }
}

static void reach(int root)
{
    static int queue[N_OBJECTS];
    int n = 0;
    queue[n++] = root;
    graph[root].is_reachable = true;
    while (n > 0) {
        const vertex *v = &graph[queue[--n]];
        for (int e = 0; e < v->n_edges; e++) {
            if (!graph[v->edges[e]].is_reachable) {
                graph[v->edges[e]].is_reachable = true;
                queue[n++] = v->edges[e];
            }
        }
    }
}

/* The same set whatever room the mark stack has. */
static void check_graph(size_t stack_limit, const uintptr_t *roots, size_t n_roots)
{
    gl_marker_limit_stack(gl_cycle_marker(), stack_limit);
    mark_from(roots, n_roots, GL_ROOT_MEMORY);
    size_t n = 0;
    for (int i = 0; i < N_OBJECTS; i++) {
        ck_assert_msg(is_marked(graph[i].p) == graph[i].is_reachable,
                      "object %d of %zu words, kind %d, stack limit %zu: %s", i, graph[i].n_words,
                      (int)graph[i].kind, stack_limit,
                      graph[i].is_reachable ? "not marked" : "marked");
        n += graph[i].is_reachable;
    }
    ck_assert_uint_eq(n_marked(), n);
}

START_TEST(test_random_graphs)
{
    uint64_t chance = (uint64_t)_i;
    uintptr_t roots[5];
    make_vertices(&chance);
    make_edges(&chance);
    for (int r = 0; r < 5; r++) {
        int root = (int)fixture_below(&chance, N_OBJECTS);
        roots[r] = (uintptr_t)graph[root].p;
        reach(root);
    }
    check_graph(0, roots, 5);
    ck_assert_uint_eq(gl_marker_overflows(gl_cycle_marker()), 0);
    check_graph(1, roots, 5);
    ck_assert_uint_gt(gl_marker_overflows(gl_cycle_marker()), 0);
    check_graph(8, roots, 5);
    check_graph(100, roots, 5);
    check_graph(0, roots, 5);
    fixture_verify();
}
END_TEST

START_TEST(test_marking_single_objects)
{
    node *list = make_list(10);
    void *large = allocate(100000, GL_KIND_SCANNED);
    *(void **)large = new_node();
    fixture_stop();
    gl_mark_prepare(gl_cycle_marker());
    gl_object object = fixture_find(list), other = fixture_find(large);
    ck_assert(!gl_mark_is_set(&object) && !gl_mark_is_set(&other));
    gl_mark_object(gl_cycle_marker(), &object);
    gl_mark_object(gl_cycle_marker(), &object);
    gl_mark_object(gl_cycle_marker(), &other);
    ck_assert(gl_mark_is_set(&object) && gl_mark_is_set(&other));
    gl_mark_drain(gl_cycle_marker());
    fixture_resume();
    ck_assert_uint_eq(n_marked(), 12);
}
END_TEST

/* Slots that are not allocated look marked, so that the flip does not take them for dead. */
START_TEST(test_free_slots_look_marked)
{
    void *p[1000];
    for (int i = 0; i < 1000; i++) {
        p[i] = allocate(48, GL_KIND_SCANNED);
    }
    for (int i = 0; i < 1000; i += 2) {
        ck_assert(gl_heap_free(p[i], "free"));
    }
    mark_from(NULL, 0, GL_ROOT_MEMORY);
    for (int i = 0; i < 1000; i++) {
        uintptr_t offset = (uintptr_t)p[i] - gl_heap.base;
        uint32_t block = (uint32_t)(offset >> GL_BLOCK_SHIFT);
        uint32_t n = gl_object_number(gl_heap.descs[block], offset & (GL_BLOCK_BYTES - 1));
        bool is_set = gl_block_mark_bits(block)[n / 64] >> (n % 64) & 1;
        ck_assert(is_set == (i % 2 == 0));
    }
}
END_TEST

/* ---- Markers --------------------------------------------------------------------------------- */

/* The verifying library calls helpers after the first batch. A sandbox may refuse them. */
START_TEST(test_helpers_take_part)
{
    mark_from_pointer(make_tree(16));
    ck_assert_uint_eq(n_marked(), (1u << 17) - 1);
    ck_assert_uint_eq(gl_marker_n_markers(gl_cycle_marker()), gl_helper_is_allowed() ? 4 : 1);
}
END_TEST

/* Again and again, with a graph in which every path can be shared. */
START_TEST(test_helpers_lose_nothing)
{
    enum { ROUNDS = 60 };
    node *tree = make_tree(13);
    make_tree(10);
    for (int round = 0; round < ROUNDS; round++) {
        mark_from_pointer(tree);
        ck_assert_uint_eq(n_marked(), (1u << 14) - 1);
    }
}
END_TEST

START_TEST(test_helpers_with_full_stacks)
{
    enum { WIDTH = 255, DEPTH = 200, LIMIT = 1000 };
    void **array = make_nested_arrays(WIDTH, DEPTH);
    ck_assert(gl_cycle_prepare());
    gl_marker_limit_stack(gl_cycle_marker(), LIMIT);
    mark_from_pointer(array);
    ck_assert_uint_eq(n_marked(), DEPTH * WIDTH + 1 + (DEPTH - 1) * 3);
    ck_assert_uint_gt(gl_marker_overflows(gl_cycle_marker()), 0);
}
END_TEST

static void setup_portable(void) { fixture_start("simd=portable:markers=1"); }
static void setup_avx2(void) { fixture_start("simd=avx2:markers=1"); }
static void setup_helpers(void) { fixture_start("markers=4:verify=1"); }

static TCase *everything(const char *name, SFun setup)
{
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_tree);
    tcase_add_test(t, test_long_list);
    tcase_add_test(t, test_cycles);
    tcase_add_test(t, test_full_batches);
    tcase_add_test(t, test_wide_array);
    tcase_add_test(t, test_sparse_object);
    tcase_add_test(t, test_stack_that_cannot_grow);
    tcase_add_test(t, test_interior_pointers);
    tcase_add_test(t, test_one_past_the_end);
    tcase_add_test(t, test_one_past_the_end_of_a_small_object);
    tcase_add_test(t, test_mangled_pointers);
    tcase_add_test(t, test_words_that_are_no_pointers);
    tcase_add_test(t, test_odd_root_ranges);
    tcase_add_test(t, test_pointer_free_objects_are_not_scanned);
    tcase_add_test(t, test_every_word_is_scanned);
    tcase_add_test(t, test_typed_objects);
    tcase_add_loop_test(t, test_random_graphs, 1, 7);
    tcase_add_test(t, test_marking_single_objects);
    tcase_add_test(t, test_free_slots_look_marked);
    return t;
}

int main(void)
{
    TCase *helpers = everything("helpers", setup_helpers);
    tcase_add_test(helpers, test_helpers_take_part);
    tcase_add_test(helpers, test_helpers_lose_nothing);
    tcase_add_test(helpers, test_helpers_with_full_stacks);
    TCase *const cases[] = {
        everything("default", fixture_setup),
        everything("portable", setup_portable),
        everything("avx2", setup_avx2),
        helpers,
    };
    return fixture_run_all(cases, sizeof cases / sizeof cases[0]);
}
