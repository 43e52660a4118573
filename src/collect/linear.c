/* SPDX-License-Identifier: MIT */
/* collect/linear.c - see linear.h. */
#include "collect/linear.h"

#include "base/bits.h"
#include "heap/arena.h"
#include "os/regions.h"

/* Objects of several MiB are read where they have pages only. */
enum { SPARSE_FROM_BYTES = 4 << 20 };

static void mark_present(uintptr_t start, uintptr_t end, void *marker)
{
    gl_mark_range(marker, start, end, GL_ROOT_OBJECTS);
}

static void mark_large(gl_marker *m, uint32_t head)
{
    uintptr_t start = gl_block_start(head);
    size_t bytes = gl_heap.blocks[head].large_bytes;
    if (bytes < SPARSE_FROM_BYTES) {
        gl_mark_range(m, start, start + bytes, GL_ROOT_OBJECTS);
    } else {
        gl_regions_present(start, start + bytes, true, mark_present, m);
    }
}

static bool is_small(uint32_t block) { return gl_heap.descs[block].granules != 0; }

static bool is_large(uint32_t block)
{
    return !is_small(block) && gl_heap.descs[block].bin == GL_ROLE_LARGE;
}

/* ---- From what was reached ------------------------------------------------------------------ */

/* Typed objects have their pointers where their layout says. */
static bool is_read_whole(gl_kind kind)
{
    return gl_kind_is_scanned(kind) && kind != GL_KIND_TYPED;
}

/* Allocated, and of those that are to be read. */
static bool has_state(unsigned state, bool with_condemned)
{
    return state != GL_STATE_FREE && (with_condemned || !(state & GL_STATE_CONDEMNED));
}

static bool is_live(uint32_t block, uint32_t i, uintptr_t start, bool with_condemned)
{
    return has_state(*gl_state_of(start), with_condemned) &&
           gl_slot_is_marked(block, i);
}

/* Rows of neighbours that live are one range. */
static void mark_from_live_in(gl_marker *m, uint32_t block, bool with_condemned)
{
    uintptr_t bytes = (uintptr_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    uintptr_t at = gl_block_start(block), row = at;
    for (uint32_t i = 0; i < gl_heap.blocks[block].n_objects; i++, at += bytes) {
        if (!is_live(block, i, at, with_condemned)) {
            gl_mark_range(m, row, at, GL_ROOT_OBJECTS);
            row = at + bytes;
        }
    }
    gl_mark_range(m, row, at, GL_ROOT_OBJECTS);
}

void gl_linear_mark_from_live(gl_marker *m, bool with_condemned)
{
    gl_regions_present_begin();
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        const gl_block *header = &gl_heap.blocks[block];
        if (is_small(block) && is_read_whole(gl_bin_kind(header->bin))) {
            mark_from_live_in(m, block, with_condemned);
        } else if (is_large(block) && header->is_marked && is_read_whole((gl_kind)header->kind) &&
                   has_state(header->state, with_condemned)) {
            mark_large(m, block);
        }
    }
    gl_regions_present_end();
}

/* ---- From malloc's -------------------------------------------------------------------------- */

/* Marked and not free is what the program has, and what is in caches. In rows: what lies between may be in
 * quarantine, and must not hold others. */
static void mark_from_all_in(gl_marker *m, uint32_t block)
{
    const uint64_t *marks = gl_block_mark_bits(block), *free_bits = gl_block_free_bits(block);
    uintptr_t bytes = (uintptr_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    uint32_t n = gl_heap.blocks[block].n_objects;
    for (uint32_t w = 0; w < gl_words_for(n); w++) {
        uintptr_t slots = gl_block_start(block) + w * 64 * bytes;
        uint64_t used = marks[w] & ~free_bits[w] & gl_low_bits(n - w * 64);
        while (used) {
            uint32_t first = gl_ctz64(used);
            uint64_t holes = ~(used >> first);
            uint32_t row = holes ? gl_ctz64(holes) : 64;
            gl_mark_range(m, slots + first * bytes, slots + (first + row) * bytes, GL_ROOT_OBJECTS);
            used &= ~(gl_low_bits(row) << first);
        }
    }
}

void gl_linear_mark_from_malloc(gl_marker *m)
{
    gl_regions_present_begin();
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        const gl_block *header = &gl_heap.blocks[block];
        if (is_small(block) && gl_bin_kind(header->bin) == GL_KIND_MALLOC) {
            mark_from_all_in(m, block);
        } else if (is_large(block) && header->kind == GL_KIND_MALLOC &&
                   gl_state_is_allocated(header->state)) {
            mark_large(m, block);
        }
    }
    gl_regions_present_end();
}
