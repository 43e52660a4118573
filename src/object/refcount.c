/* SPDX-License-Identifier: MIT */
/*
 * object/refcount.c - reference counts. The words, and who may write them, are in heap/counts.h.
 *
 * THE END OF AN OBJECT. Its last reference is not taken off: it becomes the count that the library holds
 *   while the object dies, so that what the destructor does with the object itself is harmless. DYING
 *   takes the place of the destructor in the head; whoever puts it there is the one who destroys the object. If
 *   more counts than this one are left afterwards, the object lives on, without a destructor.
 *
 * NESTING. Destructors run inside each other as long as they use little stack: GL_NEST_SEGMENTS pieces of
 *   GL_NEST_BYTES. What reaches zero deeper down becomes pending, and the innermost call that runs a destructor
 *   works the list off when it is back; so a stack of a fixed size is enough. Inside a segment nothing needs to
 *   be noted. A destructor may leave by longjmp() or an exception, and nobody ends its segment then; but the
 *   next call that does not come from below the frame with which it began does. Until then it costs nothing but
 *   a piece.
 */
#include <errno.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>

#include "base/bits.h"
#include "collect/weak.h"
#include "heap/alloc.h"
#include "heap/attached.h"
#include "heap/counts.h"
#include "heap/heap.h"
#include "heap/hooks.h"
#include "heap/quarantine.h"
#include "object/destructor.h"
#include "object/unown.h"
#include "os/registers.h"

/* ---- Birth -------------------------------------------------------------------------------------- */

static inline gl_word whole_count(uint32_t head, uint32_t own) { return (gl_word)head << 32 | own; }

static inline gl_word unowned_count(uint32_t destructor)
{
    return whole_count(GL_COUNT_SHARED | destructor, 0);
}

static inline void *stamp(void *object, gl_word whole)
{
    if (GL_UNLIKELY((uint32_t)whole == 0)) {
        gl_store32_relaxed(gl_count_shared((uintptr_t)object), GL_SHARED_ONE | GL_SHARED_MERGED);
    }
    gl_store_relaxed(&gl_count_of((uintptr_t)object)->whole, whole);
    gl_count_keep((uintptr_t)object);
    return object;
}

/* Finds the count of newborn objects with this destructor. */
static void find_newborn(gl_owner *self, uintptr_t fn, uint32_t destructor)
{
    bool is_handed_over = gl_destructor_is_handed_over(destructor);
    self->newborn = is_handed_over
                        ? unowned_count(destructor)
                        : whole_count(self->number << GL_COUNT_OWNER_SHIFT | destructor, 1);
    gl_store_relaxed(&self->newest, fn);
}

static __attribute__((noinline)) void *allocate_slow(size_t size, gc_destructor fn)
{
    uint32_t destructor;
    gl_heap_wake();
    if (!gl_destructor_start() || !gl_destructor_find((uintptr_t)fn, &destructor)) {
        errno = ENOMEM;
        return NULL;
    }
    gl_owner_make();
    void *p = gl_heap_alloc(size, GL_KIND_COUNTED, true);
    gl_owner *self = gl_owner_self;
    if (!p || self->number == GL_OWNER_NONE) {
        return p ? stamp(p, unowned_count(destructor)) : NULL;
    }
    find_newborn(self, (uintptr_t)fn, destructor);
    return stamp(p, self->newborn);
}

/* Where there is nothing in a strip: what was freed, or a refill. */
static __attribute__((noinline)) void *allocate_without_strip(size_t size, gc_destructor fn)
{
    size_t bytes = gl_round_up(size + (size == 0), GL_GRANULE_BYTES);
    char *p = gl_try_pop(gl_bin_of(GL_KIND_COUNTED, (uint32_t)(bytes >> GL_GRANULE_SHIFT)));
    if (GL_LIKELY(p != NULL)) {
        gl_zero_tiny(p, bytes);
        return stamp(p, gl_owner_self->newborn);
    }
    return allocate_slow(size, fn);
}

void *gc_rc_malloc(size_t size, gc_destructor fn)
{
    gl_owner *self = gl_owner_self;
    if (GL_UNLIKELY(size > GL_TINY_MAX)) {
        return allocate_slow(size, fn);
    }
    if (GL_UNLIKELY(gl_load_relaxed(&self->newest) != (uintptr_t)fn)) {
        uint32_t place = gl_destructor_place((uintptr_t)fn);
        if (self->number == GL_OWNER_NONE || !gl_destructor_is_at((uintptr_t)fn, place)) {
            return allocate_slow(size, fn);
        }
        find_newborn(self, (uintptr_t)fn, place);
    }
    size_t bytes = gl_round_up(size + (size == 0), GL_GRANULE_BYTES);
    void *p = gl_try_bump(&gl_self->counted_strips[bytes >> GL_GRANULE_SHIFT], bytes);
    return GL_LIKELY(p != NULL) ? stamp(p, self->newborn) : allocate_without_strip(size, fn);
}

