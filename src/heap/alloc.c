/* SPDX-License-Identifier: MIT */
/*
 * heap/alloc.c - the slow paths of allocation and free: first use, empty and full magazines, large
 * objects, misuse, memory that has run out. No lock is held when a hook is called.
 */
#include "heap/alloc.h"

#include <errno.h>
#include <string.h>

#include "base/knobs.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/counts.h"
#include "heap/heap.h"
#include "heap/hooks.h"
#include "heap/large.h"
#include "heap/quarantine.h"

static bool may_finalize(gl_kind kind) { return kind != GL_KIND_MALLOC; }

static bool is_collection_due(size_t bytes, gl_kind kind)
{
    return gl_load_relaxed(&gl_heap.in_use_bytes) + bytes >
               gl_load_relaxed(&gl_heap.trigger_bytes) ||
           gl_options.stress_every != 0 ||
           (may_finalize(kind) && gl_load_relaxed(&gl_heap.n_waiting) != 0);
}

static uintptr_t take(size_t bytes, size_t alignment, gl_kind kind, bool is_zeroed)
{
    if (alignment <= GL_GRANULE_BYTES && bytes <= GL_SMALL_MAX) {
        return gl_cache_take_slow(gl_request_bin(bytes, kind));
    }
    uint32_t size_class = alignment <= GL_BLOCK_BYTES / 4 && bytes <= GL_SMALL_MAX
                              ? gl_size_class_aligned(alignment, bytes)
                              : 0;
    if (size_class) {
        return gl_cache_take_slow(gl_bin_of(kind, size_class));
    }
    return gl_large_alloc(bytes, alignment, kind, is_zeroed);
}

static bool is_in_large_object(uintptr_t p)
{
    return gl_heap.descs[(p - gl_heap.base) >> GL_BLOCK_SHIFT].granules == 0;
}

/* The usable size of a slot. */
static size_t slot_bytes(uintptr_t p)
{
    return (size_t)gl_heap.descs[(p - gl_heap.base) >> GL_BLOCK_SHIFT].granules << GL_GRANULE_SHIFT;
}

/* Of an object of either sort, live or just about to be freed. */
static size_t object_bytes(uintptr_t p)
{
    uint32_t block = (uint32_t)((p - gl_heap.base) >> GL_BLOCK_SHIFT);
    return is_in_large_object(p) ? gl_heap.blocks[block].large_bytes : slot_bytes(p);
}

static void *tell_resized(void *p, size_t bytes_before)
{
    if (GL_UNLIKELY(gl_cache_is_observed())) {
        gl_hook_observed((ptrdiff_t)(object_bytes((uintptr_t)p) - bytes_before));
    }
    return p;
}

/* Everything that the fast path does not do: collect if due, and go round until there is memory or
 * nothing more can be tried. Small objects are not zeroed here. */
