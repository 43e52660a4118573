/* SPDX-License-Identifier: MIT */
/*
 * Weak maps and the bounded cache (doc/maps.md):
 *   maps ephemerons N   the pause of a full collection with N ephemerons, and of the same heap with
 *                       the same keys and values in two arrays
 *   maps values N       the same for N weak values
 *   maps chain N        a chain of N ephemerons, each value the key of the next
 *   maps lru N          hit and put of a cache of N entries, and of one that a C programmer would
 *                       write: malloc'ed nodes, a hash table with chains, a list by use, no lock
 */
#include <gleaner/gc.h>
#include <gleaner/weakref.h>

#include "bench.h"

enum { COLLECTIONS = 25, OBJECT_BYTES = 32, LRU_ROUNDS = 20 };

/* ---- Pauses ---------------------------------------------------------------------------------- */

static uint64_t shortest_ns;

static void note_pause(const gc_event *event, void *arg)
{
    (void)arg;
    if (event->phase == GC_PHASE_STOP && event->pause_ns < shortest_ns) {
        shortest_ns = event->pause_ns;
    }
}

/* Static data is a root. */
static struct {
    void **keys, **values;
    gc_weakmap *map;
} heap;

/* The shortest pause, and the least processor time: on a busy machine that is the better figure. */
static void measure(const char *name, const char *cpu_name)
{
    uint64_t least_ns = UINT64_MAX;
    shortest_ns = UINT64_MAX;
    for (int i = 0; i < COLLECTIONS; i++) {
        uint64_t start = bench_cpu_ns();
        gc_collect();
        uint64_t spent = bench_cpu_ns() - start;
        least_ns = spent < least_ns ? spent : least_ns;
    }
    bench_metric(name, (double)shortest_ns / 1e6, "ms");
    bench_metric(cpu_name, (double)least_ns / 1e6, "ms");
}

static void insert(void *key, void *value)
{
    if (gc_weakmap_set(heap.map, key, value) != 0) {
        bench_die("gc_weakmap_set");
    }
}

static void make_heap(size_t n, gc_weak_kind kind)
{
    uint64_t start = bench_wall_ns();
    heap.keys = bench_need(gc_malloc(n * sizeof(void *)));
    heap.values = bench_need(gc_malloc(n * sizeof(void *)));
    for (size_t i = 0; i < n; i++) {
        heap.keys[i] = bench_need(gc_malloc(OBJECT_BYTES));
        heap.values[i] = bench_need(gc_malloc(OBJECT_BYTES));
    }
    measure("arrays", "arrays_cpu");
    heap.map = bench_need(gc_weakmap_new(kind, NULL));
    start = bench_wall_ns();
    for (size_t i = 0; i < n; i++) {
        insert(heap.keys[i], heap.values[i]);
        *(kind == GC_WEAK_KEYS ? &heap.values[i] : &heap.keys[i]) = NULL;
    }
    bench_metric("set", (double)(bench_wall_ns() - start) / (double)n, "ns");
}

static void run_weak(size_t n, gc_weak_kind kind)
{
    size_t n_found = 0;
    make_heap(n, kind);
    measure("map", "map_cpu");
    void **keys = heap.keys;
    if (kind == GC_WEAK_KEYS) {
        uint64_t start = bench_wall_ns();
        for (size_t i = 0; i < n; i++) {
            n_found += gc_weakmap_get(heap.map, keys[i]) != NULL;
        }
        bench_metric("get", (double)(bench_wall_ns() - start) / (double)n, "ns");
        bench_check("found", n_found);
    }
    bench_check("entries", gc_weakmap_len(heap.map));
}

static void run_chain(size_t n)
{
    heap.map = bench_need(gc_weakmap_new(GC_WEAK_KEYS, NULL));
    heap.keys = bench_need(gc_malloc(sizeof(void *)));
    void *key = heap.keys[0] = bench_need(gc_malloc(OBJECT_BYTES));
    for (size_t i = 0; i < n; i++) {
        void *value = bench_need(gc_malloc(OBJECT_BYTES));
        insert(key, value);
        key = value;
    }
    measure("chain", "chain_cpu");
    bench_check("entries", gc_weakmap_len(heap.map));
}

/* ---- A cache by hand ------------------------------------------------------------------------- */

typedef struct node {
    struct node *next; /* of the same bucket */
    struct node *newer, *older;
    uintptr_t key;
    void *value;
} node;

