/* SPDX-License-Identifier: MIT */
/*
 * malloc/malloc.h - what the files of this layer share, and the calls of the malloc family that
 * the C library's headers do not declare (any more, or yet).
 *
 * This layer is the only definer of malloc and its kin, and is in libgleaner-malloc.so alone.
 * Everything that it hands out has GL_KIND_MALLOC: scanned, not zeroed, freed by any call that
 * frees.
 */
#ifndef GL_MALLOC_MALLOC_H
#define GL_MALLOC_MALLOC_H

#include <stddef.h>

/* Seen by the whole process: the library is compiled with everything else hidden. */
#define GL_MALLOC_PUBLIC __attribute__((visibility("default")))

/* The layers below look, by a weak reference, whether this one is in the library: then malloc of
 * the process is ours. */
extern const char gl_malloc_layer_present;

/* Aligned memory for a power of two; any size. NULL with ENOMEM. */
void *gl_malloc_aligned(size_t alignment, size_t bytes);

void cfree(void *p);                                              /* SunOS; gone from glibc 2.26 */
void free_sized(void *p, size_t bytes);                           /* C23 */
void free_aligned_sized(void *p, size_t alignment, size_t bytes); /* C23 */

/* Names under which glibc exports its own functions: who calls these gets our heap too, for the
 * memory meets free() sooner or later. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void *__libc_valloc(size_t bytes);
void *__libc_pvalloc(size_t bytes);
void __libc_free(void *p);

#endif
