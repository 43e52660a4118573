/* SPDX-License-Identifier: MIT */
/*
 * heap/counts.h - reference counts: where they are, what the words mean, who may write them.
 *
 * Each object of GL_KIND_COUNTED has a gl_count, eight bytes in a side table that is linear in the address,
 * and four more in a second one that is touched only for objects which several threads have counted
 * (biased reference counting: Choi, Shull and Torrellas 2018). doc/counting.md has the reasons.
 *
 *     own          the count of the OWNER, by plain loads and stores
 *     head         owner number << 16 | SHARED << 15 | number of the destructor
 *     shared       the count of all others << 1 | MERGED, by atomic instructions
 *
 * The state of an object follows from them:
 *     free         head, own and shared are 0
 *     owned        head has an owner's number, not MERGED; the count is own + shared, and own > 0.
 *                  shared is 0 and was never touched as long as head has not SHARED
 *     un-owned     MERGED; the count is that of `shared`, own is 0 and head has SHARED and no owner
 *     dying        un-owned with DYING in place of the destructor, which is running or has been left in the
 *                  middle. The count has one more than the program knows of. As long as nobody has counted it
 *                  meanwhile, GL_COUNT_DYING stands for that
 *     pending      head has PENDING as owner: at zero, and on the list of a thread that will destroy it
 *                  later; own and (with SHARED) shared are the upper and lower half of a link
 *
 * FAST PATHS. The owner sets `busy`, reads its own `match`, compares the owner in the head with it, stores `own`
 * and clears `busy`: no instruction is atomic. Who wants to take an object away from its owner (that is, make it
 * un-owned) sets `match` to what matches nothing, makes all threads pass a barrier, and waits until
 * `busy` is 0 (object/unown.c). The collector, with the world stopped, leaves an object alone whose owner is busy.
 *
 * Lock: GL_RANK_OWNERS, the lowest: for the table of owners and for taking objects away.
 */
#ifndef GL_HEAP_COUNTS_H
#define GL_HEAP_COUNTS_H

#include "base/check.h"
#include "heap/types.h"

typedef union gl_count {
    volatile gl_word whole;
    struct {
        volatile uint32_t own, head;
    } half;
} gl_count;

_Static_assert(sizeof(gl_count) == 8, "the table is indexed by half the address");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "`own` is the lower half");

#define GL_COUNT_DESTRUCTOR ((uint32_t)0x7fff) /* mask */
#define GL_COUNT_SHARED ((uint32_t)0x8000)
#define GL_COUNT_OWNER_SHIFT 16
#define GL_COUNT_STICKY ((uint32_t)0x7fffffff) /* `own` that is not changed any more */

enum {
    GL_DESTRUCTOR_NONE = 0,
    GL_DESTRUCTOR_DYING = 0x7fff,
    GL_OWNER_NONE = 0,
    GL_OWNER_MAX = 0xfffc,
    GL_OWNER_DYING = 0xfffd, /* in GL_COUNT_DYING only */
    GL_OWNER_NEVER = 0xfffe, /* no object has it */
    GL_OWNER_PENDING = 0xffff,
    GL_NEST_BYTES = 8 * 1024, /* of stack, a segment: in which destructors run inside each other */
    GL_NEST_SEGMENTS = 4
};

#define GL_NO_DESTRUCTOR_YET ((gl_word)1) /* no address of a function */

#define GL_HEAD_DYING ((uint32_t)GL_OWNER_DYING << GL_COUNT_OWNER_SHIFT | GL_DESTRUCTOR_DYING)
#define GL_COUNT_DYING ((gl_word)GL_HEAD_DYING << 32) /* the whole count; `shared` is 0 */

#define GL_SHARED_MERGED ((uint32_t)1)
#define GL_SHARED_ONE ((uint32_t)2)
#define GL_SHARED_STICKY ((uint32_t)1 << 31) /* from here on it is not changed any more */

/* Of the tables. Writer of the addresses: the start; of the length: gl_arena_enable_counts(), and the growth
 * of the arena. */
typedef struct gl_counts_state {
    _Alignas(64) volatile gl_word base; /* of the arena; asked for before the start, too */
    volatile gl_word n_granules;    /* with counts behind them; 0 until the first counted object */
    uintptr_t origin;               /* the count of p is at origin + p / 2 */
    volatile uint32_t *shared;      /* by granule */
} gl_counts_state;

extern gl_counts_state gl_counts GL_HIDDEN;

/* Who counts without atomic instructions: a thread. Never freed; passes on to a later thread with the
 * objects that its owner has left. */
typedef struct gl_owner {
    _Alignas(64) volatile uint32_t match; /* number << 16; GL_OWNER_NEVER while objects are taken away */
    volatile uint32_t busy;               /* writer: the thread */
    uint32_t number;                      /* 0: one that is shared by threads which own nothing */
    volatile gl_word newest;              /* the destructor that newborn objects of the thread had last */
    gl_word newborn;                      /* the count of one more of them */
    uint32_t n_segments;                  /* in use; the thread, as all that follows */
    uintptr_t top;                        /* of the last segment: the frame with which it begins */
    volatile gl_word pending;             /* granule of the first object that waits for its destructor */
    gl_count *volatile merging;           /* that the thread is just giving up; for fork */
    bool is_taken;                        /* there is such a thread; the lock */
    struct gl_owner *next;                /* spare; the lock */
    uintptr_t tops[GL_NEST_SEGMENTS];
} gl_owner;

