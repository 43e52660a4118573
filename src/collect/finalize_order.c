/* SPDX-License-Identifier: MIT */
/*
 * collect/finalize_order.c - unreachable objects with finalizers: which, in what order, and what they keep.
 *
 * The search visits what only they reach, once, word by word; for an object it is several times slower than
 * the marker, but what the marker has reached is no concern of it. Where memory for its stack is missing, the
 * marker goes on, and what has finalizers there is kept and found again by the next collection.
 */
#include "base/bits.h"
#include "collect/ephemeron.h"
#include "collect/finalize_internal.h"
#include "heap/attached.h"
#include "heap/meta.h"

/* An object that is being searched. */
typedef struct frame {
    uintptr_t start;
    const uintptr_t *at, *end;
} frame;

typedef struct list {
    uintptr_t *at;
    size_t n, capacity;
} list;

static struct {
    list found; /* in the order of addresses */
    list order; /* as their searches end */
    frame *frames;
    size_t n_frames, capacity;
    gl_marker *marker;
} search;

/* What does not fit is left for the next collection. */
static void append(list *l, uintptr_t start)
{
    void *at = l->at;
    if (gl_meta_reserve(&at, &l->capacity, l->n + 1, sizeof *l->at)) {
        l->at = at;
        l->at[l->n++] = start;
    }
}

static bool has_finalizer(uintptr_t start)
{
    uint32_t number = gl_weak_first_locked(start);
    while (number && !gl_weak_record_at(number)->class->is_finalizer) {
        number = gl_weak_record_at(number)->next;
    }
    return number != 0;
}

static void find(const gl_object *object, void *arg)
{
    (void)arg;
    if ((object->state & GL_STATE_ATTACHED) && has_finalizer(object->start)) {
        append(&search.found, object->start);
    }
}

/* ---- The search ----------------------------------------------------------------------------- */

static void enter(const gl_object *object)
{
    void *at = search.frames;
    if (gl_mark_is_set(object)) {
        return;
    }
    if (!gl_meta_reserve(&at, &search.capacity, search.n_frames + 1, sizeof *search.frames)) {
        gl_mark_object(search.marker, object);
        return;
    }
    gl_mark_set(object);
    search.frames = at;
    size_t n_words = gl_kind_is_scanned(object->kind) ? object->bytes / sizeof(uintptr_t) : 0;
    const uintptr_t *words = (const uintptr_t *)object->start;
    search.frames[search.n_frames++] = (frame){object->start, words, words + n_words};
}

static void leave(const frame *f)
{
    gl_object object;
    if (gl_heap_find_held(f->start, &object) && (object.state & GL_STATE_ATTACHED) &&
        has_finalizer(f->start)) {
        append(&search.order, f->start);
    }
}

static void search_from(const gl_object *object)
{
    enter(object);
    while (search.n_frames) {
        frame *f = &search.frames[search.n_frames - 1];
        gl_object target;
        if (f->at == f->end) {
            leave(f);
            search.n_frames--;
        } else if (gl_heap_find_held(*f->at++, &target)) {
            enter(&target); /* may move `frames` */
        }
    }
}

/* ---- The whole ------------------------------------------------------------------------------ */

/* Newest first, as the chain is. Without memory the rest waits for the next collection. */
static bool enqueue_all(uintptr_t start)
{
    bool is_done = true;
    for (uint32_t number = gl_weak_first_locked(start); number;
         number = gl_weak_record_at(number)->next) {
        if (gl_weak_record_at(number)->class->is_finalizer) {
            is_done = gl_finalize_enqueue_locked(number) && is_done;
        }
    }
    return is_done;
}

/* Finalized before, and not made reachable: reclaimed now, and no longer of interest. */
static void count_reclaimed(const gl_object *object, void *report)
{
    ((gl_finalize_report *)report)->reclaimed++;
    gl_attached_clear(object, GL_STATE_FINALIZED);
}

void gl_finalize_hold(gl_marker *marker, gl_finalize_report *report)
{
    search.marker = marker;
    search.found.n = search.order.n = 0;
    gl_attached_each_unmarked(find, NULL);
    for (size_t i = 0; i < search.found.n; i++) {
        gl_object object;
        if (gl_heap_find_held(search.found.at[i], &object)) {
            search_from(&object);
        }
    }
    gl_mark_drain(marker);
    gl_ephemerons_mark(marker);
    report->found = report->reclaimed = 0;
    for (size_t i = search.order.n; i-- > 0;) {
        report->found += enqueue_all(search.order.at[i]);
    }
    gl_attached_each_unmarked(count_reclaimed, report);
}
