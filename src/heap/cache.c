/* SPDX-License-Identifier: MIT */
/* heap/cache.c - allocation caches: life, refill, flush. The fast paths are in heap/alloc.h. */
#include "heap/cache.h"

#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "heap/bin.h"
#include "heap/counts.h"
#include "heap/hooks.h"
#include "heap/meta.h"
#include "heap/pages.h"
#include "heap/quarantine.h"
#include "os/threads.h"

/* Threads that have no cache yet, threads that have given it back for good, threads in a blocking region,
 * and threads that are observed. All magazines are of capacity 0: nothing is ever written here. */
static gl_cache no_cache, ended_cache, asleep_cache, observed_cache;

__thread gl_cache *gl_self = &no_cache;

static __thread gl_cache *awake_self; /* what gl_self is again after the region */
static __thread gl_cache *observed_self; /* what gl_self would be if the thread were not observed */

/* Where the thread's own cache stands. Awake. */
static gl_cache **own_place(void)
{
    return gl_self == &observed_cache ? &observed_self : &gl_self;
}

static struct {
    gl_lock lock;
    gl_cache *all;   /* in use */
    gl_cache *spare; /* of threads that ended, with their magazines' memory */
    pthread_key_t key;
    uint32_t n_made;
    bool is_bypassed;
    bool has_forked;  /* this process is the child of a fork */
    size_t n_adopted; /* caches of threads that stayed behind */
} caches = {.lock = GL_LOCK_INIT(GL_RANK_CACHES)};

/* ---- Life ----------------------------------------------------------------------------------- */

static void thread_ends(void *cache)
{
    gl_cache_wake();
    gl_hook_thread_leaves();
    gl_owner_thread_ended();
    if (cache == gl_self) {
        gl_cache_detach();
    }
    /* Destructors of other libraries may still allocate: without a cache from now on. */
    gl_self = &ended_cache;
    gl_threads_unregister();
    gl_hook_thread_ended(gl_threads_pointer());
}

bool gl_cache_init(bool is_bypassed)
{
    caches.is_bypassed = is_bypassed;
    return pthread_key_create(&caches.key, thread_ends) == 0;
}

static gl_cache *new_cache(void)
{
    gl_lock_acquire(&caches.lock);
    gl_cache *cache = caches.spare;
    if (cache) {
        caches.spare = cache->next;
    } else {
        cache = gl_meta_alloc(sizeof *cache);
        if (cache) {
            cache->number = ++caches.n_made;
        }
    }
    if (cache) {
        cache->tid = gl_threads_tid();
        cache->prev = NULL;
        cache->next = caches.all;
        if (caches.all) {
            caches.all->prev = cache;
        }
        caches.all = cache;
    }
    gl_lock_release(&caches.lock);
    return cache;
}

/* A thread that does without a cache must be noticed when it ends, too. */
static void note_thread(void *specific)
{
    static __thread bool is_noted;
    if (!is_noted) {
        is_noted = true; /* first: the next may allocate (a key above 31) */
        gl_threads_register();
        pthread_setspecific(caches.key, specific);
    }
}

void gl_cache_note_thread(void)
{
    if (gl_self == &no_cache) {
        note_thread(&no_cache);
    }
}

/* The calling thread's cache, made if need be; NULL if it must do without. */
static gl_cache *own_cache(void)
{
    gl_cache **own = own_place();
    if (*own != &no_cache) {
        return *own == &ended_cache ? NULL : *own;
    }
    gl_cache *cache = caches.is_bypassed ? NULL : new_cache();
    if (!cache) {
        note_thread(&no_cache);
        return NULL;
    }
    *own = cache;
    gl_threads_register();
    /* May allocate (a key above 31): gl_self is set already. */
    pthread_setspecific(caches.key, cache);
    return cache;
}

/* The strip of a bin; NULL if it has none. */
static gl_strip *strip_of(gl_cache *cache, uint32_t bin)
{
    uint32_t size_class = gl_bin_class(bin);
    if (size_class == 0 || size_class >= GL_N_STRIPS) {
        return NULL;
    }
    switch (gl_bin_kind(bin)) {
    case GL_KIND_SCANNED:
        return &cache->scanned_strips[size_class];
    case GL_KIND_COUNTED:
        return &cache->counted_strips[size_class];
    default:
        return NULL;
    }
}

