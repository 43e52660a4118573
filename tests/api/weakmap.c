/* SPDX-License-Identifier: MIT */
/* tests/api/weakmap.c - maps with weak values, and with weak keys. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>
#include <gleaner/weakref.h>

#include "suites.h"

static void *number(uintptr_t n)
{
    return (void *)n;
}

static gc_weakmap *new_map(gc_weak_kind kind, const gc_hash_ops *ops)
{
    gc_weakmap *map = gc_weakmap_new(kind, ops);
    ck_assert_ptr_nonnull(map);
    return map;
}

static void set(gc_weakmap *map, void *key, void *value)
{
    ck_assert_int_eq(gc_weakmap_set(map, key, value), 0);
}

static void assert_lacks(gc_weakmap *map, const void *key)
{
    errno = 0;
    ck_assert_ptr_null(gc_weakmap_get(map, key));
    ck_assert_int_eq(errno, ENOENT);
}

static int steps(int n)
{
    return is_stressed() ? n / 20 : n;
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static uint64_t hash_zero(const void *key)
{
    (void)key;
    return 0;
}

static int equal_address(const void *a, const void *b)
{
    return a == b;
}

START_TEST(arguments_are_checked)
{
    const gc_hash_ops wrong[] = {{0, hash_zero, equal_address},
                                 {sizeof(gc_hash_ops), NULL, equal_address},
                                 {sizeof(gc_hash_ops), hash_zero, NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        errno = 0;
        ck_assert_ptr_null(gc_weakmap_new(GC_WEAK_KEYS, &wrong[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
    for (int kind = 0; kind <= 3; kind += 3) {
        errno = 0;
        ck_assert_ptr_null(gc_weakmap_new((gc_weak_kind)kind, NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
    gc_weakmap_free(NULL);
}
END_TEST

START_TEST(the_weak_half_must_be_an_object)
{
    char *object = gc_malloc(64);
    void *const wrong[] = {NULL, number(1), object + 16, (char[]){"not ours"}};
    gc_weakmap *by_key = new_map(GC_WEAK_KEYS, NULL), *by_value = new_map(GC_WEAK_VALUES, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        errno = 0;
        ck_assert_int_eq(gc_weakmap_set(by_key, wrong[i], object), -1);
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_int_eq(gc_weakmap_set(by_value, object, wrong[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
        set(by_key, object, wrong[i]); /* the other half may be anything */
        ck_assert_ptr_eq(gc_weakmap_get(by_key, object), wrong[i]);
        set(by_value, wrong[i], object);
        ck_assert_ptr_eq(gc_weakmap_get(by_value, wrong[i]), object);
    }
    ck_assert_uint_eq(gc_weakmap_len(by_key), 1);
    ck_assert_uint_eq(gc_weakmap_len(by_value), 4);
}
END_TEST

