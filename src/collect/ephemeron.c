/* SPDX-License-Identifier: MIT */
/* collect/ephemeron.c - see ephemeron.h. */
#include "collect/ephemeron.h"

#include "collect/layout.h"
#include "heap/meta.h"
#include "os/regions.h"

/* A round is worth it if it settles a fourth: then n entries are looked at 4 n times at most. */
enum { SHARE = 4 };

enum { SPARSE_FROM_BYTES = 4 << 20 };

enum { LINK_NEXT, LINK_PREVIOUS }; /* of a map's record */

static struct {
    uint32_t first; /* record of a map */
    uint32_t cycle;
    gl_marker *marker;
    uint64_t n_settled, n_pending; /* of this round */
    uint64_t n_examined, n_traced;
    uintptr_t *todo; /* the trace: objects that are marked, and not scanned yet */
    size_t n_todo, capacity;
    bool is_tracing;
    bool is_incomplete; /* the trace had no memory: the marker has gone on where nobody was told */
} ephemerons;

/* ---- The list of maps ------------------------------------------------------------------------ */

void gl_ephemeron_list_map_locked(uint32_t number)
{
    gl_weak_record *r = gl_weak_record_at(number);
    r->links[LINK_NEXT] = ephemerons.first;
    r->links[LINK_PREVIOUS] = 0;
    if (ephemerons.first) {
        gl_weak_record_at(ephemerons.first)->links[LINK_PREVIOUS] = number;
    }
    ephemerons.first = number;
}

void gl_ephemeron_unlist_map_locked(uint32_t number)
{
    const gl_weak_record *r = gl_weak_record_at(number);
    uint32_t next = r->links[LINK_NEXT], previous = r->links[LINK_PREVIOUS];
    if (next) {
        gl_weak_record_at(next)->links[LINK_PREVIOUS] = previous;
    }
    if (previous) {
        gl_weak_record_at(previous)->links[LINK_NEXT] = next;
    } else {
        ephemerons.first = next;
    }
}

uint32_t gl_ephemeron_cycle(void) { return ephemerons.cycle; }

void gl_ephemeron_count(uint64_t n_pending, uint64_t n_examined)
{
    ephemerons.n_pending += n_pending;
    ephemerons.n_examined += n_examined;
}

/* ---- The trace ------------------------------------------------------------------------------- */

static void trace_word(uintptr_t word)
{
    gl_object object;
    void *at = ephemerons.todo;
    if (!gl_heap_find_held(word, &object) || gl_mark_is_set(&object)) {
        return;
    }
    if (!gl_meta_reserve(&at, &ephemerons.capacity, ephemerons.n_todo + 1,
                         sizeof *ephemerons.todo)) {
        gl_mark_object(ephemerons.marker, &object);
        ephemerons.is_incomplete = true;
        return;
    }
    gl_mark_set(&object);
    ephemerons.todo = at;
    ephemerons.todo[ephemerons.n_todo++] = object.start;
}

static void trace_typed(const gl_object *object)
{
    const gc_layout *layout = gl_layout_get(gl_heap_layout_of(object));
    const uintptr_t *words = (const uintptr_t *)object->start;
    size_t n_words = object->bytes / sizeof *words;
    for (size_t base = 0; layout && layout->n_offsets && base < n_words;
         base += layout->size_words) {
        for (uint32_t i = 0; i < layout->n_offsets; i++) {
            if (base + layout->offsets_words[i] < n_words) {
                trace_word(words[base + layout->offsets_words[i]]);
            }
        }
    }
}

static void trace_range(uintptr_t start, uintptr_t end, void *unused)
{
    (void)unused;
    for (const uintptr_t *word = (const uintptr_t *)start; word < (const uintptr_t *)end; word++) {
        trace_word(*word);
    }
}

/* Of a very large one only the pages that have content, as the marker does. */
static void trace_words(const gl_object *object)
{
    if (object->bytes < SPARSE_FROM_BYTES) {
        trace_range(object->start, object->start + object->bytes, NULL);
    } else {
        gl_regions_present(object->start, object->start + object->bytes, true, trace_range, NULL);
    }
}

/* What hangs on it is told before it is scanned: a map must know that it has been reached before
 * its keys are. */
static void tell_records(uintptr_t start)
{
    for (uint32_t number = gl_weak_first_locked(start); number;) {
        gl_weak_record *r = gl_weak_record_at(number);
        number = r->next;
        if (r->class->reached) {
            r->class->reached(r);
        }
    }
}

static void trace_all(void)
{
    while (ephemerons.n_todo) {
        gl_object object;
        uintptr_t start = ephemerons.todo[--ephemerons.n_todo];
        if (!gl_heap_find_held(start, &object)) {
            continue;
        }
        ephemerons.n_traced++;
        if (object.state & GL_STATE_ATTACHED) {
            tell_records(start);
        }
        if (object.kind == GL_KIND_TYPED) {
            trace_typed(&object);
        } else if (gl_kind_is_scanned(object.kind)) {
            trace_words(&object);
        }
    }
}

void gl_ephemeron_mark_values(void *const *values, uint32_t n)
{
    ephemerons.n_settled += n;
    if (!ephemerons.is_tracing) {
        gl_mark_words(ephemerons.marker, (const uintptr_t *)values, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        trace_word((uintptr_t)values[i]);
    }
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static void ask_all_maps(void)
{
    ephemerons.n_settled = ephemerons.n_pending = 0;
    for (uint32_t number = ephemerons.first; number;) {
        gl_weak_record *r = gl_weak_record_at(number);
        number = r->links[LINK_NEXT];
        if (gl_ephemeron_is_reached(r->key)) {
            r->class->reached(r);
        }
    }
}

static void trace_from_all_maps(void)
{
    ephemerons.is_tracing = true;
    ask_all_maps();
    trace_all();
    ephemerons.is_tracing = false;
}

void gl_ephemerons_begin(void)
{
    ephemerons.cycle++;
    ephemerons.n_examined = ephemerons.n_traced = 0;
}

void gl_ephemerons_mark(gl_marker *marker)
{
    ephemerons.marker = marker;
    do {
        ephemerons.is_incomplete = false;
        do {
            ask_all_maps();
            gl_mark_drain(marker);
        } while (ephemerons.n_settled > 0 && ephemerons.n_settled >= ephemerons.n_pending / SHARE);
        if (ephemerons.n_settled > 0) {
            trace_from_all_maps();
            gl_mark_drain(marker);
        }
    } while (ephemerons.is_incomplete);
}

uint64_t gl_ephemerons_examined(void) { return ephemerons.n_examined; }
uint64_t gl_ephemerons_traced(void) { return ephemerons.n_traced; }
