/* SPDX-License-Identifier: MIT */
/*
 * Runs of blocks: random sequences against a plain model, joining and cutting, alignment, purging,
 * the hard limit, foreign mappings in the way, and the system refusing memory at any point.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/knobs.h"
#include "heap/arena.h"
#include "heap_fixture.h"
#include "os/memory.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { N_RUNS = 60, N_STEPS = 4000, MAX_BLOCKS = 40, OWNERS = 1 << 20 };

typedef struct run {
    uint32_t block, n; /* block 0: none */
    uint64_t key;
} run;

static run runs[N_RUNS];
static uint8_t owner[OWNERS]; /* per block: index of its run + 1 */
static uint64_t held_at_start;

static void setup(void)
{
    fixture_setup();
    gl_arena_counts counts;
    gl_arena_count(&counts);
    held_at_start = counts.held_blocks;
    memset(runs, 0, sizeof runs);
    memset(owner, 0, sizeof owner);
}

/* ---- The model ------------------------------------------------------------------------------ */

/* A word at each end of each block is enough: runs are whole blocks. */
static void touch(const run *r, uint32_t from)
{
    for (uint32_t b = from; b < r->n; b++) {
        uint64_t *block = (uint64_t *)gl_block_start(r->block + b);
        block[0] = block[GL_BLOCK_BYTES / 8 - 1] = r->key + b;
    }
}

static void check_content(const run *r)
{
    for (uint32_t b = 0; b < r->n; b++) {
        const uint64_t *block = (const uint64_t *)gl_block_start(r->block + b);
        ck_assert_uint_eq(block[0], r->key + b);
        ck_assert_uint_eq(block[GL_BLOCK_BYTES / 8 - 1], r->key + b);
    }
}

static void own(const run *r, uint32_t from)
{
    for (uint32_t b = r->block + from; b < r->block + r->n; b++) {
        ck_assert_uint_lt(b, OWNERS);
        ck_assert_msg(owner[b] == 0, "block %u was given twice", b);
        owner[b] = (uint8_t)(r - runs + 1);
    }
}

static void disown(const run *r, uint32_t from)
{
    memset(&owner[r->block + from], 0, r->n - from);
}

static void check_zero(const run *r, uint32_t from, bool is_zero)
{
    if (is_zero) {
        const void *start = (const void *)gl_block_start(r->block + from);
        ck_assert_msg(fixture_is_zero(start, (size_t)(r->n - from) << GL_BLOCK_SHIFT),
                      "block %u is not zero", r->block + from);
    }
}

static void check_arena(void)
{
    gl_arena_counts counts;
    uint64_t n_held = held_at_start;
    for (int i = 0; i < N_RUNS; i++) {
        n_held += runs[i].block ? runs[i].n : 0;
    }
    gl_lock_acquire(&gl_arena_lock);
    gl_arena_verify_locked();
    gl_lock_release(&gl_arena_lock);
    gl_arena_count(&counts);
    ck_assert_uint_eq(counts.held_blocks, n_held);
    ck_assert_uint_eq(counts.free_blocks + counts.held_blocks + counts.hole_blocks,
                      gl_arena_n_blocks());
}

/* ---- One step ------------------------------------------------------------------------------- */

static bool try_take(run *r, uint64_t *chance, uint64_t key)
{
    uint32_t n = 1 + (uint32_t)fixture_below(chance, MAX_BLOCKS);
    uint32_t align = (uint32_t)1 << (fixture_below(chance, 4) ? 0 : fixture_below(chance, 6));
    bool is_zero = false;
    uint32_t block = gl_arena_take(n, align, &is_zero);
    if (!block) {
        return false;
    }
    *r = (run){block, n, key << 20};
    ck_assert_uint_eq(gl_block_start(block) % ((uintptr_t)align << GL_BLOCK_SHIFT), 0);
    ck_assert_uint_le(block + n, gl_arena_n_blocks());
    own(r, 0);
    check_zero(r, 0, is_zero);
    touch(r, 0);
    return true;
}

