/* SPDX-License-Identifier: MIT */
/* heap/verify.c - walks the heap and checks each equation of heap/types.h; panics on the first that
 * does not hold. The world is stopped and all locks are held. */
#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "heap/alloc.h"
#include "heap/arena.h"
#include "heap/attached.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/counts.h"
#include "heap/heap.h"
#include "os/threads.h"

/* What one bin has: slots by what they are, and blocks. */
typedef struct bin_counts {
    uint64_t free, cached, allocated, dead, all;
    uint64_t blocks, partial, unswept, all_dead;
} bin_counts;

typedef struct large_counts {
    uint64_t bytes, objects, objects_in_use;
} large_counts;

typedef struct flag_counts {
    uint64_t frozen, pinned;
} flag_counts;

static bin_counts bins[GL_N_BINS]; /* one verification at a time: the world is stopped */
static flag_counts flags;

static void count_flags(uint8_t state)
{
    flags.frozen += (state & GL_STATE_FROZEN) != 0;
    flags.pinned += (state & GL_STATE_PINNED) != 0;
}

/* ---- Slots in caches ------------------------------------------------------------------------ */

/* A free slot has no count, nor the rest of one. */
static bool has_no_count(uintptr_t slot)
{
    return gl_count_is_clear(slot) && gl_load32_relaxed(gl_count_shared(slot)) == 0;
}

static void check_cached_slot(uint32_t bin, uintptr_t slot)
{
    const void *at = (void *)slot;
    gl_check(gl_heap_contains(slot), at);
    uint32_t block = (uint32_t)((slot - gl_heap.base) >> GL_BLOCK_SHIFT);
    gl_desc desc = gl_heap.descs[block];
    uint32_t offset = (uint32_t)(slot & (GL_BLOCK_BYTES - 1));
    uint32_t i = gl_object_number(desc, offset);
    gl_check(desc.granules, at);
    gl_check(gl_heap.blocks[block].bin == bin, at);
    gl_check(offset == i * desc.granules * GL_GRANULE_BYTES, at);
    gl_check(*gl_state_of(slot) == GL_STATE_FREE, at);
    gl_check(gl_bin_kind(bin) != GL_KIND_COUNTED || has_no_count(slot), at);
    gl_check(!(gl_block_free_bits(block)[i / 64] >> (i % 64) & 1), at);
}

static void check_magazine(uint32_t bin, const gl_magazine *m, void *arg)
{
    (void)arg;
    gl_check(m->count <= m->capacity, m);
    for (uint32_t i = 0; i < m->count; i++) {
        check_cached_slot(bin, m->slots[i]);
    }
    bins[bin].cached += m->count;
}

static void check_depot(uint32_t bin)
{
    uint32_t batch = gl_classes[gl_bin_class(bin)].batch;
    for (uint32_t d = 0; d < gl_bins[bin].n_batches; d++) {
        for (uint32_t i = 0; i < batch; i++) {
            check_cached_slot(bin, gl_bins[bin].batches[d][i]);
        }
    }
    bins[bin].cached += (uint64_t)gl_bins[bin].n_batches * batch;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

/* State bytes: zero except at starts of slots. Returns how many are not zero. */
static uint64_t check_states(uint32_t block, const gl_class_info *info)
{
    const uint8_t *state = gl_state_of(gl_block_start(block));
    uint64_t n = 0;
    for (uint32_t g = 0; g < GL_BLOCK_GRANULES; g++) {
        bool is_start = g % info->granules == 0 && g / info->granules < info->n_objects;
        bool has_flag = (state[g] & (GL_STATE_ATTACHED | GL_STATE_FINALIZED)) != 0;
        gl_check(!is_start || has_flag == gl_attached_has(block, g / info->granules),
                 (void *)(gl_block_start(block) + g * GL_GRANULE_BYTES));
        if (state[g] == GL_STATE_FREE) {
            continue;
        }
        gl_check(is_start, (void *)(gl_block_start(block) + g * GL_GRANULE_BYTES));
        count_flags(state[g]);
        n++;
    }
    return n;
}

/* Returns the number of free bits: none beyond the last slot, none at an allocated one. */
static uint64_t check_free_bits(uint32_t block, const gl_class_info *info)
{
    const uint64_t *bits = gl_block_free_bits(block);
    uintptr_t start = gl_block_start(block);
    bool has_counts = gl_bin_kind(gl_heap.blocks[block].bin) == GL_KIND_COUNTED;
    uint64_t n_free = 0;
    for (uint32_t i = 0; i < gl_words_for(info->n_objects) * 64; i++) {
        if (bits[i / 64] >> (i % 64) & 1) {
            gl_check(i < info->n_objects, (void *)start);
            gl_check(*gl_state_of(start + i * info->bytes) == GL_STATE_FREE, (void *)start);
            gl_check(!has_counts || has_no_count(start + i * info->bytes), (void *)start);
            n_free++;
        }
    }
    return n_free;
}

/* Slots that were not reached at the flip and have not been swept. */
static uint64_t count_dead(uint32_t block, uint32_t n_objects)
{
    const uint64_t *free_bits = gl_block_free_bits(block);
    const uint64_t *marks = gl_block_mark_bits(block);
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_objects; i++) {
        n += !((free_bits[i / 64] | marks[i / 64]) >> (i % 64) & 1);
    }
    return n;
}