/* ---- Death ------------------------------------------------------------------------------------ */

static uint8_t state_of(uintptr_t start)
{
    uint32_t block = (uint32_t)((start - gl_heap.base) >> GL_BLOCK_SHIFT);
    const volatile uint8_t *state = gl_heap.descs[block].granules ? gl_state_of(start)
                                                                  : &gl_heap.blocks[block].state;
    return gl_load8_acquire(state);
}

/* The storage of an object that has no count any more. */
static inline void free_storage(uintptr_t start)
{
    gl_magazine *m = &gl_self->magazines[gl_heap.descs[(start - gl_heap.base) >> GL_BLOCK_SHIFT].bin];
    uint8_t *state = gl_state_of(start);
    uint32_t count = m->count;
    if (GL_UNLIKELY(*state != GL_STATE_ALLOCATED || count >= m->capacity || gl_quarantine_is_on())) {
        gl_free_slow((void *)start, "gc_release");
        return;
    }
    *state = GL_STATE_FREE;
    gl_signal_fence();
    m->slots[count] = start;
    gl_signal_fence();
    m->count = count + 1;
    gl_count_keep(start);
}

static void set_finalized(uintptr_t start)
{
    gl_object object;
    gl_weak_lock();
    if (gl_heap_find_exact(start, &object)) {
        (void)gl_attached_set(&object, GL_STATE_FINALIZED); /* without memory it is not said */
    }
    gl_weak_unlock();
}

static void release_unowned(uintptr_t start, const char *call);

/* After the destructor: drops the count that the library has held. */
static void finish(uintptr_t start)
{
    static const uint32_t DYING = GL_COUNT_SHARED | GL_DESTRUCTOR_DYING;
    uint32_t head = gl_load32_relaxed(&gl_count_of(start)->half.head);
    if ((head & GL_COUNT_DESTRUCTOR) != GL_DESTRUCTOR_DYING || !gl_unown(start)) {
        return; /* it has moved, or is left to the tracer */
    }
    uint32_t shared = gl_load32_acquire(gl_count_shared(start));
    if (shared == (GL_SHARED_ONE | GL_SHARED_MERGED)) {
        gl_count_clear(start);
        free_storage(start);
        return;
    }
    set_finalized(start);
    if (gl_count_change_head(start, DYING, GL_COUNT_SHARED | GL_DESTRUCTOR_NONE)) {
        release_unowned(start, "gc_release");
    }
}

/* The usual end: nobody has counted the object meanwhile. Who may do so is this thread, or one to which it has
 * given the object, having counted it before. */
static inline bool try_finish(uintptr_t start)
{
    gl_count *count = gl_count_of(start);
    if (GL_UNLIKELY(gl_load_relaxed(&count->whole) != GL_COUNT_DYING)) {
        return false;
    }
    gl_store_relaxed(&count->whole, 0);
    return true;
}

/* True if a destructor can be called from this frame without more ado. */
static inline bool is_in_segment(const gl_owner *self, uintptr_t frame)
{
    return self->top - frame < GL_NEST_BYTES;
}

/* Begins a segment with this frame, if there may be one more. Threads that could not become owners, for lack of
 * memory, share a record, and cannot tell how deep they are. */
static bool try_begin_segment(gl_owner *self, uintptr_t frame)
{
    while (self->n_segments > 0 && self->tops[self->n_segments - 1] <= frame) {
        self->n_segments--;
    }
    if (self->n_segments == GL_NEST_SEGMENTS) {
        return false;
    }
    if (self->number != GL_OWNER_NONE) {
        self->tops[self->n_segments++] = self->top = frame;
    }
    return true;
}

/* The thread may be another one now, if the destructor was on a stack of its own. */
static void end_segment(uintptr_t frame)
{
    gl_owner *self = gl_owner_self;
    while (self->n_segments > 0 && self->tops[self->n_segments - 1] <= frame) {
        self->n_segments--;
    }
    self->top = self->n_segments > 0 ? self->tops[self->n_segments - 1] : 0;
}

