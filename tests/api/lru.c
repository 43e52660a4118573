/* SPDX-License-Identifier: MIT */
/* tests/api/lru.c - the bounded cache. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gleaner/gc.h>
#include <gleaner/weakref.h>

#include "suites.h"

static const size_t mib = 1 << 20;

static void *number(uintptr_t n)
{
    return (void *)n;
}

static gc_lru_stats info(gc_lru *cache)
{
    gc_lru_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(gc_lru_info(cache, &stats), 0);
    return stats;
}

static gc_lru *new_cache(size_t max_items, size_t max_bytes)
{
    gc_lru *cache = gc_lru_new(max_items, max_bytes, NULL, GC_HASH_INTEGERS, NULL);
    ck_assert_ptr_nonnull(cache);
    return cache;
}

static void put(gc_lru *cache, uintptr_t key, void *value)
{
    ck_assert_int_eq(gc_lru_put(cache, number(key), value), 0);
}

static bool has(gc_lru *cache, uintptr_t key)
{
    return gc_lru_get(cache, number(key)) != NULL;
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static uint64_t hash_zero(const void *key)
{
    (void)key;
    return 0;
}

static int equal_text(const void *a, const void *b)
{
    return strcmp(a, b) == 0;
}

START_TEST(arguments_are_checked)
{
    const gc_hash_ops wrong[] = {{0, hash_zero, equal_text},
                                 {sizeof(gc_hash_ops) - 1, hash_zero, equal_text},
                                 {sizeof(gc_hash_ops), NULL, equal_text},
                                 {sizeof(gc_hash_ops), hash_zero, NULL}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        errno = 0;
        ck_assert_ptr_null(gc_lru_new(1, 0, NULL, &wrong[i], NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
    gc_lru *cache = new_cache(3, 4);
    errno = 0;
    ck_assert_int_eq(gc_lru_put(cache, number(1), NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    gc_lru_stats stats = {.size = sizeof stats - 1};
    errno = 0;
    ck_assert_int_eq(gc_lru_info(cache, &stats), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_uint_eq(info(cache).max_items, 3);
    ck_assert_uint_eq(info(cache).max_bytes, 4);
    errno = 0;
    ck_assert_ptr_null(gc_lru_get(cache, number(1)));
    ck_assert_int_eq(errno, ENOENT);
    gc_lru_free(NULL);
    gc_lru_free(cache);
}
END_TEST

START_TEST(the_oldest_goes_first)
{
    gc_lru *cache = new_cache(3, 0);
    put(cache, 1, "one");
    put(cache, 2, "two");
    put(cache, 3, "three");
    ck_assert(has(cache, 1)); /* now 2 is the oldest */
    put(cache, 4, "four");
    ck_assert(!has(cache, 2));
    put(cache, 3, "drei"); /* now 1 is */
    put(cache, 5, "five");
    ck_assert(!has(cache, 1));
    ck_assert_str_eq(gc_lru_get(cache, number(3)), "drei");
    ck_assert(has(cache, 4) && has(cache, 5));
    gc_lru_stats stats = info(cache);
    ck_assert_uint_eq(stats.items, 3);
    ck_assert_uint_eq(stats.hits, 4);
    ck_assert_uint_eq(stats.misses, 2);
    ck_assert_uint_eq(stats.evictions, 2);
    ck_assert_uint_eq(stats.max_bytes, 0);
    gc_lru_clear(cache);
    stats = info(cache);
    ck_assert_uint_eq(stats.items + stats.hits + stats.misses + stats.evictions + stats.bytes, 0);
    ck_assert(!has(cache, 3));
    put(cache, 3, "three");
    ck_assert(has(cache, 3));
    gc_lru_free(cache);
}
END_TEST

