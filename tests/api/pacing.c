/* SPDX-License-Identifier: MIT */
/* tests/api/pacing.c - when collections come by themselves. */
#include <errno.h>
#include <stdint.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>

#include "suites.h"

static const size_t trigger_bytes = 1 << 20;

/* The library with a small trigger, however it was started. */
static void start_small(void)
{
    gc_config config = {.size = sizeof config, .trigger_bytes = trigger_bytes};
    ck_assert_int_eq(gc_init(&config), 0);
}

static uint64_t n_collections(void)
{
    gc_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(gc_get_stats(&stats), 0);
    return stats.generations[0].collections + stats.generations[1].collections +
           stats.generations[2].collections;
}

/* Allocates `bytes` of garbage in small objects; less where each 200th of them costs a collection.
 */
static void allocate(size_t bytes)
{
    bytes /= is_stressed() ? 20 : 1;
    for (size_t done = 0; done < bytes; done += 64) {
        gc_keep_alive(gc_malloc(64));
    }
}

START_TEST(growth_makes_collections)
{
    start_small();
    gc_stats stats = {.size = sizeof stats};
    uint64_t n = n_collections();
    allocate(100 * trigger_bytes);
    ck_assert_uint_gt(n_collections(), n + 5);
    ck_assert_int_eq(gc_get_stats(&stats), 0);
    ck_assert_uint_lt(stats.heap_bytes, 40 * trigger_bytes); /* of which most was reclaimed */
}
END_TEST

START_TEST(disable_nests)
{
    start_small();
    ck_assert_int_eq(gc_is_enabled(), 1);
    gc_disable();
    gc_disable();
    ck_assert_int_eq(gc_is_enabled(), 0);
    uint64_t n = n_collections();
    allocate(20 * trigger_bytes);
    gc_enable();
    ck_assert_int_eq(gc_is_enabled(), 0); /* once more */
    allocate(20 * trigger_bytes);
    ck_assert_uint_eq(n_collections(), n);
    ck_assert_uint_gt(gc_collect(), 0); /* works all the same */
    ck_assert_uint_eq(n_collections(), n + 1);
    gc_enable();
    ck_assert_int_eq(gc_is_enabled(), 1);
    allocate(100 * trigger_bytes);
    ck_assert_uint_gt(n_collections(), n + 1);
}
END_TEST

START_TEST(percent_is_set_and_told)
{
    start_small();
    gc_set_percent(150);
    ck_assert_int_eq(gc_set_percent(300), 150);
    ck_assert_int_lt((gc_set_percent(-1), gc_set_percent(-1)), 0);
    uint64_t n = n_collections();
    allocate(50 * trigger_bytes);
    if (!is_stressed()) {                      /* there, they come all the time */
        ck_assert_uint_eq(n_collections(), n); /* negative: none */
    }
    gc_set_percent(100);
    allocate(200 * trigger_bytes);
    ck_assert_uint_gt(n_collections(), n);
}
END_TEST

START_TEST(malloc_mode_never_collects_by_itself)
{
    gc_config config = {
        .size = sizeof config, .mode = GC_MODE_MALLOC, .trigger_bytes = trigger_bytes};
    ck_assert_int_eq(gc_init(&config), 0);
    uint64_t n = n_collections();
    allocate(50 * trigger_bytes);
    ck_assert_uint_eq(n_collections(), n);
    ck_assert_uint_gt(gc_collect(), 1000); /* when asked, it does */
}
END_TEST

/* ---- Counts ---------------------------------------------------------------------------------- */

START_TEST(counts_follow_allocation)
{
    size_t count[3];
    gc_disable();
    gc_collect();
    gc_get_count(count);
    size_t before = count[0];
    enum { N = 100000 };
    static void *objects[N];
    for (size_t i = 0; i < N; i++) {
        objects[i] = gc_malloc(16);
    }
    gc_get_count(count);
    ck_assert_uint_ge(count[0], before + N - MANY); /* as seen by the threads' caches */
    ck_assert_uint_le(count[0], before + N + 10 * MANY);
    for (size_t i = 0; i < N; i++) {
        gc_free(objects[i]);
    }
    gc_get_count(count);
    ck_assert_uint_lt(count[0], before + 10 * MANY);
    gc_collect();
    gc_get_count(count);
    ck_assert_uint_lt(count[0], 10 * MANY);
}
END_TEST

