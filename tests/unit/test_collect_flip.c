/* SPDX-License-Identifier: MIT */
/* What follows marking: exact counts of what died, states before and after the sweep, reuse. */
#include <string.h>

#include <gleaner/gc.h>

#include "collect/cycle.h"
#include "collect/flip.h"
#include "heap/alloc.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap_fixture.h"

enum { N_OBJECTS = 5000 };

static void *objects[N_OBJECTS];
static size_t taken[N_OBJECTS];  /* bytes that the object takes: a slot, or whole blocks */
static size_t filled[N_OBJECTS]; /* bytes at its start that tell its number */

static void make_objects(uint64_t seed)
{
    for (int i = 0; i < N_OBJECTS; i++) {
        size_t bytes = fixture_random_size(&seed, 300000);
        gl_kind kind = (gl_kind)(1 + fixture_below(&seed, GL_KIND_UNCOLLECTABLE));
        objects[i] = gl_heap_alloc(bytes, kind, true);
        ck_assert_ptr_nonnull(objects[i]);
        gl_object object = fixture_find(objects[i]);
        taken[i] = object.is_large
                       ? (size_t)gl_heap.blocks[object.block].run_blocks << GL_BLOCK_SHIFT
                       : object.bytes;
        filled[i] = bytes;
        fixture_fill(objects[i], filled[i], (uint64_t)i);
    }
}

/* Marks every object of which keep(i) is true (nothing is scanned), and flips. */
static gl_flip_result flip(bool (*keep)(int))
{
    gl_flip_result result = {.large = 0};
    fixture_stop();
    gl_mark_prepare(gl_cycle_marker());
    for (int i = 0; i < N_OBJECTS; i++) {
        if (objects[i] && keep(i)) {
            gl_object object = fixture_find(objects[i]);
            gl_mark_object(gl_cycle_marker(), &object);
        }
    }
    gl_mark_drain(gl_cycle_marker());
    gl_flip(&result);
    fixture_resume();
    return result;
}

static bool keep_all(int i) { return i >= 0; }
static bool keep_none(int i) { return i < 0; }
static bool keep_third(int i) { return i % 3 == 0; }
static bool keep_few(int i) { return i % 100 == 0; }
static bool (*const keepers[])(int) = {keep_all, keep_none, keep_third, keep_few};

START_TEST(test_counts_are_exact)
{
    bool (*keep)(int) = keepers[_i];
    uint64_t n_dead = 0, dead_bytes = 0;
    make_objects(3);
    for (int i = 0; i < N_OBJECTS; i++) {
        if (!keep(i)) {
            n_dead++;
            dead_bytes += taken[i];
        }
    }
    gl_heap_counts before, after;
    gl_heap_count(&before);
    gl_flip_result result = flip(keep);
    ck_assert_uint_eq(result.objects, n_dead);
    ck_assert_uint_eq(result.bytes, dead_bytes);
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS - n_dead);
    gl_flip_release(&result);
    ck_assert_uint_eq(result.large, 0);
    gl_heap_count(&after);
    ck_assert_uint_eq(after.live_objects, N_OBJECTS - n_dead);
    ck_assert_uint_eq(after.live_bytes, before.live_bytes - dead_bytes);
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS - n_dead);
    gl_bin_sweep_all();
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS - n_dead);
    gl_heap_count(&before);
    ck_assert_uint_eq(after.live_bytes, before.live_bytes);
}
END_TEST

/* Dead means dead at once, whether or not the block has been swept. */
START_TEST(test_dead_objects_are_not_found)
{
    gl_object object;
    make_objects(4);
    gl_flip_result result = flip(keep_third);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N_OBJECTS; i++) {
            bool is_found = gl_heap_find((uintptr_t)objects[i], &object);
            ck_assert(is_found == keep_third(i));
            ck_assert(!is_found || object.start == (uintptr_t)objects[i]);
        }
        gl_flip_release(&result);
        gl_bin_sweep_all();
    }
}
END_TEST

/* The block of a live object waits for its sweep when the object is freed, or resized. */
START_TEST(test_freeing_in_unswept_blocks)
{
    make_objects(5);
    gl_flip_result result = flip(keep_third);
    for (int i = 0; i < N_OBJECTS; i += 3) {
        if (i % 2) {
            objects[i] = gl_heap_realloc(objects[i], 40, "realloc");
            ck_assert_ptr_nonnull(objects[i]);
        }
        ck_assert(gl_heap_free(objects[i], "free"));
    }
    gl_flip_release(&result);
    ck_assert_uint_eq(fixture_verify(), 0);
    gl_bin_sweep_all();
    ck_assert_uint_eq(fixture_verify(), 0);
}
END_TEST

static int n_errors;
static gc_error_code last_code;

static void note_error(const gc_error *error, void *unused)
{
    (void)unused;
    n_errors++;
    last_code = error->code;
}

