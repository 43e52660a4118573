/* SPDX-License-Identifier: MIT */
/*
 * object/finalize.c - finalizers, as the program sees them.
 *
 * A finalizer's handle is not a pointer but the number and the serial number of its record: it can be kept
 * or thrown away, and never refers to another finalizer.
 */
#include <errno.h>

#include <gleaner/weakref.h>

#include "base/knobs.h"
#include "collect/finalize.h"
#include "collect/weak.h"
#include "heap/heap.h"
#include "heap/hooks.h"

enum { SERIAL_SHIFT = 32 };

static gc_finalizer *handle_of_locked(uint32_t number)
{
    uint64_t serial = gl_weak_record_at(number)->serial;
    return (gc_finalizer *)(uintptr_t)(serial << SERIAL_SHIFT | number);
}

/* The record, if it is still there; or 0. */
static uint32_t number_of_locked(const gc_finalizer *finalizer)
{
    uint64_t handle = (uintptr_t)finalizer;
    uint32_t number = gl_weak_check_locked((uint32_t)handle, (uint32_t)(handle >> SERIAL_SHIFT));
    return number && gl_finalize_is_record(number) ? number : 0;
}

static int attach(void *object, gc_finalizer_fn fn, void *arg, unsigned flags, gc_finalizer **out)
{
    gl_object target;
    int error = EINVAL;
    gl_weak_lock();
    if (gl_heap_find_exact((uintptr_t)object, &target)) {
        uint32_t number = gl_finalize_add_locked(&target, fn, arg, flags);
        *out = number ? handle_of_locked(number) : NULL;
        error = number ? 0 : ENOMEM;
    }
    gl_weak_unlock();
    return error;
}

gc_finalizer *gc_finalize(void *object, gc_finalizer_fn fn, void *arg, unsigned flags)
{
    gc_finalizer *finalizer = NULL;
    int error = EINVAL;
    unsigned attempt = 0;
    gl_heap_wake();
    if (fn && !(flags & ~(GC_FIN_NO_ORDER | GC_FIN_ATEXIT))) {
        do {
            error = attach(object, fn, arg, flags, &finalizer);
        } while (error == ENOMEM && gl_hook_no_memory(sizeof(void *), attempt++, true));
    }
    if (error) {
        errno = error;
    }
    return finalizer;
}

int gc_finalize_detach(gc_finalizer *finalizer)
{
    gl_heap_wake();
    gl_weak_lock();
    uint32_t number = number_of_locked(finalizer);
    if (number) {
        gl_weak_record *r = gl_weak_record_at(number);
        r->class->goes(number, r);
    }
    gl_weak_unlock();
    if (!number) {
        errno = ENOENT;
    }
    return number ? 0 : -1;
}

int gc_finalize_call(gc_finalizer *finalizer)
{
    gl_heap_wake();
    gl_weak_lock();
    uint32_t number = number_of_locked(finalizer);
    if (!number) {
        gl_weak_unlock();
        errno = ENOENT;
        return -1;
    }
    gl_finalize_call_and_unlock(number);
    return 0;
}

int gc_finalize_alive(gc_finalizer *finalizer)
{
    gl_heap_wake();
    gl_weak_lock();
    bool is_alive = number_of_locked(finalizer) != 0;
    gl_weak_unlock();
    return is_alive;
}

size_t gc_run_finalizers(size_t max)
{
    gl_heap_wake();
    return gl_heap_is_ready() ? gl_finalize_run(max) : 0;
}

int gc_set_finalizer_policy(gc_finalizer_policy policy)
{
    if ((unsigned)policy > GC_FINALIZERS_EXPLICIT) {
        errno = EINVAL;
        return -1;
    }
    if (!gl_heap_is_ready() && !gl_hook_start()) {
        errno = ENOMEM;
        return -1;
    }
    int previous = (int)gl_options.finalizers;
    gl_options.finalizers = (uint64_t)policy;
    int error = gl_finalize_start_policy();
    if (error) {
        gl_options.finalizers = (uint64_t)previous;
        errno = error;
        return -1;
    }
    return previous;
}
