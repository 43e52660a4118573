/* SPDX-License-Identifier: MIT */
/*
 * api/cycle.c - who is told of a collection: the program's callbacks, and the trace.
 *
 * The table of callbacks has a fixed size, so that adding one needs no memory. Protected by
 * gl_api_lock; callbacks are called without it, from a copy. An entry with id 0 is free: the id is
 * stored last when it is made, and cleared first when it ends.
 *
 * THE TRACE LINE (option gctrace=1 or GC_DEBUG_STATS; one per collection; the words and their order
 * are kept from version to version, new ones come at the end):
 *
 *   gleaner: gc 3 full heap-growth: 12.3 MiB -> 4.5 MiB, 12345 of 50000 objects reclaimed,
 *   pause 1.234 ms (stop 0.021 roots 0.112 mark 1.001 flip 0.100), 2 threads
 *
 * (in one line): number of the collection, what was collected, why; bytes in use before and after;
 * objects reclaimed of those that were there; how long the world was stopped, and for what; the
 * threads that were stopped, with the one that collected. What follows is there only if it is not zero:
 * ", 2 markers"; ", 12 condemned (1.2 KiB)", objects that nobody freed and nothing refers to, kept for now;
 * ", 12 lost but exempt (1.2 KiB)", the same, kept for good; ", 3 uses of hidden pointers", how often since
 * the start the program has freed or resized a condemned object. In mode `safe`: ", 12 released from
 * quarantine (1.2 KiB)", objects that the program had freed, and that may be used again; ", 3 held in
 * quarantine (96 B)", to which something still refers.
 */
#include <errno.h>

#include <gleaner/gc.h>

#include "api/options.h"
#include "api/start.h"
#include "api/write.h"
#include "base/fmt.h"
#include "base/knobs.h"
#include "collect/collect.h"
#include "object/lru.h"
#include "profile/profile.h"

enum { CALLBACKS_MAX = 64, NS_PER_US = 1000 };

typedef struct callback_entry {
    gc_callback fn;
    void *arg;
    int id; /* 0: free */
} callback_entry;

static callback_entry table[CALLBACKS_MAX];
static int last_id;

/* ---- Callbacks ------------------------------------------------------------------------------ */

/* Ids are not reused, so that removing twice is an error; after two thousand million they end. */
static int add_locked(gc_callback callback, void *arg)
{
    for (int i = 0; i < CALLBACKS_MAX && last_id < INT32_MAX; i++) {
        if (table[i].id == 0) {
            table[i].fn = callback;
            table[i].arg = arg;
            gl_signal_fence();
            table[i].id = ++last_id;
            return table[i].id;
        }
    }
    return 0;
}

int gc_add_callback(gc_callback callback, void *arg)
{
    if (!callback) {
        errno = EINVAL;
        return -1;
    }
    gl_lock_acquire(&gl_api_lock);
    int id = add_locked(callback, arg);
    gl_lock_release(&gl_api_lock);
    if (id == 0) {
        errno = ENOMEM;
        return -1;
    }
    return id;
}

static callback_entry *find_locked(int id)
{
    for (int i = 0; i < CALLBACKS_MAX && id > 0; i++) {
        if (table[i].id == id) {
            return &table[i];
        }
    }
    return NULL;
}

int gc_remove_callback(int id)
{
    gl_lock_acquire(&gl_api_lock);
    callback_entry *entry = find_locked(id);
    if (entry) {
        entry->id = 0;
    }
    gl_lock_release(&gl_api_lock);
    if (!entry) {
        errno = ENOENT;
        return -1;
    }
    return 0;
}

/* The callback at an index, if there is one: read anew before each call, because the last one may
 * have removed it. */
static bool read_entry(int i, callback_entry *entry)
{
    gl_lock_acquire(&gl_api_lock);
    *entry = table[i];
    gl_lock_release(&gl_api_lock);
    return entry->id != 0;
}

static void call_all(const gc_event *event)
{
    int saved_errno = errno; /* this may be inside malloc() */
    int newest = last_id;    /* one that a callback adds now is called from the next event on */
    for (int i = 0; i < CALLBACKS_MAX; i++) {
        callback_entry entry;
        if (read_entry(i, &entry) && entry.id <= newest) {
            entry.fn(event, entry.arg);
        }
    }
    errno = saved_errno;
}

/* ---- The trace ------------------------------------------------------------------------------ */

static const char *reason_name(gc_reason reason)
{
    switch (reason) {
    case GC_REASON_EXPLICIT:
        return "explicit";
    case GC_REASON_HEAP_GROWTH:
        return "heap-growth";
    case GC_REASON_THRESHOLD:
        return "threshold";
    case GC_REASON_MEMORY_LIMIT:
        return "memory-limit";
    case GC_REASON_NO_MEMORY:
        return "no-memory";
    case GC_REASON_STRESS:
        return "stress";
    case GC_REASON_QUARANTINE:
        return "quarantine";
    }
    return "unknown";
}

