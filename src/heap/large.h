/* SPDX-License-Identifier: MIT */
/*
 * heap/large.h - objects that take blocks of their own.
 *
 * A large object is a run of blocks; each continuation leads back to the head in one step. Its
 * state byte and mark bit are in the head's header. It is scanned up to its usable size only, and
 * the last pages of its run are never touched. Lock: GL_RANK_ARENA, inside.
 */
#ifndef GL_HEAP_LARGE_H
#define GL_HEAP_LARGE_H

#include "heap/types.h"

/* 0 without memory. Zero-filled if asked; memory fresh from the system is not touched for that. */
uintptr_t gl_large_alloc(size_t bytes, size_t alignment, gl_kind kind, bool is_zeroed);

/* Frees the object at `start`; false if no large object begins there (any more). */
bool gl_large_free(uintptr_t start);

/* Releases the run of an object whose state the collector has set to FREE already. */
void gl_large_release(uint32_t head);

/* Changes the size in place if it can. What is added is zeroed if the kind is. */
bool gl_large_try_resize(uintptr_t start, size_t bytes);

/* Moves the object to where it can have `bytes`, more than it has; its pages, if the system can. Returns
 * the new place; 0: nothing has changed. What is added is zeroed if the kind is. */
uintptr_t gl_large_try_move(uintptr_t start, size_t bytes);

/* The head of the large object that contains the address; the descriptor's role says that it is
 * LARGE or CONTINUATION. */
static inline uint32_t gl_large_head(uint32_t block)
{
    gl_desc desc = gl_heap.descs[block];
    return desc.bin == GL_ROLE_CONTINUATION ? block - desc.reciprocal : block;
}

#endif
