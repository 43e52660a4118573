/* SPDX-License-Identifier: MIT */
/*
 * collect/cycle.c - the whole collection, one call per phase.
 *
 * Locks. GL_RANK_COLLECT for the length of a collection; then the tables of roots and garbage, then
 * every lock of the heap, then the world is stopped: so no stopped thread is inside a structure that
 * the collector reads. The loader's list of objects is read before all that, without a lock: it
 * takes the loader's own lock, which a thread may hold that waits for one of ours.
 */
#include "collect/cycle.h"

#include <string.h>

#include "base/check.h"
#include "base/knobs.h"
#include "collect/control.h"
#include "collect/ephemeron.h"
#include "collect/finalize.h"
#include "collect/flip.h"
#include "collect/garbage.h"
#include "collect/layout.h"
#include "collect/linear.h"
#include "collect/lost.h"
#include "collect/mark.h"
#include "collect/quarantine.h"
#include "collect/roots_mark.h"
#include "collect/table_locks.h"
#include "collect/weak.h"
#include "collect/weak_slot.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/counts.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "heap/quarantine.h"
#include "os/images.h"
#include "os/system.h"
#include "os/threads.h"

/* The loaded objects as one collection saw them; pooled, because two threads may be about to
 * collect at once. */
typedef struct images_buffer {
    gl_images images;
    struct images_buffer *next;
} images_buffer;

static struct {
    gl_lock lock; /* one collection at a time */
    gl_marker *marker;
    gl_lock images_lock;
    images_buffer *images; /* not in use */
    volatile gl_word is_open;   /* gl_cycle_open() was called: collections may begin */
    volatile gl_word n_reading; /* threads that read the list of loaded objects, or FORKING */
    bool has_kept_readers_out;  /* the fork under way has; writer: the thread that forks */
    volatile gl_word collector_tid; /* who holds `lock`; 0: nobody */
} cycle = {.lock = GL_LOCK_INIT(GL_RANK_COLLECT), .images_lock = GL_LOCK_INIT(GL_RANK_META)};

static void take_cycle_lock(void)
{
    gl_lock_acquire(&cycle.lock);
    gl_store_relaxed(&cycle.collector_tid, (size_t)gl_threads_tid());
}

static void drop_cycle_lock(void)
{
    gl_store_relaxed(&cycle.collector_tid, 0);
    gl_lock_release(&cycle.lock);
}

void gl_cycle_open(void)
{
    gl_store_release(&cycle.is_open, 1);
}

static bool prepare_locked(void)
{
    if (!cycle.marker) {
        cycle.marker = gl_marker_new();
    }
    return cycle.marker != NULL;
}

bool gl_cycle_prepare(void)
{
    take_cycle_lock();
    bool is_done = prepare_locked();
    drop_cycle_lock();
    return is_done;
}

/* No lock: the world is stopped, and the caller may hold locks that come after that of the cycle. */
gl_marker *gl_cycle_marker(void)
{
    return prepare_locked() ? cycle.marker : NULL;
}

/* ---- Loaded objects ------------------------------------------------------------------------- */

static images_buffer *take_images(void)
{
    gl_lock_acquire(&cycle.images_lock);
    images_buffer *buffer = cycle.images;
    if (buffer) {
        cycle.images = buffer->next;
    }
    gl_lock_release(&cycle.images_lock);
    return buffer ? buffer : gl_meta_alloc(sizeof *buffer);
}

static void give_images(images_buffer *buffer)
{
    if (buffer) {
        gl_lock_acquire(&cycle.images_lock);
        buffer->next = cycle.images;
        cycle.images = buffer;
        gl_lock_release(&cycle.images_lock);
    }
}

/* ---- The pause ------------------------------------------------------------------------------ */

typedef struct pause_context {
    gl_cycle_report *report;
    gl_flip_result flipped;
    const gl_images *images; /* NULL: the PROCESS policy */
    const gl_stopped_thread *self;
    uint64_t since_ns;       /* end of the phase before */
    bool is_done;
} pause_context;

static uint64_t lap(pause_context *c)
{
    uint64_t now = gl_os_now_ns();
    uint64_t spent = now - c->since_ns;
    c->since_ns = now;
    return spent;
}

static void verify_if_asked(void)
{
    if (gl_options.verify) {
        gl_heap_verify();
        gl_weak_verify();
    }
}