/* Milliseconds with three decimals. */
static void add_ms(gl_fmt *line, const char *before, uint64_t ns)
{
    gl_fmt_str(line, before);
    gl_fmt_fixed(line, (ns + NS_PER_US / 2) / NS_PER_US, 3);
}

static void add_amount(gl_fmt *line, uint64_t objects, uint64_t bytes, const char *what)
{
    if (objects > 0) {
        gl_fmt_str(line, ", ");
        gl_fmt_dec(line, objects);
        gl_fmt_str(line, what);
        gl_fmt_str(line, " (");
        gl_fmt_bytes(line, bytes);
        gl_fmt_str(line, ")");
    }
}

static void add_lost(gl_fmt *line, const gl_lost_report *lost)
{
    add_amount(line, lost->condemned_objects, lost->condemned_bytes, " condemned");
    add_amount(line, lost->exempt_objects, lost->exempt_bytes, " lost but exempt");
    if (lost->hidden_uses > 0) {
        gl_fmt_str(line, ", ");
        gl_fmt_dec(line, lost->hidden_uses);
        gl_fmt_str(line, " uses of hidden pointers");
    }
}

static void compose(gl_fmt *line, const gl_cycle_report *report)
{
    gl_fmt_init(line);
    gl_fmt_str(line, "gleaner: gc ");
    gl_fmt_dec(line, report->sequence);
    gl_fmt_str(line, report->generation == GL_GENERATION_OLDEST ? " full " : " young ");
    gl_fmt_str(line, reason_name(report->reason));
    gl_fmt_str(line, ": ");
    gl_fmt_bytes(line, report->heap_before_bytes);
    gl_fmt_str(line, " -> ");
    gl_fmt_bytes(line, report->live_bytes);
    gl_fmt_str(line, ", ");
    gl_fmt_dec(line, report->collected);
    gl_fmt_str(line, " of ");
    gl_fmt_dec(line, report->candidates);
    gl_fmt_str(line, " objects reclaimed");
    add_ms(line, ", pause ", report->pause_ns);
    add_ms(line, " ms (stop ", report->stop_ns);
    add_ms(line, " roots ", report->roots_ns);
    add_ms(line, " mark ", report->mark_ns);
    add_ms(line, " weak ", report->weak_ns);
    add_ms(line, " flip ", report->flip_ns);
    gl_fmt_str(line, "), ");
    gl_fmt_dec(line, report->n_threads);
    gl_fmt_str(line, report->n_threads == 1 ? " thread" : " threads");
    if (report->n_markers > 1) {
        gl_fmt_str(line, ", ");
        gl_fmt_dec(line, report->n_markers);
        gl_fmt_str(line, " markers");
    }
    add_lost(line, &report->lost);
    const gl_quarantine_report *q = &report->quarantine;
    add_amount(line, q->released_objects, q->released_bytes, " released from quarantine");
    add_amount(line, q->held_objects, q->held_bytes, " held in quarantine");
    gl_fmt_str(line, "\n");
}

static void trace(const gl_cycle_report *report)
{
    bool is_on_stderr = (gl_collect_get_debug() & GC_DEBUG_STATS) != 0;
    if (!gl_options.gctrace && !is_on_stderr) {
        return;
    }
    gl_fmt line;
    compose(&line, report);
    if (gl_options.gctrace) {
        gl_knob_text path;
        gl_options_copy_text(&path, &gl_options.trace_file);
        is_on_stderr |= path.text[0] == '\0';
        if (path.text[0]) {
            gl_write_append(path.text, &line);
        }
    }
    if (is_on_stderr) {
        gl_fmt_write(&line, 2);
    }
}

/* ---- Called by the collector ---------------------------------------------------------------- */

void gl_hook_cycle_start(const gl_cycle_report *report)
{
    gc_event event = {
        .size = sizeof event,
        .phase = GC_PHASE_START,
        .generation = report->generation,
        .reason = report->reason,
        .sequence = report->sequence,
    };
    call_all(&event);
}

/* What survived is nearly all that there may be: caches give up half, and the next collection finds what
 * only they held. Not at the start of one, for near the limit most of the heap may be garbage. */
static void relieve(const gl_cycle_report *report)
{
    if (!report->is_skipped && gl_collect_is_memory_short(report->live_bytes)) {
        gl_lru_give_up_half();
    }
}

void gl_hook_cycle_stop(const gl_cycle_report *report)
{
    gc_event event = {
        .size = sizeof event,
        .phase = GC_PHASE_STOP,
        .generation = report->generation,
        .reason = report->reason,
        .sequence = report->sequence,
        .collected = report->collected,
        .uncollectable = report->uncollectable,
        .reclaimed_bytes = report->reclaimed_bytes,
        .live_bytes = report->live_bytes,
        .pause_ns = report->pause_ns,
        .duration_ns = report->duration_ns,
    };
    trace(report);
    relieve(report);
    /* What the program had freed is not in use any more since then. */
    gl_profile_collected(report->reclaimed_bytes - report->reclaimed_slack_bytes -
                             report->quarantine.released_bytes,
                         report->reason == GC_REASON_EXPLICIT);
    call_all(&event);
}