static void run_and_finish(uintptr_t start, uint32_t destructor)
{
    uint8_t state = state_of(start);
    if (GL_UNLIKELY(state != GL_STATE_ALLOCATED)) {
        gl_hook_object_freed((void *)start, state);
    }
    if (destructor != GL_DESTRUCTOR_NONE) {
        gl_destructor_at(destructor)((void *)start);
    }
    if (GL_LIKELY(try_finish(start))) {
        free_storage(start);
    } else {
        finish(start);
    }
    gl_count_keep(start);
}

/* Puts an object that is at zero, and this thread's to destroy, on its list. */
static void make_pending(gl_owner *self, uintptr_t start, uint32_t destructor)
{
    gl_count *count = gl_count_of(start);
    uintptr_t link = gl_load_relaxed(&self->pending);
    uint32_t shared = gl_load32_relaxed(&count->half.head) & GL_COUNT_SHARED;
    if (link >> 32 || shared) {
        gl_store32_relaxed(gl_count_shared(start), (uint32_t)(link >> 32));
        shared = GL_COUNT_SHARED;
    }
    gl_store32_relaxed(&count->half.own, (uint32_t)link);
    gl_store32_relaxed(&count->half.head,
                       (uint32_t)GL_OWNER_PENDING << GL_COUNT_OWNER_SHIFT | shared | destructor);
    gl_signal_fence();
    gl_store_relaxed(&self->pending, (start - gl_counts.base) >> GL_GRANULE_SHIFT);
    gl_count_keep(start);
}

/* The newest of the list becomes one that is dying. */
static uintptr_t take_pending(gl_owner *self, uint32_t *destructor)
{
    uintptr_t start = gl_counts.base + (gl_load_relaxed(&self->pending) << GL_GRANULE_SHIFT);
    gl_count *count = gl_count_of(start);
    uint32_t head = gl_load32_relaxed(&count->half.head);
    *destructor = head & GL_COUNT_DESTRUCTOR;
    gl_store_relaxed(&self->pending, gl_count_link(start, head));
    gl_signal_fence();
    if (head & GL_COUNT_SHARED) {
        gl_store32_relaxed(gl_count_shared(start), 0);
    }
    gl_store_relaxed(&count->whole, GL_COUNT_DYING);
    gl_count_keep(start);
    return start;
}

static __attribute__((noinline)) void work_off_pending(void)
{
    gl_owner *self;
    while ((self = gl_owner_self)->pending != 0) {
        uint32_t destructor;
        uintptr_t start = take_pending(self, &destructor);
        run_and_finish(start, destructor);
    }
}

/* Destroys an object that is dying, in a segment that begins here, or is there. */
static void destroy(uintptr_t start, uint32_t destructor, uintptr_t segment)
{
    int saved_errno = errno;
    run_and_finish(start, destructor);
    work_off_pending();
    if (segment) {
        end_segment(segment);
    }
    errno = saved_errno;
}

/* The same if there is stack enough; else it has to wait. */
static __attribute__((noinline)) void destroy_in_turn(uintptr_t start, uint32_t destructor)
{
    gl_owner_make();
    bool is_borrowed = gl_owner_borrow();
    gl_owner *self = gl_owner_self;
    uintptr_t frame = gl_os_stack_pointer();
    if (is_in_segment(self, frame)) {
        destroy(start, destructor, 0);
    } else if (try_begin_segment(self, frame)) {
        destroy(start, destructor, frame);
    } else {
        make_pending(self, start, destructor);
    }
    if (is_borrowed) {
        gl_owner_thread_ended();
    }
}

/* Declares an un-owned object dead. Whoever asks for it through a weak reference does so under the same
 * lock. False: it has got another count, or somebody else was first. */
static bool begin_death(uintptr_t start, uint32_t destructor)
{
    bool is_attached = (state_of(start) & GL_STATE_ATTACHED) != 0;
    if (is_attached) {
        gl_weak_lock();
    }
    bool is_done = gl_load32_acquire(gl_count_shared(start)) == (GL_SHARED_ONE | GL_SHARED_MERGED) &&
                   gl_count_change_head(start, GL_COUNT_SHARED | destructor, GL_HEAD_DYING);
    if (is_done) {
        gl_store32_relaxed(gl_count_shared(start), 0);
    }
    if (is_attached) {
        gl_weak_unlock();
    }
    return is_done;
}

/* The usual case of destroy(): nothing is attached to the object. The owner is asked for anew after the call,
 * as in end_segment(). */
