/* SPDX-License-Identifier: MIT */
/* heap/quarantine.c - see quarantine.h. */
#include "heap/quarantine.h"

#include <string.h>

#include "base/check.h"
#include "base/knobs.h"
#include "heap/alloc.h"

gl_quarantine_state gl_quarantine;

/* A thread tells what it has freed when it is this much, so that it does not come to shared words often. */
enum { TELL_BYTES = 16 * 1024 };

void gl_quarantine_start(void)
{
    gl_store_relaxed(&gl_quarantine.is_on, gl_options.mode == GL_MODE_SAFE);
    gl_store_relaxed(&gl_quarantine.limit_bytes, SIZE_MAX);
}

/* The next slow path of an allocation then asks whether a collection is due. To free alone never makes one
 * necessary. */
void gl_quarantine_count(size_t bytes)
{
    gl_add_relaxed(&gl_quarantine.fresh_bytes, bytes);
    if (gl_quarantine_is_full()) {
        gl_store_relaxed(&gl_heap.trigger_bytes, 0);
    }
}

/* The caches that threads share have number 0. */
static inline void count_own(size_t bytes)
{
    gl_cache *cache = gl_self;
    if (GL_UNLIKELY(cache->number == 0)) {
        gl_quarantine_count(bytes);
        return;
    }
    cache->quarantined_bytes += (uint32_t)bytes;
    if (GL_UNLIKELY(cache->quarantined_bytes >= TELL_BYTES)) {
        gl_quarantine_count(cache->quarantined_bytes);
        cache->quarantined_bytes = 0;
    }
}

typedef long long two_words __attribute__((vector_size(16), may_alias));

/* The first two words, in which most objects have a link or the address of their functions: these read as
 * zero. glibc's free() overwrites just as much, so no program relies on it; to clear the whole object is one
 * cache miss after the other, and was half of what the mode cost. */
static inline void poison(uintptr_t start, size_t bytes)
{
    *(two_words *)start = (two_words){0, 0};
    if (GL_UNLIKELY(gl_options.clobber)) {
        memset((void *)start, 0xdb, bytes);
    }
}

/* The state first: a collection that comes in between sees no mark of the block, and lets the object wait
 * for the next. The other way round it would take the mark away, and nobody would put it back. */
static inline void put(uintptr_t start, uint32_t block, size_t bytes)
{
    volatile uint8_t *has_quarantined = gl_block_has_quarantined(block);
    *gl_state_of(start) = GL_STATE_QUARANTINED;
    gl_signal_fence();
    if (!*has_quarantined) {
        *has_quarantined = 1;
    }
    poison(start, bytes);
    count_own(bytes);
}

void gl_quarantine_put(uintptr_t start, uint32_t block, size_t bytes)
{
    put(start, block, bytes);
}

bool gl_quarantine_try(uintptr_t start)
{
    uintptr_t offset = start - gl_heap.base;
    uintptr_t granule = gl_granule_at(offset);
    if (GL_UNLIKELY(granule >= gl_heap.used_bytes >> GL_GRANULE_SHIFT)) {
        return false;
    }
    uint32_t block = (uint32_t)(offset >> GL_BLOCK_SHIFT);
    gl_desc desc = gl_heap.descs[block];
    if (GL_UNLIKELY(desc.granules == 0 || desc.bin == GL_ROLE_UNSWEPT ||
                    gl_bin_kind(desc.bin) == GL_KIND_COUNTED ||
                    gl_heap.state[granule] != GL_STATE_ALLOCATED)) {
        return false;
    }
    put(start, block, (size_t)desc.granules << GL_GRANULE_SHIFT);
    return true;
}
