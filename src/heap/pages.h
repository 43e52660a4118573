/* SPDX-License-Identifier: MIT */
/*
 * heap/pages.h - the memory behind the blocks: what is resident, when it goes back, huge pages.
 *
 * One byte per block says HELD (in use, or a hole), CLEAN (free and known to be zero) or dirty (free,
 * with how long it may stay). It is by block and not by run, so that a run keeps what is known of its
 * parts when it is joined or cut.
 *
 * Lock: GL_RANK_ARENA, held by the caller of everything here but gl_pages_poll().
 */
#ifndef GL_HEAP_PAGES_H
#define GL_HEAP_PAGES_H

#include "heap/types.h"

enum {
    GL_UNIT_BLOCKS = 32, /* 2 MiB, aligned: what one huge page can hold */
    GL_PAGES_HELD = 0,
    GL_PAGES_CLEAN = 1,
    GL_PAGES_DUE = 2 /* dirty; above: how many ticks it stays at least */
};

/* The tables: a byte per block, and a byte per unit at every block's place. */
void gl_pages_init(uint8_t *blocks, uint8_t *units);

/* [block, block + n), the end of the arena so far, is free now, and zero. */
void gl_pages_add(uint32_t block, uint32_t n);

/* Free blocks are taken: true if all of them are known to be zero. */
bool gl_pages_take(uint32_t block, uint32_t n);

/* Blocks are free now, with whatever is in them; or with nothing behind them, as the system left them. */
void gl_pages_give(uint32_t block, uint32_t n);
void gl_pages_give_clean(uint32_t block, uint32_t n);

/* Blocks are no more ours: somebody else has mapped memory there. */
void gl_pages_lose(uint32_t n);

/* The mapping behind the blocks is a new one, or another's: it has no advice. */
void gl_pages_forget_advice(uint32_t block, uint32_t n);

/* A large object that will be filled from its start lies there; all of it was zero. */
void gl_pages_expect_fill(uint32_t block, uint32_t n);

/* Purges until at most `keep_bytes` of free memory may be resident, the oldest first; 0 means all of
 * it, whatever that does to huge pages. Returns the bytes given. */
size_t gl_pages_purge(size_t keep_bytes);

/* After the program has freed: keeps what is worth keeping. */
void gl_pages_trim(void);

/* From now on, what is given may stay for so long if nobody takes it; 0: the usual second. */
void gl_pages_set_patience(uint64_t ns);

/* With huge_pages=auto: from how many bytes in use on. */
void gl_pages_set_huge_from(uint64_t bytes);

/* To be called now and then, in slow paths, without a lock: gives back what nobody has taken for
 * its time. Costs nothing while no free memory is dirty. True: it is a quarter of a second later. */
bool gl_pages_poll_slow(void);
extern volatile gl_word gl_pages_next_ns GL_HIDDEN; /* of the clock, or GL_PAGES_NEVER */
#define GL_PAGES_NEVER ((size_t)-1)

static inline bool gl_pages_poll(void)
{
    return gl_load_relaxed(&gl_pages_next_ns) != GL_PAGES_NEVER && gl_pages_poll_slow();
}

uint64_t gl_pages_dirty_bytes(void);
uint64_t gl_pages_returned_bytes(void); /* ever */

/* True if the memory is, or will be, in huge pages: for the tests. */
bool gl_pages_is_huge(uint32_t block);

/* The byte of a block; verification counts them. */
uint8_t *gl_pages_of(uint32_t block);

/* Test hook: the clock goes forward. */
void gl_pages_advance_clock(uint64_t ns);

#endif