static void check_small(uint32_t block)
{
    const gl_block *header = &gl_heap.blocks[block];
    const void *at = (void *)gl_block_start(block);
    const gl_class_info *info = &gl_classes[gl_bin_class(header->bin)];
    gl_desc desc = gl_heap.descs[block];
    bool is_unswept = (header->flags & GL_BLOCK_UNSWEPT) != 0;
    bool is_listed = (header->flags & GL_BLOCK_LISTED) != 0;
    bool is_all_dead = (header->flags & GL_BLOCK_ALL_DEAD) != 0;
    gl_check(desc.granules == info->granules && desc.reciprocal == info->reciprocal, at);
    gl_check(desc.bin == (is_unswept ? GL_ROLE_UNSWEPT : header->bin), at);
    gl_check(header->n_objects == info->n_objects, at);
    uint64_t n_free = check_free_bits(block, info);
    gl_check(n_free == header->n_free, at);
    gl_check(is_listed == (n_free != 0 && !is_unswept), at);
    gl_check(header->n_dead == (is_unswept ? count_dead(block, info->n_objects) : 0), at);
    gl_check(!is_all_dead || header->n_free + header->n_dead == header->n_objects, at);
    bin_counts *c = &bins[header->bin];
    c->free += n_free;
    c->dead += header->n_dead;
    c->allocated += check_states(block, info) - header->n_dead;
    c->all += info->n_objects;
    c->blocks++;
    c->partial += is_listed;
    c->unswept += is_unswept;
    c->all_dead += is_all_dead;
}

static void check_large(uint32_t head, large_counts *c)
{
    const gl_block *header = &gl_heap.blocks[head];
    const void *at = (void *)gl_block_start(head);
    gl_check(header->run_blocks > 0, at);
    gl_check(header->large_bytes <= (size_t)header->run_blocks << GL_BLOCK_SHIFT, at);
    for (uint32_t i = 1; i < header->run_blocks; i++) {
        gl_desc desc = gl_heap.descs[head + i];
        gl_check(desc.bin == GL_ROLE_CONTINUATION && desc.granules == 0 && desc.reciprocal == i, at);
    }
    count_flags(header->state);
    c->bytes += (uint64_t)header->run_blocks << GL_BLOCK_SHIFT;
    c->objects++;
    c->objects_in_use += header->state != GL_STATE_FREE;
}

/* ---- Sums ----------------------------------------------------------------------------------- */

/* The length of a bin's list, whose blocks all belong there. */
static uint64_t check_list(uint32_t bin, uint32_t head, uint8_t flag)
{
    uint64_t n = 0;
    for (uint32_t b = head, prev = 0; b; prev = b, b = gl_heap.blocks[b].next) {
        const gl_block *header = &gl_heap.blocks[b];
        const void *at = (void *)gl_block_start(b);
        gl_check(header->bin == bin && header->prev == prev && (header->flags & flag), at);
        gl_check(++n <= bins[bin].blocks, at);
    }
    return n;
}

static void check_bin(uint32_t bin)
{
    const bin_counts *c = &bins[bin];
    const gl_bin *b = &gl_bins[bin];
    gl_check(c->blocks == b->n_blocks, b);
    gl_check(c->free == b->n_free, b);
    gl_check(c->all_dead == b->n_all_dead, b);
    gl_check(c->partial == check_list(bin, b->partial, GL_BLOCK_LISTED), b);
    gl_check(c->unswept == check_list(bin, b->unswept, GL_BLOCK_UNSWEPT), b);
    gl_check(c->free + c->cached + c->allocated + c->dead <= c->all, b);
}

/* A stopped thread may hold one slot that is neither cached nor allocated. */
static uint64_t max_in_flight(void)
{
    uint64_t n = gl_cache_max_lost();
    for (const gl_stopped_thread *t = gl_threads_stopped(); t; t = t->next) {
        n++;
    }
    return n;
}

/* Returns the number of objects. */
static size_t check_sums(const large_counts *large)
{
    uint64_t in_use = large->bytes, n_slots = large->objects, n_allocated = 0, in_flight = 0;
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        const bin_counts *c = &bins[bin];
        check_bin(bin);
        in_flight += c->all - (c->free + c->cached + c->allocated + c->dead);
        in_use += (c->all - c->free - c->dead) * gl_classes[gl_bin_class(bin)].bytes;
        n_slots += c->all - c->free - c->dead;
        n_allocated += c->allocated;
    }
    gl_check(in_use == gl_heap.in_use_bytes, NULL);
    gl_check(n_slots == gl_heap.allocated_slots - gl_heap.freed_slots, NULL);
    gl_check(in_flight <= max_in_flight(), NULL);
    gl_check(flags.frozen == gl_heap.n_frozen && flags.pinned == gl_heap.n_pinned, NULL);
    return n_allocated + large->objects_in_use;
}

size_t gl_heap_verify(void)
{
    large_counts large = {0, 0, 0};
    memset(bins, 0, sizeof bins);
    memset(&flags, 0, sizeof flags);
    gl_arena_verify_locked();
    gl_cache_each_magazine(check_magazine, NULL);
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        check_depot(bin);
    }
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        gl_desc desc = gl_heap.descs[block];
        if (desc.granules) {
            check_small(block);
        } else if (desc.bin == GL_ROLE_LARGE) {
            check_large(block, &large);
        }
    }
    return check_sums(&large);
}
