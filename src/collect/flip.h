/* SPDX-License-Identifier: MIT */
/*
 * collect/flip.h - what follows marking: unreachable objects are counted and given up.
 *
 * The world is stopped. Only bitmaps and headers are read; the objects themselves are not touched,
 * and their slots are extracted later, when somebody allocates (heap/bin.c).
 */
#ifndef GL_COLLECT_FLIP_H
#define GL_COLLECT_FLIP_H

#include "collect/mark.h"

typedef struct gl_flip_result {
    uint64_t objects, bytes; /* that were found unreachable and given up */
    uint64_t slack_bytes;    /* of these, what large objects that the program had not freed could not use of
                                their blocks */
    uint32_t large;          /* list of large objects to release after the world runs again */
} gl_flip_result;

/* Calls fn for each allocated object that is not marked. */
void gl_flip_each_unreached(bool (*fn)(const gl_object *object, void *arg), void *arg);

/* Gives up what is not marked. */
void gl_flip(gl_flip_result *result);

/* With the world running and no lock held: memory of which nothing is left goes back to the arena. */
void gl_flip_release(gl_flip_result *result);

#endif