static void check_set_get_del(gc_weak_kind kind)
{
    gc_weakmap *map = new_map(kind, NULL);
    void *a = gc_malloc(16), *b = gc_malloc(16), *c = gc_malloc(16);
    assert_lacks(map, a);
    set(map, a, b);
    set(map, b, c);
    ck_assert_ptr_eq(gc_weakmap_get(map, a), b);
    ck_assert_ptr_eq(gc_weakmap_get(map, b), c);
    ck_assert_uint_eq(gc_weakmap_len(map), 2);
    set(map, a, c);
    ck_assert_ptr_eq(gc_weakmap_get(map, a), c);
    ck_assert_uint_eq(gc_weakmap_len(map), 2);
    ck_assert_uint_eq(gc_get_weakref_count(a), kind == GC_WEAK_KEYS);
    ck_assert_uint_eq(gc_get_weakref_count(b), kind == GC_WEAK_KEYS);
    ck_assert_uint_eq(gc_get_weakref_count(c), kind == GC_WEAK_KEYS ? 0 : 2);
    ck_assert_int_eq(gc_weakmap_del(map, a), 0);
    assert_lacks(map, a);
    errno = 0;
    ck_assert_int_eq(gc_weakmap_del(map, a), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_eq(gc_weakmap_len(map), 1);
    gc_weakmap_free(map);
    ck_assert_uint_eq(gc_sizeof(map), 0);
    ck_assert_uint_eq(gc_get_weakref_count(b) + gc_get_weakref_count(c), 0);
}

START_TEST(entries_are_set_found_and_deleted)
{
    check_set_get_del(GC_WEAK_KEYS);
    check_set_get_del(GC_WEAK_VALUES);
}
END_TEST

START_TEST(keys_are_compared_as_asked)
{
    gc_weakmap *map = new_map(GC_WEAK_VALUES, GC_HASH_STRINGS);
    void *value = gc_malloc(16);
    set(map, gc_strdup("name"), value);
    ck_assert_ptr_eq(gc_weakmap_get(map, (char[]){"name"}), value);
    assert_lacks(map, "game");
    gc_weakmap *by_number = new_map(GC_WEAK_VALUES, GC_HASH_INTEGERS);
    for (uintptr_t i = 0; i < MANY; i++) {
        set(by_number, number(i), value);
    }
    ck_assert_uint_eq(gc_weakmap_len(by_number), MANY);
    ck_assert_uint_eq(gc_get_weakref_count(value), MANY + 1);
    gc_free(value);
    ck_assert_uint_eq(gc_weakmap_len(by_number) + gc_weakmap_len(map), 0);
}
END_TEST

START_TEST(a_freed_half_goes_before_its_storage_is_used_again)
{
    gc_weakmap *by_key = new_map(GC_WEAK_KEYS, NULL);
    gc_weakmap *by_value = new_map(GC_WEAK_VALUES, GC_HASH_INTEGERS);
    for (uintptr_t i = 0; i < MANY; i++) {
        void *object = gc_malloc(32);
        set(by_key, object, number(i));
        set(by_value, number(i), object);
        ck_assert_uint_eq(gc_get_weakref_count(object), 2);
        gc_free(object);
        ck_assert_uint_eq(gc_weakmap_len(by_key) + gc_weakmap_len(by_value), 0);
        assert_lacks(by_value, number(i));
        void *next = gc_malloc(32);
        ck_assert_uint_eq(gc_get_weakref_count(next), 0);
        assert_lacks(by_key, next);
    }
}
END_TEST

START_TEST(a_counted_half_goes_with_its_last_reference)
{
    gc_weakmap *by_key = new_map(GC_WEAK_KEYS, NULL);
    gc_weakmap *by_value = new_map(GC_WEAK_VALUES, GC_HASH_INTEGERS);
    for (uintptr_t i = 0; i < MANY; i++) {
        void *object = gc_rc_malloc(32, NULL);
        set(by_key, object, number(i));
        set(by_value, number(i), object);
        gc_retain(object);
        gc_release(object);
        ck_assert_ptr_eq(gc_weakmap_get(by_value, number(i)), object);
        gc_release(object);
        ck_assert_uint_eq(gc_weakmap_len(by_key) + gc_weakmap_len(by_value), 0);
    }
}
END_TEST

/* One that realloc moves takes its entries with it. */
START_TEST(a_half_that_moves_is_found_again)
{
    gc_weakmap *by_key = new_map(GC_WEAK_KEYS, NULL);
    gc_weakmap *by_value = new_map(GC_WEAK_VALUES, GC_HASH_INTEGERS);
    for (uintptr_t i = 0; i < 100; i++) {
        void *object = gc_malloc(32);
        uintptr_t old = hide(object);
        set(by_key, object, number(i + 1));
        set(by_value, number(i), object);
        object = gc_realloc(object, 5000);
        ck_assert_ptr_ne(object, reveal(old));
        ck_assert_ptr_eq(gc_weakmap_get(by_key, object), number(i + 1));
        ck_assert_ptr_eq(gc_weakmap_get(by_value, number(i)), object);
        assert_lacks(by_key, reveal(old));
        ck_assert_int_eq(gc_weakmap_del(by_key, object), 0);
        ck_assert_int_eq(gc_weakmap_del(by_value, number(i)), 0);
        ck_assert_uint_eq(gc_get_weakref_count(object), 0);
    }
}
END_TEST

/* ---- What is held, and what goes ------------------------------------------------------------- */

static struct {
    gc_weakmap *map;
    void *strong[MANY];                 /* weak halves, if they are kept */
    uintptr_t keys[MANY], values[MANY]; /* hidden */
    bool keeps, refers;
} held;

/* A value of 48 bytes may refer to its key. */
static void fill(void *arg)
{
    gc_weak_kind kind = *(gc_weak_kind *)arg;
    held.map = new_map(kind, NULL);
    for (size_t i = 0; i < MANY; i++) {
        void **key = gc_malloc(32), **value = gc_malloc(48);
        *value = held.refers ? key : NULL;
        held.keys[i] = hide(key);
        held.values[i] = hide(value);
        held.strong[i] = !held.keeps ? NULL : kind == GC_WEAK_KEYS ? (void *)key : (void *)value;
        set(held.map, key, value);
    }
}

static void fill_map(gc_weak_kind kind, bool keeps, bool refers)
{
    memset(held.strong, 0, sizeof held.strong);
    held.keeps = keeps;
    held.refers = refers;
    call_deep(fill, &kind);
}

static void check_all_stay(void)
{
    for (int i = 0; i < 2; i++) {
        gc_collect();
        ck_assert_uint_eq(gc_weakmap_len(held.map), MANY);
        ck_assert_uint_eq(count_alive(held.keys, MANY), MANY);
        ck_assert_uint_eq(count_alive(held.values, MANY), MANY);
    }
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(gc_weakmap_get(held.map, reveal(held.keys[i])), reveal(held.values[i]));
    }
}

