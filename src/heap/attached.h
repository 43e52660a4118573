/* SPDX-License-Identifier: MIT */
/*
 * heap/attached.h - which objects have something hanging on them: weak references, finalizers.
 *
 * The state byte says it of one object, so that free() takes its slow path. A block gets two tables with
 * its first such object: a bit per object, which says it of 64 at a time, so that a collection looks at those
 * that go, and not at all that have weak references (a million live ones cost it some 16,000 words); and a
 * number per object, of which the layer above makes what it likes. (A hash table by address, which the numbers
 * replace, took 200 ns for each object that went, most of it cache misses.)
 *
 * Invariant (heap/verify.c): the bit is set if and only if the state has ATTACHED or FINALIZED. Lock: that
 * of collect/weak.c, or the world is stopped.
 */
#ifndef GL_HEAP_ATTACHED_H
#define GL_HEAP_ATTACHED_H

#include "heap/heap.h"

/* The number that belongs to an object, 0 at first; NULL if its block has no tables. */
uint32_t *gl_attached_number(const gl_object *object);

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
