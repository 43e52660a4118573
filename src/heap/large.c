/* SPDX-License-Identifier: MIT */
/* heap/large.c - objects that take blocks of their own. */
#include "heap/large.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "heap/arena.h"
#include "heap/pages.h"
#include "os/memory.h"

/* Above this, pages that may be dirty are given back instead of cleared: what the program does not
 * touch then costs nothing. */
static const size_t CLEAR_BY_PURGE_BYTES = 512 * 1024;

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
    gl_add_relaxed(&gl_heap.in_use_bytes, is_more ? bytes : (size_t)0 - bytes);
    if (is_more) {
        gl_add_relaxed(&gl_heap.allocated_bytes, bytes);
    }
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
    gl_block *header = &gl_heap.blocks[head];
    gl_lock_acquire(&gl_arena_lock);
    memset(header, 0, sizeof *header);
    header->run_blocks = (uint32_t)n;
    header->kind = (uint8_t)kind;
    header->state = GL_STATE_ALLOCATED;
    header->is_marked = 1;
    header->large_bytes = usable;
    set_continuations(head, 1, (uint32_t)n);
    gl_desc desc = {0, 0, GL_ROLE_LARGE};
    gl_signal_fence();
    gl_heap.descs[head] = desc;
    account_locked(n, true);
    gl_add_relaxed(&gl_heap.allocated_slots, 1);
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
    bool is_ours = gl_heap.descs[head].bin == GL_ROLE_LARGE && header->state != GL_STATE_FREE;
    if (is_ours) {
        header->state = GL_STATE_FREE;
    }
    gl_lock_release(&gl_arena_lock);
    return is_ours;
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
    gl_large_release(head);
    gl_arena_trim();
    return true;
}

void gl_large_release(uint32_t head)
{
    gl_lock_acquire(&gl_arena_lock);
    uint32_t n = gl_heap.blocks[head].run_blocks;
    account_locked(n, false);
    gl_add_relaxed(&gl_heap.freed_slots, 1);
    gl_arena_give_locked(head, n);
    gl_lock_release(&gl_arena_lock);
}

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
    if (want < have) {
        gl_lock_acquire(&gl_arena_lock);
        header->run_blocks = (uint32_t)want;
        account_locked(have - want, false);
        gl_arena_give_locked(head + (uint32_t)want, have - (uint32_t)want);
        gl_lock_release(&gl_arena_lock);
    }
    return true;
}
