/* SPDX-License-Identifier: MIT */
/*
 * object/destructor.h - the destructors of counted objects, by number, and which types are handed over.
 *
 * A hash table: the place of a destructor is its number. Place 0 is that of NULL. Entries are
 * made by compare-and-swap, and never removed.
 */
#ifndef GL_OBJECT_DESTRUCTOR_H
#define GL_OBJECT_DESTRUCTOR_H

#include <gleaner/refcount.h>

#include "base/bits.h"
#include "heap/counts.h"

enum { GL_DESTRUCTOR_BITS = 15 };

typedef struct gl_destructor {
    volatile gl_word fn;
    volatile uint32_t n_taken_away; /* objects, from their owners; gl_owners_lock */
    volatile uint32_t is_handed_over;
} gl_destructor;

extern gl_destructor *gl_destructors GL_HIDDEN; /* set once, before the first counted object */

/* Makes the tables of counts and of destructors, with the first counted object. False: no memory. */
bool gl_destructor_start(void);

/* The number of a destructor, entered if it is new. False: there are too many. */
bool gl_destructor_find(uintptr_t fn, uint32_t *number);

/* An object of the owner's has been taken away. gl_owners_lock is held. */
void gl_destructor_taken_away_locked(uint32_t number, gl_owner *owner);

/* Where the search begins; mostly that is the number. */
static inline uint32_t gl_destructor_place(uintptr_t fn)
{
    return (uint32_t)gl_hash_bits(fn, GL_DESTRUCTOR_BITS);
}

static inline bool gl_destructor_is_at(uintptr_t fn, uint32_t place)
{
    return place != GL_DESTRUCTOR_DYING && gl_load_relaxed(&gl_destructors[place].fn) == fn;
}

static inline bool gl_destructor_is_handed_over(uint32_t number)
{
    return gl_load32_relaxed(&gl_destructors[number].is_handed_over) != 0;
}

static inline gc_destructor gl_destructor_at(uint32_t number)
{
    return (gc_destructor)gl_load_relaxed(&gl_destructors[number].fn);
}

#endif
