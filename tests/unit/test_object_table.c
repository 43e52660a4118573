/* SPDX-License-Identifier: MIT */
/* The table under maps and caches: where hashes fall, and that the index agrees with the
 * entries. */
#include <stdio.h>
#include <string.h>

#include "heap_fixture.h"
#include "object/table.h"
#include "unit.h"

static gl_lock lock = GL_LOCK_INIT(GL_RANK_TABLE);

static void grow(gl_table *t)
{
    gl_table fresh = gl_table_like(t);
    ck_assert(gl_table_allocate(&fresh, gl_table_wanted_locked(t)));
    gl_table_move_locked(t, &fresh);
    gl_table_release(&fresh);
}

static uint32_t add(gl_table *t, const gl_keys *keys, void *key, void *value)
{
    if (!gl_table_has_room_locked(t)) {
        grow(t);
    }
    return gl_table_add_locked(t, gl_keys_hash(keys, key), key, value);
}

static uint32_t find(gl_table *t, const gl_keys *keys, const void *key)
{
    return gl_table_find_locked(t, keys, gl_keys_hash(keys, key), key, &lock);
}

/* ---- Where hashes fall ----------------------------------------------------------------------- */

/* How far entries stand from where they should, in hundredths of a slot on average. */
static uint64_t mean_distance(const gl_table *t)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= t->slot_mask; i++) {
        if (t->slots[i].entry) {
            sum += (i - t->slots[i].hash) & t->slot_mask;
        }
    }
    return sum * 100 / t->n_live;
}

static void *key_of_pattern(int pattern, uint32_t i)
{
    static const uint32_t strides[] = {1, 16, 32, 48, 64, 4096, 65536, 1 << 20};
    enum { N_STRIDES = sizeof strides / sizeof strides[0] };
    if (pattern < N_STRIDES) {
        return (void *)(UINT64_C(0x100000000000) * (pattern & 1) + (uint64_t)strides[pattern] * i);
    }
    if (pattern == N_STRIDES) {
        return (void *)((uint64_t)i << 32);
    }
    char text[100];
    const char *around = pattern == N_STRIDES + 1 ? "" : "a common part of some length";
    snprintf(text, sizeof text, "%s%u%s", around, i, around);
    char *copy = gl_heap_alloc(strlen(text) + 1, GL_KIND_ATOMIC, false);
    return strcpy(copy, text);
}

/* A table that is two thirds full has a mean distance of 1.0 if hashes are random (Knuth, The Art
 * of Computer Programming, 6.4). */
START_TEST(test_hashes_are_spread)
{
    enum { N_PATTERNS = 11, FIRST_STRING = 9, ENTRIES = 43000 };
    for (int pattern = 0; pattern < N_PATTERNS; pattern++) {
        gl_keys keys;
        gl_table t = {.pair_kind = GL_KIND_SCANNED};
        ck_assert(gl_keys_init(&keys, pattern < FIRST_STRING ? GC_HASH_INTEGERS : GC_HASH_STRINGS));
        for (uint32_t i = 0; i < ENTRIES; i++) {
            add(&t, &keys, key_of_pattern(pattern, i), NULL);
        }
        ck_assert_uint_ge(t.n_live * 100 / (t.slot_mask + 1), 64);
        uint64_t distance = mean_distance(&t);
        ck_assert_msg(distance < 130, "pattern %d: %lu hundredths", pattern, distance);
        gl_table_release(&t);
    }
}
END_TEST

/* ---- The equations of table.h ---------------------------------------------------------------- */

static void check_equations(const gl_table *t)
{
    uint32_t n_live = 0, n_slots = 0, n_holes = 0;
    ck_assert_uint_le(t->n_used, t->capacity);
    for (uint32_t e = 0; e < t->n_used; e++) {
        n_live += t->hashes[e] != 0;
    }
    ck_assert_uint_eq(n_live, t->n_live);
    for (uint32_t i = 0; t->slots && i <= t->slot_mask; i++) {
        uint32_t e = t->slots[i].entry;
        if (e && t->hashes[e - 1]) {
            ck_assert_uint_eq(t->hashes[e - 1], t->slots[i].hash);
            n_slots++;
        }
    }
    ck_assert_uint_eq(n_slots, t->n_live);
    for (uint32_t e = t->free; e; e = (uint32_t)(uintptr_t)t->pairs[e - 1].key) {
        n_holes++;
    }
    ck_assert_uint_eq(n_holes, t->reuses_holes ? t->n_used - t->n_live : 0);
}

/* Keys are numbers below this; the value of each is its key, and one more. */
enum { KEYS = 500 };

/* Few hashes, so that rows of slots are long. */
static uint64_t hash_of_number(const void *key) { return (uintptr_t)key % 7; }
static int is_same(const void *a, const void *b) { return a == b; }

