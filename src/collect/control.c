/* SPDX-License-Identifier: MIT */
/* collect/control.c - settings, pacing and counters of the collector. */
#include "collect/control.h"

#include "base/check.h"
#include "base/knobs.h"
#include "base/lock.h"
#include "collect/cycle.h"
#include "collect/finalize.h"
#include "collect/lost.h"
#include "collect/pacer.h"
#include "collect/pauses.h"
#include "collect/roots_mark.h"
#include "heap/arena.h"
#include "heap/heap.h"
#include "heap/hooks.h"
#include "heap/quarantine.h"
#include "os/system.h"

/* Defined by the malloc layer, if it is part of this library. */
extern const char gl_malloc_layer_present
    __attribute__((weak, visibility("hidden")));

static const uint64_t FLOOR_LINKED_BYTES = 4u << 20;
static const uint64_t FLOOR_PRELOADED_BYTES = 32u << 20;

/* Marking gains up to a quarter by huge pages; malloc and free alone gain less, and short programs
 * lose what the first use of huge pages costs where the system is a guest (doc/heap.md). */
static const uint64_t HUGE_LINKED_BYTES = 32u << 20;
static const uint64_t HUGE_PRELOADED_BYTES = 128u << 20;

/* Below this many bytes in use nothing is prepared for a collection, so that a small program's start
 * costs little: the limit of the control group takes a dozen system calls. */
static const uint64_t PREPARE_AT_BYTES = 4u << 20;

enum { BACKOFF_PRELOADED = 16, PATIENCE_PRELOADED = 4 };

static struct {
    gl_lock lock; /* of all below that is not atomic */
    gl_pacer pacer;
    gl_pauses pauses;
    gc_generation_stats generations[GL_N_GENERATIONS];
    size_t since[GL_N_GENERATIONS]; /* collections of the generation below since the last of this one; [0]: unused */
    uint64_t reclaimed_bytes;
    gl_lost_report lost; /* of the last collection */
    uint64_t last_end_ns; /* of the last collection */
    size_t threshold[GL_N_GENERATIONS];
    size_t live_after_last; /* objects */
    uint64_t n_since_threshold;
    volatile gl_word sequence;
    volatile gl_word n_skipped;
    volatile gl_word n_disabled; /* nesting */
    volatile gl_word has_threshold; /* the user set one */
    volatile gl_word is_prepared;   /* the default limit has been read; set under the lock */
    volatile gl_word n_stress;
    volatile gl_word trigger; /* the pacer's; gl_heap.trigger_bytes may be lower (thresholds) */
} control = {.lock = GL_LOCK_INIT(GL_RANK_META), .threshold = {2000, 10, 10}};

static __thread int callback_depth;

bool gl_control_scans_process(void)
{
    if (gl_options.roots != GL_ROOTS_AUTO) {
        return gl_options.roots == GL_ROOTS_PROCESS;
    }
    return &gl_malloc_layer_present != NULL;
}

/* ---- Settings ------------------------------------------------------------------------------- */

static uint64_t default_limit(void)
{
    size_t cgroup = gl_os_cgroup_limit_bytes();
    return cgroup == SIZE_MAX ? UINT64_MAX : cgroup / 10 * 9;
}

/* With the limit, the trigger may be lower than the caller knows: it must be published again. */
static void prepare_locked(void)
{
    if (!gl_load_relaxed(&control.is_prepared)) {
        gl_store_relaxed(&control.is_prepared, 1);
        if (control.pacer.limit_bytes == UINT64_MAX) {
            control.pacer.limit_bytes = default_limit();
        }
    }
}

static void publish_trigger_locked(uint64_t trigger)
{
    gl_store_relaxed(&control.trigger, trigger);
    if (!gl_load_relaxed(&control.is_prepared) && trigger != UINT64_MAX &&
        trigger > PREPARE_AT_BYTES) {
        trigger = PREPARE_AT_BYTES;
    }
    /* With thresholds every fetch asks, because they count objects, not bytes. */
    gl_store_relaxed(&gl_heap.trigger_bytes,
                     gl_load_relaxed(&control.has_threshold) ? 0 : trigger);
}

static uint64_t floor_bytes(void)
{
    if (gl_options.trigger_bytes != 0) {
        return gl_options.trigger_bytes;
    }
    return gl_control_scans_process() ? FLOOR_PRELOADED_BYTES : FLOOR_LINKED_BYTES;
}

static uint64_t huge_from_bytes(void)
{
    if (gl_options.huge_from_bytes != 0) {
        return gl_options.huge_from_bytes;
    }
    return gl_control_scans_process() ? HUGE_PRELOADED_BYTES : HUGE_LINKED_BYTES;
}

