/* SPDX-License-Identifier: MIT */
/*
 * gleaner/refcount.h - reference counts on top of the collector: storage is free the moment the last
 * counted reference goes; cycles and lost counts are left to the tracer.
 *
 * A counted object is scanned like one of gc_malloc() and may stand in one graph with objects that are
 * not counted. Tracing is the truth: a count keeps nothing alive that cannot be reached. What the
 * tracer finds unreachable gets its destructor run once, wherever finalizers run (gleaner/weakref.h),
 * and is reclaimed. The other way round the count rules: at zero the object is destroyed at once,
 * whatever pointers to it are left.
 *
 * Counting costs its owner, the thread that made the object, no atomic instruction; other threads
 * count with atomic ones (biased reference counting: Choi, Shull and Torrellas, "Biased reference
 * counting", 2018). Every call may be made from every thread, and the last release frees at once,
 * whoever makes it. The common rules of gleaner/gc.h hold; none of these calls may be made from a
 * signal handler.
 */
#ifndef GLEANER_REFCOUNT_H
#define GLEANER_REFCOUNT_H

#include <gleaner/api.h>

GC_BEGIN_DECLS

/* Called once for an object that is about to go, to release what it holds; its memory is still whole.
 * It may retain and release the object itself, use every call of the library, and need not fear deep
 * structures: releases that nest too deeply wait until the outer ones are done. An object that it makes
 * reachable again by a count that it leaves behind lives on, and goes without a destructor at its next
 * zero. It may leave by longjmp() or a C++ exception; the object is then left to the tracer. */
typedef void (*gc_destructor)(void *object);

/* Returns `size` zero-filled, scanned bytes with a count of 1, which is the caller's. `destructor` may
 * be NULL. Fails with ENOMEM. */
void *gc_rc_malloc(size_t size, gc_destructor destructor) GC_SYMBOL(gc_rc_malloc)
    GC_ATTR(malloc, alloc_size(1));

/* One reference more; returns `object`. NULL, and an object that is not counted: nothing happens. An
 * object that is gone already, or no start of an object, goes to the error handler
 * (GC_ERROR_USE_AFTER_RELEASE and the codes of gc_free()); then NULL with EINVAL. */
void *gc_retain(void *object) GC_SYMBOL(gc_retain);

/* One reference less; at zero the weak references are cleared, finalizers and the destructor run, and
 * the storage is free. NULL, and an object that is not counted: nothing happens. An object that is gone
 * already goes to the error handler (GC_ERROR_OVER_RELEASE). errno is preserved. */
void gc_release(void *object) GC_SYMBOL(gc_release);

/* The count; -1 if `object` is not the start of a counted object. While other threads count, the
 * answer is one that was right at some time during the call. As Python's sys.getrefcount(), without
 * the reference of the call itself. */
long gc_get_refcount(const void *object) GC_SYMBOL(gc_get_refcount);

/* *slot = value, with the counts of both put right in the safe order: the new one is retained before
 * the old one is released, and the slot holds the new one when a destructor looks at it. Not atomic:
 * two threads that set one slot need a lock. NULL is allowed on both sides. */
void gc_rc_set(void **slot, void *value) GC_SYMBOL(gc_rc_set);

GC_END_DECLS

#endif
