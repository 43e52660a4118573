/* SPDX-License-Identifier: MIT */
/* collect/garbage.h - debug flags, and the list of unreachable objects that GC_DEBUG_SAVEALL keeps. */
#ifndef GL_COLLECT_GARBAGE_H
#define GL_COLLECT_GARBAGE_H

#include "collect/mark.h"

/* The list itself is a root. The world is stopped. */
void gl_garbage_mark(gl_marker *marker);

/* After marking, as the debug flags say: writes about unreachable objects, and keeps them. Returns
 * how many were kept; they are marked then. */
uint64_t gl_garbage_inspect(gl_marker *marker);

void gl_garbage_lock(void); /* GL_RANK_API; held during a collection and over a fork */
void gl_garbage_unlock(void);
void gl_garbage_after_fork_child(void);

#endif
