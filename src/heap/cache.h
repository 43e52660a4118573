/* SPDX-License-Identifier: MIT */
/*
 * heap/cache.h - the allocation caches of threads: made at the first allocation, refilled and
 * flushed in batches, given back when the thread ends.
 *
 * Registry lock: GL_RANK_CACHES. Magazines are changed by their owner only, in slow paths under the
 * lock of the bin, so that whoever holds all locks of bins and has stopped the world sees them whole.
 */
#ifndef GL_HEAP_CACHE_H
#define GL_HEAP_CACHE_H

#include "heap/alloc.h"

/* Once. `is_bypassed`: magazines stay empty and full, every call takes the slow path. */
bool gl_cache_init(bool is_bypassed);

/* A slot of the bin for the calling thread, and a refill of its magazine; 0: no memory. The state is
 * not set yet. */
uintptr_t gl_cache_take_slow(uint32_t bin);

/* A slot (state already FREE) goes back; a full magazine is flushed. */
void gl_cache_put_slow(uint32_t bin, uintptr_t slot);

/* Sees to it that the end of the calling thread is noticed, whether it has a cache or not. */
void gl_cache_note_thread(void);

/* Gives the calling thread's slots and cache back. */
void gl_cache_detach(void);

/* Calls fn(arg) in a blocking region (os/threads.h). The fast paths find an empty cache meanwhile; the
 * first slow path, or any other call that uses the heap, ends the region for the rest of fn. */
void *gl_cache_blocking(void *(*fn)(void *), void *arg);
void gl_cache_wake(void);

/* From the first call on the fast paths of the calling thread find an empty cache, and each of its allocations
 * and frees is told to gl_hook_observed(), until the second call. Neither nests. */
void gl_cache_observe(void);
void gl_cache_stop_observing(void);
bool gl_cache_is_observed(void);

/* Calls fn for each magazine with slots in it. The world is stopped, or all locks held. */
void gl_cache_each_magazine(void (*fn)(uint32_t bin, const gl_magazine *magazine, void *arg),
                            void *arg);

/* True if no other thread has a cache. Only for a thread that cannot be disturbed. */
bool gl_cache_is_only(void);

size_t gl_cache_count_caches(void); /* registry lock held, or the world stopped */

/* What the threads have put into quarantine and not told yet (heap/quarantine.h); and, with the world
 * stopped, that it has been counted. */
size_t gl_cache_sum_quarantined(void);
void gl_cache_forget_quarantined(void);

/* How many slots may belong to nobody until the next collection: threads that a fork left behind may
 * have held one each. */
size_t gl_cache_max_lost(void);

void gl_cache_lock(void);
void gl_cache_unlock(void);

/* In the child: all locks of the heap are held by the caller (from before the fork). Slots of
 * threads that are gone become free. */
void gl_cache_adopt_after_fork(void);
void gl_cache_reset_lock(void);

#endif