static void play(gl_table *t, const gl_keys *keys, int n_steps)
{
    static bool has[KEYS];
    memset(has, 0, sizeof has);
    for (int i = 0; i < n_steps; i++) {
        uintptr_t key = unit_random() % KEYS;
        gl_lock_acquire(&lock);
        uint32_t e = find(t, keys, (void *)key);
        gl_lock_release(&lock);
        ck_assert_int_eq(e != GL_NO_ENTRY, has[key]);
        if (e != GL_NO_ENTRY) {
            ck_assert_ptr_eq(t->pairs[e].value, (void *)(key + 1));
        }
        if (!has[key]) {
            add(t, keys, (void *)key, (void *)(key + 1));
        } else if (unit_random() % 2 || t->reuses_holes) {
            gl_table_remove_locked(t, e);
        } else {
            gl_table_drop_locked(t, e);
        }
        has[key] = !has[key];
        if (i % 64 == 0) {
            check_equations(t);
        }
    }
}

START_TEST(test_equations_hold)
{
    const gc_hash_ops bad = {sizeof bad, hash_of_number, is_same};
    for (int is_bad = 0; is_bad < 2; is_bad++) {
        for (int reuses = 0; reuses < 2; reuses++) {
            gl_keys keys;
            gl_table t = {.pair_kind = GL_KIND_SCANNED, .reuses_holes = reuses, .extra_bytes = 8};
            ck_assert(gl_keys_init(&keys, is_bad ? &bad : GC_HASH_INTEGERS));
            play(&t, &keys, 20000);
            ck_assert_uint_lt(t.capacity, 4 * KEYS); /* holes do not make it grow */
            gl_table_release(&t);
        }
    }
}
END_TEST

/* ---- What another thread does while keys are compared ---------------------------------------- */

enum { CROWD = 40 };

static struct {
    gl_table *t;
    gl_keys keys;
    void (*change)(void);
} other;

static uint64_t hash_to_one(const void *key)
{
    (void)key;
    return 1;
}

static int compare_and_change(const void *a, const void *b)
{
    void (*change)(void) = other.change;
    other.change = NULL;
    if (change) {
        gl_lock_acquire(&lock);
        change();
        gl_lock_release(&lock);
    }
    return a == b;
}

/* The row closes up: what was searched for may stand before the place that the search
 * has come to. */
static void remove_first(void) { gl_table_remove_locked(other.t, 0); }

static void remove_last(void) { gl_table_remove_locked(other.t, CROWD - 1); }
static void drop_last(void) { gl_table_drop_locked(other.t, CROWD - 1); }

static void move_all(void) { grow(other.t); }

static void take_away(void)
{
    gl_table_release(other.t);
}

static uint32_t find_while(void (*change)(void), uintptr_t key, bool is_late)
{
    gl_table t = {.pair_kind = GL_KIND_SCANNED};
    other.t = &t;
    other.change = NULL;
    for (uintptr_t i = 1; i <= CROWD; i++) {
        add(&t, &other.keys, (void *)i, NULL);
    }
    if (is_late) { /* the first comparison finds another state */
        gl_table_remove_locked(&t, 1);
    }
    other.change = change;
    gl_lock_acquire(&lock);
    uint32_t entry = find(&t, &other.keys, (void *)key);
    gl_lock_release(&lock);
    uintptr_t found = entry == GL_NO_ENTRY ? 0 : (uintptr_t)t.pairs[entry].key;
    ck_assert(entry == GL_NO_ENTRY || t.hashes[entry]);
    gl_table_release(&t);
    return (uint32_t)found;
}

START_TEST(test_a_search_stands_changes)
{
    const gc_hash_ops ops = {sizeof ops, hash_to_one, compare_and_change};
    ck_assert(gl_keys_init(&other.keys, &ops));
    for (int is_late = 0; is_late < 2; is_late++) {
        ck_assert_uint_eq(find_while(NULL, CROWD, is_late), CROWD);
        ck_assert_uint_eq(find_while(remove_first, 3, is_late), 3);
        ck_assert_uint_eq(find_while(remove_first, CROWD, is_late), CROWD);
        ck_assert_uint_eq(find_while(remove_last, CROWD, is_late), 0);
        ck_assert_uint_eq(find_while(drop_last, CROWD, is_late), 0);
        ck_assert_uint_eq(find_while(move_all, CROWD, is_late), CROWD);
        ck_assert_uint_eq(find_while(take_away, CROWD, is_late), 0);
    }
}
END_TEST

START_TEST(test_order_is_kept)
{
    gl_keys keys;
    gl_table t = {.pair_kind = GL_KIND_SCANNED};
    ck_assert(gl_keys_init(&keys, GC_HASH_INTEGERS));
    for (uintptr_t i = 0; i < 10000; i++) {
        uint32_t e = add(&t, &keys, (void *)i, NULL);
        if (i % 3) {
            gl_table_remove_locked(&t, e);
        }
    }
    const void *last = NULL;
    for (uint32_t e = 0; e < t.n_used; e++) {
        if (t.hashes[e]) {
            ck_assert(t.pairs[e].key >= last);
            last = t.pairs[e].key;
        }
    }
    ck_assert_uint_eq(t.n_live, 3334);
    gl_table_release(&t);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("table");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, fixture_setup, NULL);
    tcase_add_test(tests, test_hashes_are_spread);
    tcase_add_test(tests, test_equations_hold);
    tcase_add_test(tests, test_a_search_stands_changes);
    tcase_add_test(tests, test_order_is_kept);
    return fixture_run(tests);
}
