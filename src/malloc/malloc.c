/* SPDX-License-Identifier: MIT */
/*
 * malloc/malloc.c - malloc and its kin for the whole process, with glibc's semantics and errno.
 *
 * No call tests whether the library has started: a thread without a cache has an empty one, so its
 * first allocation takes the slow path, which starts whatever is missing; and before the start
 * gl_heap.used_bytes is 0, so that free() of anything takes the slow path too. The loader's own
 * first blocks (from before it found this malloc) never come here: it marks them and does not
 * free them.
 *
 * Where glibc's behaviour is a choice, it is that of 2.36: realloc(p, 0) frees and returns NULL;
 * memalign() and aligned_alloc() round an alignment up to a power of two; a request beyond
 * PTRDIFF_MAX is ENOMEM (the heap sees to that); free() preserves errno.
 *
 * Must not: use stdio, take a lock, or call malloc by its name.
 */
#include "malloc/malloc.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/bits.h"
#include "heap/alloc.h"
#include "heap/heap.h"
#include "heap/hooks.h"
#include "os/memory.h"

const char gl_malloc_layer_present = 1;

/* The start would come with the first allocation anyway; this makes it come before main(), so that
 * an option that is wrong is reported at the start of a program, and not in the middle. */
__attribute__((constructor)) static void start(void)
{
    (void)gl_hook_start();
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* ---- Allocate, free, resize ------------------------------------------------------------------ */

GL_MALLOC_PUBLIC void *malloc(size_t bytes)
{
    return gl_alloc(bytes, GL_KIND_MALLOC);
}

GL_MALLOC_PUBLIC void free(void *p)
{
    if (GL_LIKELY(p != NULL)) {
        (void)gl_free(p, "free");
    }
}

static void *allocate_zeroed(size_t n, size_t size)
{
    size_t bytes;
    if (!gl_try_multiply(n, size, &bytes)) {
        return no_memory();
    }
    return gl_heap_alloc(bytes, GL_KIND_MALLOC, true);
}

GL_MALLOC_PUBLIC void *calloc(size_t n, size_t size)
{
    return allocate_zeroed(n, size);
}

static void *resize(void *p, size_t bytes, const char *call)
{
    if (p == NULL) {
        return gl_alloc(bytes, GL_KIND_MALLOC);
    }
    if (bytes == 0) {
        (void)gl_free(p, call);
        return NULL;
    }
    return gl_heap_realloc(p, bytes, call);
}

GL_MALLOC_PUBLIC void *realloc(void *p, size_t bytes)
{
    return resize(p, bytes, "realloc");
}

GL_MALLOC_PUBLIC void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (!gl_try_multiply(n, size, &bytes)) {
        return no_memory();
    }
    return resize(p, bytes, "reallocarray");
}

/* What the caller says of the size and the alignment is not needed: the block knows. */
GL_MALLOC_PUBLIC void free_sized(void *p, size_t bytes)
{
    (void)bytes;
    if (p != NULL) {
        (void)gl_free(p, "free_sized");
    }
}

GL_MALLOC_PUBLIC void free_aligned_sized(void *p, size_t alignment, size_t bytes)
{
    (void)alignment;
    (void)bytes;
    if (p != NULL) {
        (void)gl_free(p, "free_aligned_sized");
    }
}

GL_MALLOC_PUBLIC void cfree(void *p)
{
    if (p != NULL) {
        (void)gl_free(p, "cfree");
    }
}

/* Some programs (redis) ask at every allocation and free: a small object is answered from its
 * descriptor, if the state byte says that a plain one begins there. NULL is outside the heap. */
