/* SPDX-License-Identifier: MIT */
/* heap/heap.c - the heap as a whole: start, finding objects, counting, locks, fork. */
#include "heap/heap.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/knobs.h"
#include "heap/alloc.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/meta.h"
#include "heap/quarantine.h"
#include "os/memory.h"

static volatile gl_word is_ready;

bool gl_heap_init(void)
{
    if (is_ready) {
        return true;
    }
    gl_quarantine_start();
    gl_store_relaxed(&gl_heap.peak_bytes, SIZE_MAX);
    gl_size_class_init();
    gl_bin_init();
    if (!gl_arena_init() || !gl_cache_init(gl_options.stress_every || gl_options.clobber)) {
        return false;
    }
    gl_store_release(&is_ready, 1);
    return true;
}

bool gl_heap_is_ready(void)
{
    return gl_load_acquire(&is_ready) != 0;
}

/* ---- Finding objects ------------------------------------------------------------------------ */

static bool find_small(uintptr_t address, uint32_t block, gl_desc desc, gl_object *object)
{
    const gl_block *header = &gl_heap.blocks[block];
    uint32_t i = gl_object_number(desc, (uint32_t)(address & (GL_BLOCK_BYTES - 1)));
    if (i >= header->n_objects) {
        return false;
    }
    bool is_dead = (header->flags & GL_BLOCK_UNSWEPT) && !gl_slot_is_marked(block, i);
    object->bytes = (size_t)desc.granules << GL_GRANULE_SHIFT;
    object->start = gl_block_start(block) + i * object->bytes;
    object->block = block;
    object->index = i;
    object->kind = gl_bin_kind(header->bin);
    object->is_large = false;
    object->state = *gl_state_of(object->start);
    return object->state != GL_STATE_FREE && !is_dead;
}

static bool find_large(uint32_t block, gl_object *object)
{
    uint32_t head = gl_large_head(block);
    const gl_block *header = &gl_heap.blocks[head];
    object->start = gl_block_start(head);
    object->bytes = header->large_bytes;
    object->block = head;
    object->index = 0;
    object->kind = (gl_kind)header->kind;
    object->is_large = true;
    object->state = header->state;
    return object->state != GL_STATE_FREE;
}

bool gl_heap_find(uintptr_t address, gl_object *object)
{
    return gl_heap_find_held(address, object) && gl_state_is_allocated(object->state);
}

bool gl_heap_find_held(uintptr_t address, gl_object *object)
{
    if (!gl_heap_contains(address)) {
        return false;
    }
    uint32_t block = (uint32_t)((address - gl_heap.base) >> GL_BLOCK_SHIFT);
    gl_desc desc = gl_heap.descs[block];
    if (desc.granules) {
        return find_small(address, block, desc, object);
    }
    return desc.bin != GL_ROLE_FREE && find_large(block, object);
}

bool gl_heap_find_exact(uintptr_t address, gl_object *object)
{
    return gl_heap_find(address, object) && object->start == address;
}

uint32_t gl_heap_layout_of(const gl_object *object)
{
    const gl_block *header = &gl_heap.blocks[object->block];
    return object->is_large ? header->layout : header->layouts[object->index];
}

static uint8_t *state_byte(const gl_object *object)
{
    return object->is_large ? &gl_heap.blocks[object->block].state : gl_state_of(object->start);
}

static void count_state(uint8_t flag, size_t change)
{
    if (flag == GL_STATE_FROZEN) {
        gl_add_relaxed(&gl_heap.n_frozen, change);
    } else if (flag == GL_STATE_PINNED) {
        gl_add_relaxed(&gl_heap.n_pinned, change);
    }
}

/* Atomic: threads may hang different things on one object at once. */
void gl_heap_set_state(const gl_object *object, uint8_t flag)
{
    volatile uint8_t *state = state_byte(object);
    uint8_t old;
    do {
        old = *state;
    } while (!gl_cas8_full(state, old, old | flag));
    if (!(old & flag)) {
        count_state(flag, 1);
    }
}

void gl_heap_clear_state(const gl_object *object, uint8_t flag)
{
    volatile uint8_t *state = state_byte(object);
    uint8_t old;
    do {
        old = *state;
    } while (!gl_cas8_full(state, old, (uint8_t)(old & ~flag)));
    if (old & flag) {
        count_state(flag, (size_t)-1);
    }
}