START_TEST(bytes_are_bounded)
{
    void *big = gc_malloc_atomic(10000), *small = gc_malloc(1000), *too_big = gc_malloc(40000);
    size_t big_bytes = gc_sizeof(big), small_bytes = gc_sizeof(small);
    gc_lru *cache = new_cache(0, 2 * big_bytes + small_bytes);
    put(cache, 1, big);
    put(cache, 2, big);
    put(cache, 3, small);
    put(cache, 4, "ours it is not"); /* of size 0 */
    ck_assert_uint_eq(info(cache).bytes, 2 * big_bytes + small_bytes);
    ck_assert_uint_eq(info(cache).evictions, 0);
    put(cache, 5, small); /* 1 goes */
    ck_assert(!has(cache, 1) && has(cache, 2) && has(cache, 3) && has(cache, 4) && has(cache, 5));
    ck_assert_uint_eq(info(cache).bytes, big_bytes + 2 * small_bytes);
    put(cache, 2, small); /* a smaller one in its place */
    ck_assert_uint_eq(info(cache).bytes, 3 * small_bytes);
    put(cache, 6, too_big); /* is not kept, and drives nobody out */
    ck_assert(!has(cache, 6));
    ck_assert_uint_eq(info(cache).items, 4);
    put(cache, 2, too_big); /* nor is what it would replace */
    ck_assert(!has(cache, 2));
    ck_assert_uint_eq(info(cache).bytes, 2 * small_bytes);
    gc_lru_free(cache);
}
END_TEST

START_TEST(a_freed_cache_is_free)
{
    gc_lru *cache = new_cache(0, 0);
    for (uintptr_t i = 0; i < MANY; i++) {
        put(cache, i, gc_malloc(16));
    }
    gc_lru_free(cache);
    ck_assert_uint_eq(gc_sizeof(cache), 0);
}
END_TEST

/* ---- Loading --------------------------------------------------------------------------------- */

static int n_loads;

static void *load_twice(const void *key, void *arg)
{
    ck_assert_str_eq(arg, "argument");
    n_loads++;
    uintptr_t n = (uintptr_t)key;
    if (n == 0) {
        return NULL;
    }
    uintptr_t *value = gc_malloc(sizeof *value);
    *value = 2 * n;
    return value;
}

START_TEST(a_miss_loads)
{
    gc_lru *cache = gc_lru_new(2, 0, load_twice, GC_HASH_INTEGERS, (char[]){"argument"});
    uintptr_t *value = gc_lru_get(cache, number(5));
    ck_assert_uint_eq(*value, 10);
    ck_assert_ptr_eq(gc_lru_get(cache, number(5)), value);
    ck_assert_int_eq(n_loads, 1);
    errno = 0;
    ck_assert_ptr_null(gc_lru_get(cache, number(0)));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_eq(info(cache).items, 1); /* that there is none is not kept */
    ck_assert_uint_eq(info(cache).misses, 2);
    ck_assert_uint_eq(info(cache).hits, 1);
    gc_lru_free(cache);
}
END_TEST

START_TEST(a_loaded_value_that_is_too_large_is_still_returned)
{
    gc_lru *cache = gc_lru_new(0, 1, load_twice, GC_HASH_INTEGERS, (char[]){"argument"});
    uintptr_t *value = gc_lru_get(cache, number(5));
    ck_assert_uint_eq(*value, 10);
    ck_assert_uint_eq(info(cache).items, 0);
    gc_lru_free(cache);
}
END_TEST

static gc_lru *memo;

/* A load may use its cache: here the numbers of Fibonacci, each from the two before. */
static void *load_fibonacci(const void *key, void *arg)
{
    uintptr_t n = (uintptr_t)key;
    uint64_t *value = gc_malloc(sizeof *value);
    *value = n;
    if (n >= 2) {
        const uint64_t *a = gc_lru_get(memo, number(n - 1));
        const uint64_t *b = gc_lru_get(memo, number(n - 2));
        *value = *a + *b;
    }
    (void)arg;
    return value;
}

START_TEST(a_load_may_use_its_cache)
{
    memo = gc_lru_new(0, 0, load_fibonacci, GC_HASH_INTEGERS, NULL);
    const uint64_t *value = gc_lru_get(memo, number(90));
    ck_assert_uint_eq(*value, UINT64_C(2880067194370816120));
    ck_assert_uint_eq(info(memo).misses, 91);
    ck_assert_uint_eq(info(memo).hits, 88);
    gc_lru_free(memo);
}
END_TEST

