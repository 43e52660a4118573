/* SPDX-License-Identifier: MIT */
/* heap/counts.c - the tables of counts, and their owners. Counting itself is in object/refcount.c. */
#include "heap/counts.h"

#include <string.h>

#include "heap/arena.h"
#include "heap/cache.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "os/memory.h"

gl_counts_state gl_counts;
gl_lock gl_owners_lock = GL_LOCK_INIT(GL_RANK_OWNERS);

#define NOBODY                                                   \
    {                                                            \
        .match = (uint32_t)GL_OWNER_NEVER << GL_COUNT_OWNER_SHIFT, \
        .newest = GL_NO_DESTRUCTOR_YET                           \
    }

/* Of threads that have none yet, that have given it back for good, that are in a blocking region. */
static gl_owner no_owner = NOBODY, ended_owner = NOBODY, asleep_owner = NOBODY;

__thread gl_owner *gl_owner_self = &no_owner;

static __thread gl_owner *awake_self;

/* Protected by gl_owners_lock. */
static struct {
    gl_owner **by_number; /* GL_OWNER_MAX + 1 places */
    uint32_t n_made;
    gl_owner *spare;
} owners;

/* ---- Owners ----------------------------------------------------------------------------------- */

static gl_owner *new_owner_locked(void)
{
    if (!owners.by_number) {
        owners.by_number = gl_meta_alloc((GL_OWNER_MAX + 1) * sizeof *owners.by_number);
    }
    if (!owners.by_number || owners.n_made == GL_OWNER_MAX) {
        return NULL;
    }
    gl_owner *owner = gl_meta_alloc(sizeof *owner);
    if (owner) {
        owner->number = owners.n_made + 1;
        owners.by_number[owner->number] = owner;
        gl_signal_fence(); /* the collector counts up to n_made */
        owners.n_made++;
    }
    return owner;
}

/* Pieces of a power of two begin at a multiple of 64. */
_Static_assert(sizeof(gl_owner) >= 64, "a cache line of its own");

static void become_owner(void)
{
    gl_lock_acquire(&gl_owners_lock);
    gl_owner *owner = owners.spare;
    if (owner) {
        owners.spare = owner->next;
    } else {
        owner = new_owner_locked();
    }
    if (owner) {
        owner->is_taken = true;
        owner->match = owner->number << GL_COUNT_OWNER_SHIFT;
        owner->newest = GL_NO_DESTRUCTOR_YET;
        owner->n_segments = 0;
        owner->top = 0;
        gl_owner_self = owner;
    }
    gl_lock_release(&gl_owners_lock);
}

void gl_owner_make(void)
{
    if (gl_owner_self == &no_owner) {
        gl_cache_note_thread();
        become_owner();
    }
}

bool gl_owner_borrow(void)
{
    if (gl_owner_self != &ended_owner) {
        return false;
    }
    become_owner();
    return gl_owner_self != &ended_owner;
}

gl_owner *gl_owner_at(uint32_t number) { return owners.by_number[number]; }

static void retire_locked(gl_owner *owner)
{
    owner->is_taken = false;
    owner->busy = 0;
    /* What it has left in the middle of a destructor is the tracer's. */
    gl_store_relaxed(&owner->pending, 0);
    owner->next = owners.spare;
    owners.spare = owner;
}

void gl_owner_thread_ended(void)
{
    gl_owner *owner = gl_owner_self;
    gl_owner_self = &ended_owner;
    if (owner->number != GL_OWNER_NONE) {
        gl_lock_acquire(&gl_owners_lock);
        retire_locked(owner);
        gl_lock_release(&gl_owners_lock);
    }
}

void gl_owner_sleep(void)
{
    awake_self = gl_owner_self;
    gl_owner_self = &asleep_owner;
}

void gl_owner_wake(void) { gl_owner_self = awake_self; }

/* ---- Merging ---------------------------------------------------------------------------------- */

static uint32_t add_saturated(uint32_t shared, uint32_t own)
{
    uint64_t sum = (uint64_t)shared + (uint64_t)own * GL_SHARED_ONE;
    return sum < GL_SHARED_STICKY && own < GL_COUNT_STICKY
               ? (uint32_t)sum
               : GL_SHARED_STICKY | (shared & GL_SHARED_MERGED);
}

/* MERGED first: from then on the shared count is the truth. Who sees it while the head still has an owner
 * waits with what would end the object. */