static bool each_in_small_block(uint32_t block, bool (*fn)(const gl_object *, void *), void *arg)
{
    size_t bytes = (size_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    for (uint32_t i = 0; i < gl_heap.blocks[block].n_objects; i++) {
        gl_object object;
        if (gl_heap_find(gl_block_start(block) + i * bytes, &object) && !fn(&object, arg)) {
            return false;
        }
    }
    return true;
}

bool gl_heap_each_in_block(uint32_t block, bool (*fn)(const gl_object *object, void *arg), void *arg)
{
    gl_desc desc = gl_heap.descs[block];
    gl_object object;
    if (desc.granules) {
        return each_in_small_block(block, fn, arg);
    }
    return desc.bin != GL_ROLE_LARGE || !find_large(block, &object) ||
           !gl_state_is_allocated(object.state) || fn(&object, arg);
}

void gl_heap_each(bool (*fn)(const gl_object *object, void *arg), void *arg)
{
    uint32_t n = gl_arena_n_blocks();
    for (uint32_t block = 1; block < n; block++) {
        if (!gl_heap_each_in_block(block, fn, arg)) {
            return;
        }
    }
}

size_t gl_heap_good_size(size_t bytes)
{
    return bytes > GL_SMALL_MAX ? gl_round_up(bytes, gl_os_page_bytes)
                                : gl_classes[gl_size_class(bytes)].bytes;
}

void *gl_heap_blocking(void *(*fn)(void *), void *arg)
{
    return gl_heap_is_ready() ? gl_cache_blocking(fn, arg) : fn(arg);
}

void gl_heap_wake(void)
{
    gl_cache_wake();
}

void gl_heap_thread_detach(void)
{
    if (gl_heap_is_ready()) {
        gl_cache_detach();
    }
}

/* ---- Counting ------------------------------------------------------------------------------- */

typedef struct cached {
    uint64_t bytes, slots;
} cached;

static uint64_t count_quarantined_locked(void)
{
    return gl_load_relaxed(&gl_quarantine.fresh_bytes) + gl_load_relaxed(&gl_quarantine.idle_bytes) +
           gl_load_relaxed(&gl_quarantine.held_bytes) + gl_cache_sum_quarantined();
}

static void add_magazine(uint32_t bin, const gl_magazine *m, void *arg)
{
    cached *sum = arg;
    sum->slots += m->count;
    sum->bytes += (uint64_t)m->count * gl_classes[gl_bin_class(bin)].bytes;
}

static cached count_cached_locked(void)
{
    cached sum = {0, 0};
    gl_cache_each_magazine(add_magazine, &sum);
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        const gl_class_info *info = &gl_classes[gl_bin_class(bin)];
        uint64_t slots = (uint64_t)gl_bins[bin].n_batches * info->batch;
        sum.slots += slots;
        sum.bytes += slots * info->bytes;
    }
    return sum;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void gl_heap_count(gl_heap_counts *counts)
{
    gl_arena_counts arena;
    gl_cache_lock();
    cached sum = count_cached_locked();
    counts->quarantined_bytes = count_quarantined_locked();
    gl_cache_unlock();
    gl_arena_count(&arena);
    uint64_t taken = gl_load_relaxed(&gl_heap.allocated_slots);
    counts->live_bytes = difference(gl_load_relaxed(&gl_heap.in_use_bytes),
                                    sum.bytes + counts->quarantined_bytes);
    counts->live_objects =
        difference(taken, gl_load_relaxed(&gl_heap.freed_slots) + sum.slots);
    counts->heap_bytes = arena.held_blocks << GL_BLOCK_SHIFT;
    counts->free_retained_bytes = arena.dirty_bytes;
    counts->returned_bytes = arena.returned_bytes;
    counts->metadata_bytes = arena.table_bytes + gl_meta_bytes();
}

/* The calling thread's slots go back first: a block with one cached slot cannot be released. */
size_t gl_heap_release_os_memory(void)
{
    if (!gl_heap_is_ready()) {
        return 0;
    }
    gl_cache_wake();
    gl_cache_detach();
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        if (gl_bins[bin].n_blocks || gl_bins[bin].n_batches) {
            gl_lock_acquire(&gl_bins[bin].lock);
            gl_bin_empty_depot_locked(bin);
            while (gl_bins[bin].unswept) {
                gl_bin_sweep_block_locked(gl_bins[bin].unswept);
            }
            gl_bin_release_empty_locked(bin);
            gl_lock_release(&gl_bins[bin].lock);
        }
    }
    return gl_arena_purge(0);
}

/* ---- Locks and fork ------------------------------------------------------------------------- */

void gl_heap_lock_all(void)
{
    gl_cache_lock();
    for (;;) {
        gl_bin_lock_all();
        gl_lock_acquire(&gl_arena_lock);
        if (gl_bin_all_locked()) {
            break;
        }
        gl_lock_release(&gl_arena_lock);
    }
    gl_meta_lock();
}

void gl_heap_unlock_inner(void)
{
    gl_meta_unlock();
    gl_lock_release(&gl_arena_lock);
}

void gl_heap_unlock_outer(void)
{
    gl_bin_unlock_all();
    gl_cache_unlock();
}

void gl_heap_after_fork_child(void)
{
    /* Giving slots back may release blocks, which takes the two innermost locks. */
    gl_lock_reset(&gl_arena_lock);
    gl_meta_after_fork_child();
    gl_cache_adopt_after_fork();
    gl_bin_after_fork_child();
    gl_cache_reset_lock();
}
