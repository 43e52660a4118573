/* SPDX-License-Identifier: MIT */
/*
 * heap/alloc.h - the hot paths: allocation and free of a small object, end to end.
 *
 * A thread has, per bin, a MAGAZINE: a stack of free slots. Allocation pops, free pushes; neither
 * takes a lock, makes a locked instruction or touches the object (Bonwick and Adams, "Magazines and
 * Vmem", 2001; here over bitmaps beside the heap instead of linked slabs). Refill and flush, in
 * batches, are in heap/cache.c.
 *
 * STOPPED IN THE MIDDLE. The suspend signal may come between any two instructions here, and the
 * collector never changes a magazine: it takes the slots that it finds in one for "not to be
 * reclaimed". Therefore:
 *   - pop: the slot leaves the count first, then its state is set. In between it is in no magazine
 *     and has state 0, but was in none of the block's free bits either: it is not reclaimed if a
 *     register holds it, which the last line ensures; collect/cycle.c also looks at slots[count].
 *   - push: state first, then slots[count], then count. In between, slots[count] names the slot or
 *     a register does.
 * gl_signal_fence() keeps the compiler from reordering; between threads nothing is shared here.
 */
#ifndef GL_HEAP_ALLOC_H
#define GL_HEAP_ALLOC_H

#include <string.h>

#include "base/check.h"
#include "heap/types.h"

typedef struct gl_magazine {
    uint32_t count;
    uint16_t push_limit; /* free() pushes below this count: the capacity, or 0 in mode `safe`
                            and for counted objects */
    uint16_t capacity;
    uintptr_t *slots;  /* capacity + 1 entries of meta memory */
} gl_magazine;

/* Slots that lie in a row, all free, all zero: allocation by moving a pointer. Bins of small zeroed
 * objects have them beside the magazine, in which what is freed goes (Immix: Blackburn and McKinley
 * 2008, whose rows are lines; ours are what the bitmap has). */
typedef struct gl_strip {
    uintptr_t next, end; /* next == end: empty */
} gl_strip;

/* The allocation cache of a thread. Writer: the thread; with the world stopped, the collector. */
typedef struct gl_cache {
    struct gl_cache *next, *prev; /* registry; GL_RANK_CACHES */
    int tid;                      /* of the owner; for messages */
    uint32_t number;              /* from 1; passes on with the cache when a thread has ended */
    uint32_t quarantined_bytes;   /* not counted in gl_quarantine yet */
    gl_strip scanned_strips[GL_N_STRIPS]; /* by size class */
    gl_strip counted_strips[GL_N_STRIPS];
    gl_magazine magazines[GL_N_BINS];
} gl_cache;

/* Never NULL: threads without a cache share an empty one, whose magazines are full and empty at
 * once, so that the fast paths need no test for it. */
extern __thread gl_cache *gl_self GL_HIDDEN;

/* Class of a request, by gl_request_granules(). */
extern uint8_t gl_class_of_granules[] GL_HIDDEN;

/* The same for requests of malloc, which begin with fewer classes (size_class.h). Volatile: it changes
 * while others read it, by single bytes, and the old value is as good. */
extern volatile uint8_t gl_malloc_class_of_granules[] GL_HIDDEN;

void *gl_alloc_slow(size_t bytes, gl_kind kind);
bool gl_free_slow(void *p, const char *call);

/* A request in granules, slack included. */
static inline size_t gl_request_granules(size_t bytes)
{
    return (bytes + GL_GRANULE_BYTES - 1 + (bytes > GL_SLACK_ABOVE)) >> GL_GRANULE_SHIFT;
}

static inline uint32_t gl_size_class(size_t bytes)
{
    return gl_class_of_granules[gl_request_granules(bytes)];
}

static inline uint32_t gl_request_bin(size_t bytes, gl_kind kind)
{
    size_t granules = gl_request_granules(bytes);
    return gl_bin_of(kind, kind == GL_KIND_MALLOC ? gl_malloc_class_of_granules[granules]
                                                  : gl_class_of_granules[granules]);
}