static inline void destroy_plain(uintptr_t start, uint32_t destructor)
{
    gl_destructor_at(destructor)((void *)start);
    __asm__("" : "+r"(start)); /* what follows from it is cheaper to compute again than to keep */
    if (GL_LIKELY(try_finish(start))) {
        free_storage(start);
    } else {
        finish(start);
    }
    if (GL_UNLIKELY(gl_owner_self->pending != 0)) {
        work_off_pending();
    }
}

/* The same, and nothing else is being destroyed. */
static __attribute__((noinline)) void destroy_outermost(gl_owner *self, uintptr_t start,
                                                        uint32_t destructor)
{
    int saved_errno = errno;
    self->n_segments = 1;
    self->tops[0] = self->top = gl_os_stack_pointer();
    destroy_plain(start, destructor);
    self = gl_owner_self;
    self->n_segments = 0;
    self->top = 0;
    errno = saved_errno;
}

/* Destroys an object with a destructor, to which nothing is attached. */
static inline void destroy_unattached(gl_owner *self, uintptr_t start, uint32_t destructor)
{
    uintptr_t frame = gl_os_stack_pointer();
    if (GL_LIKELY(is_in_segment(self, frame))) {
        destroy_plain(start, destructor);
    } else if (self->top <= frame && self->number != GL_OWNER_NONE) {
        destroy_outermost(self, start, destructor);
    } else {
        destroy_in_turn(start, destructor);
    }
}

/* ---- Errors ----------------------------------------------------------------------------------- */

/* There is no count. True: for the object may be one that has none; false: it is gone, which has been
 * said. */
static bool is_uncounted(const void *p, const char *call, bool is_release)
{
    gl_object object;
    if (!p || (gl_heap_find_exact((uintptr_t)p, &object) && object.kind != GL_KIND_COUNTED)) {
        return true;
    }
    gl_hook_misuse_of_count(call, p, is_release);
    return false;
}

/* The head of a counted object, alive or dying; 0 if there is none. */
static uint32_t head_of(uintptr_t start)
{
    if (!gl_count_is_in_table(start)) {
        return 0;
    }
    uint32_t head = gl_load32_acquire(&gl_count_of(start)->half.head);
    return gl_count_owner(head) == GL_OWNER_PENDING ? 0 : head;
}

/* ---- Retain ----------------------------------------------------------------------------------- */

/* One more, for a thread that is not the owner, or where there is none. False: the object has died. */
static bool retain_shared(uintptr_t start)
{
    for (;;) {
        uint32_t head = head_of(start);
        if (head == 0) {
            return false;
        }
        if (gl_count_owner(head) == GL_OWNER_DYING) {
            gl_unown_dying(start);
        } else if (head & GL_COUNT_SHARED || gl_count_change_head(start, head, head | GL_COUNT_SHARED)) {
            break;
        }
    }
    volatile uint32_t *shared = gl_count_shared(start);
    uint32_t seen;
    do {
        seen = gl_load32_relaxed(shared);
    } while (seen < GL_SHARED_STICKY && !gl_cas32_full(shared, seen, seen + GL_SHARED_ONE));
    gl_count_keep(start);
    return true;
}

/* The fast path. */
static inline bool try_retain_own(uintptr_t p)
{
    if (GL_UNLIKELY(!gl_count_is_in_table(p))) {
        return false;
    }
    gl_count *count = gl_count_of(p);
    gl_owner *self = gl_owner_self;
    uint32_t match = gl_owner_enter(self);
    uint32_t own = gl_load32_relaxed(&count->half.own);
    bool is_own = gl_owner_matches(match, gl_load32_relaxed(&count->half.head));
    if (GL_LIKELY(is_own && own < GL_COUNT_STICKY)) {
        gl_store32_relaxed(&count->half.own, own + 1);
    }
    gl_owner_leave(self);
    gl_count_keep(p);
    return is_own;
}

static __attribute__((noinline)) void *retain_slow(void *object)
{
    gl_heap_wake();
    if (retain_shared((uintptr_t)object) || is_uncounted(object, "gc_retain", false)) {
        return object;
    }
    errno = EINVAL;
    return NULL;
}

void *gc_retain(void *object)
{
    return GL_LIKELY(try_retain_own((uintptr_t)object)) ? object : retain_slow(object);
}