/* As if another thread had been faster. */
static void *load_after_another(const void *key, void *arg)
{
    put(memo, (uintptr_t)key, "first");
    return arg;
}

START_TEST(the_first_result_stays)
{
    memo = gc_lru_new(0, 0, load_after_another, GC_HASH_INTEGERS, (char[]){"second"});
    ck_assert_str_eq(gc_lru_get(memo, number(1)), "first");
    ck_assert_uint_eq(info(memo).items, 1);
    gc_lru_free(memo);
}
END_TEST

/* ---- Keys ------------------------------------------------------------------------------------ */

START_TEST(keys_are_compared_as_asked)
{
    char a[] = "key", b[] = "key";
    gc_lru *by_text = gc_lru_new(0, 0, NULL, GC_HASH_STRINGS, NULL);
    gc_lru *by_place = gc_lru_new(0, 0, NULL, GC_HASH_POINTERS, NULL);
    ck_assert_int_eq(gc_lru_put(by_text, a, "text"), 0);
    ck_assert_int_eq(gc_lru_put(by_place, a, "place"), 0);
    ck_assert_str_eq(gc_lru_get(by_text, b), "text");
    ck_assert_ptr_null(gc_lru_get(by_place, b));
    ck_assert_str_eq(gc_lru_get(by_place, a), "place");
    ck_assert_int_eq(gc_lru_put(by_text, b, "again"), 0);
    ck_assert_uint_eq(info(by_text).items, 1);
    ck_assert_str_eq(gc_lru_get(by_text, a), "again");
    put(by_place, 0, "NULL is a key");
    ck_assert_str_eq(gc_lru_get(by_place, NULL), "NULL is a key");
}
END_TEST

/* Strings of every length, which differ in one byte only. */
START_TEST(strings_of_any_length_are_keys)
{
    enum { LONGEST = 70 };
    gc_lru *cache = gc_lru_new(0, 0, NULL, GC_HASH_STRINGS, NULL);
    uint64_t n = 0;
    for (size_t length = 0; length <= LONGEST; length++) {
        for (size_t place = 0; place < length + (length == 0); place++) {
            char *key = gc_malloc_atomic(length + 1);
            memset(key, 'a', length);
            key[length] = '\0';
            if (length > 0) {
                key[place] = 'b';
            }
            ck_assert_int_eq(gc_lru_put(cache, key, key), 0);
            n++;
            ck_assert_ptr_eq(gc_lru_get(cache, gc_strdup(key)), key);
        }
    }
    ck_assert_uint_eq(info(cache).items, n);
    gc_lru_free(cache);
}
END_TEST

/* ---- What is held, and what goes ------------------------------------------------------------- */

enum { N_KEPT = MANY / 2 };

static struct {
    gc_lru *cache; /* the only reference */
    uintptr_t keys[MANY], values[MANY]; /* hidden */
} held;

static void fill(void *arg)
{
    (void)arg;
    held.cache = gc_lru_new(N_KEPT, 0, NULL, GC_HASH_POINTERS, NULL);
    for (size_t i = 0; i < MANY; i++) {
        void *key = gc_malloc(32), *value = gc_malloc(48);
        held.keys[i] = hide(key);
        held.values[i] = hide(value);
        ck_assert_int_eq(gc_lru_put(held.cache, key, value), 0);
    }
}

START_TEST(what_is_in_it_is_held_and_nothing_else)
{
    call_deep(fill, NULL);
    gc_collect();
    ck_assert_uint_eq(count_alive(held.keys + MANY - N_KEPT, N_KEPT), N_KEPT);
    ck_assert_uint_eq(count_alive(held.values + MANY - N_KEPT, N_KEPT), N_KEPT);
    ck_assert_uint_le(count_alive(held.keys, MANY - N_KEPT), FEW);
    ck_assert_uint_le(count_alive(held.values, MANY - N_KEPT), FEW);
    gc_lru_clear(held.cache);
    gc_collect();
    ck_assert_uint_le(count_alive(held.keys, MANY), FEW);
}
END_TEST