/* A program that frees what the collector has reclaimed is told so. */
START_TEST(test_freeing_a_dead_object)
{
    int n_expected = 0;
    make_objects(6);
    gc_set_error_handler(note_error, NULL);
    gl_flip_result result = flip(keep_third);
    for (int i = 0; i < N_OBJECTS; i++) {
        if (!keep_third(i)) {
            ck_assert(!gl_heap_free(objects[i], "gc_free"));
            ck_assert_int_eq(n_errors, ++n_expected);
            ck_assert_int_eq(last_code, GC_ERROR_DOUBLE_FREE);
        }
    }
    gl_flip_release(&result);
    ck_assert_uint_eq(fixture_verify(), (N_OBJECTS + 2) / 3);
}
END_TEST

/* New objects take the place of dead ones, and never that of a live one. */
START_TEST(test_reuse_after_the_flip)
{
    make_objects(7);
    size_t heap_before, heap_after;
    gl_heap_counts counts;
    gl_heap_count(&counts);
    heap_before = counts.heap_bytes;
    gl_flip_result result = flip(keep_third);
    gl_flip_release(&result);
    uint64_t chance = 7;
    for (int i = 0; i < N_OBJECTS; i++) {
        size_t bytes = fixture_random_size(&chance, 300000);
        gl_kind kind = (gl_kind)(1 + fixture_below(&chance, GL_KIND_UNCOLLECTABLE));
        void *p = keep_third(i) ? NULL : gl_heap_alloc(bytes, kind, true);
        if (p) {
            ck_assert(fixture_is_zero(p, bytes));
            memset(p, 0xcc, bytes);
        }
    }
    for (int i = 0; i < N_OBJECTS; i += 3) {
        ck_assert_uint_eq(fixture_find(objects[i]).start, (uintptr_t)objects[i]);
        ck_assert_msg(fixture_is_filled(objects[i], filled[i], (uint64_t)i), "object %d", i);
    }
    gl_heap_count(&counts);
    heap_after = counts.heap_bytes;
    ck_assert_uint_le(heap_after, heap_before + heap_before / 8 + 16 * GL_BLOCK_BYTES);
    fixture_verify();
}
END_TEST

START_TEST(test_nothing_left_goes_back)
{
    make_objects(8);
    gl_flip_result result = flip(keep_none);
    gl_flip_release(&result);
    gl_heap_release_os_memory();
    gl_heap_counts counts;
    gl_heap_count(&counts);
    ck_assert_uint_eq(counts.live_bytes, 0);
    ck_assert_uint_le(counts.heap_bytes, 5u * 64 * GL_BLOCK_BYTES); /* one block per bin in use */
    ck_assert_uint_eq(counts.free_retained_bytes, 0);
    ck_assert_uint_eq(fixture_verify(), 0);
}
END_TEST

/* Slots in caches survive a collection as free slots: they are neither dead nor lost. */
START_TEST(test_cached_slots_are_not_counted)
{
    make_objects(9);
    for (int i = 0; i < N_OBJECTS; i += 2) {
        ck_assert(gl_heap_free(objects[i], "free"));
        objects[i] = NULL;
    }
    gl_flip_result result = flip(keep_all);
    ck_assert_uint_eq(result.objects, 0);
    ck_assert_uint_eq(result.bytes, 0);
    gl_flip_release(&result);
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS / 2);
}
END_TEST

static bool count_unreached(const gl_object *object, void *n)
{
    (void)object;
    ++*(size_t *)n;
    return true;
}

START_TEST(test_unreached_objects_are_visited)
{
    size_t n = 0;
    make_objects(10);
    fixture_stop();
    gl_mark_prepare(gl_cycle_marker());
    for (int i = 0; i < N_OBJECTS; i += 3) {
        gl_object object = fixture_find(objects[i]);
        gl_mark_object(gl_cycle_marker(), &object);
    }
    gl_flip_each_unreached(count_unreached, &n);
    fixture_resume();
    ck_assert_uint_eq(n, N_OBJECTS - (N_OBJECTS + 2) / 3);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("flip");
    tcase_add_checked_fixture(t, fixture_setup, NULL);
    tcase_add_loop_test(t, test_counts_are_exact, 0, (int)(sizeof keepers / sizeof keepers[0]));
    tcase_add_test(t, test_dead_objects_are_not_found);
    tcase_add_test(t, test_freeing_in_unswept_blocks);
    tcase_add_test(t, test_freeing_a_dead_object);
    tcase_add_test(t, test_reuse_after_the_flip);
    tcase_add_test(t, test_nothing_left_goes_back);
    tcase_add_test(t, test_cached_slots_are_not_counted);
    tcase_add_test(t, test_unreached_objects_are_visited);
    return fixture_run(t);
}
