/* SPDX-License-Identifier: MIT */
/*
 * profile/profile.c - who is being profiled in this thread, and to which line a change belongs.
 *
 * A RUN is one call of a profiled function. The thread's runs are a stack, apart from the program's, for
 * longjmp() may pass over the end of one. A run knows its frame: the address at which the frame of its caller
 * begins, and where that caller goes on; both stay the same as long as the function runs. From a change the
 * stack is walked up to there, and the last frame before is the function's: it says which call is under way.
 * Where the caller's frame is not found at that address, or is another, the function is gone: its run ends.
 *
 * A change is attributed to the innermost run only. When that ends, its sum goes to the run around it, at the
 * call that was under way when it began. So a change costs a walk to the nearest profiled function, however
 * many there are.
 *
 * The thread is observed (heap/cache.h) as long as it has runs. No locks but that of the records, inside.
 */
#include "profile/profile.h"

#include <errno.h>
#include <stddef.h>

#include "heap/cache.h"
#include "heap/heap.h"
#include "heap/hooks.h"
#include "heap/meta.h"
#include "os/unwind.h"
#include "profile/records.h"

typedef struct frame {
    uintptr_t end;       /* where the caller's begins; UINTPTR_MAX: there is none */
    uintptr_t caller_pc; /* where the caller goes on */
} frame;

typedef struct run {
    gl_record *record;
    const void *guard;
    uint64_t serial;
    frame frame;
    uintptr_t outer_pc; /* where the run around it goes on when this one returns; 0: not known */
    int64_t entry_bytes, change_bytes;
    bool has_changed, has_occurred; /* as in gl_record_change() */
} run;

static __thread struct {
    run *runs; /* of meta memory, while there are any */
    size_t n, capacity;
    uint64_t last_serial;
    bool is_busy; /* inside: what is allocated now is ours */
} self;

/* ---- Frames --------------------------------------------------------------------------------- */

typedef enum walk_end { WALK_LOST, WALK_FOUND, WALK_GONE } walk_end;

typedef struct walk {
    frame frame;
    uintptr_t pc; /* of the frame visited last */
    walk_end end;
} walk;

static bool step_to_frame(uintptr_t pc, uintptr_t bottom, void *arg)
{
    walk *w = arg;
    if (bottom < w->frame.end) {
        w->pc = pc;
        return true;
    }
    bool is_it = bottom == w->frame.end && pc == w->frame.caller_pc && w->pc != 0;
    w->end = is_it ? WALK_FOUND : WALK_GONE;
    return false;
}

/* Where the function of the frame goes on. */
static walk_end find_pc(const frame *f, uintptr_t *pc)
{
    walk w = {.frame = *f, .end = f->end == UINTPTR_MAX ? WALK_FOUND : WALK_LOST};
    gl_unwind_walk(step_to_frame, &w);
    *pc = w.end == WALK_FOUND ? w.pc : 0;
    return w.end;
}

typedef struct frame_search {
    uintptr_t pc;
    bool is_next;
    frame frame;
} frame_search;

static bool step_to_caller(uintptr_t pc, uintptr_t bottom, void *arg)
{
    frame_search *search = arg;
    if (search->is_next) {
        search->frame = (frame){bottom, pc};
        return false;
    }
    search->is_next = pc == search->pc;
    return true;
}

/* The frame of the function that goes on at `pc`. False: it cannot be found. */
static bool find_frame(uintptr_t pc, frame *f)
{
    frame_search search = {.pc = pc, .frame = {UINTPTR_MAX, 0}};
    gl_unwind_walk(step_to_caller, &search);
    *f = search.frame;
    return search.is_next;
}

/* ---- Runs ----------------------------------------------------------------------------------- */

static run *innermost(void)
{
    return &self.runs[self.n - 1];
}

static void change(run *r, uintptr_t pc, int64_t bytes, bool is_occurrence)
{
    r->change_bytes += bytes;
    r->has_changed = true;
    r->has_occurred |= is_occurrence;
    gl_record_change(r->record, pc, bytes, r->entry_bytes + r->change_bytes, is_occurrence);
}