/* A stale word may keep one cache, but not each of three. */
START_TEST(a_lost_cache_goes)
{
    enum { TRIES = 3 };
    int n_kept = 0;
    for (int i = 0; i < TRIES; i++) {
        call_deep(fill, NULL);
        held.cache = NULL;
        gc_collect();
        n_kept += count_alive(held.values, MANY) > FEW;
    }
    ck_assert_int_lt(n_kept, TRIES);
    gc_set_memory_limit(1); /* whoever is asked to give up is there */
    gc_collect();
    call_deep(fill, NULL);
    gc_collect();
    ck_assert_uint_eq(info(held.cache).items, N_KEPT / 2);
}
END_TEST

/* ---- A model --------------------------------------------------------------------------------- */

/* The entries by use, the newest first. */
enum { KEYS = 40 };

typedef struct model {
    uintptr_t keys[KEYS];
    void *values[KEYS];
    size_t n, max_items, bytes, max_bytes;
    uint64_t hits, misses, evictions;
} model;

static void model_drop(model *m, size_t i)
{
    m->bytes -= gc_sizeof(m->values[i]);
    m->n--;
    memmove(m->keys + i, m->keys + i + 1, (m->n - i) * sizeof m->keys[0]);
    memmove(m->values + i, m->values + i + 1, (m->n - i) * sizeof m->values[0]);
}

static size_t model_find(const model *m, uintptr_t key)
{
    size_t i = 0;
    while (i < m->n && m->keys[i] != key) {
        i++;
    }
    return i;
}

static void model_add(model *m, uintptr_t key, void *value)
{
    memmove(m->keys + 1, m->keys, m->n * sizeof m->keys[0]);
    memmove(m->values + 1, m->values, m->n * sizeof m->values[0]);
    m->keys[0] = key;
    m->values[0] = value;
    m->n++;
    m->bytes += gc_sizeof(value);
}

static void *model_get(model *m, uintptr_t key)
{
    size_t i = model_find(m, key);
    if (i == m->n) {
        m->misses++;
        return NULL;
    }
    void *value = m->values[i];
    m->hits++;
    model_drop(m, i);
    model_add(m, key, value);
    return value;
}

static void model_put(model *m, uintptr_t key, void *value)
{
    size_t i = model_find(m, key);
    bool is_there = i < m->n, is_kept = gc_sizeof(value) <= m->max_bytes;
    if (is_there) {
        model_drop(m, i);
        m->evictions += !is_kept;
    }
    while (is_kept && (m->n >= m->max_items || m->bytes + gc_sizeof(value) > m->max_bytes)) {
        m->evictions++;
        model_drop(m, m->n - 1);
    }
    if (is_kept) {
        model_add(m, key, value);
    }
}

static uint32_t seed;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

static void choose_seed(void)
{
    const char *given = getenv("TEST_SEED");
    seed = given ? (uint32_t)strtoul(given, NULL, 0) : (uint32_t)time(NULL);
    printf("TEST_SEED=%u\n", seed);
}

static void compare(gc_lru *cache, const model *m)
{
    gc_lru_stats stats = info(cache);
    ck_assert_uint_eq(stats.items, m->n);
    ck_assert_uint_eq(stats.bytes, m->bytes);
    ck_assert_uint_eq(stats.hits, m->hits);
    ck_assert_uint_eq(stats.misses, m->misses);
    ck_assert_uint_eq(stats.evictions, m->evictions);
}

static void play(const gc_hash_ops *ops, size_t max_items, size_t max_bytes, int n_steps)
{
    gc_lru *cache = gc_lru_new(max_items, max_bytes, NULL, ops, NULL);
    model m = {.max_items = max_items ? max_items : SIZE_MAX,
               .max_bytes = max_bytes ? max_bytes : SIZE_MAX};
    for (int i = 0; i < n_steps; i++) {
        uintptr_t key = draw(KEYS);
        if (draw(500) == 0) {
            gc_lru_clear(cache);
            m.n = m.bytes = 0;
            m.hits = m.misses = m.evictions = 0;
        } else if (draw(2)) {
            ck_assert_ptr_eq(gc_lru_get(cache, number(key)), model_get(&m, key));
        } else {
            void *value = gc_malloc(1 + draw(1200));
            put(cache, key, value);
            model_put(&m, key, value);
        }
        compare(cache, &m);
    }
    gc_lru_free(cache);
}

