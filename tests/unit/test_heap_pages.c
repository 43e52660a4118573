/* SPDX-License-Identifier: MIT */
/*
 * The memory behind free blocks: what goes back at once, what after a second, what stays because it
 * was wanted again, and which units are advised for huge pages. The clock is moved by the tests.
 */
#include <string.h>

#include "base/knobs.h"
#include "heap/arena.h"
#include "heap/pages.h"
#include "heap_fixture.h"
#include "os/memory.h"
#include "os/system.h"

enum { MIB_BLOCKS = 16 };

static const uint64_t SECOND_NS = 1000000000;

static uint64_t dirty(void)
{
    gl_arena_counts counts;
    gl_arena_count(&counts);
    return counts.dirty_bytes >> GL_BLOCK_SHIFT;
}

static uint32_t take(uint32_t n)
{
    bool is_zero;
    uint32_t block = gl_arena_take(n, 1, &is_zero);
    ck_assert_uint_ne(block, 0);
    ck_assert(!is_zero || fixture_is_zero((void *)gl_block_start(block), (size_t)n << GL_BLOCK_SHIFT));
    memset((void *)gl_block_start(block), 0x5a, (size_t)n << GL_BLOCK_SHIFT);
    return block;
}

static void verify(void)
{
    gl_lock_acquire(&gl_arena_lock);
    gl_arena_verify_locked();
    gl_lock_release(&gl_arena_lock);
}

static void let_pass(uint64_t ns)
{
    gl_pages_advance_clock(ns);
    gl_pages_poll();
    verify();
}

static void setup(void)
{
    fixture_start("retain_bytes=16m");
    gl_arena_purge(0);
    ck_assert_uint_eq(dirty(), 0);
}

/* ---- Decay ---------------------------------------------------------------------------------- */

START_TEST(test_free_memory_goes_back_after_a_second)
{
    uint32_t block = take(100);
    ck_assert(gl_load_relaxed(&gl_pages_next_ns) == GL_PAGES_NEVER);
    gl_arena_give(block, 100);
    ck_assert(gl_load_relaxed(&gl_pages_next_ns) != GL_PAGES_NEVER);
    ck_assert_uint_eq(dirty(), 100);
    let_pass(SECOND_NS / 2);
    ck_assert_uint_eq(dirty(), 100);
    let_pass(SECOND_NS);
    ck_assert_uint_eq(dirty(), 0);
    ck_assert(gl_load_relaxed(&gl_pages_next_ns) == GL_PAGES_NEVER);
    bool is_zero;
    ck_assert_uint_ne(gl_arena_take(100, 1, &is_zero), 0);
    ck_assert(is_zero);
}
END_TEST

/* Blocks that come and go stay; those beside them go back. */
START_TEST(test_what_is_used_stays)
{
    uint32_t block = take(200);
    gl_arena_give(block, 200);
    for (int i = 0; i < 20; i++) {
        uint32_t used = take(50);
        gl_arena_give(used, 50);
        let_pass(SECOND_NS / 4);
    }
    ck_assert_uint_eq(dirty(), 50);
}
END_TEST

/* Memory freed after a long pause is new, although the pause was longer than a second. */
START_TEST(test_a_pause_does_not_age_what_comes_after)
{
    uint32_t first = take(10), second = take(10);
    gl_arena_give(first, 10);
    gl_pages_advance_clock(10 * SECOND_NS);
    gl_arena_give(second, 10);
    ck_assert_uint_eq(dirty(), 10);
    ck_assert_uint_eq(*gl_pages_of(first), GL_PAGES_CLEAN);
    ck_assert_uint_gt(*gl_pages_of(second), GL_PAGES_DUE);
}
END_TEST

START_TEST(test_patience)
{
    uint32_t block = take(10);
    gl_arena_set_patience(8 * SECOND_NS);
    gl_arena_give(block, 10);
    gl_arena_set_patience(0);
    let_pass(7 * SECOND_NS);
    ck_assert_uint_eq(dirty(), 10);
    let_pass(2 * SECOND_NS);
    ck_assert_uint_eq(dirty(), 0);
}
END_TEST

