/* SPDX-License-Identifier: MIT */
/* object/unown.h - making counted objects un-owned (heap/counts.h). No lock is held at the call. */
#ifndef GL_OBJECT_UNOWN_H
#define GL_OBJECT_UNOWN_H

#include "heap/counts.h"

/* Sees to it that the object is un-owned, whoever owns it. False: it is dead or pending; or cannot be had, and
 * is left to the tracer. */
bool gl_unown(uintptr_t start);

/* Somebody counts an object that is dying: from now on it is an un-owned one like others. */
void gl_unown_dying(uintptr_t start);

static inline bool gl_count_change_head(uintptr_t start, uint32_t from, uint32_t to)
{
    return gl_cas32_full(&gl_count_of(start)->half.head, from, to);
}

#endif