/* Huge pages pay where the marker comes again. Where most of the heap dies at each collection they
 * only cost what their first use costs, so what is advised from now on depends on the last one. */
static void advise_by_survival(const gl_pacer_sample *s)
{
    bool survives = s->live_bytes >= s->before_bytes / 2;
    gl_arena_set_huge_from(survives ? huge_from_bytes() : UINT64_MAX);
}

void gl_collect_init(void)
{
    gl_arena_set_huge_from(huge_from_bytes());
    uint64_t percent = gl_options.mode == GL_MODE_MALLOC ? 0 : gl_options.percent;
    gl_pacer_init(&control.pacer, percent, floor_bytes(), gl_options.memory_limit,
                  gl_control_scans_process() ? BACKOFF_PRELOADED : 1);
    /* Whoever names a trigger means it. */
    if (gl_control_scans_process() && gl_options.trigger_bytes == 0) {
        control.pacer.patience = PATIENCE_PRELOADED;
    }
    control.last_end_ns = gl_os_now_ns();
    if (gl_quarantine_is_on()) {
        gl_store_relaxed(&gl_quarantine.limit_bytes, gl_options.quarantine_bytes
                                                         ? gl_options.quarantine_bytes
                                                         : gl_pacer_quarantine_first_bytes);
    }
    gl_cycle_open();
    gl_collect_repace();
}

void gl_collect_repace(void)
{
    gl_lock_acquire(&control.lock);
    control.pacer.floor_bytes = floor_bytes();
    publish_trigger_locked(gl_pacer_trigger(&control.pacer));
    gl_lock_release(&control.lock);
}

int gl_collect_set_percent(int percent)
{
    gl_lock_acquire(&control.lock);
    int old = control.pacer.percent ? (int)control.pacer.percent : -1;
    control.pacer.percent = percent < 0 ? 0 : (uint64_t)percent;
    publish_trigger_locked(gl_pacer_trigger(&control.pacer));
    gl_lock_release(&control.lock);
    return old;
}

size_t gl_collect_set_memory_limit(size_t bytes)
{
    gl_lock_acquire(&control.lock);
    prepare_locked();
    size_t old = control.pacer.limit_bytes;
    control.pacer.limit_bytes = bytes;
    publish_trigger_locked(gl_pacer_trigger(&control.pacer));
    gl_lock_release(&control.lock);
    return old;
}

bool gl_collect_is_memory_short(uint64_t in_use_bytes)
{
    gl_lock_acquire(&control.lock);
    bool is_short = in_use_bytes > control.pacer.limit_bytes / 8 * 7;
    gl_lock_release(&control.lock);
    return is_short;
}

void gl_collect_set_bound(uint64_t bytes)
{
    gl_lock_acquire(&control.lock);
    control.pacer.bound_bytes = bytes;
    publish_trigger_locked(gl_pacer_trigger(&control.pacer));
    gl_lock_release(&control.lock);
}

void gl_collect_get_threshold(size_t threshold[3])
{
    gl_lock_acquire(&control.lock);
    for (int i = 0; i < GL_N_GENERATIONS; i++) {
        threshold[i] = control.threshold[i];
    }
    gl_lock_release(&control.lock);
}

void gl_collect_set_threshold(const size_t threshold[3])
{
    gl_lock_acquire(&control.lock);
    for (int i = 0; i < GL_N_GENERATIONS; i++) {
        control.threshold[i] = threshold[i];
    }
    gl_store_relaxed(&control.has_threshold, 1);
    publish_trigger_locked(gl_pacer_trigger(&control.pacer));
    gl_lock_release(&control.lock);
}

static size_t count_since_last(void)
{
    gl_heap_counts counts;
    gl_heap_count(&counts);
    return counts.live_objects > control.live_after_last
               ? counts.live_objects - control.live_after_last
               : 0;
}

void gl_collect_get_count(size_t count[3])
{
    count[0] = count_since_last();
    gl_lock_acquire(&control.lock);
    for (int i = 1; i < GL_N_GENERATIONS; i++) {
        count[i] = control.since[i];
    }
    gl_lock_release(&control.lock);
}

void gl_collect_disable(void)
{
    gl_add_relaxed(&control.n_disabled, 1);
}

void gl_collect_enable(void)
{
    size_t n = gl_load_relaxed(&control.n_disabled);
    while (n > 0 && !gl_cas_full(&control.n_disabled, n, n - 1)) {
        n = gl_load_relaxed(&control.n_disabled);
    }
}

bool gl_collect_is_enabled(void)
{
    return gl_load_relaxed(&control.n_disabled) == 0;
}

/* ---- Automatic collection ------------------------------------------------------------------- */

static bool is_stress_due(void)
{
    return gl_options.stress_every &&
           gl_add_relaxed(&control.n_stress, 1) % gl_options.stress_every == 0;
}

