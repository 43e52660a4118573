/* SPDX-License-Identifier: MIT */
/*
 * heap/arena.c - runs of blocks, and the side tables that grow with the arena.
 *
 * The arena is used from its start, and grows in steps that grow with it, so that small programs
 * stay small and large ones make few system calls. Nothing is reserved (os/memory.h): if somebody
 * else's mapping is in the way, these blocks become a hole that is never used.
 *
 * What is known of the memory behind free runs is in heap/pages.c.
 *
 * Lists of free runs: exact lengths up to 32 blocks, then four per doubling; a bitmap of lists that
 * are not empty finds the next one at once.
 */
#include "heap/arena.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/knobs.h"
#include "heap/counts.h"
#include "heap/meta.h"
#include "heap/pages.h"
#include "os/memory.h"
#include "os/system.h"

enum {
    EXACT_LISTS = 32,
    N_LISTS = EXACT_LISTS + 4 * 28,
    TABLE_STEP_BYTES = 64 * 1024,
    FIRST_META_BYTES = 1 << 20,
    FIRST_STEP_BLOCKS = 16,  /* 1 MiB */
    MAX_STEP_BLOCKS = 1024,  /* 64 MiB */
    ALIGN_STEPS_FROM = 256,  /* 16 MiB: from here on, growth ends with a unit */
    SEARCH_LIMIT = 32        /* runs looked at in a list of mixed lengths */
};

static const size_t MAX_ARENA_BYTES = (size_t)8 << 40;
static const size_t USUAL_ARENA_BYTES = (size_t)1 << 40;
static const size_t ARENA_ALIGNMENT = (size_t)1 << 30;
static const size_t MIN_ARENA_BYTES = (size_t)1 << 30;

/* A side table: where it lies, how far it is committed. */
typedef struct side_table {
    char *start;
    size_t bytes_per_block;
    size_t committed_bytes;
} side_table;

/* The last two only grow with the arena once there are counted objects. */
enum {
    TABLE_PAGES,
    TABLE_UNITS,
    TABLE_DESCS,
    TABLE_BLOCKS,
    TABLE_MARK,
    TABLE_STATE,
    N_PLAIN_TABLES,
    TABLE_SHARED = N_PLAIN_TABLES,
    TABLE_COUNTS,
    N_TABLES
};

gl_lock gl_arena_lock = GL_LOCK_INIT(GL_RANK_ARENA);
gl_heap_state gl_heap;

/* Protected by gl_arena_lock. */
static struct {
    side_table tables[N_TABLES];
    uint32_t n_blocks;  /* used so far, block 0 included */
    uint32_t max_blocks;
    uint32_t lists[N_LISTS];
    uint64_t lists_used[(N_LISTS + 63) / 64];
    uint64_t free_blocks, held_blocks, hole_blocks;
    void *mark_stacks;
    size_t mark_stack_bytes;
    bool has_counts;
} arena;

/* ---- Start ---------------------------------------------------------------------------------- */

static const size_t bytes_per_block[N_TABLES] = {
    [TABLE_DESCS] = sizeof(gl_desc),
    [TABLE_BLOCKS] = sizeof(gl_block),
    [TABLE_MARK] = GL_BITMAP_STRIDE * sizeof(uint64_t),
    [TABLE_STATE] = GL_BLOCK_GRANULES,
    [TABLE_PAGES] = 1,
    [TABLE_UNITS] = 1, /* one of 32 is used: untouched pages cost nothing */
    [TABLE_SHARED] = GL_BLOCK_GRANULES * sizeof(uint32_t),
    [TABLE_COUNTS] = GL_BLOCK_GRANULES * sizeof(gl_count),
};

static char *place(char **next, size_t bytes)
{
    char *at = *next;
    *next += gl_round_up(bytes, (size_t)1 << 20);
    return at;
}