static void check_most_go(void)
{
    memset(held.strong, 0, sizeof held.strong);
    gc_collect();
    ck_assert_uint_le(gc_weakmap_len(held.map), FEW);
    gc_collect(); /* what only dead entries held */
    ck_assert_uint_le(count_alive(held.keys, MANY), FEW);
    ck_assert_uint_le(count_alive(held.values, MANY), FEW);
}

START_TEST(a_value_is_held_as_long_as_its_weak_key)
{
    fill_map(GC_WEAK_KEYS, true, false);
    check_all_stay();
    check_most_go();
}
END_TEST

START_TEST(a_value_that_refers_to_its_key_does_not_keep_it)
{
    fill_map(GC_WEAK_KEYS, true, true);
    check_all_stay();
    check_most_go();
}
END_TEST

START_TEST(a_key_is_held_as_long_as_its_weak_value)
{
    fill_map(GC_WEAK_VALUES, true, false);
    check_all_stay();
    check_most_go();
}
END_TEST

/* One stale word keeps a whole map, but not each of three. */
static void check_lost_map_goes(gc_weak_kind kind)
{
    enum { TRIES = 3 };
    int n_kept = 0;
    for (int i = 0; i < TRIES; i++) {
        fill_map(kind, true, false);
        held.map = NULL;
        gc_collect();
        const uintptr_t *other = kind == GC_WEAK_KEYS ? held.values : held.keys;
        n_kept += count_alive(other, MANY) > FEW;
        n_kept += gc_get_weakref_count(held.strong[0]) != 0;
    }
    ck_assert_int_lt(n_kept, 2 * TRIES - 1);
}

START_TEST(a_lost_map_goes_with_what_only_it_held)
{
    check_lost_map_goes(GC_WEAK_KEYS);
    check_lost_map_goes(GC_WEAK_VALUES);
}
END_TEST

/* ---- Chains ---------------------------------------------------------------------------------- */

enum { CHAIN = 20000 };

static struct {
    gc_weakmap *map;
    void *first;
    uintptr_t links[CHAIN]; /* hidden */
} chain;

/* The value of each is the key of the next: one after the other, or through another object. */
static void make_chain(void *arg)
{
    bool is_indirect = *(bool *)arg;
    chain.map = new_map(GC_WEAK_KEYS, NULL);
    void *key = chain.first = gc_malloc(16);
    for (size_t i = 0; i < CHAIN; i++) {
        void *next = gc_malloc(16), **value = next;
        if (is_indirect) {
            value = gc_malloc(24);
            value[1] = next;
        }
        set(chain.map, key, value);
        chain.links[i] = hide(next);
        key = next;
    }
}

static void check_chain(bool is_indirect)
{
    call_deep(make_chain, &is_indirect);
    gc_collect();
    ck_assert_uint_eq(count_alive(chain.links, CHAIN), CHAIN);
    ck_assert_uint_eq(gc_weakmap_len(chain.map), CHAIN);
}