static uint64_t hash_and_collect(const void *key)
{
    static atomic_int n;
    (void)gc_malloc(100); /* garbage */
    if (n++ % 100 == 0) {
        gc_collect();
    }
    return (uintptr_t)key & 3;
}

static int equal_and_allocate(const void *a, const void *b)
{
    (void)gc_malloc(100); /* garbage */
    return a == b;
}

static int steps(int n)
{
    return is_stressed() ? n / 20 : n;
}

START_TEST(it_does_what_the_model_does)
{
    choose_seed();
    play(GC_HASH_INTEGERS, 0, 0, steps(2000));
    play(GC_HASH_INTEGERS, 1, 0, steps(1000));
    play(GC_HASH_INTEGERS, 20, 0, steps(10000));
    play(GC_HASH_INTEGERS, 0, 5000, steps(10000));
    play(GC_HASH_INTEGERS, 15, 5000, steps(10000));
    play(GC_HASH_INTEGERS, 0, 600, steps(2000)); /* many do not fit at all */
}
END_TEST

START_TEST(functions_of_the_program_hash_and_compare)
{
    const gc_hash_ops bad = {sizeof bad, hash_zero, equal_and_allocate};
    const gc_hash_ops busy = {sizeof busy, hash_and_collect, equal_and_allocate};
    choose_seed();
    play(&bad, 20, 0, steps(5000));
    play(&bad, 0, 0, steps(5000));
    play(&busy, 10, 4000, steps(2000));
}
END_TEST

/* ---- Threads --------------------------------------------------------------------------------- */

enum { N_THREADS = 4, SHARED_KEYS = 200, SHARED_ITEMS = 100 };

typedef struct player {
    gc_lru *cache;
    uint32_t seed;
    int n_steps;
    int n_wrong;
} player;

/* A value is its key, doubled: nobody finds another one's. */
static void *play_along(void *arg)
{
    player *p = arg;
    for (int i = 0; i < p->n_steps; i++) {
        p->seed = p->seed * 1664525 + 1013904223;
        uintptr_t key = (p->seed >> 8) % SHARED_KEYS;
        if (p->seed >> 31) {
            uintptr_t *value = gc_malloc(100);
            *value = 2 * key;
            p->n_wrong += gc_lru_put(p->cache, number(key), value) != 0;
        } else {
            const uintptr_t *value = gc_lru_get(p->cache, number(key));
            p->n_wrong += value && *value != 2 * key;
        }
        if (i % 5000 == 4999) {
            gc_lru_clear(p->cache);
        }
    }
    return NULL;
}

static void play_together(const gc_hash_ops *ops, int n_steps)
{
    gc_lru *cache = gc_lru_new(SHARED_ITEMS, 0, NULL, ops, NULL);
    player players[N_THREADS];
    pthread_t threads[N_THREADS];
    for (uint32_t i = 0; i < N_THREADS; i++) {
        players[i] = (player){.cache = cache, .seed = i + 1, .n_steps = n_steps};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, play_along, &players[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(players[i].n_wrong, 0);
    }
    uint64_t n_found = 0;
    ck_assert_uint_le(info(cache).items, SHARED_ITEMS);
    uint64_t n_items = info(cache).items;
    for (uintptr_t key = 0; key < SHARED_KEYS; key++) {
        n_found += has(cache, key);
    }
    ck_assert_uint_eq(n_found, n_items);
    gc_lru_free(cache);
}

static uint64_t hash_to_four(const void *key)
{
    return (uintptr_t)key & 3;
}

START_TEST(threads_share_one)
{
    const gc_hash_ops bad = {sizeof bad, hash_to_four, equal_and_allocate};
    if (HAS_TSAN) { /* which does not know that the world is stopped */
        return;
    }
    play_together(GC_HASH_INTEGERS, steps(20000));
    play_together(&bad, steps(2000));
}
END_TEST

static atomic_bool is_over;

static void *play_on(void *arg)
{
    player *p = arg;
    while (!is_over) {
        play_along(p);
    }
    return NULL;
}

static void use_in_child(void *arg)
{
    gc_lru *cache = arg;
    for (uintptr_t key = 0; key < SHARED_KEYS; key++) {
        gc_lru_get(cache, number(key));
        if (gc_lru_put(cache, number(key), "child") != 0) {
            _Exit(1);
        }
    }
    gc_lru *own = gc_lru_new(1, 0, NULL, NULL, NULL);
    if (!own || gc_lru_put(own, own, own) != 0) {
        _Exit(2);
    }
    gc_lru_free(own);
    gc_lru_free(cache);
}

START_TEST(the_child_of_a_fork_goes_on)
{
    enum { FORKS = 20 };
    gc_lru *cache = new_cache(SHARED_ITEMS, 0);
    player players[N_THREADS];
    pthread_t threads[N_THREADS];
    if (HAS_TSAN) { /* which does not know that the world is stopped */
        return;
    }
    for (uint32_t i = 0; i < N_THREADS; i++) {
        players[i] = (player){.cache = cache, .seed = i + 1, .n_steps = 100};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, play_on, &players[i]), 0);
    }
    for (int i = 0; i < FORKS; i++) {
        outcome o;
        run_forked(use_in_child, cache, &o);
        ck_assert_exited(&o, 0);
    }
    is_over = true;
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(players[i].n_wrong, 0);
    }
    gc_lru_free(cache);
}
END_TEST