/* Lays an arena of `arena_bytes` and its tables out from `start`; returns the bytes it takes. Called
 * with NULL first, to learn the sum.
 *
 * Each table begins in a page of its own, and is mapped by page tables of its own, which every new
 * process must make and every fork copy (about 1.5 us for each page of them). So the tables stand in
 * the order of their length, with the arena last: up to 2 TiB of it, all begin within the 512 GiB of one
 * upper page table, and the short ones within 1 GiB. The first of the library's own memory lies directly
 * before the shortest. Those of the counts, which few programs have, are behind the arena. */
static void place_tables(char **next, size_t n_blocks, int first, int end)
{
    for (int t = first; t < end; t++) {
        arena.tables[t].start = place(next, n_blocks * bytes_per_block[t]);
        arena.tables[t].bytes_per_block = bytes_per_block[t];
    }
}

static size_t lay_out(char *start, size_t arena_bytes)
{
    char *next = start;
    size_t n_blocks = arena_bytes >> GL_BLOCK_SHIFT;
    char *first_meta = place(&next, FIRST_META_BYTES);
    place_tables(&next, n_blocks, 0, N_PLAIN_TABLES);
    arena.mark_stack_bytes = arena_bytes / 64;
    arena.mark_stacks = place(&next, arena.mark_stack_bytes);
    size_t meta_bytes = arena_bytes / 64;
    char *meta = place(&next, meta_bytes);
    next = start + gl_round_up((size_t)(next - start), ARENA_ALIGNMENT);
    char *base = place(&next, arena_bytes);
    place_tables(&next, n_blocks, N_PLAIN_TABLES, N_TABLES);
    if (start) {
        gl_meta_init(first_meta, FIRST_META_BYTES, meta, meta_bytes);
        gl_pages_init((uint8_t *)arena.tables[TABLE_PAGES].start,
                      (uint8_t *)arena.tables[TABLE_UNITS].start);
        gl_heap.base = (uintptr_t)base;
        gl_heap.descs = (gl_desc *)(void *)arena.tables[TABLE_DESCS].start;
        gl_heap.blocks = (gl_block *)(void *)arena.tables[TABLE_BLOCKS].start;
        gl_heap.mark_bits = (uint64_t *)(void *)arena.tables[TABLE_MARK].start;
        gl_heap.state = (uint8_t *)arena.tables[TABLE_STATE].start;
        gl_heap.state_origin = (uintptr_t)gl_heap.state - (gl_heap.base >> GL_GRANULE_SHIFT);
        gl_store_relaxed(&gl_counts.base, gl_heap.base);
        gl_counts.origin = (uintptr_t)arena.tables[TABLE_COUNTS].start - gl_heap.base / 2;
        gl_counts.shared = (uint32_t *)(void *)arena.tables[TABLE_SHARED].start;
        gl_heap.max_bytes = arena_bytes;
        arena.max_blocks = (uint32_t)(n_blocks - 1);
    }
    return (size_t)(next - start);
}

static bool grow_locked(uint32_t n_wanted);

/* More than the machine can hold, also with memory that is never touched. */
static size_t wanted_arena_bytes(void)
{
    size_t bytes = USUAL_ARENA_BYTES;
    while (bytes < MAX_ARENA_BYTES && bytes / 8 < gl_os_physical_bytes()) {
        bytes *= 2;
    }
    return bytes;
}

static bool try_find_space(void)
{
    for (size_t bytes = wanted_arena_bytes(); bytes >= MIN_ARENA_BYTES; bytes /= 2) {
        size_t space_bytes = gl_round_up(lay_out(NULL, bytes), (size_t)1 << 30);
        char *space = gl_os_space_init(space_bytes);
        if (space) {
            lay_out(space, bytes);
            gl_heap.trigger_bytes = SIZE_MAX;
            return true;
        }
    }
    return false;
}

/* Where there was space but no memory, a later call goes on with the same space. */
bool gl_arena_init(void)
{
    if (gl_heap.base == 0 && !try_find_space()) {
        return false;
    }
    gl_lock_acquire(&gl_arena_lock);
    bool is_grown = arena.n_blocks > 0 || grow_locked(1);
    gl_lock_release(&gl_arena_lock);
    return is_grown;
}