START_TEST(thresholds_are_set_and_told)
{
    const size_t wanted[3] = {5000, 7, 9};
    size_t told[3];
    gc_set_threshold(wanted);
    gc_get_threshold(told);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(told[i], wanted[i]);
    }
}
END_TEST

START_TEST(a_threshold_makes_collections)
{
    const size_t threshold[3] = {5000, 10, 10};
    gc_config config = {.size = sizeof config, .trigger_bytes = (size_t)1 << 40};
    ck_assert_int_eq(gc_init(&config), 0);
    uint64_t n = n_collections();
    gc_set_threshold(threshold);
    allocate(64 * 100000);
    ck_assert_uint_ge(n_collections(), n + 100000 / 5000 / 3);
}
END_TEST

/* Python: gc.get_count() after gc.collect(0), (1), (2). */
START_TEST(counts_of_generations_follow_their_collections)
{
    static const struct {
        int generation;
        size_t count1, count2;
    } steps[] = {{2, 0, 0}, {0, 1, 0}, {0, 2, 0}, {1, 0, 1}, {0, 1, 1}, {1, 0, 2}, {2, 0, 0}};
    size_t count[3];
    gc_disable();
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        ck_assert_int_ge(gc_collect_generation(steps[i].generation), 0);
        gc_get_count(count);
        ck_assert_uint_eq(count[1], steps[i].count1);
        ck_assert_uint_eq(count[2], steps[i].count2);
    }
}
END_TEST

START_TEST(thresholds_choose_the_generation)
{
    const size_t threshold[3] = {5000, 3, 2};
    gc_config config = {.size = sizeof config, .trigger_bytes = (size_t)1 << 40};
    gc_stats stats = {.size = sizeof stats};
    ck_assert_int_eq(gc_init(&config), 0);
    gc_collect();
    gc_set_threshold(threshold);
    for (int i = 0; i < 200 && n_collections() < 100; i++) {
        allocate(64 * 10000);
    }
    ck_assert_int_eq(gc_get_stats(&stats), 0);
    if (is_stressed()) {
        return;
    }
    /* Four young ones, then one of the next; three of these, then a full one. */
    uint64_t young = stats.generations[0].collections, middle = stats.generations[1].collections;
    uint64_t full = stats.generations[2].collections - 1;
    ck_assert_uint_ge(young, 50);
    ck_assert_uint_ge(young, 4 * middle);
    ck_assert_uint_le(young, 4 * (middle + full + 1));
    ck_assert_uint_ge(middle, 3 * full);
    ck_assert_uint_le(middle, 3 * (full + 1));
}
END_TEST

START_TEST(a_threshold_of_zero_stops_them)
{
    const size_t zero[3] = {0, 10, 10};
    start_small();
    gc_set_threshold(zero);
    uint64_t n = n_collections();
    allocate(50 * trigger_bytes);
    ck_assert_uint_eq(n_collections(), n);
}
END_TEST

Suite *pacing_suite(void)
{
    Suite *suite = suite_create("pacing");
    TCase *one = tcase_create("pacing");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, growth_makes_collections);
    tcase_add_test(one, disable_nests);
    tcase_add_test(one, percent_is_set_and_told);
    tcase_add_test(one, malloc_mode_never_collects_by_itself);
    tcase_add_test(one, counts_follow_allocation);
    tcase_add_test(one, thresholds_are_set_and_told);
    tcase_add_test(one, a_threshold_makes_collections);
    tcase_add_test(one, counts_of_generations_follow_their_collections);
    tcase_add_test(one, thresholds_choose_the_generation);
    tcase_add_test(one, a_threshold_of_zero_stops_them);
    suite_add_tcase(suite, one);
    return suite;
}
