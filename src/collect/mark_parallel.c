/* SPDX-License-Identifier: MIT */
/*
 * collect/mark_parallel.c - several markers beside each other.
 *
 * A collection starts with one marker. If that one is still at it after some batches, the heap is
 * large enough: it gives the bitmap lanes (collect/marker.h), and starts a helper for each further
 * processor. So a small heap pays nothing, and no thread waits anywhere between two collections.
 *
 * Each marker has a stack of its own. One that runs dry says so (n_hungry) and waits; the others see
 * it after their next batch and put up to a SEGMENT of ids into the pool, from the bottom of their
 * stacks, where the largest parts of the graph hang. When everybody is hungry and the pool is empty,
 * nothing is left to mark. (Work sharing through a pool: Endo, Taura and Yonezawa 1997; markers that
 * race without locks, at the price of a second scan: our measurement, doc/marking.md.)
 */
#include <string.h>

#include "base/bits.h"
#include "base/knobs.h"
#include "base/lock.h"
#include "collect/marker.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/meta.h"
#include "os/helper.h"
#include "os/memory.h"

enum {
    SEGMENT_IDS = 256,
    POOL_SEGMENTS = 32,
    SHARE_AT_LEAST = 16,  /* a stack with fewer ids keeps them */
    PATIENCE = 200,       /* batches: about a fifth of a millisecond */
    SPINS = 400           /* before a hungry marker sleeps */
};

typedef struct segment {
    uint32_t n;
    uint64_t ids[SEGMENT_IDS];
} segment;

typedef struct helping {
    gl_marker *marker; /* meta memory, kept */
    char *stack;       /* of the thread */
    gl_helper thread;
    bool is_running;
} helping;

/* Belongs to the collection under way. */
static struct {
    gl_lock lock;                 /* of the pool: all up to is_done */
    uint32_t n_segments;
    uint32_t n_markers;           /* that have arrived */
    volatile uint32_t n_hungry;   /* of them; read without the lock */
    bool is_done;
    volatile uint32_t news;       /* changes with a new segment, and at the end */
    segment pool[POOL_SEGMENTS];
    uint32_t n_helpers;           /* started; 0: one marker alone */
    helping helpers[GL_MARK_MAX_LANES - 1];
    uint64_t saved_signals;
    uint8_t *lanes;               /* meta memory, kept */
    size_t lanes_bytes;
} parallel = {.lock = GL_LOCK_INIT(GL_RANK_OS)};

/* ---- The pool ------------------------------------------------------------------------------- */

static void announce(void)
{
    gl_add32_full(&parallel.news, 1);
    gl_futex_wake(&parallel.news, INT32_MAX);
}

void gl_mark_share(gl_marker *m)
{
    size_t n = (m->top - m->bottom) / 2;
    if (n < SHARE_AT_LEAST / 2) {
        return;
    }
    n = n < SEGMENT_IDS ? n : SEGMENT_IDS;
    bool has_room;
    gl_lock_acquire(&parallel.lock);
    has_room = parallel.n_segments < parallel.n_hungry && parallel.n_segments < POOL_SEGMENTS;
    if (has_room) {
        segment *s = &parallel.pool[parallel.n_segments++];
        s->n = (uint32_t)n;
        memcpy(s->ids, m->stack + m->bottom, n * sizeof *s->ids);
        m->bottom += n;
    }
    gl_lock_release(&parallel.lock);
    if (has_room) {
        announce();
    }
}

static bool try_take_locked(gl_marker *m)
{
    if (parallel.n_segments == 0) {
        return false;
    }
    /* The stack is empty, and it began with room for a segment. */
    const segment *s = &parallel.pool[--parallel.n_segments];
    memcpy(m->stack, s->ids, s->n * sizeof *s->ids);
    m->bottom = 0;
    m->top = s->n;
    return true;
}

static void wait_for_news(uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (gl_load32_acquire(&parallel.news) != seen) {
            return;
        }
        gl_spin_hint();
    }
    gl_futex_wait(&parallel.news, seen, 0);
}