/* ---- Lists of free runs --------------------------------------------------------------------- */

static uint32_t list_of(uint32_t n)
{
    if (n <= EXACT_LISTS) {
        return n - 1;
    }
    uint32_t log = gl_log2_floor(n); /* at least 5 */
    return EXACT_LISTS + (log - 5) * 4 + ((n >> (log - 2)) & 3);
}

static void list_insert(uint32_t block, uint32_t n)
{
    gl_block *first = &gl_heap.blocks[block];
    gl_block *last = &gl_heap.blocks[block + n - 1];
    uint32_t list = list_of(n);
    last->run_blocks = n;
    last->flags = GL_BLOCK_BOUNDARY;
    first->run_blocks = n;
    first->flags = GL_BLOCK_BOUNDARY;
    first->prev = 0;
    first->next = arena.lists[list];
    if (first->next) {
        gl_heap.blocks[first->next].prev = block;
    }
    arena.lists[list] = block;
    arena.lists_used[list / 64] |= (uint64_t)1 << (list % 64);
    arena.free_blocks += n;
}

static void list_remove(uint32_t block)
{
    gl_block *first = &gl_heap.blocks[block];
    uint32_t n = first->run_blocks;
    uint32_t list = list_of(n);
    if (first->prev) {
        gl_heap.blocks[first->prev].next = first->next;
    } else {
        arena.lists[list] = first->next;
        if (!first->next) {
            arena.lists_used[list / 64] &= ~((uint64_t)1 << (list % 64));
        }
    }
    if (first->next) {
        gl_heap.blocks[first->next].prev = first->prev;
    }
    arena.free_blocks -= n;
    first->flags = 0;
    gl_heap.blocks[block + n - 1].flags = 0;
}

/* The first list at or after `list` that is not empty, or N_LISTS. */
static uint32_t next_used_list(uint32_t list)
{
    for (uint32_t w = list / 64; w < sizeof arena.lists_used / sizeof arena.lists_used[0]; w++) {
        uint64_t used = arena.lists_used[w];
        if (w == list / 64) {
            used &= ~(uint64_t)0 << (list % 64);
        }
        if (used) {
            return w * 64 + gl_ctz64(used);
        }
    }
    return N_LISTS;
}

/* A free run of at least n blocks, or 0. Shortest lists first: about best fit. */
static uint32_t find_run(uint32_t n)
{
    for (uint32_t list = next_used_list(list_of(n)); list < N_LISTS;
         list = next_used_list(list + 1)) {
        uint32_t block = arena.lists[list];
        for (int i = 0; block && i < SEARCH_LIMIT; i++, block = gl_heap.blocks[block].next) {
            if (gl_heap.blocks[block].run_blocks >= n) {
                return block;
            }
        }
    }
    return 0;
}

/* True if a free run begins or ends with `block`. The flag, not the descriptor, decides: blocks just
 * taken have no descriptor yet, and holes never get one. */
static bool is_free(uint32_t block)
{
    return block < arena.n_blocks && (gl_heap.blocks[block].flags & GL_BLOCK_BOUNDARY) != 0;
}

/* Makes [block, block + n) a free run, joined with its neighbours. */
static void insert_joined(uint32_t block, uint32_t n)
{
    if (is_free(block - 1)) {
        uint32_t before = gl_heap.blocks[block - 1].run_blocks;
        list_remove(block - before);
        block -= before;
        n += before;
    }
    if (is_free(block + n)) {
        uint32_t after = gl_heap.blocks[block + n].run_blocks;
        list_remove(block + n);
        n += after;
    }
    list_insert(block, n);
}

/* ---- Growth --------------------------------------------------------------------------------- */

