/* SPDX-License-Identifier: MIT */
/*
 * object/weakref.c - weak references and weak slots.
 *
 * A weak reference is a small object without pointers as far as the collector is concerned. It has two
 * records: one on its object, which clears it when that goes, and one on itself, which removes the
 * first when nobody has the reference any more.
 */
#include <errno.h>

#include <gleaner/weakref.h>

#include "base/atomic.h"
#include "collect/finalize.h"
#include "collect/weak.h"
#include "collect/weak_slot.h"
#include "heap/counts.h"
#include "heap/heap.h"
#include "heap/hooks.h"

/* Writer of `object`: who makes it; then under the lock of collect/weak.h. */
struct gc_weakref {
    volatile gl_word object; /* the address; 0: gone */
    uint32_t on_object;      /* numbers of the records; 0: removed */
    uint32_t on_self;
};

enum { DATA_REF, DATA_CALLBACK }; /* of the record on the object */

static gc_weakref *ref_of(const gl_weak_record *r)
{
    return (gc_weakref *)r->data[DATA_REF];
}

static void remove_records_locked(gc_weakref *ref)
{
    if (ref->on_object) {
        gl_weak_remove_locked(ref->on_object);
    }
    if (ref->on_self) {
        gl_weak_remove_locked(ref->on_self);
    }
    ref->on_object = ref->on_self = 0;
}

/* A callback without memory to queue it is lost, as it would be with the reference. */
static void object_goes(uint32_t number, gl_weak_record *r)
{
    gc_weakref *ref = ref_of(r);
    gc_weakref_callback callback = (gc_weakref_callback)r->data[DATA_CALLBACK];
    void *arg = gl_weak_arg(number);
    gl_object handle;
    gl_store_relaxed(&ref->object, 0);
    remove_records_locked(ref);
    if (callback && gl_weak_survives_locked((uintptr_t)ref) &&
        gl_heap_find_exact((uintptr_t)ref, &handle)) {
        (void)gl_finalize_queue_callback_locked(&handle, callback, arg);
    }
}

static void object_moved(uint32_t number, gl_weak_record *r, uintptr_t to)
{
    (void)number;
    gl_store_relaxed(&ref_of(r)->object, to);
}

static void ref_goes(uint32_t number, gl_weak_record *r)
{
    (void)number;
    gc_weakref *ref = (gc_weakref *)r->key;
    gl_store_relaxed(&ref->object, 0);
    remove_records_locked(ref);
}

static const gl_weak_class object_class = {
    .is_reference = true, .goes = object_goes, .moved = object_moved};
static const gl_weak_class ref_class = {.is_bound = true, .goes = ref_goes};

static int attach_locked(gc_weakref *ref, void *object, gc_weakref_callback callback, void *arg)
{
    gl_object target, self;
    if (!gl_heap_find_exact((uintptr_t)object, &target) ||
        !gl_heap_find_exact((uintptr_t)ref, &self)) {
        return EINVAL;
    }
    ref->on_object = gl_weak_add_locked(&target, &object_class, arg);
    ref->on_self = ref->on_object ? gl_weak_add_locked(&self, &ref_class, NULL) : 0;
    if (!ref->on_self) {
        remove_records_locked(ref);
        return ENOMEM;
    }
    gl_weak_record *r = gl_weak_record_at(ref->on_object);
    r->data[DATA_REF] = (uintptr_t)ref;
    r->data[DATA_CALLBACK] = (uintptr_t)callback;
    gl_store_relaxed(&ref->object, (uintptr_t)object);
    return 0;
}

gc_weakref *gc_weakref_new(void *object, gc_weakref_callback callback, void *arg)
{
    gl_heap_wake();
    gc_weakref *ref = gl_heap_alloc(sizeof *ref, GL_KIND_ATOMIC, true);
    if (!ref) {
        return NULL;
    }
    int error;
    unsigned attempt = 0;
    do {
        gl_weak_lock();
        error = attach_locked(ref, object, callback, arg);
        gl_weak_unlock();
    } while (error == ENOMEM && gl_hook_no_memory(sizeof *ref, attempt++, true));
    if (error) {
        gl_heap_free(ref, "gc_weakref_new");
        errno = error;
        return NULL;
    }
    return ref;
}

/* A collection that stops this thread before the load clears the reference if the object goes; one that
 * stops it afterwards finds the pointer in a register. */
void *gc_weakref_get(const gc_weakref *ref)
{
    return ref ? (void *)gl_load_relaxed(&ref->object) : NULL;
}

void *gc_weakref_retain(gc_weakref *ref)
{
    if (!ref) {
        return NULL;
    }
    gl_heap_wake();
    gl_weak_lock();
    void *object = gc_weakref_get(ref);
    bool is_alive = object && gl_count_try_retain(object);
    gl_weak_unlock();
    return is_alive ? object : NULL;
}

void gc_weakref_free(gc_weakref *ref)
{
    if (ref) {
        gl_heap_wake();
        gl_weak_lock();
        gl_store_relaxed(&ref->object, 0);
        remove_records_locked(ref);
        gl_weak_unlock();
        gl_heap_free(ref, "gc_weakref_free");
    }
}

size_t gc_get_weakref_count(const void *object)
{
    size_t n = 0;
    gl_heap_wake();
    gl_weak_lock();
    for (uint32_t number = gl_weak_first_locked((uintptr_t)object); number;
         number = gl_weak_record_at(number)->next) {
        n += gl_weak_record_at(number)->class->is_reference;
    }
    gl_weak_unlock();
    return n;
}

/* ---- Slots ---------------------------------------------------------------------------------- */

static int result_of(int error)
{
    if (error) {
        errno = error;
    }
    return error ? -1 : 0;
}

int gc_weak_slot_register(void **slot, void *object)
{
    int error;
    unsigned attempt = 0;
    gl_heap_wake();
    do {
        error = gl_weak_slot_register(slot, object);
    } while (error == ENOMEM && gl_hook_no_memory(sizeof *slot, attempt++, true));
    return result_of(error);
}

int gc_weak_slot_unregister(void **slot)
{
    gl_heap_wake();
    return result_of(gl_weak_slot_unregister(slot));
}
