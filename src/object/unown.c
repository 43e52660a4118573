/* SPDX-License-Identifier: MIT */
/*
 * object/unown.c - taking objects away from their owner. The handshake is described in heap/counts.h.
 *
 * HANDED-OVER TYPES. To take an object away costs some microseconds. Where that has happened to some objects
 *   of a destructor, further ones are born un-owned, and the others are taken away by the block.
 */
#include "object/unown.h"

#include "collect/cycle.h"
#include "heap/bin.h"
#include "heap/heap.h"
#include "object/destructor.h"
#include "os/threads.h"

static bool stop_at_once(const gl_object *object, void *arg)
{
    (void)object;
    (void)arg;
    return false;
}

/* A barrier in all threads. Where the system call is not to be had, threads that are stopped pass one,
 * too. */
static bool make_all_pass_barrier(void)
{
    return gl_threads_barrier() || gl_cycle_with_stopped_world(stop_at_once);
}

static void wait_until_idle(const gl_owner *owner)
{
    enum { SPINS = 100 };
    static const uint64_t WAIT_NS = 50000;
    static volatile uint32_t nobody_wakes;
    for (int i = 0; gl_load32_acquire(&owner->busy) != 0; i++) {
        if (i < SPINS) {
            gl_spin_hint();
        } else {
            gl_futex_wait(&nobody_wakes, 0, WAIT_NS);
        }
    }
}

static bool is_owned_by(uintptr_t start, uint32_t number, uint32_t destructor)
{
    uint32_t head = gl_load32_relaxed(&gl_count_of(start)->half.head);
    return gl_count_owner(head) == number && (head & GL_COUNT_DESTRUCTOR) == destructor;
}

/* Of a handed-over type all objects of the owner's in the same block go at once: those that were made
 * before it was known, and would cost a handshake each. Nobody else can free one of them, but for a sweep. */
static void take_away_neighbours_locked(uintptr_t start, uint32_t number, uint32_t destructor)
{
    uint32_t block = (uint32_t)((start - gl_heap.base) >> GL_BLOCK_SHIFT);
    const gl_block *header = &gl_heap.blocks[block];
    uintptr_t bytes = (uintptr_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    if (bytes == 0) {
        return;
    }
    gl_lock *lock = &gl_bins[header->bin].lock;
    gl_lock_acquire(lock);
    uint32_t n = header->flags & GL_BLOCK_UNSWEPT ? 0 : header->n_objects;
    for (uintptr_t at = gl_block_start(block); n > 0; n--, at += bytes) {
        if (is_owned_by(at, number, destructor)) {
            gl_count_merge(at);
        }
    }
    gl_lock_release(lock);
}

/* The owner has been kept from counting, or has gone. */
static void take_away_locked(uintptr_t start, uint32_t number)
{
    uint32_t destructor = gl_load32_relaxed(&gl_count_of(start)->half.head) & GL_COUNT_DESTRUCTOR;
    if (!is_owned_by(start, number, destructor)) {
        return;
    }
    gl_count_merge(start);
    if (destructor != GL_DESTRUCTOR_DYING) {
        gl_destructor_taken_away_locked(destructor, gl_owner_at(number));
        if (gl_destructor_is_handed_over(destructor)) {
            take_away_neighbours_locked(start, number, destructor);
        }
    }
}

/* Makes an object of another thread un-owned. False: that cannot be done; the object is left to the tracer. */
static bool take_away(uintptr_t start, uint32_t number)
{
    bool is_done = true;
    gl_lock_acquire(&gl_owners_lock);
    gl_owner *owner = gl_owner_at(number);
    if (!owner->is_taken) {
        take_away_locked(start, number);
    } else {
        gl_store32_relaxed(&owner->match, (uint32_t)GL_OWNER_NEVER << GL_COUNT_OWNER_SHIFT);
        is_done = make_all_pass_barrier();
        if (is_done) {
            wait_until_idle(owner);
            take_away_locked(start, number);
        }
        gl_store32_release(&owner->match, number << GL_COUNT_OWNER_SHIFT);
    }
    gl_lock_release(&gl_owners_lock);
    return is_done;
}

/* The same with an own object. */
static void give_up(uintptr_t start)
{
    gl_owner *self = gl_owner_self;
    uint32_t match = gl_owner_enter(self);
    bool is_own = gl_owner_matches(match, gl_load32_relaxed(&gl_count_of(start)->half.head));
    if (is_own) {
        self->merging = gl_count_of(start);
        gl_signal_fence();
        gl_count_merge(start);
        gl_signal_fence();
        self->merging = NULL;
    }
    gl_owner_leave(self);
    if (!is_own) {
        /* Somebody is taking it, or another one, away. */
        gl_lock_acquire(&gl_owners_lock);
        gl_lock_release(&gl_owners_lock);
    }
}

void gl_unown_dying(uintptr_t start)
{
    gl_cas32_full(gl_count_shared(start), 0, GL_SHARED_ONE | GL_SHARED_MERGED);
    gl_count_change_head(start, GL_HEAD_DYING, GL_COUNT_SHARED | GL_DESTRUCTOR_DYING);
}

bool gl_unown(uintptr_t start)
{
    for (;;) {
        uint32_t head = gl_load32_acquire(&gl_count_of(start)->half.head);
        uint32_t owner = gl_count_owner(head);
        if (head == 0 || owner == GL_OWNER_PENDING) {
            return false;
        }
        if (owner == GL_OWNER_NONE) {
            return true;
        }
        if (owner == GL_OWNER_DYING) {
            gl_unown_dying(start);
        } else if (owner == gl_owner_self->number) {
            give_up(start);
        } else if (gl_load32_acquire(gl_count_shared(start)) & GL_SHARED_MERGED) {
            gl_spin_hint(); /* its owner is just doing it */
        } else if (!take_away(start, owner)) {
            return false;
        }
    }
}

