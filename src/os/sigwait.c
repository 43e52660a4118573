/* SPDX-License-Identifier: MIT */
/*
 * os/sigwait.c - sigwait, sigwaitinfo, sigtimedwait and signalfd that do not take the suspend signal.
 *
 * Daemons wait in a thread of their own for every signal there is; the kernel would hand them ours,
 * which they know nothing of, and the thread would not stop. So it is cleared from the set, and the
 * wait is a blocking region: no suspend signal is sent to the thread, and the program sees no EINTR
 * from it. A read() of a signalfd would take it, too. Else these are as glibc's, points of cancellation included.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/syscall.h"
#include "os/threads_internal.h"

enum { KERNEL_SIGSET_BYTES = 8 };

typedef struct wait_call {
    uint64_t set;
    siginfo_t *info;
    const struct timespec *timeout;
} wait_call;

static void *wait_in_region(void *arg)
{
    wait_call *call = arg;
    int type;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type); /* as glibc does for the call */
    long r = gl_syscall6_always(SYS_rt_sigtimedwait, (long)&call->set, (long)call->info,
                         (long)call->timeout, KERNEL_SIGSET_BYTES, 0, 0);
    pthread_setcanceltype(type, NULL);
    return (void *)r;
}

int gl_threads_sigwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    wait_call call = {.info = info, .timeout = timeout};
    __builtin_memcpy(&call.set, set, sizeof call.set);
    if (gl_threads_signal() != 0)
        call.set &= ~(UINT64_C(1) << (gl_threads_signal() - 1));
    int r = (int)(intptr_t)gl_threads_blocking(wait_in_region, &call);
    /* What raise() sends is a signal of a user, though the kernel says more. */
    if (r > 0 && info && info->si_code == SI_TKILL)
        info->si_code = SI_USER;
    return r;
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                          const struct timespec *restrict timeout)
{
    int r = gl_threads_sigwait(set, info, timeout);
    if (r >= 0)
        return r;
    errno = -r;
    return -1;
}

EXPORTED int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info)
{
    return sigtimedwait(set, info, NULL);
}

EXPORTED int sigwait(const sigset_t *restrict set, int *restrict signal)
{
    int r;
    do {
        r = gl_threads_sigwait(set, NULL, NULL);
    } while (r == -EINTR);
    if (r < 0)
        return -r;
    *signal = r;
    return 0;
}

/* The kernel takes SFD_CLOEXEC and SFD_NONBLOCK as they are. */
EXPORTED int signalfd(int fd, const sigset_t *set, int flags)
{
    uint64_t wanted;
    __builtin_memcpy(&wanted, set, sizeof wanted);
    if (gl_threads_signal() != 0)
        wanted &= ~(UINT64_C(1) << (gl_threads_signal() - 1));
    long r = gl_syscall6_always(SYS_signalfd4, fd, (long)&wanted, KERNEL_SIGSET_BYTES, flags, 0, 0);
    if (!gl_syscall_failed(r))
        return (int)r;
    errno = (int)-r;
    return -1;
}