/* A slow path purges a bounded amount; the rest follows with the next ones. */
START_TEST(test_a_slow_path_does_not_purge_everything)
{
    gl_options.retain_bytes = UINT64_MAX;
    uint32_t block = take(3000);
    gl_arena_give(block, 3000);
    let_pass(2 * SECOND_NS);
    ck_assert_uint_lt(dirty(), 3000);
    ck_assert_uint_ge(dirty(), 3000 - 1024 - GL_UNIT_BLOCKS);
    for (int i = 0; i < 4; i++) {
        let_pass(SECOND_NS / 4);
    }
    ck_assert_uint_eq(dirty(), 0);
}
END_TEST

/* ---- The bound ------------------------------------------------------------------------------ */

START_TEST(test_a_burst_goes_back_at_once)
{
    uint32_t blocks[100];
    for (int i = 0; i < 100; i++) {
        blocks[i] = take(4 * MIB_BLOCKS);
    }
    for (int i = 0; i < 100; i++) {
        gl_arena_give(blocks[i], 4 * MIB_BLOCKS);
        gl_arena_trim();
        ck_assert_uint_le(dirty(), 16 * MIB_BLOCKS);
    }
    verify();
}
END_TEST

/* Bursts one after the other: from the third on, nothing goes back and comes again. */
START_TEST(test_repeated_bursts_keep_their_memory)
{
    gl_arena_counts before, after;
    for (int i = 0; i < 6; i++) {
        gl_arena_count(&before);
        uint32_t block = take(100 * MIB_BLOCKS);
        gl_arena_give(block, 100 * MIB_BLOCKS);
        gl_arena_trim();
        gl_arena_count(&after);
        uint64_t returned = (after.returned_bytes - before.returned_bytes) >> GL_BLOCK_SHIFT;
        if (i == 0) {
            ck_assert_uint_ge(returned, 84 * MIB_BLOCKS);
        } else if (i > 1) {
            ck_assert_uint_le(returned, 16 * MIB_BLOCKS);
        }
    }
    /* And that wears off: a minute later, one burst is like the first. */
    let_pass(SECOND_NS);
    for (int i = 0; i < 4; i++) {
        let_pass(20 * SECOND_NS);
        uint32_t block = take(MIB_BLOCKS);
        gl_arena_give(block, MIB_BLOCKS);
    }
    ck_assert_uint_le(dirty(), 16 * MIB_BLOCKS);
    uint32_t block = take(100 * MIB_BLOCKS);
    gl_arena_give(block, 100 * MIB_BLOCKS);
    gl_arena_trim();
    ck_assert_uint_le(dirty(), 16 * MIB_BLOCKS);
}
END_TEST

START_TEST(test_a_quarter_of_what_is_in_use_stays)
{
    uint32_t block = take(40 * MIB_BLOCKS);
    gl_add_relaxed(&gl_heap.in_use_bytes, 200u << 20);
    gl_arena_give(block, 40 * MIB_BLOCKS);
    gl_arena_trim();
    ck_assert_uint_eq(dirty(), 40 * MIB_BLOCKS);
    block = take(60 * MIB_BLOCKS);
    gl_arena_give(block, 60 * MIB_BLOCKS);
    gl_arena_trim();
    ck_assert_uint_le(dirty(), 50 * MIB_BLOCKS);
    ck_assert_uint_ge(dirty(), 40 * MIB_BLOCKS);
}
END_TEST

/* ---- Huge pages ----------------------------------------------------------------------------- */

/* Blocks one by one, as for small objects; returns the number in advised units. */
static uint32_t fill(uint32_t *blocks, uint32_t n)
{
    uint32_t n_huge = 0;
    for (uint32_t i = 0; i < n; i++) {
        blocks[i] = take(1);
        n_huge += gl_pages_is_huge(blocks[i]);
    }
    verify();
    return n_huge;
}

enum { MANY = 200 * MIB_BLOCKS };
static uint32_t blocks[MANY];

START_TEST(test_small_heaps_get_no_huge_pages)
{
    ck_assert_uint_eq(fill(blocks, 30 * MIB_BLOCKS), 0);
}
END_TEST

