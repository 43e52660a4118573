/* SPDX-License-Identifier: MIT */
/* collect/quarantine.c - see quarantine.h. */
#include "collect/quarantine.h"

#include <string.h>

#include "heap/arena.h"
#include "heap/cache.h"
#include "heap/quarantine.h"

void gl_quarantine_premark(uint32_t block)
{
    const gl_block *header = &gl_heap.blocks[block];
    uint64_t *marks = gl_block_mark_bits(block);
    memset(marks, 0xff, gl_words_for(header->n_objects) * sizeof *marks);
    if (!header->has_quarantined) {
        return;
    }
    const uint8_t *state = gl_state_of(gl_block_start(block));
    size_t granules = gl_heap.descs[block].granules;
    for (uint32_t i = 0; i < header->n_objects; i++, state += granules) {
        marks[i / 64] &= ~((uint64_t)(*state == GL_STATE_QUARANTINED) << (i % 64));
    }
}

static void count(gl_quarantine_report *r, bool is_marked, size_t bytes)
{
    if (is_marked) {
        r->held_objects++;
        r->held_bytes += bytes;
    } else {
        r->released_objects++;
        r->released_bytes += bytes;
    }
}

/* A block that holds none needs no look the next time. */
static void settle_block(uint32_t block, gl_quarantine_report *r)
{
    gl_block *header = &gl_heap.blocks[block];
    size_t granules = gl_heap.descs[block].granules;
    const uint8_t *state = gl_state_of(gl_block_start(block));
    uint64_t n_held = r->held_objects;
    for (uint32_t i = 0; i < header->n_objects; i++, state += granules) {
        if (*state == GL_STATE_QUARANTINED) {
            bool is_marked = gl_block_mark_bits(block)[i / 64] >> (i % 64) & 1;
            count(r, is_marked, granules << GL_GRANULE_SHIFT);
        }
    }
    header->has_quarantined = r->held_objects > n_held;
}

void gl_quarantine_settle(gl_quarantine_report *r)
{
    memset(r, 0, sizeof *r);
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        const gl_block *header = &gl_heap.blocks[block];
        gl_desc desc = gl_heap.descs[block];
        if (desc.granules && header->has_quarantined) {
            settle_block(block, r);
        } else if (!desc.granules && desc.bin == GL_ROLE_LARGE &&
                   header->state == GL_STATE_QUARANTINED) {
            count(r, header->is_marked, (size_t)header->run_blocks << GL_BLOCK_SHIFT);
        }
    }
    gl_store_relaxed(&gl_quarantine.fresh_bytes, 0);
    gl_store_relaxed(&gl_quarantine.unmapped_bytes, 0);
    gl_store_relaxed(&gl_quarantine.held_bytes, r->held_bytes);
    gl_cache_forget_quarantined();
}