/* What is left of one may hang on a stale word; not each of three. */
START_TEST(a_chain_is_held_by_its_first_key)
{
    int n_kept = 0;
    for (int i = 0; i < 3; i++) {
        check_chain(i == 1);
        chain.first = NULL;
        gc_collect();
        n_kept += gc_weakmap_len(chain.map) > CHAIN / 20;
    }
    ck_assert_int_lt(n_kept, 3);
}
END_TEST

static uintptr_t innermost;

/* Each map holds the next, as the value of a key that is held; and a typed object and a large one
 * are on the way. */
static void make_nest(void *arg)
{
    enum { DEPTH = 300 };
    static const size_t third = 2 * sizeof(void *);
    gc_layout *layout = gc_layout_new(4 * sizeof(void *), &third, 1);
    gc_weakmap *map = arg;
    for (int i = 0; i < DEPTH; i++) {
        gc_weakmap *next = new_map(GC_WEAK_KEYS, NULL);
        void **large = gc_malloc(i % 100 ? 100000 : 8 << 20), **typed = gc_malloc_typed(32, layout);
        large[10000] = typed;
        typed[2] = next;
        set(map, chain.first, large);
        map = next;
    }
    void *last = gc_malloc(16);
    set(map, chain.first, last);
    innermost = hide(last);
}

START_TEST(maps_in_maps_are_held)
{
    chain.first = gc_malloc(16);
    chain.map = new_map(GC_WEAK_KEYS, NULL);
    call_deep(make_nest, chain.map);
    gc_collect();
    ck_assert_uint_ne(gc_sizeof(reveal(innermost)), 0);
    ck_assert_uint_eq(gc_weakmap_len(chain.map), 1);
}
END_TEST

/* ---- Finalizers ------------------------------------------------------------------------------ */

static gc_weakmap *resurrected;

static void resurrect(void *object, void *arg)
{
    resurrected = *(gc_weakmap **)object;
    (void)arg;
}

static void lose_owner(void *arg)
{
    gc_weakmap **owner = gc_malloc(sizeof(*owner));
    gc_weak_kind kind = *(gc_weak_kind *)arg;
    fill(&kind);
    *owner = held.map;
    held.map = NULL;
    ck_assert_ptr_nonnull(gc_finalize(owner, resurrect, NULL, 0));
}

/* A map that only an object with a finalizer has is whole when this runs, but for what went. */
static void check_resurrection(gc_weak_kind kind)
{
    held.keeps = true;
    held.refers = false;
    resurrected = NULL;
    call_deep(lose_owner, &kind);
    for (int i = 0; i < 3 && !resurrected; i++) {
        gc_collect();
        gc_run_finalizers(0);
    }
    ck_assert_ptr_nonnull(resurrected);
    held.map = resurrected;
    check_all_stay();
    gc_free(held.strong[0]);
    ck_assert_uint_eq(gc_weakmap_len(held.map), MANY - 1);
    check_most_go();
}

START_TEST(a_map_that_a_finalizer_brings_back_is_whole)
{
    check_resurrection(GC_WEAK_KEYS);
    check_resurrection(GC_WEAK_VALUES);
}
END_TEST

/* ---- Walks ----------------------------------------------------------------------------------- */

typedef struct walking {
    gc_weakmap *map;
    uintptr_t seen[2 * MANY];
    size_t n, stop_at;
    int what;
} walking;

enum { JUST_LOOK, REMOVE, REMOVE_NEXT, REMOVE_ALL, ADD, REPLACE, COLLECT };

static void *walked[2 * MANY]; /* the values: kept */

static int visit(void *key, void *value, void *arg)
{
    walking *w = arg;
    uintptr_t k = (uintptr_t)key;
    ck_assert_ptr_eq(walked[k], value);
    w->seen[w->n++] = k;
    if (w->what == REMOVE || w->what == REPLACE) {
        ck_assert_int_eq(gc_weakmap_del(w->map, key), 0);
    } else if (w->what == REMOVE_NEXT) {
        gc_weakmap_del(w->map, number(k + 1));
    } else if (w->what == REMOVE_ALL) {
        for (uintptr_t i = 0; i < MANY; i++) {
            gc_weakmap_del(w->map, number(i));
        }
    }
    if (w->what == ADD || w->what == REPLACE) {
        set(w->map, number(MANY + k), walked[MANY + k]);
    } else if (w->what == COLLECT && k % 100 == 0) {
        gc_free(walked[k + 1]);
        walked[k + 1] = NULL;
        gc_collect();
    }
    return w->n == w->stop_at ? 77 : 0;
}

