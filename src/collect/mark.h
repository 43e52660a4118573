/* SPDX-License-Identifier: MIT */
/*
 * collect/mark.h - the marker: from roots to everything that can be reached.
 *
 * The world is stopped, and every block is swept. The mark bitmap starts as "not allocated", so
 * that free slots and the tails of blocks look marked already and need no test of their own.
 */
#ifndef GL_COLLECT_MARK_H
#define GL_COLLECT_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/heap.h"

typedef struct gl_marker gl_marker;

/* How to read the words of a root range. */
typedef enum gl_root_kind {
    GL_ROOT_OBJECTS,  /* a pointer counts for what it points into, as in marking */
    GL_ROOT_MEMORY,   /* a pointer to a slot that is not allocated counts for the slot before it */
    GL_ROOT_REGISTERS /* every pointer to the start of a slot also counts for the one before it */
} gl_root_kind;

/* Makes the one marker. NULL: no memory. */
gl_marker *gl_marker_new(void);

/* Begins: sets the mark bits of all that is not allocated: free slots, cached slots, tails. */
void gl_mark_prepare(gl_marker *marker);

/* Marks what the words in [start, end) refer to, and queues it for scanning. */
void gl_mark_range(gl_marker *marker, uintptr_t start, uintptr_t end, gl_root_kind kind);

/* From now to the next collection only objects in these blocks need be marked from ranges, a bit per block: all
 * others are marked already. NULL: any. */
void gl_marker_watch(gl_marker *marker, const uint64_t *watched);

/* From now on ranges are read also at addresses that are only a multiple of four; and, to be thorough,
 * every pointer to the start of a slot counts for the slot before it, too. */
void gl_marker_read_between(gl_marker *marker, bool reads_between);
void gl_marker_be_thorough(gl_marker *marker, bool is_thorough);

/* Marks an allocated object and queues it. */
void gl_mark_object(gl_marker *marker, const gl_object *object);

/* The same for some that start there, at most GL_MARK_STARTS_MAX at once. */
enum { GL_MARK_STARTS_MAX = 128 };
void gl_mark_starts(gl_marker *marker, const uintptr_t *starts, uint32_t n);

/* Scans until nothing is queued. */
void gl_mark_drain(gl_marker *marker);

/* True if something is queued. */
bool gl_marker_has_work(const gl_marker *marker);

/* Gives the memory of a deep mark stack back. */
void gl_marker_trim(gl_marker *marker);

/* True if the object was reached (or must not be reclaimed). */
bool gl_mark_is_set(const gl_object *object);

/* Marks it without queueing it: the caller sees to what it refers to. No helpers are at work. */
void gl_mark_set(const gl_object *object);

/* Test hook: the stack holds at most n entries (0: as many as fit). */
void gl_marker_limit_stack(gl_marker *marker, size_t n);

uint64_t gl_marker_overflows(const gl_marker *marker);

/* How many markers have worked in the collection under way, or in the last one. */
uint32_t gl_marker_n_markers(const gl_marker *marker);

#endif
