/* SPDX-License-Identifier: MIT */
/*
 * heap/pages.c - decay of free memory, its bound, and huge pages. doc/heap.md has the figures.
 *
 * DECAY. There is no thread of ours, so time passes in ticks of a quarter of a second that slow paths
 *   notice. A block that is given back gets four ticks; each tick takes one away, and what has none
 *   left goes to the system. What a program uses all the time never gets there.
 *
 * BOUND. A program that frees and then sleeps has no slow paths. So dirty memory beyond
 *   max(retain_bytes, a quarter of what is in use) goes back at once. Where that was wrong, because
 *   the program takes as much again within a second or so, the bound is raised by what it took
 *   (`credit`); that wears off.
 *
 * HUGE PAGES. A unit of 2 MiB of which nothing has been touched is advised when its first small block
 *   is taken, or when a long enough object covers it. Purging a part of it splits the huge page; then
 *   the rest is advised against, for the kernel would otherwise fill it up again, zeros and all. The
 *   advice is renewed once the whole unit has been purged. Each change of advice from one unit to the
 *   next is a mapping of its own; their number is bounded.
 */
#include "heap/pages.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/knobs.h"
#include "heap/arena.h"
#include "heap/counts.h"
#include "os/memory.h"
#include "os/system.h"

enum {
    PATIENCE_TICKS = 4,
    MAX_TICKS = UINT8_MAX - GL_PAGES_DUE,
    POLL_MAX_BLOCKS = 1024,      /* purged in one slow path: 64 MiB, 2.5 ms where pages are small */
    HUGE_AHEAD_UNITS = 4,        /* advised with one call */
    HUGE_OBJECT_BLOCKS = 128,    /* 8 MiB: what is touched beyond its end is small beside it */
    SPLIT_MIN_BLOCKS = 8,        /* a quarter of a unit must be free to be worth a split */
    STATES_MIN_BLOCKS = 16,
    MAX_BORDERS = 8192           /* of 65,530 mappings that a process may have */
};

static const uint64_t TICK_NS = 250000000;

typedef enum advice { ADVICE_NONE, ADVICE_HUGE, ADVICE_AGAINST } advice;

volatile gl_word gl_pages_next_ns = GL_PAGES_NEVER;

/* Protected by gl_arena_lock. */
static struct {
    uint8_t *of;    /* by block */
    uint8_t *units; /* enum advice, by unit */
    uint32_t n_blocks;
    uint32_t n_borders; /* between units of different advice */
    uint64_t n_held, n_dirty;
    uint64_t ticked_ns;     /* up to when time has been counted */
    uint64_t n_regrettable; /* purged by the bound not long ago, and not taken again */
    uint64_t credit;        /* blocks beyond the bound */
    uint64_t returned_blocks;
    uint64_t skew_ns; /* test hook */
    uint32_t patience_ticks;
    uint64_t huge_from_blocks; /* in use */
} pages = {.patience_ticks = PATIENCE_TICKS, .huge_from_blocks = UINT64_MAX};

void gl_pages_init(uint8_t *blocks, uint8_t *units)
{
    pages.of = blocks;
    pages.units = units;
}

static uint64_t now_ns(void)
{
    return gl_os_coarse_ns() + pages.skew_ns;
}

/* ---- Huge pages ----------------------------------------------------------------------------- */

static bool is_huge(uint32_t unit)
{
    return pages.units[unit] == ADVICE_HUGE;
}

static uint32_t count_borders(uint32_t unit, uint32_t n)
{
    uint32_t n_borders = 0;
    for (uint32_t u = unit; u <= unit + n; u++) {
        n_borders += u > 0 && pages.units[u - 1] != pages.units[u];
    }
    return n_borders;
}

/* Unless that would make too many mappings. */
static void advise(uint32_t unit, uint32_t n, advice wanted)
{
    uint8_t old[HUGE_AHEAD_UNITS];
    n = n < HUGE_AHEAD_UNITS ? n : HUGE_AHEAD_UNITS;
    uint32_t others = pages.n_borders - count_borders(unit, n);
    memcpy(old, &pages.units[unit], n);
    memset(&pages.units[unit], (int)wanted, n);
    pages.n_borders = others + count_borders(unit, n);
    if (pages.n_borders > MAX_BORDERS) {
        memcpy(&pages.units[unit], old, n);
        pages.n_borders = others + count_borders(unit, n);
        return;
    }
    gl_os_advise_huge((void *)gl_block_start(unit * GL_UNIT_BLOCKS),
                      (size_t)n * GL_UNIT_BLOCKS << GL_BLOCK_SHIFT, wanted == ADVICE_HUGE);
}

