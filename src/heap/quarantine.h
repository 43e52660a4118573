/* SPDX-License-Identifier: MIT */
/*
 * heap/quarantine.h - mode `safe`: what is freed is held back until nothing refers to it any more.
 *
 * free() sets the state byte to QUARANTINED, overwrites the first two words with zeroes and does no more; the
 * slot is in no list. A collection finds these slots by their state bytes, releases those that no word of
 * memory refers to, and keeps the others, with what they refer to (collect/quarantine.h). So a stale pointer
 * reads what was there, or zero, what it writes harms nobody, and a second free() is seen for what it is.
 * (MarkUs: Ainsworth and Jones 2020; MineSweeper: Erdos, Ainsworth and Jones 2022.)
 *
 * Large objects keep their content while they wait; very large ones give their pages back at once, and read
 * as zero.
 */
#ifndef GL_HEAP_QUARANTINE_H
#define GL_HEAP_QUARANTINE_H

#include "heap/types.h"

typedef struct gl_quarantine_state {
    volatile gl_word is_on;       /* fixed at start */
    volatile gl_word fresh_bytes; /* freed since the last pass, as far as threads have told */
    volatile gl_word unmapped_bytes; /* freed since the last pass, too, but without their pages */
    volatile gl_word limit_bytes; /* of fresh_bytes, at which a pass is due */
    volatile gl_word held_bytes;  /* that the last pass could not release */
} gl_quarantine_state;

extern gl_quarantine_state gl_quarantine GL_HIDDEN;

/* Once, before the first allocation. */
void gl_quarantine_start(void);

static inline bool gl_quarantine_is_on(void) { return gl_load_relaxed(&gl_quarantine.is_on) != 0; }

/* Puts an allocated small object, of which the state byte has been checked, into quarantine. */
void gl_quarantine_put(uintptr_t start, uint32_t block, size_t bytes);

/* The same in one step, if the address is a small object in the plainest state; else false, and nothing
 * is done. */
bool gl_quarantine_try(uintptr_t start);

/* Counts what goes into quarantine. */
void gl_quarantine_count(size_t bytes);

static inline bool gl_quarantine_is_full(void)
{
    return gl_load_relaxed(&gl_quarantine.fresh_bytes) >= gl_load_relaxed(&gl_quarantine.limit_bytes);
}

#endif
