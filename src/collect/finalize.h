/* SPDX-License-Identifier: MIT */
/*
 * collect/finalize.h - what the program wants to be called when objects go: finalizers, destructors of counted
 * objects, callbacks of weak references.
 *
 * A collection finds the unreachable objects that have something to run, keeps them with all that they
 * refer to, and queues their records. The order is that of a depth-first search from them (reverse
 * postorder, which is a topological order where there are no cycles: Tarjan 1972): an object before those
 * that it refers to. When its function has run, nothing keeps the object any more, and the next
 * collection reclaims it, unless it has been made reachable. All that are found together are run, whatever one
 * of them makes reachable again (as in Python since PEP 442).
 *
 * The queue holds numbers of records: what is freed, detached or called in between leaves an entry
 * that leads nowhere. Lock: that of weak.h.
 */
#ifndef GL_COLLECT_FINALIZE_H
#define GL_COLLECT_FINALIZE_H

#include <gleaner/weakref.h>

#include "collect/collect.h"
#include "collect/weak.h"

/* What the user may attach: one finalizer. 0: no memory. */
uint32_t gl_finalize_add_locked(const gl_object *object, gc_finalizer_fn fn, void *arg,
                                unsigned flags);

/* True if the record is a finalizer. */
bool gl_finalize_is_record(uint32_t number);

/* The newest finalizer of the object that begins there; 0: it has none. */
uint32_t gl_finalize_first_locked(uintptr_t start);

/* A weak reference has been cleared: its callback is to be called. `handle` is kept until then. False: no
 * memory. */
bool gl_finalize_queue_callback_locked(const gl_object *handle, gc_weakref_callback fn, void *arg);

/* Takes a finalizer off and calls it. The lock is held; it is released. */
void gl_finalize_call_and_unlock(uint32_t number);

/* Runs up to `max` of what waits (0: all); how many. None from inside one of them. No lock held. */
size_t gl_finalize_run(size_t max);

/* The same if the policy (option finalizers) leaves it to the calling thread. True: something was run. To be
 * called where the program expects it, with no lock held. */
bool gl_finalize_run_if_due(void);

/* After a collection: wakes the thread for it, if that is the policy. */
void gl_finalize_wake(void);

/* The option has changed. 0, or EAGAIN: no thread could be started. */
int gl_finalize_start_policy(void);

/* At the end of the process. */
void gl_finalize_at_exit(void);

/* An object is freed by the program: calls its finalizers, newest first. `start` is the object's, no lock is
 * held. False: it is being freed already, further up the stack. */
bool gl_finalize_freed(const gl_object *object);

/* ---- For a collection: the world is stopped, the lock held ------------------------------------ */

/* Marks what waits to be run, also counted objects that wait for a turn of their destructor. */
void gl_finalize_mark_waiting(gl_marker *marker);

/* After gl_weak_clear(): finds, keeps and queues. */
void gl_finalize_hold(gl_marker *marker, gl_finalize_report *report);

void gl_finalize_after_fork_child(void);

#endif