static bool commit_tables(uint32_t n_blocks)
{
    for (int t = 0; t < (arena.has_counts ? N_TABLES : N_PLAIN_TABLES); t++) {
        side_table *table = &arena.tables[t];
        size_t need = gl_round_up((size_t)n_blocks * table->bytes_per_block, TABLE_STEP_BYTES);
        if (need <= table->committed_bytes) {
            continue;
        }
        if (!gl_os_commit(table->start + table->committed_bytes, need - table->committed_bytes)) {
            return false;
        }
        table->committed_bytes = need;
    }
    return true;
}

/* The arena has grown, and the tables with it. */
static void publish_length(void)
{
    size_t bytes = (size_t)arena.n_blocks << GL_BLOCK_SHIFT;
    if (arena.has_counts) {
        gl_store_release(&gl_counts.n_granules, bytes >> GL_GRANULE_SHIFT);
    }
    gl_store_release(&gl_heap.used_bytes, bytes);
}

bool gl_arena_enable_counts(void)
{
    gl_lock_acquire(&gl_arena_lock);
    bool had_counts = arena.has_counts;
    arena.has_counts = true;
    if (!had_counts && commit_tables(arena.n_blocks)) {
        publish_length();
        had_counts = true;
    }
    arena.has_counts = had_counts;
    gl_lock_release(&gl_arena_lock);
    return had_counts;
}

/* Makes `n` more blocks usable at the end of the arena. */
static bool try_append(uint32_t n)
{
    uint32_t first = arena.n_blocks;
    if (n > arena.max_blocks - first || !commit_tables(first + n) ||
        !gl_os_commit((void *)gl_block_start(first), (size_t)n << GL_BLOCK_SHIFT)) {
        return false;
    }
    arena.n_blocks = first + n;
    publish_length();
    /* Block 0 stays unused: its number means "none". */
    uint32_t usable = first == 0 ? 1 : first;
    arena.hole_blocks += usable - first;
    if (n > usable - first) {
        gl_pages_add(usable, n - (usable - first));
        insert_joined(usable, n - (usable - first));
    }
    return true;
}

/* True if somebody has mapped a page of the block: any, for mappings need not begin with it. */
static bool is_partly_mapped(uint32_t block)
{
    uintptr_t start = gl_block_start(block);
    for (uintptr_t at = start; at < start + GL_BLOCK_BYTES; at += gl_os_page_bytes) {
        if (gl_os_is_mapped((void *)at)) {
            return true;
        }
    }
    return false;
}

/* Steps over a foreign mapping at the end of the arena, if there is one. */
static bool try_skip_hole(uint32_t n)
{
    uint32_t skip = 0;
    for (uint32_t b = 0; b < n && b < MAX_STEP_BLOCKS; b++) {
        if (is_partly_mapped(arena.n_blocks + b)) {
            skip = b + 1;
        }
    }
    if (skip == 0 || skip > arena.max_blocks - arena.n_blocks ||
        !commit_tables(arena.n_blocks + skip)) {
        return false;
    }
    arena.n_blocks += skip;
    arena.hole_blocks += skip;
    publish_length();
    return true;
}

static bool grow_locked(uint32_t n_wanted)
{
    uint32_t need = n_wanted + (arena.n_blocks == 0);
    for (;;) {
        uint32_t step = arena.n_blocks / 4;
        step = step < FIRST_STEP_BLOCKS ? FIRST_STEP_BLOCKS : step;
        step = step > MAX_STEP_BLOCKS ? MAX_STEP_BLOCKS : step;
        step = step < need ? need : step;
        if (arena.n_blocks >= ALIGN_STEPS_FROM || gl_options.huge_pages == GL_HUGE_PAGES_ALWAYS) {
            step = (uint32_t)gl_round_up(arena.n_blocks + step, GL_UNIT_BLOCKS) - arena.n_blocks;
        }
        for (; step > need; step = need + (step - need) / 2) {
            if (try_append(step)) {
                return true;
            }
        }
        if (try_append(need)) {
            return true;
        }
        if (!try_skip_hole(need)) {
            return false;
        }
    }
}

