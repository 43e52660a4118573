/* SPDX-License-Identifier: MIT */
/*
 * heap/arena.h - runs of blocks: taking them, giving them back, growing the arena.
 *
 * A free run is a maximal row of FREE blocks, known by its first and last header (boundary tags,
 * Knuth 1973); runs are listed by length. Lock: GL_RANK_ARENA; the functions named _locked need it.
 */
#ifndef GL_HEAP_ARENA_H
#define GL_HEAP_ARENA_H

#include "heap/types.h"

extern gl_lock gl_arena_lock;

/* Finds address space, lays out the tables and commits a first piece. False: no memory. */
bool gl_arena_init(void);

/* A run of `n` blocks whose address is a multiple of `align_blocks` blocks (a power of two). *is_zero
 * tells whether its memory is known to be zero. 0: no memory, or the hard limit. */
uint32_t gl_arena_take(uint32_t n, uint32_t align_blocks, bool *is_zero);

/* The same for a run whose place within 2 MiB is that of `like`: page tables can then be moved as
 * they are. */
uint32_t gl_arena_take_like(uint32_t n, uint32_t like, bool *is_zero);

/* Gives blocks back; their descriptors become FREE. */
void gl_arena_give(uint32_t block, uint32_t n);
void gl_arena_give_locked(uint32_t block, uint32_t n);

/* The same when nothing is behind them any more, and when they are not ours any more. */
void gl_arena_give_clean_locked(uint32_t block, uint32_t n);
void gl_arena_lose_locked(uint32_t block, uint32_t n);

/* After blocks were given back because the program freed: what is not worth keeping goes to the system
 * (heap/pages.c). Not called when a collection gives blocks back: then it is gl_arena_purge(). */
void gl_arena_trim(void);

/* From now on, what is given back stays for so long if nobody takes it; 0: the usual second. What a
 * collection frees will be taken before the next one, but not at once. */
void gl_arena_set_patience(uint64_t ns);

/* Huge pages are for heaps with at least so much in use (option huge_pages=auto). */
void gl_arena_set_huge_from(uint64_t bytes);

/* Lengthens the run that ends before `block + have` by `more` blocks, in place. *is_zero speaks of
 * the new blocks. */
bool gl_arena_try_extend(uint32_t block, uint32_t have, uint32_t more, bool *is_zero);

/* Purges free blocks until at most about `keep_bytes` of them may be resident (0: none is); returns the
 * bytes given. */
size_t gl_arena_purge(size_t keep_bytes);

uint32_t gl_arena_n_blocks(void); /* in the used part, block 0 included */

/* The range kept for mark stacks. */
void gl_arena_mark_stack_range(void **start, size_t *bytes);

typedef struct gl_arena_counts {
    uint64_t free_blocks, held_blocks, hole_blocks;
    uint64_t dirty_bytes;    /* in free runs */
    uint64_t returned_bytes; /* ever purged */
    uint64_t table_bytes;    /* committed side tables */
} gl_arena_counts;

void gl_arena_count(gl_arena_counts *counts);

/* Walks the free runs and the used part (equations of types.h); panics. Lock held. */
void gl_arena_verify_locked(void);

#endif
