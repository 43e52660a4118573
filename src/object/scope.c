/* SPDX-License-Identifier: MIT */
/*
 * object/scope.c - the phases of GC_SCOPE.
 *
 * A RUN is one open block. Runs are kept apart from the program's stack and known by serial numbers, because
 * longjmp() may pass over the end of a block: such a run is found, and ended, when one around it ends, when
 * the same place on the stack is used for another, or when its thread ends.
 *
 * PEAKS. The heap keeps one mark, gl_heap.peak_bytes, raised wherever bytes in use grow (slow paths). When a
 * run begins, the mark is folded into the peaks of all open runs and starts again from what is in use; when
 * one ends, the mark is folded into its peak. So each peak is the highest of the marks while the run was
 * open. The mark is taken by compare-and-swap, and what is in use is read once more after that: a thread
 * that allocates in between has raised the mark or is seen then.
 *
 * Names are few: a list. Entries are never freed.
 */
#include "object/scope.h"

#include <string.h>

#include "base/lock.h"
#include "collect/collect.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "os/system.h"
#include "os/threads.h"

typedef struct scope_entry {
    struct scope_entry *next; /* in the order of first use */
    gc_scope_stats stats;
    char name[];
} scope_entry;

typedef struct scope_run {
    struct scope_run *next; /* that began before; the list begins with the newest */
    scope_entry *entry;
    const void *place;
    uintptr_t owner; /* gl_threads_pointer(), which stays the same over a fork */
    uint64_t serial;
    uint64_t entry_bytes, peak_bytes, bound_bytes;
    uint64_t start_ns, collections_before;
} scope_run;

static struct {
    gl_lock lock;
    scope_entry *first, *last;
    scope_run *open;
    volatile gl_word n_open; /* how many: to be read without the lock */
    uint64_t last_serial;
    uint64_t bound_bytes; /* as the collector knows it */
} scopes = {.lock = GL_LOCK_INIT(GL_RANK_SCOPES), .bound_bytes = UINT64_MAX};

/* ---- Names ---------------------------------------------------------------------------------- */

static scope_entry *find_locked(const char *name)
{
    scope_entry *entry = scopes.first;
    while (entry && strcmp(entry->name, name) != 0) {
        entry = entry->next;
    }
    return entry;
}

static scope_entry *find_or_add_locked(const char *name)
{
    scope_entry *entry = find_locked(name);
    if (entry) {
        return entry;
    }
    size_t bytes = strlen(name) + 1;
    entry = gl_meta_alloc(sizeof *entry + bytes);
    if (!entry) {
        return NULL;
    }
    memcpy(entry->name, name, bytes);
    entry->stats.name = entry->name;
    if (scopes.last) {
        scopes.last->next = entry;
    } else {
        scopes.first = entry;
    }
    scopes.last = entry;
    return entry;
}

/* ---- The mark and the bound ----------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Folds the mark into all open runs, and lets it start again. Returns what is in use. */
static size_t restart_mark_locked(void)
{
    size_t mark, in_use;
    do {
        mark = gl_load_relaxed(&gl_heap.peak_bytes);
        in_use = gl_load_relaxed(&gl_heap.in_use_bytes);
    } while (!gl_cas_full(&gl_heap.peak_bytes, mark, in_use));
    for (scope_run *run = scopes.open; run; run = run->next) {
        run->peak_bytes = larger(run->peak_bytes, mark);
    }
    gl_heap_raise_peak(gl_load_relaxed(&gl_heap.in_use_bytes));
    return in_use;
}

/* Nobody watches any more: growth costs a comparison. */
static void stop_mark_locked(void)
{
    if (!scopes.open) {
        gl_store_relaxed(&gl_heap.peak_bytes, SIZE_MAX);
    }
}

static void tell_bound_locked(void)
{
    uint64_t bound = UINT64_MAX;
    for (const scope_run *run = scopes.open; run; run = run->next) {
        bound = run->bound_bytes < bound ? run->bound_bytes : bound;
    }
    if (bound != scopes.bound_bytes) {
        scopes.bound_bytes = bound;
        gl_collect_set_bound(bound);
    }
}

/* ---- The end of a run ----------------------------------------------------------------------- */

/* The run is on no list any more. */
static void finish_locked(scope_run *run)
{
    gc_scope_stats *s = &run->entry->stats;
    uint64_t in_use = gl_load_relaxed(&gl_heap.in_use_bytes);
    uint64_t peak = larger(run->peak_bytes, larger(gl_load_relaxed(&gl_heap.peak_bytes), in_use));
    s->open--;
    gl_store_relaxed(&scopes.n_open, gl_load_relaxed(&scopes.n_open) - 1);
    s->entry_bytes = run->entry_bytes;
    s->exit_bytes = in_use;
    s->peak_bytes = peak;
    s->max_peak_bytes = larger(s->max_peak_bytes, peak);
    s->max_growth_bytes = larger(s->max_growth_bytes, peak - run->entry_bytes);
    s->collections += gl_collect_n_collections() - run->collections_before;
    s->duration_ns += gl_os_now_ns() - run->start_ns;
    gl_meta_free(run, sizeof *run);
}

typedef bool run_test(const scope_run *run, uint64_t serial);