static void give(run *r)
{
    check_content(r);
    disown(r, 0);
    gl_arena_give(r->block, r->n);
    r->block = 0;
}

static void give_tail(run *r, uint64_t *chance)
{
    uint32_t keep = 1 + (uint32_t)fixture_below(chance, r->n);
    if (keep < r->n) {
        check_content(r);
        disown(r, keep);
        gl_arena_give(r->block + keep, r->n - keep);
        r->n = keep;
    }
}

static void extend(run *r, uint64_t *chance)
{
    uint32_t more = 1 + (uint32_t)fixture_below(chance, MAX_BLOCKS / 2);
    uint32_t had = r->n;
    bool is_zero;
    if (gl_arena_try_extend(r->block, had, more, &is_zero)) {
        r->n += more;
        own(r, had);
        check_zero(r, had, is_zero);
        touch(r, had);
    }
}

static void step(uint64_t *chance, uint64_t key)
{
    run *r = &runs[fixture_below(chance, N_RUNS)];
    if (!r->block) {
        (void)try_take(r, chance, key);
        return;
    }
    switch (fixture_below(chance, 8)) {
    case 0:
        give_tail(r, chance);
        break;
    case 1:
    case 2:
        extend(r, chance);
        break;
    case 3:
        gl_arena_purge(fixture_below(chance, 8u << 20));
        break;
    default:
        give(r);
    }
}

static void give_all(void)
{
    for (int i = 0; i < N_RUNS; i++) {
        if (runs[i].block) {
            give(&runs[i]);
        }
    }
}

/* ---- Tests ---------------------------------------------------------------------------------- */

START_TEST(test_random_sequences)
{
    uint64_t chance = (uint64_t)_i + 1;
    for (uint64_t i = 0; i < N_STEPS; i++) {
        step(&chance, i + 1);
        if (i % 16 == 0) {
            check_arena();
        }
    }
    give_all();
    check_arena();
}
END_TEST

/* Neighbours that are given back in any order become one run again. */
START_TEST(test_free_runs_are_joined)
{
    uint64_t chance = 5;
    for (int round = 0; round < 50; round++) {
        run *all[N_RUNS];
        bool is_zero;
        uint32_t total = 0, first = gl_arena_take(N_RUNS * 4, 1, &is_zero);
        ck_assert_uint_ne(first, 0);
        for (int i = 0; i < N_RUNS; i++) {
            runs[i] = (run){first + total, 4, 0};
            total += 4;
            all[i] = &runs[i];
        }
        for (int i = N_RUNS; i > 0; i--) {
            size_t pick = fixture_below(&chance, (size_t)i);
            gl_arena_give(all[pick]->block, 4);
            all[pick]->block = 0;
            all[pick] = all[i - 1];
        }
        check_arena();
        uint32_t n_blocks = gl_arena_n_blocks();
        uint32_t again = gl_arena_take(total, 1, &is_zero);
        ck_assert_uint_ne(again, 0);
        ck_assert_msg(gl_arena_n_blocks() == n_blocks, "the arena grew: runs were not joined");
        gl_arena_give(again, total);
    }
}
END_TEST

START_TEST(test_alignment)
{
    for (uint32_t align = 1; align <= 1 << 14; align *= 2) {
        bool is_zero;
        uint32_t block = gl_arena_take(3, align, &is_zero);
        ck_assert_uint_ne(block, 0);
        ck_assert_uint_eq(gl_block_start(block) % ((uintptr_t)align << GL_BLOCK_SHIFT), 0);
        gl_arena_give(block, 3);
        check_arena();
    }
}
END_TEST

START_TEST(test_extend_takes_the_right_neighbour)
{
    bool is_zero;
    uint32_t block = gl_arena_take(10, 1, &is_zero);
    gl_arena_give(block + 2, 3); /* held 2, free 3, held 5 */
    ck_assert(!gl_arena_try_extend(block, 2, 4, &is_zero));
    ck_assert(gl_arena_try_extend(block, 2, 1, &is_zero));
    ck_assert(gl_arena_try_extend(block, 3, 2, &is_zero));
    ck_assert(!gl_arena_try_extend(block, 5, 1, &is_zero));
    gl_arena_give(block, 10);
    check_arena();
}
END_TEST

