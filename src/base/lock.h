/* SPDX-License-Identifier: MIT */
/*
 * base/lock.h - a futex lock with a rank.
 *
 * Why not pthread_mutex: the child of a fork must be able to reset a lock that another thread
 * held, and the world may be stopped only when the collector knows that nobody is inside.
 *
 * A thread takes locks in ascending rank; with GL_CHECK_LEVEL >= 2 that is checked. Locks of one
 * rank may be taken together only by the collector and by fork, in the order of their index.
 * (After Drepper, "Futexes are tricky", 2004: 0 free, 1 held, 2 held and somebody may sleep.)
 */
#ifndef GL_BASE_LOCK_H
#define GL_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* In the order in which they are taken. */
enum gl_rank {
    GL_RANK_SCOPES = 1,  /* the scopes that are open */
    GL_RANK_OWNERS,      /* who counts without atomic instructions (heap/counts.h) */
    GL_RANK_COLLECT,     /* one collection at a time */
    GL_RANK_API,         /* tables of callbacks, layouts, roots, pins */
    GL_RANK_TABLE,       /* maps and caches of the program's */
    GL_RANK_CACHES,      /* the registry of allocation caches */
    GL_RANK_BIN,         /* one per size class and kind */
    GL_RANK_ARENA,       /* runs of blocks */
    GL_RANK_PROFILE,     /* what profiled functions have done */
    GL_RANK_META,        /* the library's own memory */
    GL_RANK_OS           /* mappings, the stop protocol */
};

typedef struct gl_lock {
    volatile uint32_t state;
    uint32_t rank;
} gl_lock;

#define GL_LOCK_INIT(rank_) {0, (rank_)}

void gl_lock_acquire(gl_lock *lock);
bool gl_lock_try(gl_lock *lock);
void gl_lock_release(gl_lock *lock);
bool gl_lock_is_held(const gl_lock *lock); /* by anybody: for checks */

/* While helpers run (os/helper.h): they share thread-local storage, by which ranks are checked. The
 * world is stopped. */
void gl_lock_ignore_ranks(bool is_ignored);

/* In the child of a fork: nobody holds it now. */
void gl_lock_reset(gl_lock *lock);

/* Sleeps while *word == expected (spurious wake-ups happen), at most timeout_ns (0: no limit);
 * wakes at most n sleepers. Both preserve errno. */
void gl_futex_wait(volatile uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void gl_futex_wake(volatile uint32_t *word, uint32_t n);

#endif