static bool is_own(const scope_run *run, uint64_t unused)
{
    (void)unused;
    return run->owner == gl_threads_pointer();
}

static bool is_of_other(const scope_run *run, uint64_t unused)
{
    return !is_own(run, unused);
}

static bool is_own_from(const scope_run *run, uint64_t serial)
{
    return run->serial >= serial && is_own(run, serial);
}

static bool is_serial(const scope_run *run, uint64_t serial)
{
    return run->serial == serial;
}

static void finish_all_locked(run_test *is_meant, uint64_t serial)
{
    bool has_finished = false;
    for (scope_run **at = &scopes.open; *at;) {
        scope_run *run = *at;
        if (!is_meant(run, serial)) {
            at = &run->next;
            continue;
        }
        *at = run->next;
        finish_locked(run);
        has_finished = true;
    }
    if (has_finished) {
        tell_bound_locked();
        stop_mark_locked();
    }
}

/* A run of this thread at the same place on the stack is one that longjmp() has passed over, and so are
 * those inside it. */
static void finish_passed_over_locked(const void *place)
{
    const scope_run *oldest = NULL;
    for (const scope_run *run = scopes.open; run; run = run->next) {
        if (run->place == place && is_own(run, 0)) {
            oldest = run;
        }
    }
    if (oldest) {
        finish_all_locked(is_own_from, oldest->serial);
    }
}

void gl_scope_end(uint64_t serial)
{
    gl_lock_acquire(&scopes.lock);
    const scope_run *run = scopes.open;
    while (run && run->serial != serial) {
        run = run->next;
    }
    if (run) {
        /* A run may end in another thread than it began in: then it goes alone. */
        finish_all_locked(is_own(run, 0) ? is_own_from : is_serial, serial);
    }
    gl_lock_release(&scopes.lock);
}

/* ---- The beginning -------------------------------------------------------------------------- */

static void begin_locked(scope_run *run, scope_entry *entry, size_t limit_bytes)
{
    run->owner = gl_threads_pointer();
    run->entry = entry;
    run->serial = ++scopes.last_serial;
    run->entry_bytes = run->peak_bytes = restart_mark_locked();
    bool is_bounded = limit_bytes != 0 && limit_bytes < UINT64_MAX - run->entry_bytes;
    run->bound_bytes = is_bounded ? run->entry_bytes + limit_bytes : UINT64_MAX;
    run->collections_before = gl_collect_n_collections();
    run->next = scopes.open;
    scopes.open = run;
    entry->stats.entered++;
    entry->stats.open++;
    gl_store_relaxed(&scopes.n_open, gl_load_relaxed(&scopes.n_open) + 1);
    tell_bound_locked();
    run->start_ns = gl_os_now_ns();
}

uint64_t gl_scope_begin(const void *place, const char *name, size_t limit_bytes)
{
    scope_run *run = gl_meta_alloc(sizeof *run);
    if (!run) {
        return 0;
    }
    run->place = place;
    gl_lock_acquire(&scopes.lock);
    finish_passed_over_locked(place);
    scope_entry *entry = find_or_add_locked(name);
    if (entry) {
        begin_locked(run, entry, limit_bytes);
    }
    uint64_t serial = entry ? run->serial : 0;
    gl_lock_release(&scopes.lock);
    if (!entry) {
        gl_meta_free(run, sizeof *run);
    }
    return serial;
}

/* ---- Questions ------------------------------------------------------------------------------ */

bool gl_scope_find(const char *name, gc_scope_stats *out)
{
    gl_lock_acquire(&scopes.lock);
    const scope_entry *entry = find_locked(name);
    if (entry) {
        *out = entry->stats;
    }
    gl_lock_release(&scopes.lock);
    return entry != NULL;
}

/* The next entry after one, or the first; with what it has done. */
static const scope_entry *next_entry(const scope_entry *entry, gc_scope_stats *out)
{
    gl_lock_acquire(&scopes.lock);
    entry = entry ? entry->next : scopes.first;
    if (entry) {
        *out = entry->stats;
    }
    gl_lock_release(&scopes.lock);
    return entry;
}

size_t gl_scope_each(int (*fn)(const gc_scope_stats *stats, void *arg), void *arg)
{
    gc_scope_stats stats;
    size_t n = 0;
    for (const scope_entry *entry = NULL; (entry = next_entry(entry, &stats)) != NULL;) {
        stats.size = sizeof stats;
        n++;
        if (fn(&stats, arg) != 0) {
            break;
        }
    }
    return n;
}

/* ---- Threads and fork ----------------------------------------------------------------------- */

void gl_scope_thread_leaves(void)
{
    if (gl_load_relaxed(&scopes.n_open) == 0) {
        return;
    }
    gl_lock_acquire(&scopes.lock);
    finish_all_locked(is_own, 0);
    gl_lock_release(&scopes.lock);
}

void gl_scope_before_fork(void)
{
    gl_lock_acquire(&scopes.lock);
}

void gl_scope_after_fork_parent(void)
{
    gl_lock_release(&scopes.lock);
}

void gl_scope_after_fork_child(void)
{
    finish_all_locked(is_of_other, 0);
    gl_lock_reset(&scopes.lock);
}
