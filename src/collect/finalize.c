/* SPDX-License-Identifier: MIT */
/* collect/finalize.c - see finalize.h. The search is in finalize_order.c, who runs what in finalize_run.c. */
#include "collect/finalize.h"

#include "collect/finalize_internal.h"
#include "heap/attached.h"
#include "heap/counts.h"
#include "heap/meta.h"

/* An entry of the queue: a record that may be gone since. */
typedef struct waiting {
    uint32_t number, serial;
} waiting;

static struct {
    waiting *at;
    size_t head, n, capacity; /* those before `head` are done */
    uint32_t exit_last;       /* newest record with GC_FIN_ATEXIT; they are linked by links[] */
} queue;

enum { DATA_FN, DATA_FLAGS };  /* of a record */
enum { LINK_OLDER, LINK_NEWER };

/* ---- Classes -------------------------------------------------------------------------------- */

/* For finalizers: when there is nothing to run any more. */
static void drop(uint32_t number, gl_weak_record *r)
{
    if (r->data[DATA_FLAGS] & GC_FIN_ATEXIT) {
        uint32_t older = r->links[LINK_OLDER], newer = r->links[LINK_NEWER];
        if (older) {
            gl_weak_record_at(older)->links[LINK_NEWER] = newer;
        }
        if (newer) {
            gl_weak_record_at(newer)->links[LINK_OLDER] = older;
        } else {
            queue.exit_last = older;
        }
    }
    gl_weak_remove_locked(number);
}

static const gl_weak_class finalizer_class = {.is_finalizer = true, .goes = drop};
static const gl_weak_class callback_class = {.goes = drop};

/* The object is freed: that runs the destructor, too. */
static const gl_weak_class destructor_class = {.goes = drop};

bool gl_finalize_is_record(uint32_t number)
{
    return gl_weak_record_at(number)->class == &finalizer_class;
}

uint32_t gl_finalize_first_locked(uintptr_t start)
{
    uint32_t number = gl_weak_first_locked(start);
    while (number && !gl_finalize_is_record(number)) {
        number = gl_weak_record_at(number)->next;
    }
    return number;
}

uint32_t gl_finalize_add_locked(const gl_object *object, gc_finalizer_fn fn, void *arg, unsigned flags)
{
    uint32_t number = gl_weak_add_locked(object, &finalizer_class, arg);
    if (!number) {
        return 0;
    }
    gl_weak_record *r = gl_weak_record_at(number);
    r->data[DATA_FN] = (uintptr_t)fn;
    r->data[DATA_FLAGS] = flags;
    if (flags & GC_FIN_ATEXIT) {
        r->links[LINK_OLDER] = queue.exit_last;
        if (queue.exit_last) {
            gl_weak_record_at(queue.exit_last)->links[LINK_NEWER] = number;
        }
        queue.exit_last = number;
    }
    return number;
}

/* ---- The queue ------------------------------------------------------------------------------ */

static void count_waiting(void)
{
    gl_store_relaxed(&gl_heap.n_waiting, queue.n - queue.head);
}

bool gl_finalize_enqueue_locked(uint32_t number)
{
    void *at = queue.at;
    if (queue.head == queue.n) {
        queue.head = queue.n = 0;
    }
    if (!gl_meta_reserve(&at, &queue.capacity, queue.n + 1, sizeof *queue.at)) {
        return false;
    }
    queue.at = at;
    queue.at[queue.n++] = (waiting){number, gl_weak_record_at(number)->serial};
    count_waiting();
    return true;
}

bool gl_finalize_queue_callback_locked(const gl_object *handle, gc_weakref_callback fn, void *arg)
{
    uint32_t number = gl_weak_add_locked(handle, &callback_class, arg);
    if (!number) {
        return false;
    }
    gl_weak_record_at(number)->data[DATA_FN] = (uintptr_t)fn;
    if (!gl_finalize_enqueue_locked(number)) {
        gl_weak_remove_locked(number);
        return false;
    }
    return true;
}

bool gl_finalize_enqueue_destructor_locked(const gl_object *object)
{
    uint32_t number = gl_weak_add_locked(object, &destructor_class, NULL);
    if (!number) {
        return false;
    }
    if (!gl_finalize_enqueue_locked(number)) {
        gl_weak_remove_locked(number);
        return false;
    }
    gl_count_hold(object->start);
    return true;
}

