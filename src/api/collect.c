/* SPDX-License-Identifier: MIT */
/* api/collect.c - collections on demand, when they come by themselves, and the limits. */
#include <errno.h>

#include <gleaner/gc.h>

#include "api/start.h"
#include "base/knobs.h"
#include "collect/collect.h"
#include "collect/finalize.h"
#include "heap/heap.h"
#include "os/threads.h"

/* From inside gc_blocking_call() the thread comes out first: who collects must not count as one
 * that need not be stopped. */
static gl_cycle_result collect_outside(int generation, gl_cycle_report *report)
{
    bool is_blocking = gl_threads_leave();
    gl_cycle_result result = gl_collect_generation(generation, GC_REASON_EXPLICIT, report);
    if (is_blocking) {
        gl_threads_reenter();
    }
    return result;
}

/* 0 or an errno value. */
static int collect_now(int generation, size_t *n_collected)
{
    gl_cycle_report report = {0};
    *n_collected = 0;
    if (!gl_start_ensure()) {
        return ENOMEM;
    }
    switch (collect_outside(generation, &report)) {
    case GL_CYCLE_DONE:
        /* Each object counts once: when it is found. Those of malloc's are watched then, those with
         * finalizers wait for these. */
        *n_collected = (size_t)(report.collected + report.finalize.found -
                                 report.finalize.reclaimed - report.lost.ripe_objects +
                                 report.lost.new_objects - report.quarantine.released_objects);
        gl_finalize_run_if_due();
        return 0;
    case GL_CYCLE_BUSY:
        return EBUSY;
    default:
        return EAGAIN;
    }
}

size_t gc_collect(void)
{
    size_t n_collected;
    int error = collect_now(GL_GENERATION_OLDEST, &n_collected);
    if (error) {
        errno = error;
    }
    return n_collected;
}

ssize_t gc_collect_generation(int generation)
{
    size_t n_collected = 0;
    int error = generation < 0 || generation > GL_GENERATION_OLDEST
                    ? EINVAL
                    : collect_now(generation, &n_collected);
    if (error) {
        errno = error;
        return -1;
    }
    return (ssize_t)n_collected;
}

int gc_collect_step(uint64_t budget_ns)
{
    (void)budget_ns;
    return gc_collect_generation(GL_GENERATION_OLDEST) < 0 ? -1 : 0;
}

/* ---- Automatic collection ------------------------------------------------------------------- */

void gc_disable(void)
{
    if (gl_start_ensure()) {
        gl_collect_disable();
    }
}

void gc_enable(void)
{
    if (gl_start_ensure()) {
        gl_collect_enable();
    }
}

int gc_is_enabled(void)
{
    return gl_start_ensure() && gl_collect_is_enabled();
}

void gc_get_count(size_t count[3])
{
    count[0] = count[1] = count[2] = 0;
    if (gl_start_ensure()) {
        gl_collect_get_count(count);
    }
}

void gc_get_threshold(size_t threshold[3])
{
    threshold[0] = threshold[1] = threshold[2] = 0;
    if (gl_start_ensure()) {
        gl_collect_get_threshold(threshold);
    }
}

void gc_set_threshold(const size_t threshold[3])
{
    if (gl_start_ensure()) {
        gl_collect_set_threshold(threshold);
    }
}

/* ---- Permanent objects ---------------------------------------------------------------------- */

static void with_world(void (*change)(void))
{
    if (!gl_start_ensure()) {
        return;
    }
    bool is_blocking = gl_threads_leave();
    change();
    if (is_blocking) {
        gl_threads_reenter();
    }
}

void gc_freeze(void)
{
    with_world(gl_collect_freeze);
}

void gc_unfreeze(void)
{
    with_world(gl_collect_unfreeze);
}

size_t gc_get_freeze_count(void)
{
    return gl_load_relaxed(&gl_heap.n_frozen);
}

/* ---- Limits --------------------------------------------------------------------------------- */

/* The values are kept in gl_options, too, so that gc_init() can tell what it changes. */
int gc_set_percent(int percent)
{
    (void)gl_start_ensure();
    gl_lock_acquire(&gl_api_lock);
    gl_options.percent = percent < 0 ? 0 : (uint64_t)percent;
    int previous = gl_collect_set_percent(percent);
    gl_lock_release(&gl_api_lock);
    return previous;
}

size_t gc_set_memory_limit(size_t bytes)
{
    (void)gl_start_ensure();
    gl_lock_acquire(&gl_api_lock);
    gl_options.memory_limit = bytes;
    size_t previous = gl_collect_set_memory_limit(bytes);
    gl_lock_release(&gl_api_lock);
    return previous;
}

size_t gc_set_heap_max(size_t bytes)
{
    (void)gl_start_ensure();
    gl_lock_acquire(&gl_api_lock);
    size_t previous = (size_t)gl_options.heap_max;
    gl_options.heap_max = bytes;
    gl_lock_release(&gl_api_lock);
    return previous;
}

size_t gc_release_os_memory(void)
{
    return gl_start_ensure() ? gl_heap_release_os_memory() : 0;
}

/* ---- Debugging ------------------------------------------------------------------------------ */

void gc_set_debug(unsigned flags)
{
    if (gl_start_ensure()) {
        gl_collect_set_debug(flags);
    }
}

unsigned gc_get_debug(void)
{
    return gl_start_ensure() ? gl_collect_get_debug() : 0;
}

size_t gc_get_garbage(void **out, size_t n)
{
    return gl_start_ensure() ? gl_collect_get_garbage(out, n) : 0;
}

void gc_clear_garbage(void)
{
    if (gl_start_ensure()) {
        gl_collect_clear_garbage();
    }
}