static bool is_untouched(uint32_t unit)
{
    uint64_t words[GL_UNIT_BLOCKS / 8];
    if ((unit + 1) * GL_UNIT_BLOCKS > pages.n_blocks) {
        return false;
    }
    memcpy(words, &pages.of[unit * GL_UNIT_BLOCKS], sizeof words);
    uint64_t different = 0;
    for (int i = 0; i < GL_UNIT_BLOCKS / 8; i++) {
        different |= words[i] ^ UINT64_C(0x0101010101010101) * GL_PAGES_CLEAN;
    }
    return different == 0;
}

static bool is_heap_large(void)
{
    return gl_options.huge_pages == GL_HUGE_PAGES_ALWAYS ||
           (gl_options.huge_pages == GL_HUGE_PAGES_AUTO && pages.n_held >= pages.huge_from_blocks);
}

/* Before the block, in which small objects will be, is taken. */
static void advise_ahead(uint32_t block)
{
    uint32_t unit = block / GL_UNIT_BLOCKS, n = 0;
    while (n < HUGE_AHEAD_UNITS && !is_huge(unit + n) && is_untouched(unit + n)) {
        n++;
    }
    if (n > 0) {
        advise(unit, n, ADVICE_HUGE);
    }
}

void gl_pages_expect_fill(uint32_t block, uint32_t n)
{
    if (n < HUGE_OBJECT_BLOCKS || !is_heap_large()) {
        return;
    }
    uint32_t end = (block + n) / GL_UNIT_BLOCKS;
    for (uint32_t unit = (block + GL_UNIT_BLOCKS - 1) / GL_UNIT_BLOCKS; unit < end;) {
        uint32_t left = end - unit;
        uint32_t piece = left < HUGE_AHEAD_UNITS ? left : HUGE_AHEAD_UNITS;
        advise(unit, piece, ADVICE_HUGE);
        unit += piece;
    }
}

void gl_pages_forget_advice(uint32_t block, uint32_t n)
{
    uint32_t first = (block + GL_UNIT_BLOCKS - 1) / GL_UNIT_BLOCKS;
    uint32_t end = (block + n) / GL_UNIT_BLOCKS;
    if (first < end) {
        uint32_t others = pages.n_borders - count_borders(first, end - first);
        memset(&pages.units[first], ADVICE_NONE, end - first);
        pages.n_borders = others + count_borders(first, end - first);
    }
}

/* ---- Purging -------------------------------------------------------------------------------- */

/* Purging goes from the end of the arena to its start, and joins what is adjacent to one call. */
typedef struct purger {
    uint8_t latest;      /* the bytes from DUE to this one are meant */
    bool is_thorough;    /* split huge pages for a single block, too */
    uint64_t keep;       /* stop when no more dirty blocks than this are left */
    uint32_t start, end; /* to be purged next */
    uint64_t n_given;
} purger;

/* The state bytes of free blocks are zero, and stay so. A sixteenth of what is purged anyway, and not
 * worth a call for a few blocks. */
static void purge_states(uint32_t start, uint32_t end)
{
    uintptr_t first = gl_round_up((uintptr_t)gl_state_of(gl_block_start(start)), gl_os_page_bytes);
    uintptr_t last = gl_round_down((uintptr_t)gl_state_of(gl_block_start(end)), gl_os_page_bytes);
    if (end - start >= STATES_MIN_BLOCKS && first < last) {
        gl_os_purge((void *)first, last - first);
    }
}

static void flush(purger *p)
{
    if (p->start < p->end) {
        gl_os_purge((void *)gl_block_start(p->start), (size_t)(p->end - p->start) << GL_BLOCK_SHIFT);
        purge_states(p->start, p->end);
        gl_counts_purge(p->start, p->end - p->start);
    }
    p->start = p->end = 0;
}

static bool is_due(const purger *p, uint8_t byte)
{
    return byte >= GL_PAGES_DUE && byte <= p->latest;
}

static void purge_stretch(purger *p, uint32_t start, uint32_t end, uint32_t n_dirty)
{
    if (end != p->start) {
        flush(p);
        p->end = end;
    }
    p->start = start;
    p->n_given += n_dirty;
    pages.n_dirty -= n_dirty;
    memset(&pages.of[start], GL_PAGES_CLEAN, end - start);
}