/* ---- Little memory --------------------------------------------------------------------------- */

static size_t live_bytes(void)
{
    gc_stats stats = {.size = sizeof stats};
    gc_get_stats(&stats);
    return stats.live_bytes;
}

/* The cache fills most of what there may be: it must shrink. */
START_TEST(the_memory_limit_makes_it_give_up)
{
    gc_lru *cache = new_cache(0, 0);
    for (uintptr_t i = 0; i < 600; i++) {
        put(cache, i, gc_malloc_atomic(100000));
    }
    gc_set_memory_limit(64 * mib);
    gc_collect();
    gc_lru_stats stats = info(cache);
    ck_assert_uint_eq(stats.items, 300);
    ck_assert_uint_eq(stats.evictions, 300);
    ck_assert(!has(cache, 299) && has(cache, 300));
    gc_collect();
    ck_assert_uint_eq(info(cache).items, 300); /* enough now */
    ck_assert_uint_lt(live_bytes(), 40 * mib);
    gc_lru_free(cache);
}
END_TEST

/* Near the limit most may be garbage: the cache is not to blame. */
START_TEST(garbage_does_not_drive_entries_out)
{
    gc_lru *cache = new_cache(0, 0);
    for (uintptr_t i = 0; i < 300; i++) {
        put(cache, i, gc_malloc_atomic(100000));
    }
    gc_set_memory_limit(64 * mib);
    for (int i = 0; i < 2000; i++) {
        ck_assert_ptr_nonnull(gc_malloc_atomic(100000));
    }
    ck_assert_uint_eq(info(cache).items, 300);
    gc_lru_free(cache);
}
END_TEST

static void *make_and_free(void *arg)
{
    player *p = arg;
    for (int i = 0; i < p->n_steps; i++) {
        gc_lru *cache = gc_lru_new(0, 0, NULL, GC_HASH_INTEGERS, NULL);
        for (uintptr_t key = 0; cache && key < 3; key++) {
            p->n_wrong += gc_lru_put(cache, number(key), cache) != 0;
        }
        gc_lru_free(cache);
    }
    return NULL;
}

/* Caches end while others are asked to give up. */
START_TEST(caches_may_be_freed_while_they_give_up)
{
    pthread_t threads[N_THREADS];
    player players[N_THREADS];
    if (HAS_TSAN) { /* which does not know that the world is stopped */
        return;
    }
    gc_set_memory_limit(1); /* each collection asks */
    for (int i = 0; i < N_THREADS; i++) {
        players[i] = (player){.n_steps = steps(10000)};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_and_free, &players[i]), 0);
    }
    for (int i = 0; i < steps(500); i++) {
        gc_collect();
    }
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(players[i].n_wrong, 0);
    }
}
END_TEST