/* The last run of the arena grows with the arena. */
START_TEST(test_extend_at_the_end)
{
    bool is_zero;
    gl_arena_counts counts;
    gl_arena_count(&counts);
    uint32_t n = (uint32_t)counts.free_blocks;
    uint32_t block = gl_arena_take(n, 1, &is_zero);
    ck_assert_uint_eq(block + n, gl_arena_n_blocks());
    ck_assert(gl_arena_try_extend(block, n, 100, &is_zero));
    gl_arena_give(block, n + 100);
    check_arena();
}
END_TEST

START_TEST(test_purge_gives_zeroed_memory)
{
    bool is_zero;
    gl_arena_counts before, after;
    uint32_t block = gl_arena_take(64, 1, &is_zero);
    memset((void *)gl_block_start(block), 0xaa, (size_t)64 << GL_BLOCK_SHIFT);
    gl_arena_give(block, 64);
    gl_arena_count(&before);
    ck_assert_uint_ge(before.dirty_bytes, (uint64_t)64 << GL_BLOCK_SHIFT);
    size_t given = gl_arena_purge(0);
    gl_arena_count(&after);
    ck_assert_uint_eq(given, before.dirty_bytes);
    ck_assert_uint_eq(after.dirty_bytes, 0);
    ck_assert_uint_eq(after.returned_bytes, before.returned_bytes + given);
    block = gl_arena_take(64, 1, &is_zero);
    ck_assert(is_zero);
    ck_assert(fixture_is_zero((void *)gl_block_start(block), (size_t)64 << GL_BLOCK_SHIFT));
    gl_arena_give(block, 64);
    check_arena();
}
END_TEST

START_TEST(test_trim_bounds_what_is_kept)
{
    bool is_zero;
    gl_arena_counts counts;
    gl_options.retain_bytes = 1u << 20;
    uint32_t block = gl_arena_take(2000, 1, &is_zero);
    memset((void *)gl_block_start(block), 1, (size_t)2000 << GL_BLOCK_SHIFT);
    for (uint32_t given = 0; given < 2000; given += 200) {
        gl_arena_give(block + given, 200);
        gl_arena_count(&counts);
        ck_assert_uint_ge(counts.dirty_bytes, 200u << GL_BLOCK_SHIFT);
        gl_arena_trim();
        gl_arena_count(&counts);
        ck_assert_uint_le(counts.dirty_bytes, (1u << 20) + gl_heap.in_use_bytes / 4);
    }
}
END_TEST

START_TEST(test_hard_limit)
{
    bool is_zero;
    gl_options.heap_max = (held_at_start + 100) << GL_BLOCK_SHIFT;
    ck_assert_uint_eq(gl_arena_take(101, 1, &is_zero), 0);
    uint32_t block = gl_arena_take(100, 1, &is_zero);
    ck_assert_uint_ne(block, 0);
    ck_assert_uint_eq(gl_arena_take(1, 1, &is_zero), 0);
    ck_assert(!gl_arena_try_extend(block, 100, 1, &is_zero));
    gl_arena_give(block, 100);
    ck_assert_uint_ne(gl_arena_take(1, 1, &is_zero), 0);
    ck_assert_uint_eq(gl_arena_take(UINT32_MAX, 1, &is_zero), 0);
    ck_assert_uint_eq(gl_arena_take(1, 1u << 31, &is_zero), 0);
}
END_TEST