/* Returns how many entries were visited, which have come in order. */
static size_t walk(int what, size_t stop_at, int expected)
{
    static walking w;
    gc_weakmap *map = new_map(GC_WEAK_VALUES, GC_HASH_INTEGERS);
    w = (walking){.map = map, .what = what, .stop_at = stop_at};
    for (uintptr_t i = 0; i < 2 * MANY; i++) {
        walked[i] = gc_malloc(16);
        if (i < MANY) {
            set(w.map, number(i), walked[i]);
        }
    }
    ck_assert_int_eq(gc_weakmap_foreach(w.map, visit, &w), expected);
    for (size_t i = 1; i < w.n; i++) {
        ck_assert_uint_lt(w.seen[i - 1], w.seen[i]);
    }
    gc_weakmap_free(w.map);
    return w.n;
}

START_TEST(a_walk_visits_what_there_is_in_order)
{
    ck_assert_uint_eq(walk(JUST_LOOK, 0, 0), MANY);
    ck_assert_uint_eq(walk(JUST_LOOK, 10, 77), 10);
    ck_assert_uint_eq(walk(REMOVE, 0, 0), MANY);
    ck_assert_uint_eq(walk(REMOVE_NEXT, 0, 0), MANY / 2);
    ck_assert_uint_eq(walk(REMOVE_ALL, 0, 0), 1);
    ck_assert_uint_eq(walk(ADD, 0, 0), MANY); /* the table moves meanwhile */
    ck_assert_uint_eq(walk(REPLACE, 0, 0), MANY); /* and closes its gaps */
    ck_assert_uint_eq(walk(COLLECT, 0, 0), MANY - MANY / 100);
}
END_TEST

/* ---- A model --------------------------------------------------------------------------------- */

enum { POOL = 60 };

typedef struct thing {
    uintptr_t id;
    char filler[48];
} thing;

/* Weak keys: objects of the pool; the values are only in the map. Weak values: the other way round,
 * and the keys are the places in the pool, plus 1. */
static struct {
    gc_weakmap *map;
    gc_weak_kind kind;
    thing *pool[POOL];     /* kept */
    uintptr_t other[POOL]; /* weak keys: id of the value; weak values: 1; 0: no entry */
    size_t n;
} model;

static uint32_t seed;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

static thing *new_thing(void)
{
    static uintptr_t last_id;
    thing *t = gc_malloc(sizeof *t);
    t->id = ++last_id;
    return t;
}

static void *key_at(size_t i)
{
    return model.kind == GC_WEAK_KEYS ? (void *)model.pool[i] : number(i + 1);
}

static void model_forget(size_t i)
{
    model.n -= model.other[i] != 0;
    model.other[i] = 0;
}

static void model_set(size_t i)
{
    thing *value = model.kind == GC_WEAK_KEYS ? new_thing() : model.pool[i];
    set(model.map, key_at(i), value);
    model.n += model.other[i] == 0;
    model.other[i] = value->id;
}

static void model_replace_thing(size_t i)
{
    gc_free(model.pool[i]);
    model.pool[i] = new_thing();
    model_forget(i);
}

static int check_pair(void *key, void *value, void *arg)
{
    size_t i = 0;
    while (key_at(i) != key) {
        i++;
    }
    ck_assert_uint_eq(((thing *)value)->id, model.other[i]);
    ++*(size_t *)arg;
    return 0;
}

static void model_step(void)
{
    size_t i = draw(POOL), n = 0;
    switch (draw(8)) {
    case 0:
    case 1:
    case 2:
        model_set(i);
        break;
    case 3:
        ck_assert_int_eq(gc_weakmap_del(model.map, key_at(i)), model.other[i] ? 0 : -1);
        model_forget(i);
        break;
    case 4:
        model_replace_thing(i);
        break;
    case 5:
        if (draw(20) == 0) {
            gc_collect();
        }
        gc_weakmap_foreach(model.map, check_pair, &n);
        ck_assert_uint_eq(n, model.n);
        break;
    default: {
        const thing *value = gc_weakmap_get(model.map, key_at(i));
        ck_assert_uint_eq(value ? value->id : 0, model.other[i]);
    }
    }
    ck_assert_uint_eq(gc_weakmap_len(model.map), model.n);
}