GL_MALLOC_PUBLIC size_t malloc_usable_size(void *p)
{
    uintptr_t offset = (uintptr_t)p - gl_heap.base;
    uintptr_t granule = gl_granule_at(offset);
    if (granule < gl_heap.used_bytes >> GL_GRANULE_SHIFT &&
        gl_heap.state[granule] == GL_STATE_ALLOCATED) {
        size_t granules = gl_heap.descs[offset >> GL_BLOCK_SHIFT].granules;
        if (GL_LIKELY(granules != 0)) {
            return granules << GL_GRANULE_SHIFT;
        }
    }
    gl_object object;
    if (!gl_heap_find_exact((uintptr_t)p, &object)) {
        return 0;
    }
    if (object.state & GL_STATE_CONDEMNED) {
        gl_hook_condemned_used(&object, "malloc_usable_size");
    }
    return object.bytes;
}

/* ---- Aligned --------------------------------------------------------------------------------- */

void *gl_malloc_aligned(size_t alignment, size_t bytes)
{
    if (alignment <= GL_GRANULE_BYTES) {
        return gl_alloc(bytes, GL_KIND_MALLOC);
    }
    return gl_heap_alloc_aligned(alignment, bytes, GL_KIND_MALLOC);
}

/* As glibc: small alignments are what malloc gives, others are rounded up to a power of two, and
 * EINVAL where there is none. */
static void *align_as_glibc(size_t alignment, size_t bytes)
{
    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    if (alignment > GL_GRANULE_BYTES && !gl_is_power_of_two(alignment)) {
        alignment = (size_t)2 << gl_log2_floor(alignment);
    }
    return gl_malloc_aligned(alignment, bytes);
}

GL_MALLOC_PUBLIC void *memalign(size_t alignment, size_t bytes)
{
    return align_as_glibc(alignment, bytes);
}

GL_MALLOC_PUBLIC void *aligned_alloc(size_t alignment, size_t bytes)
{
    return align_as_glibc(alignment, bytes);
}

GL_MALLOC_PUBLIC int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    if (alignment < sizeof(void *) || !gl_is_power_of_two(alignment)) {
        return EINVAL;
    }
    int saved_errno = errno; /* the error is the return value, errno is the caller's */
    void *p = gl_malloc_aligned(alignment, bytes);
    errno = saved_errno;
    if (p == NULL) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

/* The heap knows the size of a page only after its start. */
static bool is_started(void)
{
    return gl_heap_is_ready() || gl_hook_start();
}

static void *allocate_at_page(size_t bytes)
{
    return is_started() ? gl_malloc_aligned(gl_os_page_bytes, bytes) : no_memory();
}

/* Whole pages. */
static void *allocate_pages(size_t bytes)
{
    if (!is_started() || bytes > PTRDIFF_MAX) {
        return no_memory();
    }
    return gl_malloc_aligned(gl_os_page_bytes, gl_round_up(bytes, gl_os_page_bytes));
}

GL_MALLOC_PUBLIC void *valloc(size_t bytes)
{
    return allocate_at_page(bytes);
}

GL_MALLOC_PUBLIC void *pvalloc(size_t bytes)
{
    return allocate_pages(bytes);
}

/* ---- glibc's second names ---------------------------------------------------------------------
 */

GL_MALLOC_PUBLIC void *__libc_malloc(size_t bytes)
{
    return gl_alloc(bytes, GL_KIND_MALLOC);
}

GL_MALLOC_PUBLIC void *__libc_calloc(size_t n, size_t size)
{
    return allocate_zeroed(n, size);
}

GL_MALLOC_PUBLIC void *__libc_realloc(void *p, size_t bytes)
{
    return resize(p, bytes, "realloc");
}

GL_MALLOC_PUBLIC void *__libc_memalign(size_t alignment, size_t bytes)
{
    return align_as_glibc(alignment, bytes);
}

GL_MALLOC_PUBLIC void *__libc_valloc(size_t bytes)
{
    return allocate_at_page(bytes);
}

GL_MALLOC_PUBLIC void *__libc_pvalloc(size_t bytes)
{
    return allocate_pages(bytes);
}

GL_MALLOC_PUBLIC void __libc_free(void *p)
{
    if (p != NULL) {
        (void)gl_free(p, "free");
    }
}