static bool search_roots(gl_marker *m, void *context)
{
    const pause_context *c = context;
    return gl_roots_mark(m, c->self, gl_threads_stopped(), c->images) != 0;
}

/* What was lost is kept for a while, as if it had been reached. */
static void hold_lost(pause_context *c)
{
    if (!gl_quarantine_is_on()) {
        gl_lost_hold(cycle.marker, c->report->reason, search_roots, c, &c->report->lost);
    }
}

/* What was not reached goes: weak references to it first, then finalizers have their turn, and what they
 * need is kept. */
static void let_go(pause_context *c)
{
    gl_weak_begin_clearing();
    gl_weak_clear();
    gl_weak_slots_show();
    gl_finalize_hold(cycle.marker, &c->report->finalize);
    gl_weak_clear_late();
    gl_weak_end_clearing();
}

/* Everything that is to stay is marked. */
static void settle(pause_context *c)
{
    if (gl_quarantine_is_on()) {
        gl_quarantine_settle(&c->report->quarantine);
    } else {
        gl_lost_settle(&c->report->lost);
    }
}

/* What the library's own tables hold. */
static void mark_tables(gl_marker *m)
{
    gl_garbage_mark(m);
    gl_weak_mark_held(m);
    gl_finalize_mark_waiting(m);
}

/* The table of contents of a collection. The world is stopped; `self` is the calling thread. */
static void pause(const gl_stopped_thread *self, void *context)
{
    pause_context *c = context;
    gl_cycle_report *r = c->report;
    gl_marker *m = cycle.marker;
    c->self = self;

    verify_if_asked();
    gl_mark_prepare(m);
    if (gl_quarantine_is_on()) {
        gl_quarantine_watch(m);
        gl_marker_read_between(m, true);
    }
    gl_weak_slots_hide();
    r->root_bytes = gl_roots_mark(m, self, gl_threads_stopped(), c->images);
    if (r->root_bytes == 0) {
        gl_weak_slots_show();
        return;
    }
    mark_tables(m);
    r->roots_ns = lap(c);

    if (gl_quarantine_is_on()) {
        gl_linear_mark_from_malloc(m);
    }
    gl_mark_drain(m);
    gl_ephemerons_begin();
    gl_ephemerons_mark(m);
    hold_lost(c);
    gl_ephemerons_mark(m);
    r->mark_ns = lap(c);

    let_go(c);
    r->uncollectable = gl_garbage_inspect(m);
    settle(c);
    r->weak_ns = lap(c);
    r->n_markers = gl_marker_n_markers(m);

    gl_flip(&c->flipped);
    gl_marker_trim(m);
    verify_if_asked();
    r->flip_ns = lap(c);
    c->is_done = true;
}

/* What earlier calls have left below the stack pointer would shine through the unused parts of the
 * frames that the collection itself is about to put there, and keep garbage alive (Boehm 1993). */
static __attribute__((noinline)) void clear_stack_below(void)
{
    enum { CLEARED_BYTES = 4096 };
    char dead[CLEARED_BYTES];
    memset(dead, 0, sizeof dead);
    __asm__ __volatile__("" : : "r"(dead) : "memory");
}

static size_t count_stopped(void)
{
    size_t n = 1;
    for (const gl_stopped_thread *t = gl_threads_stopped(); t; t = t->next) {
        n++;
    }
    return n;
}

/* Takes every lock and stops the world. A thread that has blocked all signals may wait for one of
 * these locks, and then cannot stop: glibc does that when a detached thread ends and frees its
 * tables. So each attempt is short, and in between the locks are free for a moment. False: it did
 * not stop in time, and no lock is held. */
static bool lock_and_stop(void)
{
    static const uint64_t FIRST_ATTEMPT_NS = 4000000, BETWEEN_NS = 200000;
    static volatile uint32_t nobody_wakes;
    uint64_t left_ns = gl_options.stop_timeout_ms * 1000000;
    for (uint64_t attempt_ns = FIRST_ATTEMPT_NS;; attempt_ns *= 2) {
        attempt_ns = attempt_ns < left_ns ? attempt_ns : left_ns;
        gl_roots_lock();
        gl_garbage_lock();
        gl_weak_lock();
        gl_table_locks_acquire();
        gl_heap_lock_all();
        if (gl_threads_stop(attempt_ns)) {
            return true;
        }
        gl_heap_unlock_inner();
        gl_heap_unlock_outer();
        gl_table_locks_release();
        gl_weak_unlock();
        gl_garbage_unlock();
        gl_roots_unlock();
        left_ns -= attempt_ns;
        if (left_ns == 0) {
            return false;
        }
        gl_futex_wait(&nobody_wakes, 0, BETWEEN_NS);
    }
}

