/* SPDX-License-Identifier: MIT */
/* heap/verify.c - walks the heap and checks each equation of heap/types.h; panics on the first that
 * does not hold. The world is stopped and all locks are held. */
#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "heap/alloc.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/heap.h"

/* Slots of one bin, by what they are. */
typedef struct slot_counts {
    uint64_t free, cached, allocated, dead, all;
} slot_counts;

static void check_cached_slot(uint32_t bin, uintptr_t slot)
{
    uint32_t block = (uint32_t)((slot - gl_heap.base) >> GL_BLOCK_SHIFT);
    gl_desc desc = gl_heap.descs[block];
    uint32_t offset = (uint32_t)(slot & (GL_BLOCK_BYTES - 1));
    uint32_t i = gl_object_number(desc, offset);
    const void *at = (void *)slot;
    gl_check(gl_heap_contains(slot) && desc.granules, at);
    gl_check(gl_heap.blocks[block].bin == bin, at);
    gl_check(offset == i * desc.granules * GL_GRANULE_BYTES, at);
    gl_check(*gl_state_of(slot) == GL_STATE_FREE, at);
    gl_check(!(gl_block_free_bits(block)[i / 64] >> (i % 64) & 1), at);
}

static void check_magazine(uint32_t bin, const gl_magazine *m, void *arg)
{
    slot_counts *counts = arg;
    gl_check(m->count <= m->capacity, m);
    for (uint32_t i = 0; i < m->count; i++) {
        check_cached_slot(bin, m->slots[i]);
    }
    counts[bin].cached += m->count;
}

static void check_depot(uint32_t bin, slot_counts *counts)
{
    uint32_t batch = gl_classes[gl_bin_class(bin)].batch;
    for (uint32_t d = 0; d < gl_bins[bin].n_batches; d++) {
        for (uint32_t i = 0; i < batch; i++) {
            check_cached_slot(bin, gl_bins[bin].batches[d][i]);
        }
    }
    counts->cached += (uint64_t)gl_bins[bin].n_batches * batch;
}

/* State bytes: zero except at starts of slots. Returns how many are not zero. */
static uint64_t check_states(uint32_t block, const gl_class_info *info)
{
    const uint8_t *state = gl_state_of(gl_block_start(block));
    uint64_t n = 0;
    for (uint32_t g = 0; g < GL_BLOCK_GRANULES; g++) {
        if (state[g] == GL_STATE_FREE) {
            continue;
        }
        gl_check(g % info->granules == 0 && g / info->granules < info->n_objects,
                 (void *)(gl_block_start(block) + g * GL_GRANULE_BYTES));
        n++;
    }
    return n;
}

static void check_small(uint32_t block, slot_counts *counts)
{
    const gl_block *header = &gl_heap.blocks[block];
    const void *at = (void *)gl_block_start(block);
    const gl_class_info *info = &gl_classes[gl_bin_class(header->bin)];
    gl_desc desc = gl_heap.descs[block];
    const uint64_t *bits = gl_block_free_bits(block);
    bool is_unswept = (header->flags & GL_BLOCK_UNSWEPT) != 0;
    gl_check(desc.granules == info->granules && desc.reciprocal == info->reciprocal, at);
    gl_check(desc.bin == (is_unswept ? GL_ROLE_UNSWEPT : header->bin), at);
    gl_check(header->n_objects == info->n_objects, at);
    uint64_t n_free = 0;
    for (uint32_t i = 0; i < gl_words_for(info->n_objects) * 64; i++) {
        bool is_free = bits[i / 64] >> (i % 64) & 1;
        gl_check(!is_free || i < info->n_objects, at);
        gl_check(!is_free || *gl_state_of(gl_block_start(block) + i * info->bytes) == GL_STATE_FREE,
                 at);
        n_free += is_free;
    }
    gl_check(n_free == header->n_free, at);
    gl_check(is_unswept || ((header->flags & GL_BLOCK_LISTED) != 0) == (n_free != 0), at);
    gl_check(is_unswept || header->n_dead == 0, at);
    slot_counts *c = &counts[header->bin];
    c->free += n_free;
    c->dead += header->n_dead;
    c->allocated += check_states(block, info) - header->n_dead;
    c->all += info->n_objects;
}

static size_t check_large(uint32_t head)
{
    const gl_block *header = &gl_heap.blocks[head];
    const void *at = (void *)gl_block_start(head);
    gl_check(header->run_blocks > 0, at);
    gl_check(header->large_bytes <= (size_t)header->run_blocks << GL_BLOCK_SHIFT, at);
    for (uint32_t i = 1; i < header->run_blocks; i++) {
        gl_desc desc = gl_heap.descs[head + i];
        gl_check(desc.bin == GL_ROLE_CONTINUATION && desc.granules == 0 && desc.reciprocal == i, at);
    }
    return (size_t)header->run_blocks << GL_BLOCK_SHIFT;
}

/* A thread stopped inside a fast path may hold one slot that is neither cached nor allocated. */
static void check_sums(const slot_counts *counts, size_t large_bytes)
{
    size_t in_use = large_bytes;
    uint64_t in_flight = 0;
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        const slot_counts *c = &counts[bin];
        uint64_t known = c->free + c->cached + c->allocated + c->dead;
        gl_check(known <= c->all, NULL);
        in_flight += c->all - known;
        in_use += (c->all - c->free - c->dead) * gl_classes[gl_bin_class(bin)].bytes;
    }
    gl_check(in_use == gl_heap.in_use_bytes, NULL);
    gl_check(in_flight <= gl_cache_count_caches() + 64, NULL);
}

size_t gl_heap_verify(void)
{
    static slot_counts counts[GL_N_BINS]; /* one verification at a time: the world is stopped */
    memset(counts, 0, sizeof counts);
    size_t large_bytes = 0, n_large = 0, n_small = 0;
    gl_arena_verify_locked();
    gl_cache_each_magazine(check_magazine, counts);
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        check_depot(bin, &counts[bin]);
    }
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        gl_desc desc = gl_heap.descs[block];
        if (desc.granules) {
            check_small(block, counts);
        } else if (desc.bin == GL_ROLE_LARGE) {
            large_bytes += check_large(block);
            n_large++;
        }
    }
    check_sums(counts, large_bytes);
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        n_small += counts[bin].allocated;
    }
    return n_small + n_large;
}
