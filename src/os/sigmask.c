/* SPDX-License-Identifier: MIT */
/*
 * os/sigmask.c - pthread_sigmask and sigprocmask that leave the suspend signal open.
 *
 * Programs block every signal in threads that should not be bothered (node's inspector does); such
 * a thread could not be stopped. These definitions stand before the C library's and do as those do
 * (the signals 32 and 33, which it needs itself, are left open, too); a program that asks for the
 * mask afterwards does not find the suspend signal in it. Cleared from what is to be blocked only:
 * a mask that a parent handed down may still be undone.
 */
#include <signal.h>

#include "base/syscall.h"
#include "os/threads_internal.h"

enum {
    KERNEL_SIGSET_BYTES = 8,
    LIBC_CANCEL = 32, /* SIGCANCEL and SIGSETXID of glibc */
    LIBC_SETXID = 33
};

static uint64_t bit_of(int signal) { return signal > 0 ? UINT64_C(1) << (signal - 1) : 0; }

int gl_threads_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    uint64_t wanted = 0;
    if (set) {
        /* The kernel's set is the first word of the C library's. */
        __builtin_memcpy(&wanted, set, sizeof wanted);
        wanted &= ~(bit_of(LIBC_CANCEL) | bit_of(LIBC_SETXID));
        if (how != SIG_UNBLOCK)
            wanted &= ~bit_of(gl_threads_signal());
    }
    long r = gl_syscall6_always(SYS_rt_sigprocmask, how, set ? (long)&wanted : 0, (long)old,
                         KERNEL_SIGSET_BYTES, 0, 0);
    return (int)-r;
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    return gl_threads_sigmask(how, set, old);
}

EXPORTED int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    int error = gl_threads_sigmask(how, set, old);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
