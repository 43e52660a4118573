/* SPDX-License-Identifier: MIT */
/*
 * malloc/calls_wait.c - sleeping and waiting as if the world had not been stopped meanwhile.
 *
 * Those that take a mask (ppoll, pselect, epoll_pwait, sigsuspend) open it and wait in one step, so
 * nothing is lost between two turns: a signal of the program that comes then is pending, and ends
 * the next one.
 */
#include "malloc/calls.h"

#include "base/syscall.h"

/* ---- Sleep ----------------------------------------------------------------------------------- */

/* What the kernel says is left is what was left when the world stopped. */
GL_MALLOC_PUBLIC int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                                     struct timespec *left)
{
    gl_call call = gl_call_begin(flags == 0);
    struct timespec wanted = *time, rest; /* `left` may be the same */
    int error = gl_real()->clock_nanosleep(clock, flags, time, left);
    while (gl_call_was_met(&call) && error == EINTR) {
        if (flags == 0) {
            rest = gl_call_left(&call, &wanted);
        }
        error = gl_real()->clock_nanosleep(clock, flags, flags == 0 ? &rest : time, left);
    }
    return error;
}

GL_MALLOC_PUBLIC int nanosleep(const struct timespec *time, struct timespec *left)
{
    int error = clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    if (error == 0) {
        return 0;
    }
    errno = error;
    return -1;
}

GL_MALLOC_PUBLIC int usleep(useconds_t microseconds)
{
    struct timespec time = gl_call_timespec((uint64_t)microseconds * 1000);
    return nanosleep(&time, NULL);
}

GL_MALLOC_PUBLIC unsigned sleep(unsigned seconds)
{
    int saved_errno = errno;
    struct timespec time = {(time_t)seconds, 0}, left = time;
    if (nanosleep(&time, &left) < 0) {
        return (unsigned)left.tv_sec;
    }
    errno = saved_errno;
    return 0;
}

GL_MALLOC_PUBLIC int thrd_sleep(const struct timespec *time, struct timespec *left)
{
    int error = clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    return error == 0 ? 0 : error == EINTR ? -1 : -2;
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

GL_MALLOC_PUBLIC int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    gl_call call = gl_call_begin(timeout_ms > 0);
    int r = gl_real()->poll(fds, n, timeout_ms);
    while (gl_call_was_cut(&call, r)) {
        r = gl_real()->poll(fds, n, timeout_ms > 0 ? gl_call_left_ms(&call, timeout_ms) : timeout_ms);
    }
    return r;
}

GL_MALLOC_PUBLIC int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                           const sigset_t *mask)
{
    gl_call call = gl_call_begin(timeout != NULL);
    struct timespec left;
    int r = gl_real()->ppoll(fds, n, timeout, mask);
    while (gl_call_was_cut(&call, r)) {
        if (timeout) {
            left = gl_call_left(&call, timeout);
        }
        r = gl_real()->ppoll(fds, n, timeout ? &left : NULL, mask);
    }
    return r;
}

/* What programs compiled with _FORTIFY_SOURCE call: the array must be as large as is said. */
extern _Noreturn void __chk_fail(void);
GL_MALLOC_PUBLIC int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t fds_bytes);
GL_MALLOC_PUBLIC int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                                 const sigset_t *mask, size_t fds_bytes);

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t fds_bytes)
{
    if (fds_bytes / sizeof *fds < n) {
        __chk_fail();
    }
    return poll(fds, n, timeout_ms);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
                size_t fds_bytes)
{
    if (fds_bytes / sizeof *fds < n) {
        __chk_fail();
    }
    return ppoll(fds, n, timeout, mask);
}

/* The kernel writes what is left into *timeout, also when a signal ends the call, and leaves the
 * sets alone then. What it says was left when the world stopped. */
GL_MALLOC_PUBLIC int select(int n, fd_set *restrict to_read, fd_set *restrict to_write,
                            fd_set *restrict exceptions, struct timeval *restrict timeout)
{
    gl_call call = gl_call_begin(timeout != NULL);
    uint64_t timeout_ns =
        timeout ? (uint64_t)timeout->tv_sec * 1000000000 + (uint64_t)timeout->tv_usec * 1000 : 0;
    int r = gl_real()->select(n, to_read, to_write, exceptions, timeout);
    while (gl_call_was_cut(&call, r)) {
        if (timeout) {
            struct timespec left = gl_call_timespec(gl_call_left_ns(&call, timeout_ns));
            timeout->tv_sec = left.tv_sec;
            timeout->tv_usec = (left.tv_nsec + 999) / 1000;
            timeout->tv_sec += timeout->tv_usec / 1000000;
            timeout->tv_usec %= 1000000;
        }
        r = gl_real()->select(n, to_read, to_write, exceptions, timeout);
    }
    return r;
}

GL_MALLOC_PUBLIC int pselect(int n, fd_set *restrict to_read, fd_set *restrict to_write,
                             fd_set *restrict exceptions, const struct timespec *restrict timeout,
                             const sigset_t *restrict mask)
{
    gl_call call = gl_call_begin(timeout != NULL);
    struct timespec left;
    int r = gl_real()->pselect(n, to_read, to_write, exceptions, timeout, mask);
    while (gl_call_was_cut(&call, r)) {
        if (timeout) {
            left = gl_call_left(&call, timeout);
        }
        r = gl_real()->pselect(n, to_read, to_write, exceptions, timeout ? &left : NULL, mask);
    }
    return r;
}

GL_MALLOC_PUBLIC int epoll_wait(int epoll, struct epoll_event *events, int n_max, int timeout_ms)
{
    gl_call call = gl_call_begin(timeout_ms > 0);
    int r = gl_real()->epoll_wait(epoll, events, n_max, timeout_ms);
    while (gl_call_was_cut(&call, r)) {
        r = gl_real()->epoll_wait(epoll, events, n_max,
                                  timeout_ms > 0 ? gl_call_left_ms(&call, timeout_ms) : timeout_ms);
    }
    return r;
}

