/* SPDX-License-Identifier: MIT */
/*
 * malloc/calls.h - what the functions share that stand before the C library's, so that a program
 * under the malloc library does not notice the suspend signal (os/interrupted.h).
 *
 * Each calls the C library's function, which is a point of cancellation and checks its arguments as
 * ever, and calls it again if nothing but the suspend signal has ended it, with the time that is
 * left. Beyond that function a call costs three loads of the thread's counters, and a glance at the
 * coarse clock if it has a timeout.
 *
 * In libgleaner-malloc alone: it stands under programs that have not been written for a collector.
 */
#ifndef GL_MALLOC_CALLS_H
#define GL_MALLOC_CALLS_H

#include <aio.h>
#include <dlfcn.h>
#include <errno.h>
#include <mqueue.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/check.h"
#include "malloc/malloc.h"
#include "os/handlers.h"
#include "os/interrupted.h"
#include "os/system.h"

/* Every function of the C library that this layer stands before and calls. */
#define GL_REAL_CALLS(X)                                                                          \
    X(accept) X(accept4) X(aio_suspend) X(clock_nanosleep) X(connect) X(dlopen) X(epoll_ctl)      \
    X(epoll_pwait) X(epoll_pwait2) X(epoll_wait) X(getrandom) X(mq_notify) X(msgrcv) X(msgsnd)    \
    X(pause) X(poll) X(ppoll) X(pselect) X(pthread_sigqueue) X(read) X(readv)        \
    X(recv) X(recvfrom) X(recvmmsg) X(recvmsg) X(select) X(sem_clockwait) X(sem_timedwait)        \
    X(semop) X(semtimedop) X(send) X(sendmmsg) X(sendmsg) X(sendto) X(setsockopt) X(sigqueue)     \
    X(sigsuspend) X(timer_create) X(timer_delete) X(write) X(writev)

typedef struct gl_real_calls {
#define GL_REAL_MEMBER(name) __typeof__(&(name)) name;
    GL_REAL_CALLS(GL_REAL_MEMBER)
#undef GL_REAL_MEMBER
} gl_real_calls;

extern gl_real_calls gl_real_table; /* written by gl_calls_find() */
extern volatile uint32_t gl_real_is_found;
void gl_calls_find(void);

/* The functions behind ours. They are looked up before main(), for a look-up in a signal handler may
 * meet the loader at work; who calls earlier looks them up itself. */
static inline const gl_real_calls *gl_real(void)
{
    if (GL_UNLIKELY(!gl_load32_acquire(&gl_real_is_found))) {
        gl_calls_find();
    }
    return &gl_real_table;
}

/* One call of the program. */
typedef struct gl_call {
    unsigned n_interrupted, n_handled; /* when it began */
    uint64_t start_ns; /* by the coarse clock; 0: there is no timeout, or it is not known yet */
} gl_call;

static inline gl_call gl_call_begin(bool has_timeout)
{
    gl_call call = {gl_interrupted_calls, gl_handled_signals, has_timeout ? gl_os_coarse_ns() : 0};
    return call;
}

/* True if the suspend signal, and no handler of the program, came out of a system call since the call
 * began, or since this was asked last. */
static inline bool gl_call_was_met(gl_call *call)
{
    unsigned n = gl_interrupted_calls;
    if (GL_LIKELY(n == call->n_interrupted)) {
        return false;
    }
    call->n_interrupted = n;
    return gl_handled_signals == call->n_handled;
}

/* True if that is why a function returned -1: then it is to be called again. */
static inline bool gl_call_was_cut(gl_call *call, long result)
{
    return gl_call_was_met(call) && result == -1 && errno == EINTR;
}

/* What is left of a timeout: never too little, and at most a step of the coarse clock too much. */
uint64_t gl_call_left_ns(const gl_call *call, uint64_t timeout_ns);
int gl_call_left_ms(const gl_call *call, int timeout_ms);
struct timespec gl_call_left(const gl_call *call, const struct timespec *timeout);

uint64_t gl_call_ns_of(const struct timespec *t); /* UINT64_MAX: more than that */
struct timespec gl_call_timespec(uint64_t ns);

#endif
