/* SPDX-License-Identifier: MIT */
/*
 * base/lock.c - the futex lock, and the order of ranks.
 *
 * States: 0 free, 1 held, 2 held and somebody may sleep. Only the holder leaves 1 or 2. A thread
 * that has slept takes the lock as 2, for it cannot know whether others still sleep.
 */
#include "base/lock.h"

#include <linux/futex.h>
#include <time.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/syscall.h"

enum { FREE = 0, HELD = 1, CONTENDED = 2 };

/* Critical sections are short: a wait is mostly over before a thread could be put to sleep. */
enum { SPINS = 100 };

/* How many locks of each rank this thread holds; kept only with GL_CHECK_LEVEL >= 2. */
static __thread uint16_t held_by_rank[GL_RANK_OS + 1];

static volatile bool are_ranks_ignored;

void gl_lock_ignore_ranks(bool is_ignored) { are_ranks_ignored = is_ignored; }

static void note_order(const gl_lock *lock)
{
    for (uint32_t rank = lock->rank + 1; rank <= GL_RANK_OS; rank++)
        gl_debug(held_by_rank[rank] == 0, lock);
}

static void note_acquired(const gl_lock *lock)
{
    if (GL_CHECK_LEVEL >= 2 && !are_ranks_ignored)
        held_by_rank[lock->rank]++;
}

static void note_released(const gl_lock *lock)
{
    if (GL_CHECK_LEVEL >= 2 && !are_ranks_ignored) {
        gl_debug(held_by_rank[lock->rank] > 0, lock);
        held_by_rank[lock->rank]--;
    }
}

static void acquire_slow(gl_lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        if (gl_load32_relaxed(&lock->state) == FREE && gl_cas32_full(&lock->state, FREE, HELD))
            return;
        gl_spin_hint();
    }
    for (;;) {
        uint32_t seen = gl_load32_relaxed(&lock->state);
        if (seen == FREE) {
            if (gl_cas32_full(&lock->state, FREE, CONTENDED))
                return;
        } else if (seen == CONTENDED || gl_cas32_full(&lock->state, HELD, CONTENDED)) {
            gl_futex_wait(&lock->state, CONTENDED, 0);
        }
    }
}

void gl_lock_acquire(gl_lock *lock)
{
    if (GL_CHECK_LEVEL >= 2 && !are_ranks_ignored)
        note_order(lock);
    if (GL_UNLIKELY(!gl_cas32_full(&lock->state, FREE, HELD)))
        acquire_slow(lock);
    note_acquired(lock);
}

bool gl_lock_try(gl_lock *lock)
{
    if (!gl_cas32_full(&lock->state, FREE, HELD))
        return false;
    note_acquired(lock);
    return true;
}

void gl_lock_release(gl_lock *lock)
{
    gl_check(gl_load32_relaxed(&lock->state) != FREE, lock);
    note_released(lock);
    if (gl_add32_full(&lock->state, (uint32_t)-1) != HELD) {
        gl_store32_release(&lock->state, FREE);
        gl_futex_wake(&lock->state, 1);
    }
}

bool gl_lock_is_held(const gl_lock *lock) { return gl_load32_acquire(&lock->state) != FREE; }

void gl_lock_reset(gl_lock *lock)
{
    /* The thread that forked may itself have taken it, in the handler that runs before a fork. */
    if (GL_CHECK_LEVEL >= 2 && held_by_rank[lock->rank] > 0)
        held_by_rank[lock->rank]--;
    gl_store32_release(&lock->state, FREE);
}

#define TSAN_WAIT_NS ((uint64_t)1000000)

void gl_futex_wait(volatile uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    /* The suspend signal would wait for the end of this call: let the caller come around. */
    if (GL_HAS_TSAN && (timeout_ns == 0 || timeout_ns > TSAN_WAIT_NS))
        timeout_ns = TSAN_WAIT_NS;
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                               .tv_nsec = (long)(timeout_ns % 1000000000)};
    gl_syscall4(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)expected,
                timeout_ns ? (long)&timeout : 0);
}

void gl_futex_wake(volatile uint32_t *word, uint32_t n)
{
    long count = n > INT32_MAX ? INT32_MAX : (long)n;
    gl_syscall3(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, count);
}