/* Stretches of free blocks of which none must stay yet. They begin and end where it is worth: in a
 * huge page the clean blocks are resident as well. */
static void purge_parts(purger *p, uint32_t first)
{
    uint32_t n_due = 0, end = first + GL_UNIT_BLOCKS;
    for (uint32_t b = end; b-- > first;) {
        uint8_t byte = pages.of[b];
        if (byte == GL_PAGES_CLEAN || is_due(p, byte)) {
            n_due += byte != GL_PAGES_CLEAN;
            continue;
        }
        if (n_due) {
            purge_stretch(p, b + 1, end, n_due);
        }
        n_due = 0;
        end = b;
    }
    if (n_due) {
        purge_stretch(p, first, end, n_due);
    }
}

static void purge_unit(purger *p, uint32_t unit)
{
    uint32_t n_free = 0, n_dirty = 0, n_due = 0;
    const uint8_t *of = &pages.of[unit * GL_UNIT_BLOCKS];
    for (uint32_t i = 0; i < GL_UNIT_BLOCKS; i++) {
        n_free += of[i] != GL_PAGES_HELD;
        n_dirty += of[i] >= GL_PAGES_DUE;
        n_due += is_due(p, of[i]);
    }
    if (n_due == 0) {
        return;
    }
    bool is_whole = n_free == GL_UNIT_BLOCKS && n_due == n_dirty;
    if (is_huge(unit) && !is_whole) {
        if (!p->is_thorough && (n_due < n_dirty || n_free < SPLIT_MIN_BLOCKS)) {
            return;
        }
        advise(unit, 1, ADVICE_AGAINST);
    }
    purge_parts(p, unit * GL_UNIT_BLOCKS);
}

/* True if a byte of the unit says dirty. */
static bool is_dirty(uint32_t unit)
{
    uint64_t words[GL_UNIT_BLOCKS / 8], any = 0;
    memcpy(words, &pages.of[unit * GL_UNIT_BLOCKS], sizeof words);
    for (int i = 0; i < GL_UNIT_BLOCKS / 8; i++) {
        any |= words[i];
    }
    return (any & ~(UINT64_C(0x0101010101010101) * GL_PAGES_CLEAN)) != 0;
}

static uint64_t purge(purger *p)
{
    uint32_t unit = (pages.n_blocks + GL_UNIT_BLOCKS - 1) / GL_UNIT_BLOCKS;
    while (unit-- > 0 && pages.n_dirty > p->keep) {
        if (is_dirty(unit)) {
            purge_unit(p, unit);
        }
    }
    flush(p);
    pages.returned_blocks += p->n_given;
    return p->n_given;
}

/* Old ones first, then all. */
static uint64_t purge_to(uint64_t keep, bool is_thorough)
{
    purger old = {.latest = GL_PAGES_DUE + PATIENCE_TICKS - 1, .keep = keep,
                  .is_thorough = is_thorough};
    purger all = {.latest = UINT8_MAX, .keep = keep, .is_thorough = is_thorough};
    uint64_t n = pages.n_dirty > keep ? purge(&old) : 0;
    return n + (pages.n_dirty > keep ? purge(&all) : 0);
}

size_t gl_pages_purge(size_t keep_bytes)
{
    return purge_to(keep_bytes >> GL_BLOCK_SHIFT, keep_bytes == 0) << GL_BLOCK_SHIFT;
}

/* ---- The bound ------------------------------------------------------------------------------ */

static uint64_t bound(void)
{
    size_t share = gl_load_relaxed(&gl_heap.in_use_bytes) / 4;
    size_t bytes = share > gl_options.retain_bytes ? share : gl_options.retain_bytes;
    return (bytes >> GL_BLOCK_SHIFT) + pages.credit;
}

void gl_pages_trim(void)
{
    uint64_t most = bound();
    if (pages.n_dirty > most) {
        pages.n_regrettable += purge_to(most - most / 8, false);
    }
}