static void unlock_rest(void)
{
    gl_heap_unlock_outer();
    gl_table_locks_release();
    gl_weak_unlock();
    gl_garbage_unlock();
    gl_roots_unlock();
}

/* Stops the world, runs the pause, lets the world go. False: it did not stop, or the process's
 * memory could not be listed; nothing is changed then. */
static bool run_pause(pause_context *c)
{
    gl_cycle_report *r = c->report;
    uint64_t start_ns = c->since_ns = gl_os_now_ns();
    if (!lock_and_stop()) {
        return false;
    }
    gl_heap_unlock_inner();
    r->stop_ns = lap(c);
    r->n_threads = count_stopped();
    clear_stack_below();
    gl_threads_with_registers(pause, c);
    gl_threads_resume();
    r->pause_ns = gl_os_now_ns() - start_ns;
    unlock_rest();
    return c->is_done;
}

/* ---- The cycle ------------------------------------------------------------------------------ */

/* The lock of the cycle is held; it is released here. */
static gl_cycle_result run_locked(gl_cycle_report *r, images_buffer *images)
{
    pause_context context = {.report = r};
    context.images = gl_control_scans_process() ? NULL : &images->images;
    uint64_t start_ns = gl_os_now_ns();
    gl_heap_counts counts;
    gl_heap_count(&counts);
    r->candidates = counts.live_objects;
    r->heap_before_bytes = gl_load_relaxed(&gl_heap.in_use_bytes);

    bool is_prepared = prepare_locked();
    gl_bin_sweep_all();
    if (!is_prepared || !run_pause(&context)) {
        gl_control_skipped();
        drop_cycle_lock();
        return GL_CYCLE_SKIPPED;
    }
    gl_arena_set_patience(2 * gl_control_cycle_ns());
    gl_flip_release(&context.flipped);
    gl_arena_set_patience(0);

    r->collected = context.flipped.objects;
    r->reclaimed_bytes = context.flipped.bytes;
    r->reclaimed_slack_bytes = context.flipped.slack_bytes;
    r->live_bytes = gl_load_relaxed(&gl_heap.in_use_bytes);
    r->duration_ns = gl_os_now_ns() - start_ns;
    gl_control_finished(r);
    drop_cycle_lock();
    return GL_CYCLE_DONE;
}

/* The child of a fork would find the loader's own lock held for ever if another thread were inside
 * dl_iterate_phdr(), so a fork waits for those that are. This is no lock between them: a thread may
 * come here that holds the loader's lock already, and must not wait for one that waits for it. */
static const size_t FORKING = SIZE_MAX;

static void wait_a_little(void)
{
    static volatile uint32_t nobody_wakes;
    static const uint64_t WAIT_NS = 50000;
    gl_futex_wait(&nobody_wakes, 0, WAIT_NS);
}

static void begin_reading(void)
{
    for (;;) {
        size_t n = gl_load_relaxed(&cycle.n_reading);
        if (n == FORKING) {
            wait_a_little();
        } else if (gl_cas_full(&cycle.n_reading, n, n + 1)) {
            return;
        }
    }
}

/* What the policy needs of the loaded objects. */
static bool read_images(gl_images *images)
{
    bool is_read = true;
    begin_reading();
    if (gl_control_scans_process()) {
        gl_lost_look_at_images();
    } else {
        is_read = gl_images_read(images);
    }
    gl_add_full(&cycle.n_reading, (size_t)-1);
    return is_read;
}

/* Reads what must be read without a lock. */
static bool prepare(images_buffer **images)
{
    *images = take_images();
    if (!*images) {
        return false;
    }
    if (!read_images(&(*images)->images)) {
        give_images(*images);
        return false;
    }
    return true;
}

static bool is_inside_collection(void)
{
    return gl_load_relaxed(&cycle.collector_tid) == (size_t)gl_threads_tid();
}