/* Up to here a slot is the request rounded up to 16, without slack, and its class the number of
 * granules (size_class.h). */
enum { GL_TINY_MAX = 128 };

/* Zeroes a slot of up to GL_TINY_MAX bytes, a multiple of 16. Straight stores that overlap: two to four
 * times as fast as a call of memset(). */
static inline void gl_zero_tiny(char *p, size_t bytes)
{
    if (bytes <= 32) {
        memset(p, 0, 16);
        memset(p + bytes - 16, 0, 16);
    } else if (bytes <= 64) {
        memset(p, 0, 32);
        memset(p + bytes - 32, 0, 32);
    } else {
        memset(p, 0, 64);
        memset(p + bytes - 64, 0, 64);
    }
}

_Static_assert((int)GL_TINY_MAX == (int)GL_STRIP_MAX, "tiny objects come from strips");

/* Spares the caller's compiler a test. */
static inline void *gl_nonnull(uintptr_t p)
{
    if (p == 0) {
        __builtin_unreachable();
    }
    return (void *)p;
}

/* A slot of the bin, with whatever was in it; NULL if the magazine is empty. */
static inline void *gl_try_pop(uint32_t bin)
{
    gl_magazine *m = &gl_self->magazines[bin];
    uint32_t count = m->count;
    if (GL_UNLIKELY(count == 0)) {
        return NULL;
    }
    uintptr_t p = m->slots[count - 1];
    m->count = count - 1;
    gl_signal_fence();
    *gl_state_of(p) = GL_STATE_ALLOCATED;
    __asm__ __volatile__("" : : "r"(p) : "memory");
    return gl_nonnull(p);
}

/* A zeroed slot of a strip with slots of this size; NULL if the strip is empty. Stopped in the middle, it is
 * like a pop: the slot has left the strip, and a register holds it. */
static inline void *gl_try_bump(gl_strip *strip, size_t bytes)
{
    uintptr_t p = strip->next;
    if (GL_UNLIKELY(p == strip->end)) {
        return NULL;
    }
    strip->next = p + bytes;
    gl_signal_fence();
    *gl_state_of(p) = GL_STATE_ALLOCATED;
    __asm__ __volatile__("" : : "r"(p) : "memory");
    return gl_nonnull(p);
}

/* Memory with whatever was in it; a large object of a zeroed kind is zeroed. */
static inline void *gl_alloc(size_t bytes, gl_kind kind)
{
    if (GL_UNLIKELY(bytes > GL_SMALL_MAX)) {
        return gl_alloc_slow(bytes, kind);
    }
    void *p = gl_try_pop(gl_request_bin(bytes, kind));
    return GL_LIKELY(p != NULL) ? p : gl_alloc_slow(bytes, kind);
}

/* True if the object is free now; otherwise the misuse was reported and the handler returned. */
static inline bool gl_free(void *pointer, const char *call)
{
    uintptr_t p = (uintptr_t)pointer;
    uintptr_t offset = p - gl_heap.base;
    uintptr_t granule = gl_granule_at(offset);
    if (GL_UNLIKELY(granule >= gl_heap.used_bytes >> GL_GRANULE_SHIFT)) {
        return gl_free_slow(pointer, call);
    }
    gl_magazine *m = &gl_self->magazines[gl_heap.descs[offset >> GL_BLOCK_SHIFT].bin];
    uint8_t *state = &gl_heap.state[granule];
    uint32_t count = m->count;
    if (GL_UNLIKELY(*state != GL_STATE_ALLOCATED || count >= m->push_limit)) {
        return gl_free_slow(pointer, call);
    }
    *state = GL_STATE_FREE;
    gl_signal_fence();
    m->slots[count] = p;
    gl_signal_fence();
    m->count = count + 1;
    __asm__ __volatile__("" : : "r"(p) : "memory");
    return true;
}

#endif
