/* SPDX-License-Identifier: MIT */
/* Ephemerons: how much a collection looks at, by counting, and that it gets along
 * without memory. */
#include <gleaner/gc.h>
#include <gleaner/weakref.h>

#include "collect/ephemeron.h"
#include "heap/meta.h"
#include "heap_fixture.h"
#include "os/memory.h"
#include "unit.h"

typedef enum shape {
    FORWARD,  /* the value of each entry is the key of the next */
    BACKWARD, /* entered from the last to the first */
    SHUFFLED,
    TREE,     /* the value of each refers to the keys of two others */
    N_SHAPES
} shape;

/* Static data is a root. */
static struct {
    gc_weakmap *map;
    void *root;
    void ***cells; /* keys, while the map is being filled */
    uint32_t *order;
} graph;

static void shuffle(uint32_t *order, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)(unit_random() % i), other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }
}

static void *value_of(shape s, uint32_t i, uint32_t n)
{
    if (s != TREE) {
        return i + 1 < n ? graph.cells[i + 1] : NULL;
    }
    void **value = gc_malloc(16);
    value[0] = 2 * i + 1 < n ? graph.cells[2 * i + 1] : NULL;
    value[1] = 2 * i + 2 < n ? graph.cells[2 * i + 2] : NULL;
    return value;
}

static __attribute__((noinline)) void build(shape s, uint32_t n)
{
    graph.map = gc_weakmap_new(GC_WEAK_KEYS, NULL);
    graph.cells = gc_malloc(n * sizeof *graph.cells);
    graph.order = gc_malloc_atomic(n * sizeof *graph.order);
    for (uint32_t i = 0; i < n; i++) {
        graph.cells[i] = gc_malloc(16);
        graph.order[i] = s == BACKWARD ? n - 1 - i : i;
    }
    if (s == SHUFFLED) {
        shuffle(graph.order, n);
    }
    graph.root = graph.cells[0];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = graph.order[i];
        ck_assert_int_eq(gc_weakmap_set(graph.map, graph.cells[at], value_of(s, at, n)), 0);
    }
    gc_free(graph.cells);
    gc_free(graph.order);
    graph.cells = NULL;
    graph.order = NULL;
}

/* What a collection of n of them looks at: entries, and objects one by one. All must stay. */
static uint64_t work_for(shape s, uint32_t n)
{
    build(s, n);
    gc_collect();
    uint64_t work = gl_ephemerons_examined() + gl_ephemerons_traced();
    ck_assert_uint_eq(gc_weakmap_len(graph.map), n);
    gc_weakmap_free(graph.map);
    graph.root = NULL;
    gc_collect();
    return work;
}

static void check_linear(shape s, uint32_t n)
{
    uint64_t once = work_for(s, n), twice = work_for(s, 2 * n);
    ck_assert_msg(once >= n && once <= 8 * (uint64_t)n, "shape %d: %lu for %u", s, once, n);
    ck_assert_msg(twice <= once * 22 / 10, "shape %d: %lu, %lu", s, once, twice);
}

START_TEST(test_work_is_linear)
{
    for (shape s = FORWARD; s < N_SHAPES; s++) {
        check_linear(s, 20000);
        check_linear(s, 40000);
    }
    check_linear(BACKWARD, 500000); /* and a million */
}
END_TEST

/* Those that die are looked at no more than a few times, too. */
START_TEST(test_what_dies_is_linear)
{
    const uint32_t n = 50000;
    for (shape s = FORWARD; s < N_SHAPES; s++) {
        build(s, n);
        graph.root = NULL;
        gc_collect();
        uint64_t work = gl_ephemerons_examined() + gl_ephemerons_traced();
        ck_assert_msg(work <= 8 * (uint64_t)n, "shape %d: %lu for %u", s, work, n);
        gc_weakmap_free(graph.map);
    }
}
END_TEST

static void exhaust_meta(void)
{
    gl_os_inject_commit_failure(1, true);
    for (size_t bytes = 1 << 20; bytes >= 64; bytes /= 2) {
        while (gl_meta_alloc(bytes)) {
        }
    }
}

/* Without memory for the trace, rounds do all. */
static void collect_without_memory(void *arg)
{
    const uint32_t n = 300;
    build(*(shape *)arg, n);
    exhaust_meta();
    gc_collect();
    gl_os_inject_commit_failure(0, false);
    ck_assert_uint_eq(gl_ephemerons_traced(), 0);
    ck_assert_uint_eq(gc_weakmap_len(graph.map), n);
}

START_TEST(test_no_memory_for_the_trace)
{
    gc_collect(); /* the collector has what it needs */
    for (shape s = FORWARD; s < N_SHAPES; s++) {
        fixture_expect_success(collect_without_memory, &s, "collect_without_memory");
    }
}
END_TEST

/* Maps that die are not asked, and leave nothing on the keys. */
START_TEST(test_many_maps)
{
    enum { MAPS = 20000 };
    void *key = graph.root = gc_malloc(16);
    for (int i = 0; i < MAPS; i++) {
        gc_weakmap *map = gc_weakmap_new(GC_WEAK_KEYS, NULL);
        ck_assert_int_eq(gc_weakmap_set(map, key, map), 0); /* a map that only it holds itself */
    }
    ck_assert_uint_eq(gc_get_weakref_count(key), MAPS);
    gc_collect();
    ck_assert_uint_le(gc_get_weakref_count(key), MAPS / 20);
    ck_assert_uint_le(gl_ephemerons_examined(), MAPS / 20);
    fixture_stop();
    gl_weak_verify();
    fixture_resume();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("ephemeron");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, fixture_setup, NULL);
    tcase_add_test(tests, test_work_is_linear);
    tcase_add_test(tests, test_what_dies_is_linear);
    tcase_add_test(tests, test_no_memory_for_the_trace);
    tcase_add_test(tests, test_many_maps);
    return fixture_run(tests);
}