bool gl_count_try_retain(void *object)
{
    uintptr_t p = (uintptr_t)object;
    gl_object found;
    uint32_t head = head_of(p);
    if (head == 0) {
        return gl_heap_find_exact(p, &found) && found.kind != GL_KIND_COUNTED;
    }
    if ((head & GL_COUNT_DESTRUCTOR) == GL_DESTRUCTOR_DYING) {
        return false;
    }
    return try_retain_own(p) || retain_shared(p);
}

/* ---- Release ---------------------------------------------------------------------------------- */

static void end_unowned(uintptr_t start, uint32_t destructor)
{
    if (destructor == GL_DESTRUCTOR_NONE || state_of(start) != GL_STATE_ALLOCATED) {
        destroy_in_turn(start, destructor);
    } else {
        destroy_unattached(gl_owner_self, start, destructor);
    }
}

/* Takes one count off an un-owned object. */
static void release_unowned(uintptr_t start, const char *call)
{
    volatile uint32_t *shared = gl_count_shared(start);
    for (;;) {
        uint32_t seen = gl_load32_acquire(shared);
        uint32_t head = gl_load32_acquire(&gl_count_of(start)->half.head);
        uint32_t destructor = head & GL_COUNT_DESTRUCTOR;
        if (seen >= GL_SHARED_STICKY) {
            return;
        }
        if (seen >= 2 * GL_SHARED_ONE) {
            if (gl_cas32_full(shared, seen, seen - GL_SHARED_ONE)) {
                gl_count_keep(start);
                return;
            }
        } else if (head == 0 || gl_count_owner(head) == GL_OWNER_PENDING ||
                   destructor == GL_DESTRUCTOR_DYING) {
            gl_hook_misuse_of_count(call, (void *)start, true);
            return;
        } else if (begin_death(start, destructor)) {
            end_unowned(start, destructor);
            return;
        } else {
            gl_spin_hint(); /* its owner is just giving it up */
        }
    }
}

/* Takes one off the count of those that do not own the object, if there is one. */
static bool try_release_shared(uintptr_t start)
{
    volatile uint32_t *shared = gl_count_shared(start);
    uint32_t seen;
    do {
        seen = gl_load32_relaxed(shared);
        if (seen < GL_SHARED_ONE || seen & GL_SHARED_MERGED) {
            return false;
        }
    } while (!gl_cas32_full(shared, seen, seen - GL_SHARED_ONE));
    gl_count_keep(start);
    return true;
}

static __attribute__((noinline)) void release_slow(void *object, const char *call)
{
    uintptr_t start = (uintptr_t)object;
    int saved_errno = errno;
    gl_heap_wake();
    uint32_t head = head_of(start);
    uint32_t owner = gl_count_owner(head);
    if (head == 0) {
        is_uncounted(object, call, true);
    } else if (owner == GL_OWNER_DYING) {
        gl_hook_misuse_of_count(call, object, true);
    } else if (owner == GL_OWNER_NONE || owner == gl_owner_self->number ||
               !try_release_shared(start)) {
        /* Of another thread's object: what is not in the count of the others must be one of its owner's. */
        if (gl_unown(start)) {
            release_unowned(start, call);
        }
    }
    errno = saved_errno;
}

/* The owner drops its last count, and is `busy`. Where nobody else has counted the object, and nothing is
 * attached to it, no atomic instruction is needed: who could still count it would have to have a count. The
 * state comes first: who has removed the last attachment may have counted before. */
static __attribute__((noinline)) void release_last(gl_owner *self, uintptr_t start)
{
    gl_count *count = gl_count_of(start);
    uint8_t state = gl_load8_acquire(gl_state_of(start));
    uint32_t head = gl_load32_relaxed(&count->half.head);
    uint32_t destructor = head & (GL_COUNT_DESTRUCTOR | GL_COUNT_SHARED);
    if (GL_UNLIKELY(state != GL_STATE_ALLOCATED || destructor >= GL_DESTRUCTOR_DYING)) {
        gl_owner_leave(self);
        release_slow((void *)start, "gc_release");
    } else if (destructor == GL_DESTRUCTOR_NONE) {
        gl_store_relaxed(&count->whole, 0);
        gl_owner_leave(self);
        free_storage(start);
    } else {
        gl_store_relaxed(&count->whole, GL_COUNT_DYING);
        gl_owner_leave(self);
        destroy_unattached(self, start, destructor);
    }
}

_Static_assert((uint32_t)GL_DESTRUCTOR_DYING == GL_COUNT_DESTRUCTOR && GL_COUNT_SHARED > GL_COUNT_DESTRUCTOR,
               "all bits of a mask, and the bit above");