void gl_count_merge(uintptr_t start)
{
    gl_count *count = gl_count_of(start);
    volatile uint32_t *shared = gl_count_shared(start);
    uint32_t own = gl_load32_relaxed(&count->half.own);
    uint32_t seen, destructor;
    do {
        seen = gl_load32_relaxed(shared);
    } while (!gl_cas32_full(shared, seen, add_saturated(seen, own) | GL_SHARED_MERGED));
    gl_store32_relaxed(&count->half.own, 0);
    destructor = gl_load32_relaxed(&count->half.head) & GL_COUNT_DESTRUCTOR;
    gl_store32_release(&count->half.head, GL_COUNT_SHARED | destructor);
}

void gl_count_move(uintptr_t from, uintptr_t to)
{
    if (gl_load32_relaxed(&gl_count_of(from)->half.head) & GL_COUNT_SHARED) {
        gl_store32_relaxed(gl_count_shared(to), gl_load32_relaxed(gl_count_shared(from)));
    }
    gl_store_relaxed(&gl_count_of(to)->whole, gl_load_relaxed(&gl_count_of(from)->whole));
    gl_count_clear(from);
}

void gl_counts_purge(uint32_t block, uint32_t n)
{
    if (gl_load_relaxed(&gl_counts.n_granules) != 0) {
        uintptr_t start = gl_block_start(block);
        gl_os_purge(gl_count_of(start), (size_t)n * GL_BLOCK_GRANULES * sizeof(gl_count));
        gl_os_purge((void *)(uintptr_t)gl_count_shared(start),
                    (size_t)n * GL_BLOCK_GRANULES * sizeof(uint32_t));
    }
}

/* ---- For the collector ------------------------------------------------------------------------ */

void gl_counts_each_pending(void (*fn)(uintptr_t start, void *arg), void *arg)
{
    for (uint32_t i = 1; i <= owners.n_made; i++) {
        uintptr_t granule = gl_load_relaxed(&owners.by_number[i]->pending);
        while (granule) {
            uintptr_t start = gl_counts.base + (granule << GL_GRANULE_SHIFT);
            fn(start, arg);
            granule = gl_count_link(start, gl_load32_relaxed(&gl_count_of(start)->half.head));
        }
    }
}

bool gl_count_has_destructor(uintptr_t start)
{
    if (!gl_count_is_in_table(start)) {
        return false;
    }
    uint32_t destructor = gl_load32_relaxed(&gl_count_of(start)->half.head) & GL_COUNT_DESTRUCTOR;
    return destructor != GL_DESTRUCTOR_NONE && destructor != GL_DESTRUCTOR_DYING;
}

/* Where the owner is not in the middle of something the object becomes un-owned at once, so that whoever
 * runs the destructor need not ask for it. */
void gl_count_hold(uintptr_t start)
{
    gl_count *count = gl_count_of(start);
    volatile uint32_t *shared = gl_count_shared(start);
    uint32_t head = gl_load32_relaxed(&count->half.head);
    uint32_t owner = gl_count_owner(head);
    if (owner == GL_OWNER_PENDING) {
        /* Its thread has gone: nobody else refers to it. */
        gl_store32_relaxed(&count->half.own, 0);
        gl_store32_relaxed(&count->half.head, GL_COUNT_SHARED | (head & GL_COUNT_DESTRUCTOR));
        gl_store32_relaxed(shared, GL_SHARED_ONE | GL_SHARED_MERGED);
        return;
    }
    if (owner != GL_OWNER_NONE && gl_load32_acquire(&owners.by_number[owner]->busy) == 0) {
        gl_count_merge(start);
    }
    gl_store32_relaxed(&count->half.head, gl_load32_relaxed(&count->half.head) | GL_COUNT_SHARED);
    gl_store32_relaxed(shared, add_saturated(gl_load32_relaxed(shared), 1));
}

/* ---- Fork --------------------------------------------------------------------------------------- */

void gl_counts_before_fork(void) { gl_lock_acquire(&gl_owners_lock); }

void gl_counts_after_fork_parent(void) { gl_lock_release(&gl_owners_lock); }

/* A thread that is gone may have been giving an object up: the shared count may be complete, and the head
 * not yet say so. */
static void finish_merge(gl_owner *owner)
{
    gl_count *count = owner->merging;
    owner->merging = NULL;
    if (count) {
        uintptr_t start = ((uintptr_t)count - gl_counts.origin) * 2;
        if (gl_load32_relaxed(gl_count_shared(start)) & GL_SHARED_MERGED) {
            count->half.own = 0;
            count->half.head = GL_COUNT_SHARED | (count->half.head & GL_COUNT_DESTRUCTOR);
        }
    }
}

void gl_counts_after_fork_child(void)
{
    owners.spare = NULL;
    for (uint32_t i = owners.n_made; i > 0; i--) {
        gl_owner *owner = owners.by_number[i];
        if (owner != gl_owner_self) {
            finish_merge(owner);
            retire_locked(owner);
        }
    }
    gl_lock_reset(&gl_owners_lock);
}
