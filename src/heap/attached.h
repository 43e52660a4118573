/* SPDX-License-Identifier: MIT */
/*
 * heap/attached.h - which objects have something hanging on them: weak references, finalizers.
 *
 * The state byte says it of one object, so that free() takes its slow path; a bit per object, in memory
 * that a block gets with its first such object, says it of 64 at a time. So a collection looks at those
 * that go, and not at all that have weak references (a million live ones cost it some 16,000 words).
 *
 * Invariant (heap/verify.c): the bit is set if and only if the state has ATTACHED or FINALIZED. Lock: that
 * of collect/weak.c, or the world is stopped.
 */
#ifndef GL_HEAP_ATTACHED_H
#define GL_HEAP_ATTACHED_H

#include "heap/heap.h"

/* Sets GL_STATE_ATTACHED or GL_STATE_FINALIZED. False: no memory. */
bool gl_attached_set(const gl_object *object, uint8_t flag);

/* Clears it. */
void gl_attached_clear(const gl_object *object, uint8_t flag);

/* True if the bit of a small object is set. */
bool gl_attached_has(uint32_t block, uint32_t index);

/* Calls fn for each such object whose mark bit is not set. fn may clear flags. The world is stopped. */
void gl_attached_each_unmarked(void (*fn)(const gl_object *object, void *arg), void *arg);

/* The block holds no objects any more. */
void gl_attached_forget_block(uint32_t block);

#endif
