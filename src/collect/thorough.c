/* SPDX-License-Identifier: MIT */
/* collect/thorough.c - see thorough.h. */
#include "collect/thorough.h"

#include "heap/arena.h"
#include "os/regions.h"

/* Typed objects have their pointers where their layout says. */
static bool is_read_whole(gl_kind kind)
{
    return gl_kind_is_scanned(kind) && kind != GL_KIND_TYPED;
}

static bool is_live(uint32_t block, uint32_t i, uintptr_t start)
{
    return *gl_state_of(start) != GL_STATE_FREE && gl_block_mark_bits(block)[i / 64] >> (i % 64) & 1;
}

/* Rows of neighbours that live are one range. */
static void mark_small_block(gl_marker *m, uint32_t block)
{
    uintptr_t bytes = (uintptr_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    uintptr_t at = gl_block_start(block), row = at;
    for (uint32_t i = 0; i < gl_heap.blocks[block].n_objects; i++, at += bytes) {
        if (!is_live(block, i, at)) {
            gl_mark_range(m, row, at, GL_ROOT_MEMORY);
            row = at + bytes;
        }
    }
    gl_mark_range(m, row, at, GL_ROOT_MEMORY);
}

static void mark_present(uintptr_t start, uintptr_t end, void *marker)
{
    gl_mark_range(marker, start, end, GL_ROOT_MEMORY);
}

static void mark_large(gl_marker *m, uint32_t head)
{
    const gl_block *header = &gl_heap.blocks[head];
    if (header->is_marked && is_read_whole((gl_kind)header->kind)) {
        uintptr_t start = gl_block_start(head);
        gl_regions_present(start, start + header->large_bytes, true, mark_present, m);
    }
}

void gl_thorough_mark_heap(gl_marker *m)
{
    gl_regions_present_begin();
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        gl_desc desc = gl_heap.descs[block];
        if (desc.granules && is_read_whole(gl_bin_kind(desc.bin))) {
            mark_small_block(m, block);
        } else if (!desc.granules && desc.bin == GL_ROLE_LARGE) {
            mark_large(m, block);
        }
    }
    gl_regions_present_end();
}