static void play(gc_weak_kind kind, const gc_hash_ops *ops, int n_steps)
{
    memset(&model, 0, sizeof model);
    model.kind = kind;
    model.map = new_map(kind, ops);
    for (size_t i = 0; i < POOL; i++) {
        model.pool[i] = new_thing();
    }
    for (int i = 0; i < n_steps; i++) {
        model_step();
    }
    gc_weakmap_free(model.map);
}

static void choose_seed(void)
{
    const char *given = getenv("TEST_SEED");
    seed = given ? (uint32_t)strtoul(given, NULL, 0) : (uint32_t)time(NULL);
    printf("TEST_SEED=%u\n", seed);
}

static uint64_t hash_and_collect(const void *key)
{
    static atomic_int n;
    (void)gc_malloc(100); /* garbage */
    if (n++ % 100 == 0) {
        gc_collect();
    }
    return (uintptr_t)key >> 4 & 3;
}

static int equal_and_allocate(const void *a, const void *b)
{
    (void)gc_malloc(100); /* garbage */
    return a == b;
}

START_TEST(it_does_what_the_model_does)
{
    choose_seed();
    play(GC_WEAK_KEYS, GC_HASH_POINTERS, steps(20000));
    play(GC_WEAK_VALUES, GC_HASH_INTEGERS, steps(20000));
}
END_TEST

START_TEST(functions_of_the_program_hash_and_compare)
{
    const gc_hash_ops bad = {sizeof bad, hash_zero, equal_and_allocate};
    const gc_hash_ops busy = {sizeof busy, hash_and_collect, equal_and_allocate};
    choose_seed();
    play(GC_WEAK_KEYS, &bad, steps(4000));
    play(GC_WEAK_VALUES, &bad, steps(4000));
    play(GC_WEAK_KEYS, &busy, steps(2000));
    play(GC_WEAK_VALUES, &busy, steps(2000));
}
END_TEST

/* ---- Threads --------------------------------------------------------------------------------- */

enum { N_THREADS = 4, SHARED = 64 };

typedef struct player {
    gc_weakmap *by_key, *by_value;
    uint32_t seed;
    int n_steps;
    int n_wrong;
    thing *own[SHARED]; /* weak values, under numbers of this thread's own */
    uintptr_t base;
} player;

static void step_values(player *p, uintptr_t i)
{
    if (p->seed >> 30 == 0) {
        p->own[i] = gc_malloc(sizeof(thing));
        p->own[i]->id = p->base + i;
        p->n_wrong += gc_weakmap_set(p->by_value, number(p->base + i), p->own[i]) != 0;
    } else if (p->seed >> 30 == 1 && p->own[i]) {
        gc_free(p->own[i]);
        p->own[i] = NULL;
        p->n_wrong += gc_weakmap_get(p->by_value, number(p->base + i)) != NULL;
    } else {
        const thing *t = gc_weakmap_get(p->by_value, number(p->base + i));
        p->n_wrong += t != p->own[i];
        /* somebody else's, who may free it: not to be looked into */
        (void)gc_weakmap_get(p->by_value, number(p->seed % (N_THREADS * SHARED)));
    }
}

static void step_keys(player *p, uintptr_t i)
{
    if (!p->own[i]) {
        return;
    }
    if (p->seed >> 29 & 1) {
        thing *value = gc_malloc(sizeof *value);
        value->id = p->base + i;
        p->n_wrong += gc_weakmap_set(p->by_key, p->own[i], value) != 0;
    } else if (p->seed >> 28 & 1) {
        const thing *value = gc_weakmap_get(p->by_key, p->own[i]);
        p->n_wrong += value && value->id != p->base + i;
    } else {
        gc_weakmap_del(p->by_key, p->own[i]);
    }
}

/* Values are held, so anybody may look into them. */
static int check_value(void *key, void *value, void *arg)
{
    (void)key;
    *(int *)arg += ((thing *)value)->id >= N_THREADS * SHARED;
    return 0;
}