/* What is left of a strip, as a magazine would hold it. Read once: its owner may be at it. */
typedef struct strip_slots {
    gl_magazine magazine;
    uintptr_t slots[GL_STRIP_BYTES / GL_GRANULE_BYTES];
} strip_slots;

static void list_strip(const gl_strip *strip, uint32_t bin, strip_slots *out)
{
    uintptr_t next = gl_load_relaxed((const volatile gl_word *)&strip->next);
    uintptr_t end = gl_load_relaxed((const volatile gl_word *)&strip->end);
    out->magazine = (gl_magazine){.capacity = GL_STRIP_BYTES / GL_GRANULE_BYTES, .slots = out->slots};
    if (end - next > GL_STRIP_BYTES) {
        return;
    }
    for (; next < end; next += gl_classes[gl_bin_class(bin)].bytes) {
        out->slots[out->magazine.count++] = next;
    }
}

/* Slot by slot, in a small frame: what a thread had at that place of its stack when it ended would
 * shine through the unused part of a large one, and keep garbage alive. */
static void empty_strip_locked(gl_strip *strip, uint32_t bin)
{
    while (strip->next < strip->end) {
        gl_bin_put_locked(bin, &strip->next, 1);
        strip->next += gl_classes[gl_bin_class(bin)].bytes;
    }
    strip->next = strip->end = 0;
}

static void flush_magazine(uint32_t bin, gl_magazine *m, uint32_t owner)
{
    gl_lock_acquire(&gl_bins[bin].lock);
    gl_bin_put_locked(bin, m->slots, m->count);
    m->count = 0;
    gl_bin_return_batches_locked(bin, owner);
    gl_lock_release(&gl_bins[bin].lock);
}

void gl_cache_detach(void)
{
    gl_cache **own = own_place(), *cache = *own;
    if (cache == &no_cache || cache == &ended_cache) {
        return;
    }
    *own = &no_cache;
    gl_quarantine_count(cache->quarantined_bytes);
    cache->quarantined_bytes = 0;
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        if (cache->magazines[bin].count) {
            flush_magazine(bin, &cache->magazines[bin], cache->number);
        }
    }
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        gl_strip *strip = strip_of(cache, bin);
        if (strip && strip->next != strip->end) {
            gl_lock_acquire(&gl_bins[bin].lock);
            empty_strip_locked(strip, bin);
            gl_lock_release(&gl_bins[bin].lock);
        }
    }
    gl_lock_acquire(&caches.lock);
    if (cache->prev) {
        cache->prev->next = cache->next;
    } else {
        caches.all = cache->next;
    }
    if (cache->next) {
        cache->next->prev = cache->prev;
    }
    cache->next = caches.spare;
    caches.spare = cache;
    gl_lock_release(&caches.lock);
}

/* ---- Blocking regions ----------------------------------------------------------------------- */

void *gl_cache_blocking(void *(*fn)(void *), void *arg)
{
    if (gl_self == &asleep_cache) {
        return fn(arg);
    }
    awake_self = gl_self;
    gl_self = &asleep_cache;
    gl_owner_sleep();
    void *result = gl_threads_blocking(fn, arg);
    gl_cache_wake();
    return result;
}

void gl_cache_wake(void)
{
    if (gl_self == &asleep_cache) {
        gl_threads_leave();
        gl_owner_wake();
        gl_self = awake_self;
    }
}

/* ---- Observation ---------------------------------------------------------------------------- */

bool gl_cache_is_observed(void)
{
    return gl_self == &observed_cache;
}

void gl_cache_observe(void)
{
    gl_cache_note_thread();
    if (gl_self != &observed_cache) {
        observed_self = gl_self;
        gl_self = &observed_cache;
    }
}

void gl_cache_stop_observing(void)
{
    gl_cache_wake();
    gl_self = *own_place();
}

/* ---- Refill and flush ----------------------------------------------------------------------- */

/* Magazines begin small and grow when they overflow, or run dry while the bin has several blocks, so
 * that those of a small program share a page or two: pages cost it time, at the start and in each child
 * that it forks. The lock of the bin is held, so no collection sees a magazine half moved. */
enum { FIRST_CAPACITY = 15 };