static bool is_threshold_due(void)
{
    return gl_load_relaxed(&control.has_threshold) && control.threshold[0] != 0 &&
           count_since_last() > control.threshold[0];
}

/* As in Python: the oldest generation whose count exceeds its threshold. */
static int generation_due(void)
{
    int generation = GL_GENERATION_OLDEST;
    gl_lock_acquire(&control.lock);
    while (generation > 0 && control.since[generation] <= control.threshold[generation]) {
        generation--;
    }
    gl_lock_release(&control.lock);
    return generation;
}

/* A threshold of 0 stops automatic collection. */
static bool is_stopped_by_threshold(void)
{
    return gl_load_relaxed(&control.has_threshold) && control.threshold[0] == 0;
}

/* The marker, too: while there is memory for it. */
static void prepare(void)
{
    gl_lock_acquire(&control.lock);
    bool is_first = !gl_load_relaxed(&control.is_prepared);
    if (is_first) {
        prepare_locked();
        publish_trigger_locked(gl_pacer_trigger(&control.pacer));
    }
    gl_lock_release(&control.lock);
    if (is_first) {
        gl_cycle_prepare();
    }
}

static bool can_wait(size_t in_use)
{
    gl_lock_acquire(&control.lock);
    uint64_t later =
        gl_pacer_defer(&control.pacer, in_use, gl_os_now_ns() - control.last_end_ns);
    if (later) {
        publish_trigger_locked(later);
    }
    gl_lock_release(&control.lock);
    return later != 0;
}

static void collect_if_due(size_t bytes)
{
    if (!gl_collect_is_enabled() || callback_depth > 0 || is_stopped_by_threshold() ||
        gl_options.mode == GL_MODE_MALLOC) {
        return;
    }
    if (GL_UNLIKELY(!gl_load_relaxed(&control.is_prepared))) {
        prepare();
    }
    size_t in_use = gl_load_relaxed(&gl_heap.in_use_bytes);
    if (is_stress_due()) {
        gl_cycle_try(GL_GENERATION_OLDEST, GC_REASON_STRESS);
    } else if (gl_quarantine_is_on() && gl_quarantine_is_full()) {
        gl_cycle_try(GL_GENERATION_OLDEST, GC_REASON_QUARANTINE);
    } else if (in_use + bytes > gl_load_relaxed(&control.trigger)) {
        if (can_wait(in_use + bytes)) {
            return;
        }
        gl_cycle_try(GL_GENERATION_OLDEST, in_use > control.pacer.limit_bytes / 8 * 7
                                               ? GC_REASON_MEMORY_LIMIT
                                               : GC_REASON_HEAP_GROWTH);
    } else if (is_threshold_due()) {
        gl_cycle_try(generation_due(), GC_REASON_THRESHOLD);
    }
}

void gl_hook_collection_due(size_t bytes, bool may_finalize)
{
    collect_if_due(bytes);
    if (may_finalize) {
        gl_finalize_run_if_due();
    }
}

/* ---- After a collection --------------------------------------------------------------------- */

uint64_t gl_control_next_sequence(void)
{
    return gl_add_relaxed(&control.sequence, 1) + 1;
}

static void adapt_quarantine(const gl_pacer_sample *s, uint64_t root_bytes)
{
    if (gl_options.quarantine_bytes != 0) {
        gl_store_relaxed(&gl_quarantine.limit_bytes, gl_options.quarantine_bytes);
    } else if (gl_quarantine_is_on()) {
        uint64_t limit =
            gl_pacer_quarantine(gl_load_relaxed(&gl_quarantine.limit_bytes),
                                s->live_bytes + root_bytes, s->collector_ns, s->program_ns);
        gl_store_relaxed(&gl_quarantine.limit_bytes, limit);
    }
}

static void count_generation_locked(const gl_cycle_report *r)
{
    gc_generation_stats *stats = &control.generations[r->generation];
    stats->collections++;
    stats->collected += r->collected;
    stats->uncollectable += r->uncollectable;
    stats->candidates += r->candidates;
    stats->duration_ns += r->duration_ns;
    for (int i = 0; i <= r->generation; i++) {
        control.since[i] = 0;
    }
    if (r->generation < GL_GENERATION_OLDEST) {
        control.since[r->generation + 1]++;
    }
}

