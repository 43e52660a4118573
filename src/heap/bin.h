/* SPDX-License-Identifier: MIT */
/*
 * heap/bin.h - the blocks of one size class and kind, and the free slots in them.
 *
 * OWNER. Whoever takes slots gives the number of its cache (0: none). Threads get slots of
 * different blocks as far as there are, and their own batches back from the depot: objects of two
 * threads in one cache line, or their state bytes, cost more than everything else here.
 *
 * A bin lists its blocks with free slots (partial) and those whose dead objects are not swept yet
 * (unswept). In front stands a depot of batches of free slots, so that what one thread frees and
 * another allocates does not go through the bitmaps.
 *
 * Lock: one per bin, GL_RANK_BIN; functions named _locked need it.
 */
#ifndef GL_HEAP_BIN_H
#define GL_HEAP_BIN_H

#include "heap/size_class.h"
#include "heap/types.h"

enum { GL_DEPOT_BATCHES = 32 };

typedef struct gl_bin {
    gl_lock lock;
    uint32_t partial; /* block with free bits; head of a list, 0: none */
    uint32_t unswept; /* head of a list */
    uint32_t n_blocks;
    uint32_t n_all_dead; /* unswept blocks of which nothing is left */
    uint32_t n_batches;
    uintptr_t **batches; /* GL_DEPOT_BATCHES of the class's batch size, behind each its owner; meta
                            memory, kept */
    uint64_t n_free;     /* slots that are free in the blocks */
    uint32_t idle_ticks; /* since a batch was withdrawn */
    uint32_t spare[3];
} gl_bin;

_Static_assert(sizeof(gl_bin) == 64, "one cache line: threads in different classes do not disturb "
                                     "each other, and a fork copies few pages");

extern gl_bin gl_bins[GL_N_BINS];

void gl_bin_init(void);

/* Takes up to `n` free slots, ascending, so that out[n - 1] is the lowest: popping from the end
 * gives ascending addresses. Returns how many: less than n only if memory is short. */
uint32_t gl_bin_take_locked(uint32_t bin, uintptr_t *out, uint32_t n, uint32_t owner);

/* Takes a row of free slots of at most `max_bytes`, if the block that is next has one of some length:
 * then [*start, *end) is the caller's. False: it has not, or memory is short. */
bool gl_bin_take_strip_locked(uint32_t bin, size_t max_bytes, uint32_t owner, uintptr_t *start,
                            uintptr_t *end);

/* Makes slots free in their blocks; blocks that are free altogether go back to the arena. */
void gl_bin_put_locked(uint32_t bin, const uintptr_t *slots, uint32_t n);

/* Moves one whole batch from or to the depot. False: empty, or full, or the blocks have so many free
 * slots that the depot would do no good there: it would only keep blocks from becoming whole. */
bool gl_bin_try_withdraw_locked(uint32_t bin, uintptr_t *out, uint32_t owner);
bool gl_bin_try_deposit_locked(uint32_t bin, const uintptr_t *slots, uint32_t owner);

/* Empties the depot of what one owner brought: its slots become free in their blocks. */
void gl_bin_return_batches_locked(uint32_t bin, uint32_t owner);

/* Empties the depot into the blocks. */
void gl_bin_empty_depot_locked(uint32_t bin);

/* Releases the blocks of which every slot is free, also the one that is otherwise kept for the next object. */
void gl_bin_release_empty_locked(uint32_t bin);

/* A quarter of a second has passed: depots of which nothing was taken for three are emptied, for
 * their slots keep blocks from becoming whole. No lock held. */
void gl_bin_tick(void);

/* Sweeps one block: what was not reached at the flip becomes free. */
void gl_bin_sweep_block_locked(uint32_t block);

/* Sweeps everything that waits and empties the depots; or sweeps only the blocks of which nothing is left, whose memory goes back
 * to the arena. No lock held. */
void gl_bin_sweep_all(void);
void gl_bin_release_dead(void);

/* Puts a block on the unswept list (the collector, with the world stopped). */
void gl_bin_add_unswept(uint32_t block, uint32_t n_dead);

/* Takes the locks of all bins that have ever had a block (bins never used would only cost a fork
 * their pages). With the lock of the arena held as well, gl_bin_all_locked() tells whether another
 * bin has come into use meanwhile. */
void gl_bin_lock_all(void);
bool gl_bin_all_locked(void);
void gl_bin_unlock_all(void);
void gl_bin_after_fork_child(void);

#endif
