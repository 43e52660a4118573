/* SPDX-License-Identifier: MIT */
/*
 * profile/records.h - what profiled functions have done: a record for each function, with a point for each
 * place in its code where something was allocated or freed.
 *
 * Records and points are never freed, and are put on their lists when they are complete: the child of a fork
 * finds the lists whole whatever other threads were at. Numbers are protected by the lock GL_RANK_PROFILE,
 * inside. Places are kept as the file of the code has them, so that they mean something after dlclose(), and
 * the same after another dlopen().
 */
#ifndef GL_PROFILE_RECORDS_H
#define GL_PROFILE_RECORDS_H

#include <gleaner/scope.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The place of what cannot be told: the stack could not be walked. */
#define GL_POINT_UNKNOWN UINTPTR_MAX

typedef struct gl_point {
    struct gl_point *next;
    uintptr_t place;      /* address of the call in the file, or GL_POINT_UNKNOWN */
    int64_t change_bytes; /* sum */
    int64_t most_bytes;   /* in objects after one of its changes */
    uint64_t n;           /* occurrences */
    bool has_changed;     /* since the last reset */
} gl_point;

typedef struct gl_record {
    struct gl_record *next;
    const char *file, *function, *image; /* copies */
    int line;                            /* of GC_PROFILE() */
    uintptr_t base;                      /* of the image, as first loaded */
    uintptr_t begin;                     /* the place of GC_PROFILE() */
    uint64_t n_calls;
    int64_t most_at_entry;               /* bytes in objects when it began */
    gl_point *points;                    /* the newest first */
} gl_record;

/* The record of a site, to which the code at `pc` belongs; NULL: no memory, or foreign code. */
gl_record *gl_record_of(gc_profile_site *site, uintptr_t pc);

/* A call begins. */
void gl_record_call(gl_record *record, int64_t bytes_at_entry);

/* The code of the function that is about to go on at `pc` (0: not known) has changed the bytes in objects;
 * `is_occurrence`: it was asked to, and not only a collection that came by itself. */
void gl_record_change(gl_record *record, uintptr_t pc, int64_t change_bytes, int64_t bytes_after,
                      bool is_occurrence);

/* Sets all numbers to zero. */
void gl_record_reset(void);
void gl_record_after_fork_child(void);

/* In the order of their first calls; NULL ends. Only what is constant may be read of them. */
const gl_record *gl_record_first(void);
const gl_record *gl_record_next(const gl_record *record);

/* Copies of the numbers: the record without its points, and at most `n` of these; returns how many there
 * are. */
size_t gl_record_read(const gl_record *record, gl_record *copy, gl_point *points, size_t n);

#endif
