/* SPDX-License-Identifier: MIT */
/*
 * os/threads_internal.h - what threads.c (who the threads are) and stop.c (how they are stopped)
 * share. Nothing outside of os/ includes this.
 *
 * A *slot* belongs to a thread that has registered or used a blocking region. Slots lie in memory
 * that is never unmapped, and change owner by compare-and-swap, so that the thread that stops the
 * world may read all of them at any time without a lock, also those of threads that died without
 * saying goodbye.
 */
#ifndef GL_OS_THREADS_INTERNAL_H
#define GL_OS_THREADS_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/spill.h"
#include "os/threads.h"

typedef enum gl_slot_state {
    GL_SLOT_FREE = 0,
    GL_SLOT_TAKEN,   /* being set up by a thread */
    GL_SLOT_RUNNING, /* must be stopped by the signal */
    GL_SLOT_BLOCKED, /* in a blocking region: may be held */
    GL_SLOT_HELD     /* in a blocking region, and may not leave it: it counts as stopped */
} gl_slot_state;

enum { GL_SLOT_STATE_BITS = 3 };

typedef struct gl_slot {
    gl_stopped_thread thread; /* the owner's, written before it becomes BLOCKED; `next` belongs to
                                 the thread that stops the world */
    /* The thread id and the state in one word, so that a change of owner is a change of value. The
     * id is 0 for the main thread, here and in `thread`: so it is right in the child of a fork too,
     * whose only thread is its main thread, and need not be written there.
     * RUNNING <-> BLOCKED by the owner, BLOCKED <-> HELD by the thread that stops the world. */
    volatile uint32_t word;
} gl_slot;

static inline uint32_t gl_slot_word(int tid, gl_slot_state state)
{
    return (uint32_t)tid << GL_SLOT_STATE_BITS | (uint32_t)state;
}
static inline gl_slot_state gl_slot_state_of(uint32_t word)
{
    return (gl_slot_state)(word & ((1u << GL_SLOT_STATE_BITS) - 1));
}
static inline int gl_slot_tid_of(uint32_t word, int process)
{
    int tid = (int)(word >> GL_SLOT_STATE_BITS);
    return tid != 0 ? tid : process;
}

/* Calls fn for every slot, free ones too. */
void gl_slots_each(void (*fn)(gl_slot *slot, void *arg), void *arg);

/* True from the moment a stop begins until the threads are resumed. */
bool gl_stop_is_open(void);

/* Returns when no stop is under way, or a thread that waits in it has been resumed. */
uint32_t gl_stop_epoch(void);
void gl_stop_wait(uint32_t epoch);

/* The handler of the suspend signal: parks the thread if a stop is under way. */
void gl_stop_handler(void *signal_context);

void gl_stop_after_fork(void);

/* What pthread_sigmask does in a program that has this library: as the C library's, but the suspend
 * signal stays open. Returns the error number. */
int gl_threads_sigmask(int how, const sigset_t *set, sigset_t *old);

/* What sigtimedwait does in such a program; returns the signal, or a negated error number. */
int gl_threads_sigwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);

/* What sigaction does in such a program: the suspend signal's action in the kernel stays ours, and is
 * not blocked while a handler runs. */
int gl_threads_sigaction(int signal, const struct sigaction *action, struct sigaction *old);

/* Installs the handler if it is not there (any more): a program may have reset all signals, by calls
 * to the kernel that we do not see. False: it cannot be told, or done. */
bool gl_threads_ensure_handler(void);

/* A signal that also stops threads that block the first one; its handler is there on return. 0: there
 * is none. */
int gl_threads_second_signal(void);

/* True if this is a thread that the library has met before, and not the child of a vfork() by one,
 * which has its storage. */
bool gl_threads_is_known_self(void);

#endif
