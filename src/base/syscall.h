/* SPDX-License-Identifier: MIT */
/*
 * base/syscall.h - system calls without the C library around them.
 *
 * Why: this code runs inside malloc, inside the handler of the suspend signal, and on threads that
 * share their thread-local storage (made by a raw clone), so it must not touch errno; open, read
 * and write of the C library are cancellation points; and other preloaded libraries replace mmap,
 * open and stat by functions that allocate.
 *
 * The result is the kernel's: -4095 to -1 is the negated error number.
 */
#ifndef GL_BASE_SYSCALL_H
#define GL_BASE_SYSCALL_H

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/confine.h"

/* For a call that the program itself asks for, or that must be made whatever comes. */
static inline long gl_syscall6_always(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ __volatile__("syscall"
                         : "=a"(result)
                         : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory", "cc");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ __volatile__("svc #0"
                         : "+r"(x0)
                         : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                         : "memory", "cc");
    return x0;
#else
    int saved_errno = errno;
    long result = syscall(number, a, b, c, d, e, f);
    if (result == -1)
        result = -errno;
    errno = saved_errno;
    return result;
#endif
}

/* For all others: what a filter would punish is not made (base/confine.h). */
static inline long gl_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
    if (GL_UNLIKELY(gl_confine_is_on)) {
        const long arguments[6] = {a, b, c, d, e, f};
        if (gl_confine_forbids(number, arguments))
            return -EPERM;
    }
    return gl_syscall6_always(number, a, b, c, d, e, f);
}

static inline long gl_syscall4(long number, long a, long b, long c, long d)
{
    return gl_syscall6(number, a, b, c, d, 0, 0);
}

static inline long gl_syscall3(long number, long a, long b, long c)
{
    return gl_syscall6(number, a, b, c, 0, 0, 0);
}

static inline bool gl_syscall_failed(long result) { return result < 0 && result >= -4095; }

#endif