static void *play_along(void *arg)
{
    player *p = arg;
    for (int i = 0; i < p->n_steps; i++) {
        p->seed = p->seed * 1664525 + 1013904223;
        step_values(p, p->seed >> 8 & (SHARED - 1));
        step_keys(p, p->seed >> 16 & (SHARED - 1));
        if (i % 1000 == 999) {
            gc_weakmap_foreach(p->by_key, check_value, &p->n_wrong);
        }
    }
    return NULL;
}

static player players[N_THREADS];

static void start_players(pthread_t *threads, const gc_hash_ops *ops, void *(*run)(void *),
                          int n_steps)
{
    gc_weakmap *by_key = new_map(GC_WEAK_KEYS, ops), *by_value = new_map(GC_WEAK_VALUES, ops);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        players[i] = (player){.by_key = by_key,
                              .by_value = by_value,
                              .seed = i + 1,
                              .n_steps = n_steps,
                              .base = (uintptr_t)i * SHARED};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, &players[i]), 0);
    }
}

static void join_players(const pthread_t *threads)
{
    size_t n_values = 0;
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(players[i].n_wrong, 0);
        for (size_t j = 0; j < SHARED; j++) {
            n_values += players[i].own[j] != NULL;
        }
    }
    gc_collect();
    ck_assert_uint_eq(gc_weakmap_len(players[0].by_value), n_values);
}

START_TEST(threads_share_one)
{
    const gc_hash_ops bad = {sizeof bad, hash_and_collect, equal_and_allocate};
    pthread_t threads[N_THREADS];
    if (HAS_TSAN) { /* which does not know that the world is stopped */
        return;
    }
    start_players(threads, NULL, play_along, steps(20000));
    join_players(threads);
    start_players(threads, &bad, play_along, steps(1000));
    join_players(threads);
}
END_TEST

enum { CONTESTED = 2000 };

static void *contested[CONTESTED]; /* keys that all threads use */
static atomic_uint n_arrived;

/* Two come to each key at the same time, and set it; the others are elsewhere. */
static void *contend(void *arg)
{
    player *p = arg;
    for (unsigned i = 0; p->base < 2 * SHARED && i < (unsigned)p->n_steps; i++) {
        atomic_fetch_add(&n_arrived, 1);
        for (int spins = 0; atomic_load(&n_arrived) < (i + 1) * 2; spins++) {
            if (spins > 20000) {
                sched_yield();
            }
        }
        p->n_wrong += gc_weakmap_set(p->by_key, contested[i], contested[i]) != 0;
        const void *value = gc_weakmap_get(p->by_key, contested[i / 2]);
        p->n_wrong += value != contested[i / 2];
    }
    return NULL;
}

/* None is there twice. */
START_TEST(threads_set_the_same_keys)
{
    pthread_t threads[N_THREADS];
    if (HAS_TSAN) { /* which does not know that the world is stopped */
        return;
    }
    int n = steps(CONTESTED);
    for (int i = 0; i < n; i++) {
        contested[i] = gc_malloc(16);
    }
    start_players(threads, NULL, contend, n);
    join_players(threads);
    ck_assert_uint_eq(gc_weakmap_len(players[0].by_key), (size_t)n);
    for (int i = 0; i < n; i++) {
        ck_assert_uint_eq(gc_get_weakref_count(contested[i]), 1);
    }
}
END_TEST

static atomic_bool is_over;

static void *play_on(void *arg)
{
    while (!is_over) {
        play_along(arg);
    }
    return NULL;
}

static void use_in_child(void *arg)
{
    void *keys[SHARED];
    (void)arg;
    for (uintptr_t i = 0; i < SHARED; i++) {
        keys[i] = gc_malloc(16);
        if (gc_weakmap_set(players[0].by_key, keys[i], keys[i]) != 0 ||
            gc_weakmap_set(players[0].by_value, number(MANY + i), keys[i]) != 0) {
            _Exit(1);
        }
    }
    gc_collect();
    for (uintptr_t i = 0; i < SHARED; i++) {
        if (gc_weakmap_get(players[0].by_key, keys[i]) != keys[i] ||
            gc_weakmap_get(players[0].by_value, number(MANY + i)) != keys[i]) {
            _Exit(2);
        }
    }
    gc_weakmap_free(players[0].by_key);
    gc_weakmap_free(players[0].by_value);
}

