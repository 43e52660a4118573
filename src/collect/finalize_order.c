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
#include "heap/arena.h"
#include "heap/attached.h"
#include "heap/counts.h"
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

/* What is there to be run for it. */
static bool is_to_be_finalized(const gl_object *object)
{
    return ((object->state & GL_STATE_ATTACHED) && gl_finalize_first_locked(object->start)) ||
           (object->kind == GL_KIND_COUNTED && gl_count_has_destructor(object->start));
}

static void find(const gl_object *object, void *arg)
{
    (void)arg;
    if (is_to_be_finalized(object)) {
        append(&search.found, object->start);
    }
}

static bool find_unmarked(const gl_object *object, void *arg)
{
    if (!gl_mark_is_set(object)) {
        find(object, arg);
    }
    return true;
}

/* A destructor is a matter of the count, and leaves no trace in the tables of the block. Blocks in which
 * everything was reached are the usual case. */
static bool may_have_destructors(uint32_t block)
{
    const gl_block *header = &gl_heap.blocks[block];
    if (!gl_heap.descs[block].granules) {
        return gl_heap.descs[block].bin == GL_ROLE_LARGE && header->kind == GL_KIND_COUNTED;
    }
    uint64_t all = ~(uint64_t)0;
    for (uint32_t w = 0; w < gl_words_for(header->n_objects); w++) {
        all &= gl_block_mark_bits(block)[w];
    }
    return gl_bin_kind(header->bin) == GL_KIND_COUNTED && all != ~(uint64_t)0;
}

static void find_all(void)
{
    gl_attached_each_unmarked(find, NULL);
    for (uint32_t block = 1; gl_counts.n_granules != 0 && block < gl_arena_n_blocks(); block++) {
        if (may_have_destructors(block)) {
            gl_heap_each_in_block(block, find_unmarked, NULL);
        }
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
    if (gl_heap_find_held(f->start, &object) && is_to_be_finalized(&object)) {
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

/* Newest first, as the chain is, and the destructor last. Without memory the rest waits for the next
 * collection. */
static bool enqueue_all(uintptr_t start)
{
    bool is_done = true;
    gl_object object;
    for (uint32_t number = gl_weak_first_locked(start); number;
         number = gl_weak_record_at(number)->next) {
        if (gl_weak_record_at(number)->class->is_finalizer) {
            is_done = gl_finalize_enqueue_locked(number) && is_done;
        }
    }
    if (gl_heap_find_exact(start, &object) && object.kind == GL_KIND_COUNTED &&
        gl_count_has_destructor(start)) {
        is_done = gl_finalize_enqueue_destructor_locked(&object) && is_done;
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
    find_all();
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
