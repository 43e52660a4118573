/* SPDX-License-Identifier: MIT */
/* collect/quarantine.c - see quarantine.h. */
#include "collect/quarantine.h"

#include <string.h>

#include "heap/arena.h"
#include "heap/cache.h"
#include "heap/meta.h"
#include "heap/quarantine.h"

void gl_quarantine_premark(uint32_t block)
{
    const gl_block *header = &gl_heap.blocks[block];
    uint64_t *marks = gl_block_mark_bits(block);
    memset(marks, 0xff, gl_words_for(header->n_objects) * sizeof *marks);
    if (!*gl_block_has_quarantined(block)) {
        return;
    }
    const uint8_t *state = gl_state_of(gl_block_start(block));
    size_t granules = gl_heap.descs[block].granules;
    for (uint32_t i = 0; i < header->n_objects; i++, state += granules) {
        marks[i / 64] &= ~((uint64_t)(*state == GL_STATE_QUARANTINED) << (i % 64));
    }
}

/* ---- Blocks that a pass has questions about -------------------------------------------------- */

static struct {
    uint64_t *blocks; /* a bit for each; meta memory, kept */
    size_t capacity;
} watched;

static void watch(uint32_t first, uint32_t n)
{
    for (uint32_t block = first; block < first + n; block++) {
        watched.blocks[block / 64] |= (uint64_t)1 << (block % 64);
    }
}

/* All but memory of malloc's that is whole and in use. */
static void watch_block(uint32_t block)
{
    const gl_block *header = &gl_heap.blocks[block];
    gl_desc desc = gl_heap.descs[block];
    if (desc.granules) {
        watch(block, gl_bin_kind(header->bin) != GL_KIND_MALLOC || *gl_block_has_quarantined(block));
    } else if (desc.bin == GL_ROLE_LARGE && !header->is_marked) {
        watch(block, header->run_blocks);
    }
}

void gl_quarantine_watch(gl_marker *m)
{
    void *at = watched.blocks;
    size_t n_words = gl_arena_n_blocks() / 64 + 1;
    if (!gl_meta_reserve(&at, &watched.capacity, n_words, sizeof *watched.blocks)) {
        return; /* slower, and just as right */
    }
    watched.blocks = at;
    memset(watched.blocks, 0, n_words * sizeof *watched.blocks);
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        watch_block(block);
    }
    gl_marker_watch(m, watched.blocks);
}

/* ---- The end of a pass ----------------------------------------------------------------------- */

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
            count(r, gl_slot_is_marked(block, i), granules << GL_GRANULE_SHIFT);
        }
    }
    *gl_block_has_quarantined(block) = r->held_objects > n_held;
}

void gl_quarantine_settle(gl_quarantine_report *r)
{
    memset(r, 0, sizeof *r);
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        const gl_block *header = &gl_heap.blocks[block];
        gl_desc desc = gl_heap.descs[block];
        if (desc.granules && *gl_block_has_quarantined(block)) {
            settle_block(block, r);
        } else if (!desc.granules && desc.bin == GL_ROLE_LARGE &&
                   header->state == GL_STATE_QUARANTINED) {
            count(r, header->is_marked, (size_t)header->run_blocks << GL_BLOCK_SHIFT);
        }
    }
    gl_store_relaxed(&gl_quarantine.fresh_bytes, 0);
    gl_store_relaxed(&gl_quarantine.idle_bytes, 0);
    gl_store_relaxed(&gl_quarantine.held_bytes, r->held_bytes);
    gl_cache_forget_quarantined();
}