static struct {
    node **buckets;
    size_t mask, n, n_max;
    node ends; /* ends.older: the newest; ends.newer: the oldest */
} plain = {.ends = {.newer = &plain.ends, .older = &plain.ends}};

static node **bucket_of(uintptr_t key)
{
    return &plain.buckets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & plain.mask];
}

static void detach(node *n)
{
    n->newer->older = n->older;
    n->older->newer = n->newer;
}

static void attach_as_newest(node *n)
{
    n->newer = &plain.ends;
    n->older = plain.ends.older;
    n->older->newer = n;
    plain.ends.older = n;
}

static node *plain_find(uintptr_t key)
{
    node *n = *bucket_of(key);
    while (n && n->key != key) {
        n = n->next;
    }
    return n;
}

static void *plain_get(uintptr_t key)
{
    node *n = plain_find(key);
    if (!n) {
        return NULL;
    }
    detach(n);
    attach_as_newest(n);
    return n->value;
}

static void plain_evict(void)
{
    node *oldest = plain.ends.newer, **link = bucket_of(oldest->key);
    while (*link != oldest) {
        link = &(*link)->next;
    }
    *link = oldest->next;
    detach(oldest);
    free(oldest);
    plain.n--;
}

static void plain_put(uintptr_t key, void *value)
{
    node *n = plain_find(key), **bucket = bucket_of(key);
    if (n) {
        n->value = value;
        detach(n);
        attach_as_newest(n);
        return;
    }
    if (plain.n == plain.n_max) {
        plain_evict();
    }
    n = bench_need(malloc(sizeof *n));
    *n = (node){.next = *bucket, .key = key, .value = value};
    *bucket = n;
    attach_as_newest(n);
    plain.n++;
}

/* ---- Both caches ----------------------------------------------------------------------------- */

static uint32_t draw(uint32_t *state, size_t n)
{
    *state = *state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)*state * n >> 32);
}

/* Hits of a full cache in random order, then puts of new keys, each of which evicts one. */
static void run_lru(size_t n)
{
    static char value[] = "value";
    uint32_t state = 1;
    size_t n_found = 0, n_gets = LRU_ROUNDS * n, n_puts = n_gets / 4;
    gc_lru *cache = bench_need(gc_lru_new(n, 0, NULL, GC_HASH_INTEGERS, NULL));
    size_t n_buckets = 1;
    while (n_buckets < n) {
        n_buckets *= 2;
    }
    plain.buckets = bench_need(calloc(n_buckets, sizeof *plain.buckets));
    plain.mask = n_buckets - 1;
    plain.n_max = n;
    for (uintptr_t key = 0; key < n; key++) {
        plain_put(key, value);
        gc_lru_put(cache, (void *)key, value);
    }
    uint64_t start = bench_wall_ns();
    for (size_t i = 0; i < n_gets; i++) {
        n_found += plain_get(draw(&state, n)) != NULL;
    }
    bench_metric("plain_get", (double)(bench_wall_ns() - start) / (double)n_gets, "ns");
    start = bench_wall_ns();
    for (size_t i = 0; i < n_gets; i++) {
        n_found += gc_lru_get(cache, (void *)(uintptr_t)draw(&state, n)) != NULL;
    }
    bench_metric("lru_get", (double)(bench_wall_ns() - start) / (double)n_gets, "ns");
    start = bench_wall_ns();
    for (uintptr_t i = 0; i < n_puts; i++) {
        plain_put(n + i, value);
    }
    bench_metric("plain_put", (double)(bench_wall_ns() - start) / (double)n_puts, "ns");
    start = bench_wall_ns();
    for (uintptr_t i = 0; i < n_puts; i++) {
        gc_lru_put(cache, (void *)(n + i), value);
    }
    bench_metric("lru_put", (double)(bench_wall_ns() - start) / (double)n_puts, "ns");
    bench_check("found", n_found);
    bench_check("entries", plain.n);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    size_t n = bench_arg(argc, argv, 2, "N");
    gc_disable();
    gc_add_callback(note_pause, NULL);
    if (strcmp(what, "ephemerons") == 0) {
        run_weak(n, GC_WEAK_KEYS);
    } else if (strcmp(what, "values") == 0) {
        run_weak(n, GC_WEAK_VALUES);
    } else if (strcmp(what, "chain") == 0) {
        run_chain(n);
    } else if (strcmp(what, "lru") == 0) {
        run_lru(n);
    } else {
        bench_die("what? ephemerons, values, chain or lru");
    }
    return 0;
}