START_TEST(the_child_of_a_fork_goes_on)
{
    enum { FORKS = 20 };
    pthread_t threads[N_THREADS];
    if (HAS_TSAN) { /* which does not know that the world is stopped */
        return;
    }
    start_players(threads, NULL, play_on, 100);
    for (int i = 0; i < FORKS; i++) {
        outcome o;
        run_forked(use_in_child, NULL, &o);
        ck_assert_exited(&o, 0);
    }
    is_over = true;
    join_players(threads);
}
END_TEST

/* ---- Little memory --------------------------------------------------------------------------- */

static void **exhaust(void)
{
    void **list = NULL;
    for (size_t size = 1 << 20; size >= 16; size -= size / 16 + 1) {
        for (void **p; (p = gc_malloc(size)) != NULL; list = p) {
            *p = list;
        }
    }
    return list;
}

START_TEST(without_memory_nothing_changes)
{
    enum { KEYS = 2000 };
    static void *keys[KEYS];
    gc_weakmap *map = new_map(GC_WEAK_KEYS, NULL);
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = gc_malloc(16);
    }
    gc_set_heap_max(8 << 20);
    void **list = exhaust();
    size_t n = 0;
    errno = 0;
    while (n < KEYS && gc_weakmap_set(map, keys[n], keys[n]) == 0) {
        n++;
    }
    int error = errno;
    gc_set_heap_max(SIZE_MAX); /* first: the checks themselves allocate */
    ck_assert_uint_lt(n, KEYS);
    ck_assert_int_eq(error, ENOMEM);
    ck_assert_uint_eq(gc_weakmap_len(map), n);
    ck_assert_ptr_nonnull(list);
    for (size_t i = 0; i < KEYS; i++) {
        ck_assert_ptr_eq(gc_weakmap_get(map, keys[i]), i < n ? keys[i] : NULL);
        ck_assert_uint_eq(gc_get_weakref_count(keys[i]), i < n);
    }
    for (size_t i = 0; i < KEYS; i++) {
        set(map, keys[i], keys[i]);
    }
    ck_assert_uint_eq(gc_weakmap_len(map), KEYS);
}
END_TEST

Suite *weakmap_suite(void)
{
    Suite *suite = suite_create("weakmap");
    TCase *rules = tcase_create("rules");
    tcase_set_timeout(rules, 60);
    tcase_add_test(rules, arguments_are_checked);
    tcase_add_test(rules, the_weak_half_must_be_an_object);
    tcase_add_test(rules, entries_are_set_found_and_deleted);
    tcase_add_test(rules, keys_are_compared_as_asked);
    tcase_add_test(rules, a_freed_half_goes_before_its_storage_is_used_again);
    tcase_add_test(rules, a_counted_half_goes_with_its_last_reference);
    tcase_add_test(rules, a_half_that_moves_is_found_again);
    tcase_add_test(rules, a_walk_visits_what_there_is_in_order);
    suite_add_tcase(suite, rules);
    TCase *goes = tcase_create("goes");
    tcase_set_timeout(goes, 60);
    tcase_add_test(goes, a_value_is_held_as_long_as_its_weak_key);
    tcase_add_test(goes, a_value_that_refers_to_its_key_does_not_keep_it);
    tcase_add_test(goes, a_key_is_held_as_long_as_its_weak_value);
    tcase_add_test(goes, a_lost_map_goes_with_what_only_it_held);
    tcase_add_test(goes, a_chain_is_held_by_its_first_key);
    tcase_add_test(goes, maps_in_maps_are_held);
    tcase_add_test(goes, a_map_that_a_finalizer_brings_back_is_whole);
    suite_add_tcase(suite, goes);
    TCase *model_case = tcase_create("model");
    tcase_set_timeout(model_case, 60);
    tcase_add_test(model_case, it_does_what_the_model_does);
    tcase_add_test(model_case, functions_of_the_program_hash_and_compare);
    suite_add_tcase(suite, model_case);
    TCase *threads = tcase_create("threads");
    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, threads_share_one);
    tcase_add_test(threads, threads_set_the_same_keys);
    tcase_add_test(threads, the_child_of_a_fork_goes_on);
    suite_add_tcase(suite, threads);
    TCase *memory = tcase_create("memory");
    tcase_set_timeout(memory, 60);
    tcase_add_test(memory, without_memory_nothing_changes);
    suite_add_tcase(suite, memory);
    return suite;
}