uint32_t gl_finalize_next_locked(void)
{
    uint32_t number = 0;
    while (queue.head < queue.n && !number) {
        waiting w = queue.at[queue.head++];
        number = gl_weak_check_locked(w.number, w.serial);
    }
    count_waiting();
    return number;
}

static void mark_pending(uintptr_t start, void *marker)
{
    gl_mark_starts(marker, &start, 1);
}

void gl_finalize_mark_waiting(gl_marker *marker)
{
    gl_counts_each_pending(mark_pending, marker);
    for (size_t i = queue.head; i < queue.n; i++) {
        uint32_t number = gl_weak_check_locked(queue.at[i].number, queue.at[i].serial);
        gl_object object;
        if (number && gl_heap_find_exact(gl_weak_record_at(number)->key, &object)) {
            gl_mark_object(marker, &object);
        }
    }
}

/* ---- One call ------------------------------------------------------------------------------- */

static gl_finalize_kind kind_of(const gl_weak_class *class)
{
    return class == &finalizer_class  ? GL_FINALIZE_FINALIZER
           : class == &callback_class ? GL_FINALIZE_CALLBACK
                                      : GL_FINALIZE_DESTRUCTOR;
}

gl_finalize_item gl_finalize_take_locked(uint32_t number)
{
    gl_weak_record *r = gl_weak_record_at(number);
    gl_finalize_item item = {.kind = kind_of(r->class),
                             .object = (void *)r->key,
                             .fn = r->data[DATA_FN],
                             .arg = gl_weak_arg(number)};
    gl_object object;
    if (item.kind == GL_FINALIZE_FINALIZER && gl_heap_find_exact(r->key, &object)) {
        (void)gl_attached_set(&object, GL_STATE_FINALIZED); /* it has the bitmap already */
    }
    drop(number, r);
    return item;
}

void gl_finalize_call(const gl_finalize_item *item)
{
    switch (item->kind) {
    case GL_FINALIZE_FINALIZER:
        ((gc_finalizer_fn)item->fn)(item->object, item->arg);
        break;
    case GL_FINALIZE_CALLBACK:
        ((gc_weakref_callback)item->fn)(item->object, item->arg);
        break;
    case GL_FINALIZE_DESTRUCTOR:
        gl_count_destroy_held(item->object);
        break;
    }
}

void gl_finalize_call_and_unlock(uint32_t number)
{
    gl_finalize_item item = gl_finalize_take_locked(number);
    gl_weak_unlock();
    gl_finalize_call(&item);
}

/* ---- Freed by the program ------------------------------------------------------------------- */

/* Objects whose finalizers run because they are being freed: further up the stack of this thread. One that
 * lies below the present frame was left by longjmp(). */
typedef struct being_freed {
    uintptr_t start;
    struct being_freed *outer;
} being_freed;

static __thread being_freed *innermost;

static bool is_being_freed(uintptr_t start)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    while (innermost && (uintptr_t)innermost < frame) {
        innermost = innermost->outer;
    }
    for (const being_freed *f = innermost; f; f = f->outer) {
        if (f->start == start) {
            return true;
        }
    }
    return false;
}

static void leave(being_freed *f)
{
    innermost = f->outer;
}

/* References that the finalizers have made to it are cleared, too; finalizers that they have added are not
 * called: that could go on for ever. */
static void strip_locked(const gl_object *object)
{
    gl_weak_let_go_locked(object->start);
    for (uint32_t number; (number = gl_finalize_first_locked(object->start)) != 0;) {
        drop(number, gl_weak_record_at(number));
    }
    gl_attached_clear(object, GL_STATE_FINALIZED);
}

bool gl_finalize_freed(const gl_object *object)
{
    if (is_being_freed(object->start)) {
        return false;
    }
    being_freed self __attribute__((cleanup(leave))) = {object->start, innermost};
    innermost = &self;
    gl_weak_lock();
    uint32_t newest = gl_weak_last_serial_locked();
    gl_weak_let_go_locked(object->start);
    for (uint32_t number; (number = gl_finalize_first_locked(object->start)) != 0 &&
                          gl_weak_record_at(number)->serial <= newest;
         gl_weak_lock()) {
        gl_finalize_call_and_unlock(number);
    }
    strip_locked(object);
    gl_weak_unlock();
    return true;
}

void gl_finalize_at_exit(void)
{
    gl_weak_lock();
    while (queue.exit_last) {
        gl_finalize_call_and_unlock(queue.exit_last);
        gl_weak_lock();
    }
    gl_weak_unlock();
}
