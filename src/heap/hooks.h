/* SPDX-License-Identifier: MIT */
/*
 * heap/hooks.h - the few calls that go up from the heap: to the collector and to the API.
 *
 * Defined once, in collect/ and api/. None is called with a lock held.
 */
#ifndef GL_HEAP_HOOKS_H
#define GL_HEAP_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* First use of the library: read the options, initialise every layer. Idempotent, thread-safe, and
 * safe when called again from inside itself. False: no memory to start with. (api/start.c) */
bool gl_hook_start(void);

/* A thread is about to fetch `bytes` from the heap and the trigger is passed, or stress asks, or finalizers
 * wait: collect if the pacer says so, and run finalizers if the thread is one that may: not inside malloc(),
 * whose callers may hold any lock. (collect/control.c) */
void gl_hook_collection_due(size_t bytes, bool may_finalize);

/* No memory for `bytes`: collect, run what may release memory, ask the handler. `attempt` counts
 * from 0 for one request. True: try once more. (api/errors.c) */
bool gl_hook_no_memory(size_t bytes, unsigned attempt, bool may_finalize);

/* A call got a pointer that it must not get; finds out why and tells the error handler; may not
 * return. (api/errors.c) */
void gl_hook_misuse(const char *call, const void *address);

/* An object with a state other than plain ALLOCATED is about to be freed: clears the weak references to it,
 * runs its finalizers, forgets its pins. False: it is being freed already, by a caller of the caller.
 * (collect/freed.c) */
bool gl_hook_object_freed(void *start, unsigned state);

/* realloc is about to move an object with such a state: what hangs on it goes on to the new place. False: no
 * memory, it must stay. (collect/freed.c) */
struct gl_object;
bool gl_hook_object_moved(const struct gl_object *from, void *to);

/* A counted object, of which the state byte has been checked, is freed by the program: all its counts go.
 * False: it is being destroyed already. (object/refcount.c) */
bool gl_hook_counted_freed(void *start);

/* The same as gl_hook_misuse(), where an object that is gone has been retained or released.
 * (api/errors.c) */
void gl_hook_misuse_of_count(const char *call, const void *address, bool is_release);

/* A condemned object is used by realloc or malloc_usable_size (`call`): the program knows it, though no
 * pointer to it was found. (collect/lost.c) */
void gl_hook_condemned_used(const struct gl_object *object, const char *call);

/* The calling thread is observed (heap/cache.h), and has allocated, freed or resized an object: bytes in
 * objects have changed by so much. (profile/profile.c) */
void gl_hook_observed(ptrdiff_t change_bytes);

/* The calling thread is about to end; it still has its cache. (api/start.c) */
void gl_hook_thread_leaves(void);

/* The calling thread ends; its control block is at the address. (collect/roots.c) */
void gl_hook_thread_ended(uintptr_t thread_pointer);

#endif
