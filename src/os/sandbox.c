/* SPDX-License-Identifier: MIT */
/*
 * os/sandbox.c - prctl() and syscall(), by which programs confine themselves with seccomp: what they
 * install is told to base/confine.h first. Else both are as the C library's.
 *
 * The C library declares both with "..."; on the machines that we know, a function with that many
 * parameters of a word each is called the same way. So they are defined under other names, and the
 * names of the C library are given to them in the object file.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "base/confine.h"
#include "base/syscall.h"

#define EXPORTED __attribute__((visibility("default")))

static long set_errno(long result)
{
    if (!gl_syscall_failed(result))
        return result;
    errno = (int)-result;
    return -1;
}

/* Whether the call confines the process; then the filter is noted. */
static bool note(long number, long a, long b, long c)
{
    bool is_strict = (number == SYS_prctl && a == PR_SET_SECCOMP && b == SECCOMP_MODE_STRICT) ||
                     (number == SYS_seccomp && a == SECCOMP_SET_MODE_STRICT);
    bool is_filter = (number == SYS_prctl && a == PR_SET_SECCOMP && b == SECCOMP_MODE_FILTER) ||
                     (number == SYS_seccomp && a == SECCOMP_SET_MODE_FILTER);
    if (is_strict)
        gl_confine_add_strict();
    else if (is_filter && c != 0)
        gl_confine_add((const struct sock_fprog *)c);
    return is_strict || (is_filter && c != 0);
}

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    bool is_noted = note(number, a, b, c);
    long result = gl_syscall6_always(number, a, b, c, d, e, f);
    if (is_noted && result != 0 && gl_syscall_failed(result))
        gl_confine_withdraw();
    return set_errno(result);
}

EXPORTED int gl_sandbox_prctl(int option, long a, long b, long c, long d) __asm__("prctl");
EXPORTED int gl_sandbox_prctl(int option, long a, long b, long c, long d)
{
    return (int)call(SYS_prctl, option, a, b, c, d, 0);
}

/* A child made by a call such as SYS_vfork returns on the same stack as its parent, and one with a
 * stack of its own on that: so nothing may be on the stack, as in the C library's function. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n\t"
        ".cfi_startproc\n\t"
        "endbr64\n\t"
        "cmpq $157, %rdi\n\t" /* SYS_prctl */
        "je gl_sandbox_syscall\n\t"
        "cmpq $317, %rdi\n\t" /* SYS_seccomp */
        "je gl_sandbox_syscall\n\t"
        "movq %rdi, %rax\n\t"
        "movq %rsi, %rdi\n\t"
        "movq %rdx, %rsi\n\t"
        "movq %rcx, %rdx\n\t"
        "movq %r8, %r10\n\t"
        "movq %r9, %r8\n\t"
        "movq 8(%rsp), %r9\n\t"
        "syscall\n\t"
        "cmpq $-4095, %rax\n\t"
        "jae 1f\n\t"
        "ret\n"
        "1:\tmovq %rax, %rdi\n\t"
        "jmp gl_sandbox_errno\n\t"
        ".cfi_endproc\n"
        ".size syscall, .-syscall\n");
_Static_assert(SYS_prctl == 157 && SYS_seccomp == 317, "as above");
#define HIDDEN __attribute__((visibility("hidden"), used))
#define NAME
#else
#define HIDDEN EXPORTED
#define NAME __asm__("syscall")
#endif

long gl_sandbox_errno(long result);
HIDDEN long gl_sandbox_errno(long result) { return set_errno(result); }

long gl_sandbox_syscall(long number, long a, long b, long c, long d, long e, long f) NAME;
HIDDEN long gl_sandbox_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    return call(number, a, b, c, d, e, f);
}