/* Each nth request for memory fails, for each n: whatever was refused, nothing is lost. */
START_TEST(test_refused_commits)
{
    uint64_t chance = (uint64_t)_i;
    gl_os_inject_commit_failure((uint64_t)_i, false);
    for (uint64_t i = 0; i < 400; i++) {
        step(&chance, i + 1);
        check_arena();
    }
    give_all();
    check_arena();
    gl_os_inject_commit_failure(1, true);
    uint64_t n_taken = 0;
    while (try_take(&runs[n_taken % N_RUNS], &chance, n_taken + 1)) {
        if (++n_taken % N_RUNS == 0) {
            give_all();
            break;
        }
    }
    give_all();
    check_arena();
    gl_os_inject_commit_failure(0, false);
    run *r = &runs[0];
    ck_assert(try_take(r, &chance, 7));
    check_arena();
}
END_TEST

/* Somebody maps memory where the arena would grow: `pages` pages at this distance from its end.
 * False: the arena is one reservation, and nobody can. */
static bool map_in_the_way(size_t distance, size_t pages, unsigned char **mapping)
{
    char *at = (char *)gl_block_start(gl_arena_n_blocks()) + distance;
    void *p = mmap(at, pages * gl_os_page_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    ck_assert_ptr_eq(p, at);
    fixture_fill(p, pages * gl_os_page_bytes, distance);
    *mapping = p;
    return true;
}

static const struct {
    size_t distance, pages;
} foreign[] = {
    {0, 1},                       /* at the very end */
    {8192, 1},                    /* in the middle of a block, whose first page is free */
    {GL_BLOCK_BYTES - 4096, 1},   /* the last page of a block */
    {3 * GL_BLOCK_BYTES, 40},     /* over several blocks */
    {GL_BLOCK_BYTES / 2, 16},     /* across a border */
    {900 * GL_BLOCK_BYTES, 1},    /* further off */
};

START_TEST(test_foreign_mapping_becomes_a_hole)
{
    unsigned char *mapping;
    size_t bytes = foreign[_i].pages * gl_os_page_bytes;
    if (!map_in_the_way(foreign[_i].distance, foreign[_i].pages, &mapping)) {
        return;
    }
    bool is_zero;
    for (int i = 0; i < 60; i++) { /* 120 MiB in 2 MiB pieces */
        uint32_t block = gl_arena_take(32, 1, &is_zero);
        ck_assert_msg(block != 0, "no memory after %d pieces", i);
        uintptr_t start = gl_block_start(block), end = gl_block_start(block + 32);
        ck_assert(end <= (uintptr_t)mapping || start >= (uintptr_t)mapping + bytes);
        memset((void *)start, i + 1, 32 << GL_BLOCK_SHIFT);
        held_at_start += 32;
    }
    check_arena();
    ck_assert(fixture_is_filled(mapping, bytes, foreign[_i].distance));
}
END_TEST

/* A run that is larger than the distance to the hole lies behind it. */
START_TEST(test_large_run_behind_a_hole)
{
    unsigned char *mapping;
    if (!map_in_the_way(foreign[_i].distance, foreign[_i].pages, &mapping)) {
        return;
    }
    bool is_zero;
    uint32_t block = gl_arena_take(2000, 1, &is_zero);
    ck_assert_uint_ne(block, 0);
    ck_assert_uint_gt(gl_block_start(block), (uintptr_t)mapping);
    gl_arena_give(block, 2000);
    check_arena();
}
END_TEST

int main(void)
{
    int n_foreign = (int)(sizeof foreign / sizeof foreign[0]);
    TCase *t = tcase_create("arena");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, test_random_sequences, 0, 4);
    tcase_add_test(t, test_free_runs_are_joined);
    tcase_add_test(t, test_alignment);
    tcase_add_test(t, test_extend_takes_the_right_neighbour);
    tcase_add_test(t, test_extend_at_the_end);
    tcase_add_test(t, test_purge_gives_zeroed_memory);
    tcase_add_test(t, test_trim_bounds_what_is_kept);
    tcase_add_test(t, test_hard_limit);
    tcase_add_loop_test(t, test_refused_commits, 1, 30);
    tcase_add_loop_test(t, test_foreign_mapping_becomes_a_hole, 0, n_foreign);
    tcase_add_loop_test(t, test_large_run_behind_a_hole, 0, n_foreign);
    return fixture_run(t);
}