START_TEST(test_large_heaps_get_huge_pages)
{
    uint32_t n_huge = fill(blocks, MANY);
    ck_assert_uint_ge(n_huge, MANY / 4);
    ck_assert_uint_lt(n_huge, MANY);
    /* What is advised is what lies beyond the threshold: whole units. */
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t first = blocks[i] / GL_UNIT_BLOCKS * GL_UNIT_BLOCKS;
        ck_assert(gl_pages_is_huge(first) == gl_pages_is_huge(blocks[i]));
    }
}
END_TEST

START_TEST(test_option_never_and_always)
{
    gl_options.huge_pages = GL_HUGE_PAGES_NEVER;
    ck_assert_uint_eq(fill(blocks, MANY / 2), 0);
    gl_options.huge_pages = GL_HUGE_PAGES_ALWAYS;
    ck_assert_uint_ge(fill(blocks, MANY / 2), MANY / 4);
}
END_TEST

/* A few free blocks do not split a huge page; many do, and then it is one no more until the whole of
 * it was given back. */
START_TEST(test_purging_a_part_splits)
{
    gl_options.huge_pages = GL_HUGE_PAGES_ALWAYS;
    fill(blocks, 4 * GL_UNIT_BLOCKS);
    uint32_t unit = 0;
    for (uint32_t i = 0; !unit; i++) {
        ck_assert_uint_lt(i, 3 * GL_UNIT_BLOCKS);
        unit = blocks[i] % GL_UNIT_BLOCKS == 0 && gl_pages_is_huge(blocks[i]) ? blocks[i] : 0;
    }
    gl_arena_give(unit + 3, 1);
    let_pass(2 * SECOND_NS);
    ck_assert_uint_eq(dirty(), 1);
    ck_assert(gl_pages_is_huge(unit));
    gl_arena_give(unit + 4, 12);
    let_pass(2 * SECOND_NS);
    ck_assert_uint_eq(dirty(), 0);
    ck_assert(!gl_pages_is_huge(unit));
    ck_assert(fixture_is_zero((void *)gl_block_start(unit + 3), 13 << GL_BLOCK_SHIFT));

    gl_arena_give(unit, 3);
    gl_arena_give(unit + 16, 16);
    let_pass(2 * SECOND_NS);
    for (uint32_t i = 0; i < GL_UNIT_BLOCKS; i++) {
        ck_assert_uint_eq(*gl_pages_of(unit + i), GL_PAGES_CLEAN);
    }
    for (int i = 0; take(1) != unit; i++) {
        ck_assert_int_lt(i, 4 * GL_UNIT_BLOCKS);
    }
    ck_assert(gl_pages_is_huge(unit));
    verify();
}
END_TEST

/* Rising and falling for long: however often units are split, mappings stay few. */
START_TEST(test_mappings_stay_few)
{
    uint64_t chance = 3;
    gl_options.huge_pages = GL_HUGE_PAGES_ALWAYS;
    fill(blocks, MANY);
    for (int round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            if (blocks[i] && fixture_below(&chance, 2)) {
                gl_arena_give(blocks[i], 1);
                blocks[i] = 0;
            }
        }
        let_pass(2 * SECOND_NS);
        for (uint32_t i = 0; i < MANY; i++) {
            blocks[i] = blocks[i] ? blocks[i] : take(1);
        }
    }
    ck_assert_int_lt(fixture_count_mappings(), 2 * MANY / GL_UNIT_BLOCKS + 200);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pages");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_free_memory_goes_back_after_a_second);
    tcase_add_test(t, test_what_is_used_stays);
    tcase_add_test(t, test_a_pause_does_not_age_what_comes_after);
    tcase_add_test(t, test_patience);
    tcase_add_test(t, test_a_slow_path_does_not_purge_everything);
    tcase_add_test(t, test_a_burst_goes_back_at_once);
    tcase_add_test(t, test_repeated_bursts_keep_their_memory);
    tcase_add_test(t, test_a_quarter_of_what_is_in_use_stays);
    tcase_add_test(t, test_small_heaps_get_no_huge_pages);
    tcase_add_test(t, test_large_heaps_get_huge_pages);
    tcase_add_test(t, test_option_never_and_always);
    tcase_add_test(t, test_purging_a_part_splits);
    tcase_add_test(t, test_mappings_stay_few);
    return fixture_run(t);
}
