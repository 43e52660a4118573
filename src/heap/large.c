/* SPDX-License-Identifier: MIT */
/* heap/large.c - objects that take blocks of their own. */
#include "heap/large.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/knobs.h"
#include "heap/arena.h"
#include "heap/counts.h"
#include "heap/pages.h"
#include "heap/quarantine.h"
#include "os/memory.h"

/* Above this, pages that may be dirty are given back instead of cleared: what the program does not
 * touch then costs nothing. */
static const size_t CLEAR_BY_PURGE_BYTES = 512 * 1024;

/* From this size on what is freed in mode `safe` gives its pages back at once: two passes of the quarantine
 * cost more than the page faults. */
static const size_t UNMAP_FROM_BYTES = 4 << 20;

/* From 256 KiB on pages are moved, not copied: 12 us for the system call and its consequences, against
 * 37 us for copying to memory that is there already and 140 us to memory that is not. */
enum { MOVE_MIN_BLOCKS = 4 };

/* One byte more than asked for: a pointer one past the end stays inside. */
static size_t blocks_for(size_t bytes)
{
    return (bytes + 1 + GL_BLOCK_BYTES - 1) >> GL_BLOCK_SHIFT;
}

static void clear(uintptr_t start, size_t bytes)
{
    size_t page = gl_os_page_bytes;
    if (bytes < CLEAR_BY_PURGE_BYTES) {
        memset((void *)start, 0, bytes);
        return;
    }
    uintptr_t first = gl_round_up(start, page);
    uintptr_t end = gl_round_down(start + bytes, page);
    memset((void *)start, 0, first - start);
    gl_os_purge((void *)first, end - first);
    memset((void *)end, 0, start + bytes - end);
}

static void set_continuations(uint32_t head, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        gl_desc desc = {i, 0, GL_ROLE_CONTINUATION};
        gl_heap.descs[head + i] = desc;
    }
}

/* Sums, headers and descriptors change together, under the arena's lock: the collector holds it when
 * it stops the world, so it never sees one without the other. */
static void account_locked(size_t blocks, bool is_more)
{
    size_t bytes = blocks << GL_BLOCK_SHIFT;
    if (is_more) {
        gl_heap_note_growth(bytes);
        gl_add_relaxed(&gl_heap.allocated_bytes, bytes);
    } else {
        gl_add_relaxed(&gl_heap.in_use_bytes, (size_t)0 - bytes);
    }
}

/* Describes a run of n blocks as an object of this kind, and counts it. */
static void publish_locked(uint32_t head, uint32_t n, gl_kind kind, size_t usable)
{
    gl_block *header = &gl_heap.blocks[head];
    memset(header, 0, GL_BLOCK_HEADER_BYTES);
    header->run_blocks = n;
    header->kind = (uint8_t)kind;
    header->state = GL_STATE_ALLOCATED;
    header->is_marked = 1;
    header->large_bytes = usable;
    set_continuations(head, 1, n);
    gl_desc desc = {0, 0, GL_ROLE_LARGE};
    gl_signal_fence();
    gl_heap.descs[head] = desc;
    account_locked(n, true);
    gl_add_relaxed(&gl_heap.allocated_slots, 1);
}

uintptr_t gl_large_alloc(size_t bytes, size_t alignment, gl_kind kind, bool is_zeroed)
{
    size_t n = blocks_for(bytes);
    size_t align_blocks = alignment > GL_BLOCK_BYTES ? alignment >> GL_BLOCK_SHIFT : 1;
    if (bytes >= gl_heap.max_bytes || alignment >= gl_heap.max_bytes) {
        return 0;
    }
    bool is_zero;
    uint32_t head = gl_arena_take((uint32_t)n, (uint32_t)align_blocks, &is_zero);
    if (!head) {
        return 0;
    }
    uintptr_t start = gl_block_start(head);
    /* From here on the compiler must keep the address itself: once the object is published, nothing
     * else refers to it. */
    __asm__ __volatile__("" : "+r"(start));
    size_t usable = gl_round_up(bytes ? bytes : 1, gl_os_page_bytes);
    if (is_zeroed && !is_zero) {
        clear(start, usable);
    }
    gl_lock_acquire(&gl_arena_lock);
    publish_locked(head, (uint32_t)n, kind, usable);
    if (is_zero && !is_zeroed) { /* else it may be one that is touched here and there only */
        gl_pages_expect_fill(head, (uint32_t)n);
    }
    gl_lock_release(&gl_arena_lock);
    return start;
}

/* Claims the object for freeing: of two threads that free it at once, one gets it. */
static bool claim(uint32_t head)
{
    gl_lock_acquire(&gl_arena_lock);
    gl_block *header = &gl_heap.blocks[head];
    bool is_ours =
        gl_heap.descs[head].bin == GL_ROLE_LARGE && gl_state_is_allocated(header->state);
    if (is_ours) {
        header->state = gl_quarantine_is_on() ? GL_STATE_QUARANTINED : GL_STATE_FREE;
    }
    gl_lock_release(&gl_arena_lock);
    return is_ours;
}