void gl_control_finished(const gl_cycle_report *r)
{
    uint64_t now = gl_os_now_ns();
    gl_heap_counts counts;
    gl_heap_count(&counts);
    gl_lock_acquire(&control.lock);
    gl_pacer_sample sample = {.before_bytes = r->heap_before_bytes,
                              .live_bytes = r->live_bytes,
                              .condemned_bytes = r->lost.condemned_bytes,
                              .new_condemned_bytes = r->lost.new_bytes,
                              .old_reclaimed_bytes = r->lost.ripe_bytes,
                              .collector_ns = r->duration_ns,
                              .program_ns = now - r->duration_ns - control.last_end_ns};
    control.last_end_ns = now;
    control.live_after_last = counts.live_objects;
    control.reclaimed_bytes += r->reclaimed_bytes;
    control.lost = r->lost;
    count_generation_locked(r);
    gl_pauses_add(&control.pauses, r->pause_ns);
    prepare_locked();
    uint64_t trigger = r->reason == GC_REASON_QUARANTINE
                           ? gl_pacer_note(&control.pacer, r->live_bytes)
                           : gl_pacer_learn(&control.pacer, &sample);
    adapt_quarantine(&sample, r->root_bytes);
    publish_trigger_locked(trigger);
    gl_lock_release(&control.lock);
    advise_by_survival(&sample);
    /* The heap will grow to the trigger again: what lies beyond that goes back. */
    uint64_t growth = trigger > r->live_bytes ? trigger - r->live_bytes : 0;
    gl_arena_purge(growth < SIZE_MAX - gl_options.retain_bytes ? growth + gl_options.retain_bytes
                                                               : SIZE_MAX);
}

uint64_t gl_control_cycle_ns(void)
{
    gl_lock_acquire(&control.lock);
    uint64_t since_ns = gl_os_now_ns() - control.last_end_ns;
    gl_lock_release(&control.lock);
    return since_ns;
}

/* Do not try again at once: what hinders a thread from stopping may last. */
void gl_control_skipped(void)
{
    gl_add_relaxed(&control.n_skipped, 1);
    size_t in_use = gl_load_relaxed(&gl_heap.in_use_bytes);
    gl_lock_acquire(&control.lock);
    publish_trigger_locked(in_use + in_use / 4 + (1u << 20));
    gl_lock_release(&control.lock);
    if (gl_quarantine_is_on()) {
        gl_store_relaxed(&gl_quarantine.limit_bytes,
                         gl_load_relaxed(&gl_quarantine.fresh_bytes) + in_use / 4 + (1u << 20));
    }
}

/* At worst a sum lacks the collection that another thread was adding. */
void gl_control_after_fork_child(void)
{
    gl_lock_reset(&control.lock);
}

void gl_collect_fill_stats(gc_stats *stats)
{
    gl_lock_acquire(&control.lock);
    for (int i = 0; i < GL_N_GENERATIONS; i++) {
        stats->generations[i] = control.generations[i];
    }
    stats->reclaimed_bytes = control.reclaimed_bytes;
    stats->pause_count = control.pauses.count;
    stats->pause_total_ns = control.pauses.total_ns;
    stats->pause_max_ns = control.pauses.max_ns;
    stats->pause_p50_ns = gl_pauses_percentile(&control.pauses, 50);
    stats->pause_p99_ns = gl_pauses_percentile(&control.pauses, 99);
    stats->skipped = gl_load_relaxed(&control.n_skipped);
    stats->condemned_objects = control.lost.condemned_objects;
    stats->condemned_bytes = control.lost.condemned_bytes;
    stats->exempt_objects = control.lost.exempt_objects;
    stats->exempt_bytes = control.lost.exempt_bytes;
    stats->hidden_uses = gl_lost_n_evidence();
    stats->keeps_lost = gl_lost_is_all_kept();
    gl_lock_release(&control.lock);
}

uint64_t gl_collect_n_collections(void)
{
    gl_lock_acquire(&control.lock);
    uint64_t n = 0;
    for (int g = 0; g < GL_N_GENERATIONS; g++) {
        n += control.generations[g].collections;
    }
    gl_lock_release(&control.lock);
    return n;
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

bool gl_control_is_in_callback(void)
{
    return callback_depth > 0;
}

void gl_control_callback_start(const gl_cycle_report *report)
{
    callback_depth++;
    gl_hook_cycle_start(report);
    callback_depth--;
}

void gl_control_callback_stop(const gl_cycle_report *report)
{
    callback_depth++;
    gl_hook_cycle_stop(report);
    callback_depth--;
}

/* ---- Freeze --------------------------------------------------------------------------------- */

static bool freeze_one(const gl_object *object, void *arg)
{
    (void)arg;
    gl_heap_set_state(object, GL_STATE_FROZEN);
    return true;
}

static bool unfreeze_one(const gl_object *object, void *arg)
{
    (void)arg;
    gl_heap_clear_state(object, GL_STATE_FROZEN);
    return true;
}

void gl_collect_freeze(void)
{
    gl_cycle_with_stopped_world(freeze_one);
}

void gl_collect_unfreeze(void)
{
    gl_cycle_with_stopped_world(unfreeze_one);
}