static void *alloc_persistently(size_t bytes, size_t alignment, gl_kind kind, bool is_zeroed)
{
    gl_cache_wake();
    if (GL_UNLIKELY(!gl_heap_is_ready()) && !gl_hook_start()) {
        errno = ENOMEM;
        return NULL;
    }
    if (bytes > PTRDIFF_MAX || alignment > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if (is_collection_due(bytes, kind)) {
        gl_hook_collection_due(bytes, may_finalize(kind));
    }
    for (unsigned attempt = 0;; attempt++) {
        uintptr_t p = take(bytes, alignment, kind, is_zeroed);
        if (p) {
            if (!is_in_large_object(p)) {
                *gl_state_of(p) = GL_STATE_ALLOCATED;
            }
            if (GL_UNLIKELY(gl_cache_is_observed())) {
                gl_hook_observed((ptrdiff_t)object_bytes(p));
                __asm__ __volatile__("" : : "r"(p) : "memory"); /* nothing else refers to it */
            }
            return (void *)p;
        }
        if (!gl_hook_no_memory(bytes, attempt, may_finalize(kind))) {
            errno = ENOMEM;
            return NULL;
        }
    }
}

void *gl_alloc_slow(size_t bytes, gl_kind kind)
{
    return alloc_persistently(bytes, 1, kind, gl_kind_is_zeroed(kind));
}

void *gl_heap_alloc(size_t bytes, gl_kind kind, bool is_zeroed)
{
    is_zeroed = is_zeroed || gl_kind_is_zeroed(kind);
    if (bytes > GL_SMALL_MAX) {
        return alloc_persistently(bytes, 1, kind, is_zeroed);
    }
    void *p = gl_alloc(bytes, kind);
    if (p && is_zeroed) {
        memset(p, 0, gl_classes[gl_size_class(bytes)].bytes);
    }
    return p;
}

void *gl_heap_alloc_aligned(size_t alignment, size_t bytes, gl_kind kind)
{
    if (alignment <= GL_GRANULE_BYTES) {
        return gl_heap_alloc(bytes, kind, false);
    }
    void *p = alloc_persistently(bytes, alignment, kind, gl_kind_is_zeroed(kind));
    if (p && gl_kind_is_zeroed(kind) && !is_in_large_object((uintptr_t)p)) {
        memset(p, 0, slot_bytes((uintptr_t)p));
    }
    return p;
}

void *gl_heap_alloc_typed(size_t bytes, uint32_t layout)
{
    void *p = gl_heap_alloc(bytes, GL_KIND_TYPED, true);
    if (!p) {
        return NULL;
    }
    uintptr_t offset = (uintptr_t)p - gl_heap.base;
    uint32_t block = (uint32_t)(offset >> GL_BLOCK_SHIFT);
    gl_block *header = &gl_heap.blocks[block];
    if (header->layouts && gl_heap.descs[block].granules) {
        header->layouts[gl_object_number(gl_heap.descs[block],
                                         (uint32_t)(offset & (GL_BLOCK_BYTES - 1)))] = layout;
    } else {
        header->layout = layout;
    }
    return p;
}

/* ---- Free ----------------------------------------------------------------------------------- */

static void clobber(uintptr_t p, size_t bytes)
{
    if (gl_options.clobber) {
        memset((void *)p, 0xdb, bytes);
    }
}

static bool misused(const char *call, const void *p)
{
    gl_hook_misuse(call, p);
    return false;
}

/* True of a counted object that has not died yet. */
static bool has_count(uintptr_t p, gl_kind kind)
{
    return kind == GL_KIND_COUNTED && !gl_count_is_clear(p);
}

static bool free_large(uintptr_t p, const char *call)
{
    gl_block *header = &gl_heap.blocks[(p - gl_heap.base) >> GL_BLOCK_SHIFT];
    gl_object object;
    if (!gl_heap_find_exact(p, &object)) {
        return misused(call, (void *)p);
    }
    if (has_count(p, object.kind)) {
        return gl_hook_counted_freed((void *)p) || misused(call, (void *)p);
    }
    if (header->state != GL_STATE_ALLOCATED && !gl_hook_object_freed((void *)p, header->state)) {
        return misused(call, (void *)p);
    }
    if (!gl_quarantine_is_on()) {
        clobber(p, header->large_bytes);
    }
    return gl_large_free(p) || misused(call, (void *)p);
}

/* True bin of a small block; sweeps it if it waits for that. */
static uint32_t swept_bin(uint32_t block)
{
    uint32_t bin = gl_heap.blocks[block].bin;
    gl_lock_acquire(&gl_bins[bin].lock);
    if (gl_heap.blocks[block].flags & GL_BLOCK_UNSWEPT && gl_heap.blocks[block].bin == bin) {
        gl_bin_sweep_block_locked(block);
    }
    gl_lock_release(&gl_bins[bin].lock);
    return bin;
}

static uint32_t bin_of(uint32_t block)
{
    uint32_t bin = gl_heap.descs[block].bin;
    return bin == GL_ROLE_UNSWEPT ? swept_bin(block) : bin;
}

static bool free_small(uintptr_t p, uint32_t block, const char *call)
{
    uint32_t bin = bin_of(block);
    uint8_t *state = gl_state_of(p);
    if (!gl_state_is_allocated(*state)) {
        return misused(call, (void *)p);
    }
    if (has_count(p, gl_bin_kind(bin))) {
        return gl_hook_counted_freed((void *)p) || misused(call, (void *)p);
    }
    if (*state != GL_STATE_ALLOCATED) {
        if (!gl_hook_object_freed((void *)p, *state)) {
            return misused(call, (void *)p);
        }
        bin = bin_of(block); /* a finalizer may have collected */
    }
    if (gl_quarantine_is_on()) {
        gl_quarantine_put(p, block, slot_bytes(p));
        return true;
    }
    clobber(p, slot_bytes(p));
    *state = GL_STATE_FREE;
    gl_cache_put_slow(bin, p);
    gl_signal_fence();
    __asm__ __volatile__("" : : "r"(p) : "memory");
    return true;
}

bool gl_free_slow(void *pointer, const char *call)
{
    uintptr_t p = (uintptr_t)pointer;
    /* In mode `safe` this is the usual path: a cache with a number needs no second question. */
    if (gl_quarantine_is_on() && GL_LIKELY(gl_self->number != 0 || !gl_cache_is_observed()) &&
        GL_LIKELY(gl_quarantine_try(p))) {
        return true;
    }
    int saved_errno = errno;
    gl_cache_wake();
    if (!gl_heap_is_ready()) {
        gl_hook_start();
    }
    if (!gl_heap_contains(p) || p % GL_GRANULE_BYTES != 0) {
        return misused(call, pointer);
    }
    uint32_t block = (uint32_t)((p - gl_heap.base) >> GL_BLOCK_SHIFT);
    size_t bytes = gl_cache_is_observed() ? object_bytes(p) : 0;
    bool is_done = gl_heap.descs[block].granules ? free_small(p, block, call) : free_large(p, call);
    if (is_done && GL_UNLIKELY(bytes != 0)) {
        gl_hook_observed(-(ptrdiff_t)bytes);
    }
    if (is_done) {
        errno = saved_errno;
    }
    return is_done;
}

bool gl_heap_free(void *p, const char *call)
{
    return gl_free(p, call);
}

/* ---- Realloc -------------------------------------------------------------------------------- */

static void *move(const gl_object *object, size_t bytes)
{
    void *old = (void *)object->start;
    void *p = object->kind == GL_KIND_TYPED
                  ? gl_heap_alloc_typed(bytes, gl_heap_layout_of(object))
                  : gl_heap_alloc(bytes, object->kind, false);
    if (!p) {
        return NULL;
    }
    memcpy(p, old, object->bytes < bytes ? object->bytes : bytes);
    if (object->state != GL_STATE_ALLOCATED && !gl_hook_object_moved(object, p)) {
        gl_heap_free(p, "realloc");
        errno = ENOMEM;
        return NULL;
    }
    if (object->kind == GL_KIND_COUNTED) {
        gl_count_move(object->start, (uintptr_t)p);
    }
    gl_heap_free(old, "realloc");
    return p;
}

void *gl_heap_realloc(void *p, size_t bytes, const char *call)
{
    gl_object object;
    gl_cache_wake();
    if (!gl_heap_find_exact((uintptr_t)p, &object)) {
        gl_hook_misuse(call, p);
        errno = EINVAL;
        return NULL;
    }
    if (GL_UNLIKELY(object.state & GL_STATE_CONDEMNED)) {
        gl_hook_condemned_used(&object, call);
    }
    if (bytes > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if (object.is_large) {
        if (bytes > GL_SMALL_MAX && gl_large_try_resize(object.start, bytes)) {
            return tell_resized(p, object.bytes);
        }
        uintptr_t to = bytes > object.bytes ? gl_large_try_move(object.start, bytes) : 0;
        if (to) {
            return tell_resized((void *)to, object.bytes);
        }
    } else if (bytes + (bytes > GL_SLACK_ABOVE) <= object.bytes && bytes >= object.bytes / 2) {
        if (gl_kind_is_zeroed(object.kind)) {
            /* What is cut off must read as zero if the object grows again. */
            memset((char *)p + bytes, 0, object.bytes - bytes);
        }
        return p;
    }
    void *moved = move(&object, bytes);
    /* What shrinks can stay where it is. */
    return moved || bytes > object.bytes ? moved : p;
}