/* Of a run of blocks so many bytes have pages. */
static void count_quarantined(uint32_t blocks, size_t bytes)
{
    gl_quarantine_count(bytes);
    gl_add_relaxed(&gl_quarantine.idle_bytes, ((size_t)blocks << GL_BLOCK_SHIFT) - bytes);
}

/* It waits with its content, or without its pages. */
static void quarantine(uint32_t head)
{
    size_t bytes = gl_heap.blocks[head].large_bytes;
    bool is_unmapped = bytes >= UNMAP_FROM_BYTES;
    if (is_unmapped) {
        gl_os_purge((void *)gl_block_start(head), bytes);
    }
    count_quarantined(gl_heap.blocks[head].run_blocks, is_unmapped ? 0 : bytes);
}

bool gl_large_free(uintptr_t start)
{
    uint32_t head = (uint32_t)((start - gl_heap.base) >> GL_BLOCK_SHIFT);
    if (start != gl_block_start(head)) {
        return false;
    }
    if (!claim(head)) {
        return false;
    }
    if (gl_quarantine_is_on()) {
        quarantine(head);
        return true;
    }
    gl_large_release(head);
    gl_arena_trim();
    return true;
}

/* Pages that were moved here make a mapping of their own: not for ever. */
static void give_locked(uint32_t block, uint32_t n, bool is_moved)
{
    if (is_moved && gl_os_renew((void *)gl_block_start(block), (size_t)n << GL_BLOCK_SHIFT)) {
        gl_arena_give_clean_locked(block, n);
    } else {
        gl_arena_give_locked(block, n);
    }
}

void gl_large_release(uint32_t head)
{
    gl_lock_acquire(&gl_arena_lock);
    uint32_t n = gl_heap.blocks[head].run_blocks;
    if (gl_heap.blocks[head].kind == GL_KIND_COUNTED) {
        gl_count_clear(gl_block_start(head)); /* the collector has found it */
    }
    account_locked(n, false);
    gl_add_relaxed(&gl_heap.freed_slots, 1);
    give_locked(head, n, gl_heap.blocks[head].is_moved);
    gl_lock_release(&gl_arena_lock);
}

/* ---- Growing and shrinking ------------------------------------------------------------------ */

static bool try_lengthen(uint32_t head, uint32_t have, uint32_t want)
{
    gl_block *header = &gl_heap.blocks[head];
    bool is_zero;
    if (!gl_arena_try_extend(head, have, want - have, &is_zero)) {
        return false;
    }
    if (gl_kind_is_zeroed((gl_kind)header->kind) && !is_zero) {
        clear(gl_block_start(head + have), (size_t)(want - have) << GL_BLOCK_SHIFT);
    }
    gl_lock_acquire(&gl_arena_lock);
    set_continuations(head, have, want);
    header->run_blocks = want;
    account_locked(want - have, true);
    gl_lock_release(&gl_arena_lock);
    return true;
}

bool gl_large_try_resize(uintptr_t start, size_t bytes)
{
    uint32_t head = (uint32_t)((start - gl_heap.base) >> GL_BLOCK_SHIFT);
    gl_block *header = &gl_heap.blocks[head];
    size_t want = blocks_for(bytes);
    uint32_t have = header->run_blocks;
    if (bytes >= gl_heap.max_bytes || (want > have && !try_lengthen(head, have, (uint32_t)want))) {
        return false;
    }
    size_t old_bytes = header->large_bytes;
    size_t new_bytes = gl_round_up(bytes ? bytes : 1, gl_os_page_bytes);
    size_t had_bytes = (size_t)have << GL_BLOCK_SHIFT;
    if (gl_kind_is_zeroed((gl_kind)header->kind) && new_bytes > old_bytes) {
        /* The rest of the old last block may hold what an earlier, longer life left there. */
        clear(start + old_bytes, (new_bytes < had_bytes ? new_bytes : had_bytes) - old_bytes);
    } else if (gl_kind_is_zeroed((gl_kind)header->kind)) {
        /* What is cut off must read as zero if the object grows again. */
        memset((char *)start + bytes, 0, new_bytes - bytes);
    }
    header->large_bytes = new_bytes;
    if (gl_quarantine_is_on() && new_bytes < old_bytes) {
        /* What is cut off may still be referred to: only its pages go. */
        gl_os_purge((void *)(start + new_bytes), old_bytes - new_bytes);
    } else if (want < have && new_bytes < old_bytes) {
        gl_lock_acquire(&gl_arena_lock);
        header->run_blocks = (uint32_t)want;
        account_locked(have - want, false);
        give_locked(head + (uint32_t)want, have - (uint32_t)want, header->is_moved);
        gl_lock_release(&gl_arena_lock);
    }
    return true;
}

/* A run for an object that has `have` blocks now and needs `want`. Where it grows by little, it will
 * again: with room for a quarter more, all its moves together copy no more than a few times what it
 * is in the end. Memory that is not touched costs addresses only. */
