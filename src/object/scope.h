/* SPDX-License-Identifier: MIT */
/*
 * object/scope.h - the phases of GC_SCOPE: which are open, and what each name has done.
 *
 * Lock: GL_RANK_SCOPES, inside; it is the outermost, for a bound is told to the collector while it is held.
 */
#ifndef GL_OBJECT_SCOPE_H
#define GL_OBJECT_SCOPE_H

#include <gleaner/scope.h>
#include <stdbool.h>

/* Begins a run; returns its serial number, or 0: no memory to measure it. `place` tells apart the runs of
 * one thread that cannot both be open. */
uint64_t gl_scope_begin(const void *place, const char *name, size_t limit_bytes);

/* Ends it, and what the thread has opened since. Nothing happens if it has ended already. */
void gl_scope_end(uint64_t serial);

/* `*out` whole but for `size`. False: not known. */
bool gl_scope_find(const char *name, gc_scope_stats *out);
size_t gl_scope_each(int (*fn)(const gc_scope_stats *stats, void *arg), void *arg);

/* The calling thread ends: what it left open ends, too. */
void gl_scope_thread_leaves(void);

/* Around a fork. In the child, what other threads had open has ended. */
void gl_scope_before_fork(void);
void gl_scope_after_fork_parent(void);
void gl_scope_after_fork_child(void);

#endif