/* Never NULL: threads without an owner share one that matches nothing. */
extern __thread gl_owner *gl_owner_self GL_HIDDEN;

/* ---- Access ---------------------------------------------------------------------------------- */

static inline gl_count *gl_count_of(uintptr_t start)
{
    return (gl_count *)(gl_counts.origin + start / 2);
}

static inline volatile uint32_t *gl_count_shared(uintptr_t start)
{
    return &gl_counts.shared[(start - gl_counts.base) >> GL_GRANULE_SHIFT];
}

/* Of a pending object: the granule of the next one. */
static inline uintptr_t gl_count_link(uintptr_t start, uint32_t head)
{
    uintptr_t upper = head & GL_COUNT_SHARED ? gl_load32_relaxed(gl_count_shared(start)) : 0;
    return upper << 32 | gl_load32_relaxed(&gl_count_of(start)->half.own);
}

static inline uint32_t gl_count_owner(uint32_t head) { return head >> GL_COUNT_OWNER_SHIFT; }

/* The number of the granule that begins at the address, or something beyond all. */
static inline uintptr_t gl_count_granule(uintptr_t address)
{
    return gl_granule_at(address - gl_load_relaxed(&gl_counts.base));
}

static inline bool gl_count_is_in_table(uintptr_t address)
{
    return gl_count_granule(address) < gl_load_acquire(&gl_counts.n_granules);
}

/* Begins a fast path; returns `match`. That is read before any count: who takes objects away may be done
 * with it, and have put the old value back, between two loads of the other order. */
static inline uint32_t gl_owner_enter(gl_owner *self)
{
    gl_store32_relaxed(&self->busy, 1);
    gl_signal_fence();
    return gl_load32_acquire(&self->match);
}

static inline void gl_owner_leave(gl_owner *self)
{
    gl_signal_fence();
    gl_store32_release(&self->busy, 0);
}

/* True if the object is one to count there. */
static inline bool gl_owner_matches(uint32_t match, uint32_t head)
{
    return ((head ^ match) >> GL_COUNT_OWNER_SHIFT) == 0;
}

/* The collector may stop the thread where only the count has been changed: until here, it must find the
 * object. */
static inline void gl_count_keep(uintptr_t start)
{
    __asm__ __volatile__("" : : "r"(start) : "memory");
}

/* ---- Tables and owners (heap/counts.c, heap/arena.c) ------------------------------------------- */

/* Makes the tables, once. False: no memory. */
bool gl_arena_enable_counts(void);

/* Before the first counted object of a thread: gives it an owner, if there is memory for one. */
void gl_owner_make(void);

/* The thread ends, or gives back what it has borrowed: a thread that has ended, as far as we are concerned, but
 * whose other destructors still run, may own things for a while. */
void gl_owner_thread_ended(void);
bool gl_owner_borrow(void);

/* In a blocking region a thread owns nothing: the collector may be at work. */
void gl_owner_sleep(void);
void gl_owner_wake(void);

extern gl_lock gl_owners_lock;
gl_owner *gl_owner_at(uint32_t number);

/* No thread writes `own` any more (the caller has seen to it): makes the object un-owned. */
void gl_count_merge(uintptr_t start);

/* The slot is free: so are its counts. */
static inline void gl_count_clear(uintptr_t start)
{
    gl_count *count = gl_count_of(start);
    if (GL_UNLIKELY(gl_load32_relaxed(&count->half.head) & GL_COUNT_SHARED)) {
        gl_store32_relaxed(gl_count_shared(start), 0);
    }
    gl_store_relaxed(&count->whole, 0);
}

static inline bool gl_count_is_clear(uintptr_t start)
{
    return gl_load_relaxed(&gl_count_of(start)->whole) == 0;
}

/* realloc has moved the object; its old place is without a count then. */
void gl_count_move(uintptr_t from, uintptr_t to);

/* Nothing is in these blocks any more, and their memory goes to the system: so does that of their counts. */
void gl_counts_purge(uint32_t block, uint32_t n);

void gl_counts_before_fork(void);
void gl_counts_after_fork_parent(void);
void gl_counts_after_fork_child(void);

/* ---- For the collector, with the world stopped -------------------------------------------------- */

/* Calls fn for each object at zero that waits for its destructor: it must not be reclaimed. */
void gl_counts_each_pending(void (*fn)(uintptr_t start, void *arg), void *arg);

/* True if the counted object has a destructor that has not run. */
bool gl_count_has_destructor(uintptr_t start);

/* An unreachable object is to wait for its destructor: it gets one count more. To be followed, once, by
 * gl_count_destroy_held(). */
void gl_count_hold(uintptr_t start);

/* Later, in a thread where finalizers run, with no lock held (object/refcount.c): calls the destructor, unless
 * it has run meanwhile, and drops that count. Not after gc_free() of the object, which takes that count, too:
 * what the collector has attached to it is gone then. */
void gl_count_destroy_held(void *object);

/* One count more, if the object still lives; true also if it is not counted (object/refcount.c). The caller
 * holds the lock of collect/weak.h, under which objects to which something is attached begin to die. */
bool gl_count_try_retain(void *object);

#endif