static uint32_t take_larger(uint32_t head, uint32_t have, uint32_t want, uint32_t *n, bool *is_zero)
{
    bool is_step = want / 2 < have;
    for (*n = is_step ? want + want / 4 : want;; *n = want) {
        uint32_t to = have >= MOVE_MIN_BLOCKS ? gl_arena_take_like(*n, head, is_zero)
                                              : gl_arena_take(*n, 1, is_zero);
        if (to || *n == want) {
            return to;
        }
    }
}

static gl_os_move_result move_pages(uint32_t head, uint32_t have, uint32_t to, uint32_t n)
{
    if (have < MOVE_MIN_BLOCKS) {
        return GL_OS_MOVE_REFUSED;
    }
    return gl_os_move((void *)gl_block_start(head), (size_t)have << GL_BLOCK_SHIFT,
                      (void *)gl_block_start(to), (size_t)n << GL_BLOCK_SHIFT);
}

/* The object at `head` is at `to` now, in n blocks. */
static void replace_locked(uint32_t head, uint32_t to, uint32_t n, size_t usable,
                           gl_os_move_result how)
{
    gl_block old = gl_heap.blocks[head];
    bool is_copied = how == GL_OS_MOVE_REFUSED;
    bool waits = gl_quarantine_is_on() && (how == GL_OS_MOVED || is_copied);
    if (!waits && !is_copied) {
        account_locked(old.run_blocks, false); /* first: at no time were there two of it */
    }
    publish_locked(to, n, (gl_kind)old.kind, usable);
    gl_heap.blocks[to].layout = old.layout;
    gl_heap.blocks[to].state = old.state; /* it may have been frozen meanwhile */
    if (old.kind == GL_KIND_COUNTED) {
        gl_count_move(gl_block_start(head), gl_block_start(to));
    }
    if (how != GL_OS_MOVE_REFUSED) {
        gl_heap.blocks[to].is_moved = 1;
        gl_pages_forget_advice(to, n);
    }
    if (waits) {
        gl_heap.blocks[head].state = GL_STATE_QUARANTINED;
        count_quarantined(old.run_blocks, how == GL_OS_MOVED ? 0 : old.large_bytes);
        return;
    }
    if (is_copied) {
        account_locked(old.run_blocks, false);
    }
    gl_add_relaxed(&gl_heap.freed_slots, 1);
    gl_heap.blocks[head].state = GL_STATE_FREE;
    if (is_copied) {
        give_locked(head, old.run_blocks, old.is_moved);
    } else if (how == GL_OS_MOVED) {
        gl_arena_give_clean_locked(head, old.run_blocks);
    } else {
        gl_arena_lose_locked(head, old.run_blocks);
    }
}

/* Between the move of the pages and the new descriptors the world must not stop: all under the lock. A
 * copy is made before, for it may take long. */
uintptr_t gl_large_try_move(uintptr_t start, size_t bytes)
{
    uint32_t head = (uint32_t)((start - gl_heap.base) >> GL_BLOCK_SHIFT), n;
    const gl_block *header = &gl_heap.blocks[head];
    size_t want = blocks_for(bytes), old_bytes = header->large_bytes;
    size_t usable = gl_round_up(bytes, gl_os_page_bytes);
    bool is_zero, is_cleared = gl_kind_is_zeroed((gl_kind)header->kind);
    if (bytes >= gl_heap.max_bytes || want <= header->run_blocks ||
        header->state != GL_STATE_ALLOCATED || gl_options.clobber) {
        return 0;
    }
    uint32_t to = take_larger(head, header->run_blocks, (uint32_t)want, &n, &is_zero);
    if (!to) {
        return 0;
    }
    uintptr_t moved = gl_block_start(to);
    __asm__ __volatile__("" : "+r"(moved)); /* as in gl_large_alloc() */
    gl_lock_acquire(&gl_arena_lock);
    gl_os_move_result how = move_pages(head, header->run_blocks, to, n);
    if (how == GL_OS_MOVE_LOST_TARGET) {
        gl_arena_lose_locked(to, n);
        gl_lock_release(&gl_arena_lock);
        return 0;
    }
    if (how == GL_OS_MOVE_REFUSED) {
        gl_lock_release(&gl_arena_lock);
        memcpy((void *)moved, (void *)start, old_bytes);
        if (is_cleared && !is_zero) {
            clear(moved + old_bytes, usable - old_bytes);
        }
        gl_lock_acquire(&gl_arena_lock);
    } else if (is_cleared) {
        size_t had_bytes = (size_t)header->run_blocks << GL_BLOCK_SHIFT;
        clear(moved + old_bytes, (usable < had_bytes ? usable : had_bytes) - old_bytes);
    }
    replace_locked(head, to, n, usable, how);
    gl_lock_release(&gl_arena_lock);
    __asm__ __volatile__("" : : "r"(start) : "memory"); /* until here, a collection must find it */
    return moved;
}