static int n_asked;

static int count_and_give_up(size_t wanted_bytes, void *arg)
{
    (void)wanted_bytes;
    (void)arg;
    n_asked++;
    return 0;
}

START_TEST(it_gives_up_before_the_program_is_asked)
{
    gc_lru *cache = new_cache(0, 0);
    gc_set_oom_handler(count_and_give_up, NULL);
    gc_set_heap_max(64 * mib);
    for (uintptr_t i = 0; i < 1500; i++) {
        void *value = gc_malloc_atomic(100000);
        ck_assert_ptr_nonnull(value);
        put(cache, i, value);
    }
    ck_assert_uint_gt(info(cache).evictions, 500);
    ck_assert_uint_gt(info(cache).items, 100); /* half at a time */
    ck_assert_int_eq(n_asked, 0);
    ck_assert_ptr_null(gc_malloc_atomic(100 * mib));
    ck_assert_int_eq(n_asked, 1);
    ck_assert_uint_eq(info(cache).items, 0);
    gc_set_heap_max(SIZE_MAX);
    gc_lru_free(cache);
}
END_TEST

/* Fills the heap to the last slot. */
static void **exhaust(void)
{
    void **list = NULL;
    for (size_t size = mib; size >= 16; size -= size / 16 + 1) {
        for (void **p; (p = gc_malloc(size)) != NULL; list = p) {
            *p = list;
        }
    }
    return list;
}

START_TEST(without_memory_nothing_changes)
{
    gc_lru *cache = new_cache(0, 0);
    gc_set_heap_max(8 * mib);
    void **list = exhaust();
    errno = 0;
    int result = gc_lru_put(cache, number(1), "one");
    int error = errno;
    gc_lru *none = gc_lru_new(0, 0, NULL, NULL, NULL);
    gc_set_heap_max(SIZE_MAX); /* first: the checks themselves allocate */
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(error, ENOMEM);
    ck_assert_ptr_null(none);
    ck_assert_uint_eq(info(cache).items, 0);
    ck_assert_ptr_nonnull(list);
    put(cache, 1, "one");
    ck_assert(has(cache, 1));
    gc_lru_free(cache);
}
END_TEST

Suite *lru_suite(void)
{
    Suite *suite = suite_create("lru");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, arguments_are_checked);
    tcase_add_test(rules, the_oldest_goes_first);
    tcase_add_test(rules, bytes_are_bounded);
    tcase_add_test(rules, a_freed_cache_is_free);
    tcase_add_test(rules, a_miss_loads);
    tcase_add_test(rules, a_loaded_value_that_is_too_large_is_still_returned);
    tcase_add_test(rules, a_load_may_use_its_cache);
    tcase_add_test(rules, the_first_result_stays);
    tcase_add_test(rules, keys_are_compared_as_asked);
    tcase_add_test(rules, strings_of_any_length_are_keys);
    tcase_add_test(rules, what_is_in_it_is_held_and_nothing_else);
    tcase_add_test(rules, a_lost_cache_goes);
    suite_add_tcase(suite, rules);
    TCase *model_case = tcase_create("model");
    tcase_set_timeout(model_case, 60);
    tcase_add_test(model_case, it_does_what_the_model_does);
    tcase_add_test(model_case, functions_of_the_program_hash_and_compare);
    suite_add_tcase(suite, model_case);
    TCase *threads = tcase_create("threads");
    tcase_set_timeout(threads, 60);
    tcase_add_test(threads, threads_share_one);
    tcase_add_test(threads, the_child_of_a_fork_goes_on);
    suite_add_tcase(suite, threads);
    TCase *memory = tcase_create("memory");
    tcase_set_timeout(memory, 60);
    tcase_add_test(memory, the_memory_limit_makes_it_give_up);
    tcase_add_test(memory, garbage_does_not_drive_entries_out);
    tcase_add_test(memory, caches_may_be_freed_while_they_give_up);
    tcase_add_test(memory, it_gives_up_before_the_program_is_asked);
    tcase_add_test(memory, without_memory_nothing_changes);
    suite_add_tcase(suite, memory);
    return suite;
}