gl_cycle_result gl_collect_generation(int generation, gc_reason reason, gl_cycle_report *report)
{
    gl_heap_wake();
    clear_stack_below();
    gl_cycle_report own = {0};
    gl_cycle_report *r = report ? report : &own;
    images_buffer *images;
    if (gl_control_is_in_callback() || is_inside_collection()) {
        return GL_CYCLE_BUSY;
    }
    if (!gl_load_acquire(&cycle.is_open)) {
        return GL_CYCLE_SKIPPED; /* another thread is starting the library; the heap is ready already */
    }
    if (!prepare(&images)) {
        gl_control_skipped();
        return GL_CYCLE_SKIPPED;
    }
    *r = (gl_cycle_report){.reason = reason, .generation = generation};
    r->sequence = gl_control_next_sequence();
    gl_control_callback_start(r);
    take_cycle_lock();
    gl_cycle_result result = run_locked(r, images);
    give_images(images);
    clear_stack_below(); /* our frames held registers of the program: they are not to shine through later */
    r->is_skipped = result != GL_CYCLE_DONE;
    gl_control_callback_stop(r);
    gl_finalize_wake();
    return result;
}

gl_cycle_result gl_collect(gc_reason reason, gl_cycle_report *report)
{
    return gl_collect_generation(GL_GENERATION_OLDEST, reason, report);
}

/* Somebody is collecting already: then there is no need to. */
gl_cycle_result gl_cycle_try(int generation, gc_reason reason)
{
    return gl_lock_is_held(&cycle.lock) ? GL_CYCLE_SKIPPED
                                        : gl_collect_generation(generation, reason, NULL);
}

bool gl_cycle_with_stopped_world(gl_cycle_visitor *visitor)
{
    gl_heap_wake();
    take_cycle_lock();
    gl_bin_sweep_all();
    bool is_stopped = lock_and_stop();
    if (is_stopped) {
        gl_heap_unlock_inner();
        gl_heap_each(visitor, NULL);
        gl_threads_resume();
        unlock_rest();
    }
    drop_cycle_lock();
    return is_stopped;
}

/* ---- Fork ----------------------------------------------------------------------------------- */

/* Not for ever: a constructor that forks inside dlopen() holds the lock that a reader waits for. */
static bool try_keep_readers_out(void)
{
    enum { ATTEMPTS = 2000 };
    for (int i = 0; i < ATTEMPTS; i++) {
        if (gl_cas_full(&cycle.n_reading, 0, FORKING)) {
            return true;
        }
        wait_a_little();
    }
    return false;
}

static void let_readers_in(void)
{
    if (cycle.has_kept_readers_out) {
        gl_store_release(&cycle.n_reading, 0);
    }
}

bool gl_collect_is_alone(void)
{
    gl_heap_wake();
    return gl_threads_is_alone() && gl_cache_is_only();
}

void gl_collect_before_fork(void)
{
    gl_heap_wake();
    bool has_kept_readers_out = try_keep_readers_out();
    gl_counts_before_fork();
    take_cycle_lock();
    cycle.has_kept_readers_out = has_kept_readers_out;
    gl_roots_lock();
    gl_garbage_lock();
    gl_weak_lock();
    gl_table_locks_acquire();
    gl_heap_lock_all();
    gl_lock_acquire(&cycle.images_lock);
}

void gl_collect_after_fork_parent(void)
{
    gl_lock_release(&cycle.images_lock);
    gl_heap_unlock_inner();
    unlock_rest();
    let_readers_in();
    drop_cycle_lock();
    gl_counts_after_fork_parent();
}

void gl_collect_after_fork_child(void)
{
    gl_lock_reset(&cycle.images_lock);
    gl_threads_after_fork();
    gl_counts_after_fork_child();
    gl_heap_after_fork_child();
    gl_weak_after_fork_child();
    gl_finalize_after_fork_child();
    gl_table_locks_after_fork_child();
    gl_garbage_after_fork_child();
    gl_roots_after_fork_child();
    gl_layout_after_fork_child();
    gl_control_after_fork_child();
    gl_store_relaxed(&cycle.collector_tid, 0);
    gl_store_release(&cycle.n_reading, 0); /* the readers are gone with their threads */
    gl_lock_reset(&cycle.lock);
}