static void enlarge_locked(uint32_t bin, gl_magazine *m, uint32_t capacity)
{
    uintptr_t *slots = gl_meta_alloc((capacity + 1u) * sizeof *slots);
    if (!slots) {
        return;
    }
    if (m->slots) {
        memcpy(slots, m->slots, m->count * sizeof *slots);
        gl_meta_free(m->slots, (m->capacity + 1u) * sizeof *slots);
    }
    m->slots = slots;
    m->capacity = (uint16_t)capacity;
    bool is_slow = gl_quarantine_is_on() || gl_bin_kind(bin) == GL_KIND_COUNTED;
    m->push_limit = is_slow ? 0 : m->capacity;
}

/* Slow paths are our clock. No lock is held. */
static void pass_time(void)
{
    if (gl_pages_poll()) {
        gl_bin_tick();
    }
}

static void grow_locked(uint32_t bin, gl_magazine *m)
{
    const gl_class_info *info = &gl_classes[gl_bin_class(bin)];
    if (m->capacity < info->magazine) {
        uint32_t wanted = m->capacity ? 2u * m->capacity + 1 : FIRST_CAPACITY;
        enlarge_locked(bin, m, wanted < info->magazine ? wanted : info->magazine);
    }
}

static void refill_locked(uint32_t bin, gl_magazine *m, uint32_t owner)
{
    const gl_class_info *info = &gl_classes[gl_bin_class(bin)];
    if (m->capacity == 0 || gl_bins[bin].n_blocks > 1) {
        grow_locked(bin, m);
    }
    if (m->capacity >= info->batch && gl_bin_try_withdraw_locked(bin, m->slots, owner)) {
        m->count = info->batch;
        return;
    }
    uint32_t half = (m->capacity + 1u) / 2; /* 0: without memory there is no magazine */
    m->count = gl_bin_take_locked(bin, m->slots, half < info->batch ? half : info->batch, owner);
}

static bool try_refill_strip(gl_strip *strip, uint32_t bin, uint32_t owner)
{
    uintptr_t start = 0, end = 0;
    gl_lock_acquire(&gl_bins[bin].lock);
    bool has_strip = gl_bin_take_strip_locked(bin, GL_STRIP_BYTES, owner, &start, &end);
    if (has_strip) {
        strip->end = end;
        gl_signal_fence();
        strip->next = start;
    }
    gl_lock_release(&gl_bins[bin].lock);
    if (!has_strip) {
        return false;
    }
    /* Not under the lock, whose release would wait for all these stores. A collection in between finds
     * a strip like any other. */
    memset((void *)start, 0, end - start);
    for (uintptr_t line = end; line < end + GL_STRIP_BYTES; line += 64) {
        gl_prefetch_to_write((const void *)line);
    }
    return true;
}

/* A slot of the strip, which is replaced if it has ended; 0: the bin has no row of free slots. */
static uintptr_t take_from_strip(gl_strip *strip, uint32_t bin, uint32_t owner)
{
    if (strip->next == strip->end && !try_refill_strip(strip, bin, owner)) {
        return 0;
    }
    uintptr_t slot = strip->next;
    strip->next = slot + gl_classes[gl_bin_class(bin)].bytes;
    return slot;
}

uintptr_t gl_cache_take_slow(uint32_t bin)
{
    gl_cache *cache = own_cache();
    gl_magazine *m = cache ? &cache->magazines[bin] : NULL;
    gl_strip *strip = cache ? strip_of(cache, bin) : NULL;
    uint32_t owner = cache ? cache->number : 0;
    uintptr_t slot = strip && m->count == 0 ? take_from_strip(strip, bin, owner) : 0;
    if (slot) {
        pass_time();
        return slot;
    }
    gl_lock_acquire(&gl_bins[bin].lock);
    if (m && m->count == 0) {
        refill_locked(bin, m, owner);
    }
    if (m && m->count > 0) {
        slot = m->slots[--m->count];
    } else {
        gl_bin_take_locked(bin, &slot, 1, owner);
    }
    gl_lock_release(&gl_bins[bin].lock);
    pass_time();
    return slot;
}

/* Makes room: the oldest slots go, which the thread is least likely to touch soon. */
static void flush_locked(uint32_t bin, gl_magazine *m, uint32_t owner)
{
    uint32_t batch = gl_classes[gl_bin_class(bin)].batch;
    bool is_whole = m->count >= batch;
    if (!is_whole) {
        batch = m->count; /* it could not grow */
    }
    if (!is_whole || !gl_bin_try_deposit_locked(bin, m->slots, owner)) {
        gl_bin_put_locked(bin, m->slots, batch);
    }
    memmove(m->slots, m->slots + batch, (m->count - batch) * sizeof *m->slots);
    m->count -= batch;
}