/* The innermost run ends. */
static void pop(void)
{
    run ended = *innermost();
    self.n--;
    if (self.n == 0) {
        gl_meta_free(self.runs, self.capacity * sizeof *self.runs);
        self.runs = NULL;
        self.capacity = 0;
        gl_cache_stop_observing();
    } else if (ended.has_changed) {
        change(innermost(), ended.outer_pc, ended.change_bytes, ended.has_occurred);
    }
}

static bool push(const run *r)
{
    void *runs = self.runs;
    if (!gl_meta_reserve(&runs, &self.capacity, self.n + 1, sizeof *r)) {
        return false;
    }
    self.runs = runs;
    self.runs[self.n++] = *r;
    if (self.n == 1) {
        gl_cache_observe();
    }
    return true;
}

/* Runs whose frames the new one has taken the place of were passed over. */
static void pop_passed_over(const frame *f, const void *guard)
{
    while (self.n > 0 && (innermost()->frame.end < f->end || innermost()->guard == guard)) {
        pop();
    }
}

static int64_t bytes_in_objects(void)
{
    gl_heap_counts counts;
    gl_heap_count(&counts);
    return (int64_t)counts.live_bytes;
}

static bool begin(run *r, gc_profile_site *site, uintptr_t pc)
{
    r->record = gl_record_of(site, pc);
    if (!r->record || !find_frame(pc, &r->frame)) {
        return false;
    }
    pop_passed_over(&r->frame, r->guard);
    if (self.n > 0) {
        find_pc(&innermost()->frame, &r->outer_pc);
    }
    r->entry_bytes = bytes_in_objects();
    r->serial = ++self.last_serial;
    if (!push(r)) {
        return false;
    }
    gl_record_call(r->record, r->entry_bytes);
    return true;
}

uint64_t gl_profile_enter(const void *guard, gc_profile_site *site, uintptr_t pc)
{
    run r = {.guard = guard};
    bool was_busy = gl_profile_pause();
    bool has_begun = !was_busy && gl_unwind_load() && begin(&r, site, pc);
    gl_profile_resume(was_busy);
    return has_begun ? r.serial : 0;
}

static void end(const void *guard, uint64_t serial)
{
    for (size_t i = self.n; i-- > 0;) {
        if (self.runs[i].serial == serial && self.runs[i].guard == guard) {
            while (self.n > i) {
                pop();
            }
            return;
        }
    }
}

void gl_profile_leave(const void *guard, uint64_t serial)
{
    bool was_busy = gl_profile_pause();
    end(guard, serial);
    gl_profile_resume(was_busy);
}

void gl_profile_thread_leaves(void)
{
    while (self.n > 0) {
        pop();
    }
}

/* ---- Changes -------------------------------------------------------------------------------- */

static void attribute(int64_t bytes, bool is_occurrence)
{
    while (self.n > 0) {
        uintptr_t pc;
        if (find_pc(&innermost()->frame, &pc) != WALK_GONE) {
            change(innermost(), pc, bytes, is_occurrence);
            return;
        }
        pop();
    }
}

static void note_change(int64_t bytes, bool is_occurrence)
{
    if (self.n > 0 && !self.is_busy) {
        int saved_errno = errno;
        self.is_busy = true;
        attribute(bytes, is_occurrence);
        self.is_busy = false;
        errno = saved_errno;
    }
}

void gl_hook_observed(ptrdiff_t change_bytes)
{
    note_change(change_bytes, true);
}

void gl_profile_collected(uint64_t reclaimed_bytes, bool was_asked_for)
{
    if (reclaimed_bytes > 0 || was_asked_for) {
        note_change(-(int64_t)reclaimed_bytes, was_asked_for);
    }
}

bool gl_profile_pause(void)
{
    bool was_paused = self.is_busy;
    self.is_busy = true;
    return was_paused;
}

void gl_profile_resume(bool was_paused)
{
    self.is_busy = was_paused;
}