/* ---- Taking and giving ---------------------------------------------------------------------- */

/* Cuts [start, start + n) out of the free run at `block`; the rest stays free. True: it is zero. */
static bool cut(uint32_t block, uint32_t start, uint32_t n)
{
    uint32_t run = gl_heap.blocks[block].run_blocks;
    list_remove(block);
    if (start > block) {
        list_insert(block, start - block);
    }
    if (start + n < block + run) {
        list_insert(start + n, block + run - start - n);
    }
    arena.held_blocks += n;
    return gl_pages_take(start, n);
}

static bool is_within_limit(uint64_t n_more)
{
    return ((arena.held_blocks + n_more) << GL_BLOCK_SHIFT) <= gl_options.heap_max;
}

/* A run whose block number, counted from address 0, is `remainder` modulo `align_blocks`. */
static uint32_t take(uint32_t n, uint32_t align_blocks, uint64_t remainder, bool *is_zero)
{
    uint64_t padded = (uint64_t)n + align_blocks - 1;
    uint32_t start = 0;
    if (padded >= arena.max_blocks) {
        return 0;
    }
    gl_lock_acquire(&gl_arena_lock);
    if (is_within_limit(n)) {
        uint32_t block = find_run((uint32_t)padded);
        if (!block && grow_locked((uint32_t)padded)) {
            block = find_run((uint32_t)padded);
        }
        if (block) {
            /* Of the address, not of the number: the base is aligned to 1 GiB only. */
            uint64_t base = gl_heap.base >> GL_BLOCK_SHIFT;
            start = block + (uint32_t)((remainder - (base + block)) & (align_blocks - 1));
            *is_zero = cut(block, start, n);
        }
    }
    gl_lock_release(&gl_arena_lock);
    return start;
}

uint32_t gl_arena_take(uint32_t n, uint32_t align_blocks, bool *is_zero)
{
    return take(n, align_blocks, 0, is_zero);
}

uint32_t gl_arena_take_like(uint32_t n, uint32_t like, bool *is_zero)
{
    return take(n, GL_UNIT_BLOCKS, (gl_heap.base >> GL_BLOCK_SHIFT) + like, is_zero);
}

void gl_arena_give_locked(uint32_t block, uint32_t n)
{
    memset(&gl_heap.descs[block], 0, n * sizeof(gl_desc));
    arena.held_blocks -= n;
    gl_pages_give(block, n);
    insert_joined(block, n);
}

void gl_arena_give_clean_locked(uint32_t block, uint32_t n)
{
    memset(&gl_heap.descs[block], 0, n * sizeof(gl_desc));
    arena.held_blocks -= n;
    gl_pages_give_clean(block, n);
    gl_pages_forget_advice(block, n);
    insert_joined(block, n);
}

void gl_arena_lose_locked(uint32_t block, uint32_t n)
{
    memset(&gl_heap.descs[block], 0, n * sizeof(gl_desc));
    arena.held_blocks -= n;
    arena.hole_blocks += n;
    gl_pages_lose(n);
}

void gl_arena_give(uint32_t block, uint32_t n)
{
    gl_lock_acquire(&gl_arena_lock);
    gl_arena_give_locked(block, n);
    gl_lock_release(&gl_arena_lock);
}

void gl_arena_trim(void)
{
    gl_lock_acquire(&gl_arena_lock);
    gl_pages_trim();
    gl_lock_release(&gl_arena_lock);
}

bool gl_arena_try_extend(uint32_t block, uint32_t have, uint32_t more, bool *is_zero)
{
    bool is_done = false;
    gl_lock_acquire(&gl_arena_lock);
    uint32_t next = block + have;
    if (next == arena.n_blocks && is_within_limit(more)) {
        grow_locked(more); /* at the end of the arena: room is made, if nothing was skipped */
    }
    if (is_free(next) && gl_heap.blocks[next].run_blocks >= more && is_within_limit(more)) {
        *is_zero = cut(next, next, more);
        is_done = true;
    }
    gl_lock_release(&gl_arena_lock);
    return is_done;
}