void gc_release(void *object)
{
    uintptr_t p = (uintptr_t)object;
    if (GL_UNLIKELY(!gl_count_is_in_table(p))) {
        release_slow(object, "gc_release");
        return;
    }
    gl_count *count = gl_count_of(p);
    gl_owner *self = gl_owner_self;
    uint32_t match = gl_owner_enter(self);
    uint32_t own = gl_load32_relaxed(&count->half.own);
    if (GL_UNLIKELY(!gl_owner_matches(match, gl_load32_relaxed(&count->half.head)))) {
        gl_owner_leave(self);
        release_slow(object, "gc_release");
        return;
    }
    if (own == 1) {
        release_last(self, p);
        return;
    }
    if (GL_LIKELY(own != GL_COUNT_STICKY)) {
        gl_store32_relaxed(&count->half.own, own - 1);
    }
    gl_owner_leave(self);
    gl_count_keep(p);
}

static bool is_among_counted(uintptr_t address)
{
    uint32_t block = (uint32_t)((address - gl_heap.base) >> GL_BLOCK_SHIFT);
    return gl_heap.descs[block].granules != 0 &&
           gl_bin_kind(gl_heap.blocks[block].bin) == GL_KIND_COUNTED;
}

/* What gc_del() takes away may be a pointer to anything. */
void gc_del_reference(void *p)
{
    uintptr_t address = (uintptr_t)p;
    if (head_of(address) != 0 || (gl_count_is_in_table(address) && is_among_counted(address))) {
        gc_release(p);
    }
}

void gc_rc_set(void **slot, void *value)
{
    void *old = *slot;
    *slot = gc_retain(value);
    gc_release(old);
}

/* ---- The rest --------------------------------------------------------------------------------- */

/* The two parts are read until nothing has changed in between. */
long gc_get_refcount(const void *object)
{
    uintptr_t start = (uintptr_t)object;
    for (;;) {
        uint32_t head = head_of(start);
        if (head == 0) {
            return -1;
        }
        volatile uint32_t *others = gl_count_shared(start);
        uint32_t shared = head & GL_COUNT_SHARED ? gl_load32_acquire(others) : 0;
        uint32_t own = gl_load32_acquire(&gl_count_of(start)->half.own);
        bool is_owned = gl_count_owner(head) != GL_OWNER_NONE;
        bool is_between = is_owned == ((shared & GL_SHARED_MERGED) != 0);
        if (!is_between && head == head_of(start) &&
            (!(head & GL_COUNT_SHARED) || shared == gl_load32_acquire(others))) {
            return (long)(shared >> 1) + (is_owned ? own : 0) -
                   (gl_count_owner(head) == GL_OWNER_NONE &&
                    (head & GL_COUNT_DESTRUCTOR) == GL_DESTRUCTOR_DYING);
        }
    }
}

/* Takes all counts but one, and that is the last. */
bool gl_hook_counted_freed(void *object)
{
    uintptr_t start = (uintptr_t)object;
    uint32_t destructor;
    do {
        destructor = gl_load32_acquire(&gl_count_of(start)->half.head) & GL_COUNT_DESTRUCTOR;
        if (destructor == GL_DESTRUCTOR_DYING || !gl_unown(start)) {
            return false; /* its destructor is at work, or it waits for it */
        }
        gl_store32_relaxed(gl_count_shared(start), GL_SHARED_ONE | GL_SHARED_MERGED);
    } while (!begin_death(start, destructor));
    destroy_in_turn(start, destructor);
    return true;
}

void gl_count_destroy_held(void *object)
{
    uintptr_t start = (uintptr_t)object;
    for (;;) {
        uint32_t head = gl_load32_acquire(&gl_count_of(start)->half.head);
        uint32_t destructor = head & GL_COUNT_DESTRUCTOR;
        if (destructor == GL_DESTRUCTOR_DYING || !gl_unown(start)) {
            return; /* it is being freed */
        }
        head = GL_COUNT_SHARED | destructor;
        if (destructor == GL_DESTRUCTOR_NONE) {
            release_unowned(start, "gc_release");
            return;
        }
        gl_weak_lock();
        bool is_ours = gl_count_change_head(start, head, GL_COUNT_SHARED | GL_DESTRUCTOR_DYING);
        gl_weak_unlock();
        if (is_ours) {
            uintptr_t frame = gl_os_stack_pointer();
            destroy(start, destructor, try_begin_segment(gl_owner_self, frame) ? frame : 0);
            return;
        }
    }
}