/* Fills the marker's empty stack; false: everything is marked. */
static bool get_work(gl_marker *m)
{
    bool has_work;
    gl_lock_acquire(&parallel.lock);
    gl_store32_relaxed(&parallel.n_hungry, parallel.n_hungry + 1);
    for (;;) {
        has_work = try_take_locked(m);
        if (has_work || parallel.is_done) {
            break;
        }
        if (parallel.n_hungry == parallel.n_markers) {
            parallel.is_done = true;
            announce();
            break;
        }
        uint32_t seen = gl_load32_relaxed(&parallel.news);
        gl_lock_release(&parallel.lock);
        wait_for_news(seen);
        gl_lock_acquire(&parallel.lock);
    }
    gl_store32_relaxed(&parallel.n_hungry, parallel.n_hungry - has_work);
    gl_lock_release(&parallel.lock);
    return has_work;
}

/* ---- Lanes ---------------------------------------------------------------------------------- */

/* The piece stays ours, but its whole pages go back; its beginning links it into a list. */
static void discard_lanes(void)
{
    uintptr_t start = gl_round_up((uintptr_t)parallel.lanes + 1, gl_os_page_bytes);
    uintptr_t end = gl_round_down((uintptr_t)parallel.lanes + parallel.lanes_bytes, gl_os_page_bytes);
    if (!parallel.lanes) {
        return;
    }
    if (start < end) {
        gl_os_purge((void *)start, end - start);
    }
    gl_meta_free(parallel.lanes, parallel.lanes_bytes);
    parallel.lanes = NULL;
    parallel.lanes_bytes = 0;
}

static bool ensure_lanes(uint32_t shift)
{
    size_t bytes = (size_t)gl_arena_n_blocks() * GL_BITMAP_STRIDE * sizeof(uint64_t) << shift;
    if (bytes <= parallel.lanes_bytes) {
        return true;
    }
    /* Room to grow, so that a growing heap does not leave a trail of outgrown lanes. */
    size_t wanted = (size_t)1 << (gl_log2_floor(bytes) + 1);
    uint8_t *lanes = gl_meta_alloc(wanted);
    if (!lanes) {
        return false;
    }
    discard_lanes();
    parallel.lanes = lanes;
    parallel.lanes_bytes = wanted;
    return true;
}

static uint64_t *lanes_of(uint32_t block, uint32_t shift)
{
    return (uint64_t *)(void *)parallel.lanes + ((size_t)block * GL_BITMAP_STRIDE << shift);
}

/* Lane 0 takes over what is marked so far. */
static void split_bitmap(uint32_t shift)
{
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        if (!gl_heap.descs[block].granules) {
            continue;
        }
        const uint64_t *marks = gl_block_mark_bits(block);
        uint64_t *lanes = lanes_of(block, shift);
        for (uint32_t w = 0; w < gl_words_for(gl_heap.blocks[block].n_objects); w++) {
            lanes[(size_t)w << shift] = marks[w];
            for (uint32_t lane = 1; lane < 1u << shift; lane++) {
                lanes[((size_t)w << shift) + lane] = 0;
            }
        }
    }
}

static void join_bitmap(uint32_t shift)
{
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        if (!gl_heap.descs[block].granules) {
            continue;
        }
        uint64_t *marks = gl_block_mark_bits(block);
        const uint64_t *lanes = lanes_of(block, shift);
        for (uint32_t w = 0; w < gl_words_for(gl_heap.blocks[block].n_objects); w++) {
            uint64_t word = 0;
            for (uint32_t lane = 0; lane < 1u << shift; lane++) {
                word |= lanes[((size_t)w << shift) + lane];
            }
            marks[w] = word;
        }
    }
}

static void use_lanes(gl_marker *m, uint32_t lane, uint32_t shift)
{
    m->marks = parallel.lanes;
    m->lane = lane;
    m->lane_shift = shift;
    m->prefetches_marks = true;
    m->hungry = &parallel.n_hungry;
}

/* ---- Helpers -------------------------------------------------------------------------------- */