/* So many blocks had to come from the system. */
static void regret(uint64_t n)
{
    n = n < pages.n_regrettable ? n : pages.n_regrettable;
    pages.n_regrettable -= n;
    pages.credit += 2 * n;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void wear_off(uint64_t n_ticks)
{
    for (uint64_t i = 0; i < n_ticks && (pages.credit | pages.n_regrettable); i++) {
        pages.credit -= (pages.credit + 15) / 16; /* halved in three seconds */
        pages.n_regrettable -= (pages.n_regrettable + 3) / 4;
    }
}

static void age(uint8_t n_ticks)
{
    for (uint32_t b = 0; b < pages.n_blocks; b++) {
        uint8_t byte = pages.of[b];
        if (byte > GL_PAGES_DUE) {
            pages.of[b] = byte - GL_PAGES_DUE > n_ticks ? (uint8_t)(byte - n_ticks) : GL_PAGES_DUE;
        }
    }
}

static void publish(void)
{
    gl_store_relaxed(&gl_pages_next_ns, pages.n_dirty ? pages.ticked_ns + TICK_NS : GL_PAGES_NEVER);
}

/* Counts the time that has passed, and purges what is due. */
static void tick(void)
{
    uint64_t now = now_ns();
    uint64_t n_ticks = (now - pages.ticked_ns) / TICK_NS;
    if (n_ticks == 0 && pages.n_dirty) {
        return;
    }
    wear_off(n_ticks);
    pages.ticked_ns = pages.n_dirty ? pages.ticked_ns + n_ticks * TICK_NS : now;
    if (pages.n_dirty) {
        age((uint8_t)(n_ticks < MAX_TICKS ? n_ticks : MAX_TICKS));
        uint64_t keep = pages.n_dirty > POLL_MAX_BLOCKS ? pages.n_dirty - POLL_MAX_BLOCKS : 0;
        purger due = {.latest = GL_PAGES_DUE, .keep = keep};
        purge(&due);
    }
    publish();
}

bool gl_pages_poll_slow(void)
{
    if (now_ns() < gl_load_relaxed(&gl_pages_next_ns)) {
        return false;
    }
    gl_lock_acquire(&gl_arena_lock);
    tick();
    gl_lock_release(&gl_arena_lock);
    return true;
}

void gl_pages_set_patience(uint64_t ns)
{
    uint64_t n_ticks = ns / TICK_NS;
    n_ticks = n_ticks < PATIENCE_TICKS ? PATIENCE_TICKS : n_ticks;
    pages.patience_ticks = n_ticks < MAX_TICKS ? (uint32_t)n_ticks : MAX_TICKS;
}

void gl_pages_set_huge_from(uint64_t bytes)
{
    pages.huge_from_blocks = bytes >> GL_BLOCK_SHIFT;
}

void gl_pages_advance_clock(uint64_t ns)
{
    pages.skew_ns += ns;
}

/* ---- Blocks come and go --------------------------------------------------------------------- */

void gl_pages_add(uint32_t block, uint32_t n)
{
    memset(&pages.of[block], GL_PAGES_CLEAN, n);
    pages.n_blocks = block + n;
}

bool gl_pages_take(uint32_t block, uint32_t n)
{
    if (n < GL_UNIT_BLOCKS && is_heap_large()) {
        advise_ahead(block);
    }
    uint32_t n_dirty = 0;
    for (uint32_t b = block; b < block + n; b++) {
        n_dirty += pages.of[b] >= GL_PAGES_DUE;
    }
    memset(&pages.of[block], GL_PAGES_HELD, n);
    pages.n_held += n;
    pages.n_dirty -= n_dirty;
    regret(n - n_dirty);
    return n_dirty == 0;
}

void gl_pages_give(uint32_t block, uint32_t n)
{
    tick();
    memset(&pages.of[block], (int)(GL_PAGES_DUE + pages.patience_ticks), n);
    pages.n_held -= n;
    pages.n_dirty += n;
    publish();
}

void gl_pages_give_clean(uint32_t block, uint32_t n)
{
    memset(&pages.of[block], GL_PAGES_CLEAN, n);
    pages.n_held -= n;
}

void gl_pages_lose(uint32_t n)
{
    pages.n_held -= n;
}

/* ---- Questions ------------------------------------------------------------------------------ */

uint64_t gl_pages_dirty_bytes(void)
{
    return pages.n_dirty << GL_BLOCK_SHIFT;
}

uint64_t gl_pages_returned_bytes(void)
{
    return pages.returned_blocks << GL_BLOCK_SHIFT;
}

bool gl_pages_is_huge(uint32_t block)
{
    return is_huge(block / GL_UNIT_BLOCKS);
}

uint8_t *gl_pages_of(uint32_t block)
{
    return &pages.of[block];
}