void gl_cache_put_slow(uint32_t bin, uintptr_t slot)
{
    gl_cache *cache = own_cache();
    gl_magazine *m = cache ? &cache->magazines[bin] : NULL;
    gl_lock_acquire(&gl_bins[bin].lock);
    if (m && m->count >= m->capacity) {
        grow_locked(bin, m);
        if (m->capacity > 0 && m->count >= m->capacity) {
            flush_locked(bin, m, cache->number);
        }
    }
    if (m && m->capacity > 0) {
        m->slots[m->count] = slot;
        m->count++;
    } else {
        gl_bin_put_locked(bin, &slot, 1);
    }
    gl_lock_release(&gl_bins[bin].lock);
    pass_time();
}

/* ---- For the collector and for fork --------------------------------------------------------- */

static void each_strip(gl_cache *cache,
                       void (*fn)(uint32_t bin, const gl_magazine *magazine, void *arg), void *arg)
{
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        const gl_strip *strip = strip_of(cache, bin);
        strip_slots rest;
        if (strip) {
            list_strip(strip, bin, &rest);
            if (rest.magazine.count) {
                fn(bin, &rest.magazine, arg);
            }
        }
    }
}

void gl_cache_each_magazine(void (*fn)(uint32_t bin, const gl_magazine *magazine, void *arg),
                            void *arg)
{
    for (gl_cache *c = caches.all; c; c = c->next) {
        for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
            if (c->magazines[bin].count) {
                fn(bin, &c->magazines[bin], arg);
            }
        }
        each_strip(c, fn, arg);
    }
}

bool gl_cache_is_only(void)
{
    return !caches.all || (caches.all == *own_place() && !caches.all->next);
}

size_t gl_cache_count_caches(void)
{
    size_t n = 0;
    for (const gl_cache *c = caches.all; c; c = c->next) {
        n++;
    }
    return n;
}

size_t gl_cache_sum_quarantined(void)
{
    size_t sum = 0;
    for (const gl_cache *c = caches.all; c; c = c->next) {
        sum += c->quarantined_bytes;
    }
    return sum;
}

void gl_cache_forget_quarantined(void)
{
    for (gl_cache *c = caches.all; c; c = c->next) {
        c->quarantined_bytes = 0;
    }
}

size_t gl_cache_max_lost(void)
{
    /* Threads without a cache may have held one, too; nobody has counted them. */
    enum { UNCOUNTED_THREADS = 64 };
    return caches.has_forked ? caches.n_adopted + UNCOUNTED_THREADS : 0;
}

void gl_cache_lock(void)
{
    gl_lock_acquire(&caches.lock);
}

void gl_cache_unlock(void)
{
    gl_lock_release(&caches.lock);
}

void gl_cache_reset_lock(void)
{
    gl_lock_reset(&caches.lock);
}

/* A thread that is gone may have been between two instructions of a fast path: a slot that has left
 * its magazine but is not allocated yet is lost until the next collection; a slot with a state is in
 * use, whatever the magazine says. */
static void adopt(gl_cache *cache)
{
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        gl_magazine *m = &cache->magazines[bin];
        for (uint32_t i = 0; i < m->count; i++) {
            if (*gl_state_of(m->slots[i]) == GL_STATE_FREE) {
                gl_bin_put_locked(bin, &m->slots[i], 1);
            }
        }
        m->count = 0;
    }
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        gl_strip *strip = strip_of(cache, bin);
        if (strip) {
            empty_strip_locked(strip, bin);
        }
    }
}

void gl_cache_adopt_after_fork(void)
{
    gl_cache *own = NULL;
    caches.has_forked = true;
    for (gl_cache *c = caches.all, *next; c; c = next) {
        next = c->next;
        if (c == *own_place()) {
            own = c;
            continue;
        }
        adopt(c);
        caches.n_adopted++;
        c->next = caches.spare;
        caches.spare = c;
    }
    caches.all = own;
    if (own) {
        own->next = own->prev = NULL;
        own->tid = gl_threads_tid();
    }
}