/* On the helper's own thread. One that comes too late finds that everything is done. */
static void help(void *marker)
{
    gl_marker *m = marker;
    gl_lock_acquire(&parallel.lock);
    bool is_late = parallel.is_done;
    parallel.n_markers += !is_late;
    gl_lock_release(&parallel.lock);
    while (!is_late && get_work(m)) {
        gl_mark_loop(m);
    }
}

/* Memory for the i-th helper. Its mark stack is a part of the space that the first leaves. */
static bool ensure_helper(uint32_t i)
{
    helping *h = &parallel.helpers[i];
    if (h->marker) {
        return true;
    }
    void *start;
    size_t bytes;
    gl_arena_mark_stack_range(&start, &bytes);
    size_t part = gl_round_down(bytes / 2 / (GL_MARK_MAX_LANES - 1), gl_os_page_bytes);
    gl_marker *m = gl_meta_alloc(sizeof *m);
    h->stack = gl_meta_alloc(GL_HELPER_STACK_BYTES);
    if (!m || !h->stack || !gl_marker_init(m, (char *)start + bytes / 2 + i * part, part)) {
        gl_meta_free(m, sizeof *m);
        gl_meta_free(h->stack, GL_HELPER_STACK_BYTES);
        return false;
    }
    h->marker = m;
    return true;
}

static uint32_t markers_wanted(void)
{
    uint64_t n = gl_options.markers ? gl_options.markers : gl_helper_count_processors();
    return n < GL_MARK_MAX_LANES ? (uint32_t)n : GL_MARK_MAX_LANES;
}

/* The rank of a lock is checked by thread-local counts, which helpers share with their maker. */
static void start_helpers(gl_marker *m, uint32_t n, uint32_t shift)
{
    parallel.is_done = false;
    parallel.n_segments = 0;
    parallel.n_markers = 1;
    gl_store32_relaxed(&parallel.n_hungry, 0);
    gl_lock_ignore_ranks(true);
    use_lanes(m, 0, shift);
    m->n_markers = 1;
    gl_helpers_begin(&parallel.saved_signals);
    for (uint32_t i = 0; i < n && ensure_helper(i); i++) {
        helping *h = &parallel.helpers[i];
        use_lanes(h->marker, i + 1, shift);
        h->marker->limit = m->limit;
        h->is_running = gl_helper_start(&h->thread, h->stack, help, h->marker);
        m->n_markers += h->is_running;
        parallel.n_helpers = i + 1;
    }
}

void gl_mark_call_helpers(gl_marker *m)
{
    uint32_t n = markers_wanted();
    if (n < 2 || !gl_helper_is_allowed()) {
        return;
    }
    uint32_t shift = gl_log2_floor(n - 1) + 1;
    if (!ensure_lanes(shift)) {
        return;
    }
    split_bitmap(shift);
    start_helpers(m, n - 1, shift);
}

static void dismiss_helpers(gl_marker *m)
{
    for (uint32_t i = 0; i < parallel.n_helpers; i++) {
        helping *h = &parallel.helpers[i];
        if (h->is_running) {
            gl_helper_join(&h->thread);
        }
        m->has_overflowed |= h->marker->has_overflowed;
        m->n_overflows += h->marker->n_overflows;
        h->marker->has_overflowed = false;
        h->marker->n_overflows = 0;
        h->is_running = false;
        gl_marker_trim(h->marker);
    }
    parallel.n_helpers = 0;
    gl_helpers_end(&parallel.saved_signals);
    gl_lock_ignore_ranks(false);
    join_bitmap(m->lane_shift);
    m->marks = (uint8_t *)gl_heap.mark_bits;
    m->lane = m->lane_shift = 0;
    m->prefetches_marks = false;
}

void gl_mark_with_helpers(gl_marker *m)
{
    const volatile uint32_t *nobody = m->hungry; /* as long as there is one marker */
    m->patience = gl_options.verify ? 1 : PATIENCE;
    gl_mark_loop(m);
    m->patience = 0;
    if (m->lane_shift == 0) {
        return;
    }
    while (get_work(m)) {
        gl_mark_loop(m);
    }
    dismiss_helpers(m);
    m->hungry = nobody;
}