GL_MALLOC_PUBLIC int epoll_pwait(int epoll, struct epoll_event *events, int n_max, int timeout_ms,
                                 const sigset_t *mask)
{
    gl_call call = gl_call_begin(timeout_ms > 0);
    int r = gl_real()->epoll_pwait(epoll, events, n_max, timeout_ms, mask);
    while (gl_call_was_cut(&call, r)) {
        int left_ms = timeout_ms > 0 ? gl_call_left_ms(&call, timeout_ms) : timeout_ms;
        r = gl_real()->epoll_pwait(epoll, events, n_max, left_ms, mask);
    }
    return r;
}

GL_MALLOC_PUBLIC int epoll_pwait2(int epoll, struct epoll_event *events, int n_max,
                                  const struct timespec *timeout, const sigset_t *mask)
{
    gl_call call = gl_call_begin(timeout != NULL);
    struct timespec left;
    int r = gl_real()->epoll_pwait2(epoll, events, n_max, timeout, mask);
    while (gl_call_was_cut(&call, r)) {
        if (timeout) {
            left = gl_call_left(&call, timeout);
        }
        r = gl_real()->epoll_pwait2(epoll, events, n_max, timeout ? &left : NULL, mask);
    }
    return r;
}

/* ---- Signals and semaphores ------------------------------------------------------------------ */

GL_MALLOC_PUBLIC int pause(void)
{
    gl_call call = gl_call_begin(false);
    int r;
    do {
        r = gl_real()->pause();
    } while (gl_call_was_cut(&call, r));
    return r;
}

GL_MALLOC_PUBLIC int sigsuspend(const sigset_t *mask)
{
    gl_call call = gl_call_begin(false);
    int r;
    do {
        r = gl_real()->sigsuspend(mask);
    } while (gl_call_was_cut(&call, r));
    return r;
}

GL_MALLOC_PUBLIC int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict end)
{
    gl_call call = gl_call_begin(false);
    int r;
    do {
        r = gl_real()->sem_timedwait(semaphore, end);
    } while (gl_call_was_cut(&call, r));
    return r;
}

GL_MALLOC_PUBLIC int sem_clockwait(sem_t *restrict semaphore, clockid_t clock,
                                   const struct timespec *restrict end)
{
    gl_call call = gl_call_begin(false);
    int r;
    do {
        r = gl_real()->sem_clockwait(semaphore, clock, end);
    } while (gl_call_was_cut(&call, r));
    return r;
}

/* ---- System V queues and semaphores ---------------------------------------------------------- */

GL_MALLOC_PUBLIC ssize_t msgrcv(int queue, void *message, size_t bytes, long type, int flags)
{
    gl_call call = gl_call_begin(false);
    ssize_t r;
    do {
        r = gl_real()->msgrcv(queue, message, bytes, type, flags);
    } while (gl_call_was_cut(&call, r));
    return r;
}

GL_MALLOC_PUBLIC int msgsnd(int queue, const void *message, size_t bytes, int flags)
{
    gl_call call = gl_call_begin(false);
    int r;
    do {
        r = gl_real()->msgsnd(queue, message, bytes, flags);
    } while (gl_call_was_cut(&call, r));
    return r;
}

GL_MALLOC_PUBLIC int semop(int set, struct sembuf *operations, size_t n)
{
    gl_call call = gl_call_begin(false);
    int r;
    do {
        r = gl_real()->semop(set, operations, n);
    } while (gl_call_was_cut(&call, r));
    return r;
}

GL_MALLOC_PUBLIC int semtimedop(int set, struct sembuf *operations, size_t n,
                                const struct timespec *timeout)
{
    gl_call call = gl_call_begin(timeout != NULL);
    struct timespec left;
    int r = gl_real()->semtimedop(set, operations, n, timeout);
    while (gl_call_was_cut(&call, r)) {
        if (timeout) {
            left = gl_call_left(&call, timeout);
        }
        r = gl_real()->semtimedop(set, operations, n, timeout ? &left : NULL);
    }
    return r;
}

/* ---- Asynchronous input and output ----------------------------------------------------------- */

GL_MALLOC_PUBLIC int aio_suspend(const struct aiocb *const list[], int n,
                                 const struct timespec *restrict timeout)
{
    gl_call call = gl_call_begin(timeout != NULL);
    struct timespec left;
    int r = gl_real()->aio_suspend(list, n, timeout);
    while (gl_call_was_cut(&call, r)) {
        if (timeout) {
            left = gl_call_left(&call, timeout);
        }
        r = gl_real()->aio_suspend(list, n, timeout ? &left : NULL);
    }
    return r;
}

/* libaio's, which may be in no scope where it could be found: the system call, whose result it is. */
GL_MALLOC_PUBLIC int io_getevents(void *context, long n_min, long n_max, void *events,
                                  struct timespec *timeout);

int io_getevents(void *context, long n_min, long n_max, void *events, struct timespec *timeout)
{
    gl_call call = gl_call_begin(timeout != NULL);
    struct timespec left;
    long r = gl_syscall6_always(SYS_io_getevents, (long)context, n_min, n_max, (long)events,
                                (long)timeout, 0);
    while (gl_call_was_met(&call) && r == -EINTR) {
        if (timeout) {
            left = gl_call_left(&call, timeout);
        }
        r = gl_syscall6_always(SYS_io_getevents, (long)context, n_min, n_max, (long)events,
                               (long)(timeout ? &left : NULL), 0);
    }
    return (int)r;
}
