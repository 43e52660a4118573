/* SPDX-License-Identifier: MIT */
/*
 * heap/heap.h - what the layers above ask of the heap.
 *
 * Fast paths are in heap/alloc.h. Every function may be called from any thread without a lock,
 * unless it says otherwise. Functions that return a pointer give NULL with errno ENOMEM.
 */
#ifndef GL_HEAP_HEAP_H
#define GL_HEAP_HEAP_H

#include "heap/types.h"

/* An allocated object, small or large. */
typedef struct gl_object {
    uintptr_t start;
    size_t bytes; /* usable */
    uint32_t block;
    uint32_t index; /* object number; 0 for a large object */
    gl_kind kind;
    bool is_large;
    uint8_t state; /* enum gl_state, never GL_STATE_FREE */
} gl_object;

/* Makes the heap ready. Idempotent; called by gl_hook_start() in the end. False: no memory. */
bool gl_heap_init(void);
bool gl_heap_is_ready(void);

/* Allocates; zero-filled if the kind is (types.h) or `is_zeroed`. */
void *gl_heap_alloc(size_t bytes, gl_kind kind, bool is_zeroed);

/* Aligned to `alignment`, a power of two. */
void *gl_heap_alloc_aligned(size_t alignment, size_t bytes, gl_kind kind);

/* Typed: `layout` is a number that heap users give meaning to (collect/layout.h); never 0. */
void *gl_heap_alloc_typed(size_t bytes, uint32_t layout);
uint32_t gl_heap_layout_of(const gl_object *object);

/* Frees; any misuse goes to gl_hook_misuse(), with `call` as the name of the public call. Returns
 * false then. Preserves errno. NULL is not allowed. */
bool gl_heap_free(void *p, const char *call);

/* Resizes, keeping kind and zero-fill; moves if it must. `p` is not NULL. On misuse, calls the hook
 * and returns NULL with EINVAL; without memory NULL with ENOMEM, and `p` is untouched. */
void *gl_heap_realloc(void *p, size_t bytes, const char *call);

/* Finds the allocated object that contains the address (or that begins there, for _exact). */
bool gl_heap_find(uintptr_t address, gl_object *object);
bool gl_heap_find_exact(uintptr_t address, gl_object *object);

/* Finds also what is in quarantine. */
bool gl_heap_find_held(uintptr_t address, gl_object *object);

/* True if the address is inside the arena as used so far. */
static inline bool gl_heap_contains(uintptr_t address)
{
    return address - gl_heap.base < gl_heap.used_bytes;
}

/* Sets or clears flags in the state byte of an allocated object; FROZEN and PINNED are counted. */
void gl_heap_set_state(const gl_object *object, uint8_t flag);
void gl_heap_clear_state(const gl_object *object, uint8_t flag);

/* Calls fn for each allocated object, until it returns false. The world is stopped (objects
 * of UNSWEPT blocks that are dead are left out). */
void gl_heap_each(bool (*fn)(const gl_object *object, void *arg), void *arg);

/* The same for one block (for a large object: its head). False: fn stopped it. */
bool gl_heap_each_in_block(uint32_t block, bool (*fn)(const gl_object *object, void *arg),
                           void *arg);

/* Usable bytes of a request: what the caller may write to. */
size_t gl_heap_good_size(size_t bytes);

/* Calls fn(arg) in a region in which a collection neither waits for this thread nor interrupts it. If
 * fn uses the heap, the region ends there. gl_heap_wake() ends it, if there is one: at the start of
 * each call that uses the heap other than by the fast paths. */
void *gl_heap_blocking(void *(*fn)(void *), void *arg);
void gl_heap_wake(void);

/* The caches of the calling thread: flush and give back, as at thread exit. */
void gl_heap_thread_detach(void);

/* Gives free memory to the system; returns the bytes. */
size_t gl_heap_release_os_memory(void);

/* Takes every lock of the heap, in rank order: for the collector, before it stops the world, and for
 * fork. Once the world is stopped nobody else is inside the arena or the meta memory, and the
 * collector releases these inner locks, so that it can use both; the outer ones at the end. */
void gl_heap_lock_all(void);
void gl_heap_unlock_inner(void);
void gl_heap_unlock_outer(void);

/* In the child of a fork, before any other call and with gl_heap_lock_all() done by the parent
 * thread: resets the locks and adopts the caches of the threads that are gone. */
void gl_heap_after_fork_child(void);

typedef struct gl_heap_counts {
    uint64_t live_bytes, live_objects; /* allocated now, by the state bytes if `exact`, else by
                                          counters, without what is in caches */
    uint64_t quarantined_bytes;          /* not among the live ones */
    uint64_t heap_bytes;
    uint64_t free_retained_bytes;
    uint64_t returned_bytes;
    uint64_t metadata_bytes;
} gl_heap_counts;

void gl_heap_count(gl_heap_counts *counts);

/* Walks the whole heap and recounts it (types.h: EQUATIONS); panics on the first contradiction.
 * The world is stopped, or the process has one thread; all locks held. Returns objects seen. */
size_t gl_heap_verify(void);

#endif
