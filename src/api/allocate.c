/* SPDX-License-Identifier: MIT */
/*
 * api/allocate.c - allocation and freeing for programs.
 *
 * No call here tests whether the library runs: see "LAZY" in api/start.h. The hot paths are those
 * of heap/alloc.h; what is added is zeroing. The whole slot is zeroed, not only what was asked for,
 * so that the rest holds no stale pointer and is zero when gc_realloc() grows the object into it.
 */
#include <errno.h>
#include <string.h>

#include <gleaner/gc.h>

#include "api/start.h"
#include "base/bits.h"
#include "collect/layout.h"
#include "heap/alloc.h"
#include "heap/heap.h"
#include "heap/size_class.h"

static void *fail(int error)
{
    errno = error;
    return NULL;
}

/* ---- Zeroed objects ------------------------------------------------------------------------- */

/* When the strip has ended: what was freed, or a refill. */
static __attribute__((noinline)) void *allocate_without_strip(size_t size)
{
    if (size <= GL_TINY_MAX) {
        size_t bytes = gl_round_up(size + (size == 0), GL_GRANULE_BYTES);
        char *p = gl_try_pop(gl_bin_of(GL_KIND_SCANNED, (uint32_t)(bytes >> GL_GRANULE_SHIFT)));
        if (GL_LIKELY(p != NULL)) {
            gl_zero_tiny(p, bytes);
            return p;
        }
    }
    return gl_heap_alloc(size, GL_KIND_SCANNED, true);
}

/* The fast path calls nothing, so that it needs no frame; all else is behind a tail call. */
static inline void *allocate_scanned(size_t size)
{
    if (GL_LIKELY(size <= GL_TINY_MAX)) {
        size_t bytes = gl_round_up(size + (size == 0), GL_GRANULE_BYTES);
        void *p = gl_try_bump(&gl_self->scanned_strips[bytes >> GL_GRANULE_SHIFT], bytes);
        if (GL_LIKELY(p != NULL)) {
            return p;
        }
    }
    return allocate_without_strip(size);
}

void *gc_malloc(size_t size)
{
    return allocate_scanned(size);
}

void *gc_calloc(size_t n, size_t size)
{
    size_t bytes;
    return gl_try_multiply(n, size, &bytes) ? allocate_scanned(bytes) : fail(ENOMEM);
}

void *gc_malloc_uncollectable(size_t size)
{
    return gl_heap_alloc(size, GL_KIND_UNCOLLECTABLE, true);
}

void *gc_aligned_alloc(size_t alignment, size_t size)
{
    if (!gl_is_power_of_two(alignment)) {
        return fail(EINVAL);
    }
    if (alignment <= GL_GRANULE_BYTES) {
        return allocate_scanned(size);
    }
    return gl_heap_alloc_aligned(alignment, size, GL_KIND_SCANNED);
}

/* ---- Typed objects -------------------------------------------------------------------------- */

gc_layout *gc_layout_new(size_t size, const size_t offsets[], size_t n)
{
    if (!gl_start_ensure()) {
        return fail(ENOMEM);
    }
    int error = 0;
    gc_layout *layout = gl_layout_new(size, offsets, n, &error);
    return layout ? layout : fail(error);
}

void *gc_malloc_typed(size_t size, const gc_layout *layout)
{
    return layout ? gl_heap_alloc_typed(size, layout->number) : fail(EINVAL);
}

/* ---- Objects without pointers --------------------------------------------------------------- */

void *gc_malloc_atomic(size_t size)
{
    return gl_alloc(size, GL_KIND_ATOMIC);
}

char *gc_strndup(const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    char *copy = gl_alloc(length + 1, GL_KIND_ATOMIC);
    if (copy) {
        memcpy(copy, s, length);
        copy[length] = '\0';
    }
    return copy;
}

char *gc_strdup(const char *s)
{
    size_t bytes = strlen(s) + 1;
    char *copy = gl_alloc(bytes, GL_KIND_ATOMIC);
    return copy ? memcpy(copy, s, bytes) : NULL;
}

/* ---- Other sizes, and the end --------------------------------------------------------------- */

static void *resize(void *p, size_t size, const char *call)
{
    return p ? gl_heap_realloc(p, size, call) : allocate_scanned(size);
}

void *gc_realloc(void *p, size_t size)
{
    return resize(p, size, "gc_realloc");
}

void *gc_reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    return gl_try_multiply(n, size, &bytes) ? resize(p, bytes, "gc_reallocarray") : fail(ENOMEM);
}

void gc_free(void *p)
{
    if (p && GL_UNLIKELY(!gl_free(p, "gc_free"))) {
        errno = EINVAL;
    }
}