size_t gl_arena_purge(size_t keep_bytes)
{
    gl_lock_acquire(&gl_arena_lock);
    size_t given = gl_pages_purge(keep_bytes);
    gl_lock_release(&gl_arena_lock);
    return given;
}

void gl_arena_set_patience(uint64_t ns)
{
    gl_lock_acquire(&gl_arena_lock);
    gl_pages_set_patience(ns);
    gl_lock_release(&gl_arena_lock);
}

void gl_arena_set_huge_from(uint64_t bytes)
{
    gl_lock_acquire(&gl_arena_lock);
    gl_pages_set_huge_from(bytes);
    gl_lock_release(&gl_arena_lock);
}

/* ---- Questions ------------------------------------------------------------------------------ */

uint32_t gl_arena_n_blocks(void)
{
    return (uint32_t)(gl_load_acquire(&gl_heap.used_bytes) >> GL_BLOCK_SHIFT);
}

void gl_arena_mark_stack_range(void **start, size_t *bytes)
{
    *start = arena.mark_stacks;
    *bytes = arena.mark_stack_bytes;
}

void gl_arena_count(gl_arena_counts *counts)
{
    gl_lock_acquire(&gl_arena_lock);
    counts->free_blocks = arena.free_blocks;
    counts->held_blocks = arena.held_blocks;
    counts->hole_blocks = arena.hole_blocks;
    counts->dirty_bytes = gl_pages_dirty_bytes();
    counts->returned_bytes = gl_pages_returned_bytes();
    counts->table_bytes = 0;
    for (int t = 0; t < N_TABLES; t++) {
        counts->table_bytes += arena.tables[t].committed_bytes;
    }
    gl_lock_release(&gl_arena_lock);
}

/* Counts the bytes of a free run; returns how many say dirty. */
static uint64_t verify_pages(uint32_t block, uint32_t n)
{
    uint64_t n_dirty = 0;
    for (uint32_t b = block; b < block + n; b++) {
        gl_check(*gl_pages_of(b) != GL_PAGES_HELD, (void *)gl_block_start(b));
        n_dirty += *gl_pages_of(b) >= GL_PAGES_DUE;
    }
    return n_dirty;
}

void gl_arena_verify_locked(void)
{
    uint64_t n_free = 0, n_dirty = 0;
    for (uint32_t list = 0; list < N_LISTS; list++) {
        bool is_used = (arena.lists_used[list / 64] >> (list % 64)) & 1;
        gl_check(is_used == (arena.lists[list] != 0), NULL);
        for (uint32_t b = arena.lists[list], prev = 0; b; prev = b, b = gl_heap.blocks[b].next) {
            const gl_block *first = &gl_heap.blocks[b];
            const void *at = (void *)gl_block_start(b);
            gl_check(first->prev == prev, at);
            gl_check(list_of(first->run_blocks) == list, at);
            gl_check(gl_heap.blocks[b + first->run_blocks - 1].run_blocks == first->run_blocks, at);
            gl_check(!is_free(b + first->run_blocks) && !is_free(b - 1), at);
            n_free += first->run_blocks;
            n_dirty += verify_pages(b, first->run_blocks);
        }
    }
    gl_check(n_free == arena.free_blocks, NULL);
    gl_check(n_dirty == gl_pages_dirty_bytes() >> GL_BLOCK_SHIFT, NULL);
    for (uint32_t b = 0; b < arena.n_blocks; b++) {
        n_free -= *gl_pages_of(b) != GL_PAGES_HELD;
    }
    gl_check(n_free == 0, NULL);
    n_free = arena.free_blocks;
    gl_check(arena.n_blocks == n_free + arena.held_blocks + arena.hole_blocks, NULL);
    gl_check(gl_heap.used_bytes == (size_t)arena.n_blocks << GL_BLOCK_SHIFT, NULL);
}
