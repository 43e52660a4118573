/* SPDX-License-Identifier: MIT */
/*
 * collect/table_locks.h - the locks of maps and caches: a few for all of them, chosen by address,
 * so that a fork can take every one without a list of the maps, and none lies in an object that may
 * go.
 *
 * Rank GL_RANK_TABLE. Held for a search or a change, never while anything is allocated from the
 * heap or the program is called, and never two at once but by a fork or a collection.
 */
#ifndef GL_COLLECT_TABLE_LOCKS_H
#define GL_COLLECT_TABLE_LOCKS_H

#include "base/lock.h"

gl_lock *gl_table_lock_of(const void *map);

/* For what may be called by a collection, which has them all: the caller has the lock of
 * collect/weak.h, which the collection takes before these. */
void gl_table_lock_unless_collecting(const void *map);
void gl_table_unlock_unless_collecting(const void *map);

void gl_table_locks_acquire(void);
void gl_table_locks_release(void);
void gl_table_locks_after_fork_child(void);

#endif
