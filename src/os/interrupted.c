/* SPDX-License-Identifier: MIT */
/*
 * os/interrupted.c - what the suspend signal has interrupted, from the registers that the kernel
 * saved when it called the handler.
 *
 * Three cases matter.
 *   - The interrupted code stands behind a system call that returned EINTR, or a number above 0 (a
 *     part of what was to be written). If no signal of the program is waiting to be delivered when
 *     the handler ends, it was us, and the call is counted. Or a handler of the program was it, which
 *     has just returned: os/handlers.h tells.
 *   - It stands at the entry of another handler: that one's signal came first, and its frame holds
 *     the result of the call. The program must see it: nothing is counted.
 *   - It stands before a system call that the kernel is going to repeat for SA_RESTART. If meanwhile
 *     a signal has come whose handler does not ask for that, the program counts on the call being
 *     ended: alarm() before a blocking read is an old idiom. So it gets its EINTR from us.
 *
 * All signals are blocked while the handler runs. A signal that comes between the look at what is
 * pending and the return is as one that comes just before the call begins, which no program can
 * exclude; calls with a mask (ppoll, pselect, sigsuspend, epoll_pwait) find it pending.
 */
#include "os/interrupted.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/syscall.h"
#include "os/threads_internal.h"

__thread volatile unsigned gl_interrupted_calls;

/* --- Signals that wait -------------------------------------------------------------------------- */

enum {
    KERNEL_SIGSET_BYTES = 8,
    N_SIGNALS = 64,
    LIBC_CANCEL = 32, /* SIGCANCEL and SIGSETXID of glibc */
    LIBC_SETXID = 33
};

/* The kernel's own struct sigaction; the rest comes along. */
typedef struct kernel_action {
    uintptr_t handler;
    unsigned long flags;
    unsigned long rest[6];
} kernel_action;

static bool is_ignored_by_default(int signal)
{
    return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
}

typedef enum waiting {
    NOBODY,     /* no signal will be delivered when the handler returns */
    ONE_REPEATS, /* one will, and its handler asks for SA_RESTART */
    ONE_ENDS     /* one will, and ends what it interrupts */
} waiting;

static waiting look_for_signals(const ucontext_t *context)
{
    uint64_t pending = 0, blocked;
    gl_syscall4(SYS_rt_sigpending, (long)&pending, KERNEL_SIGSET_BYTES, 0, 0);
    __builtin_memcpy(&blocked, &context->uc_sigmask, sizeof blocked);
    pending &= ~blocked;
    for (int signal = 1; pending != 0 && signal <= N_SIGNALS; signal++) {
        if ((pending & UINT64_C(1) << (signal - 1)) == 0 || signal == gl_threads_signal() ||
            signal == LIBC_CANCEL || signal == LIBC_SETXID)
            continue;
        kernel_action action = {0};
        gl_syscall4(SYS_rt_sigaction, signal, 0, (long)&action, KERNEL_SIGSET_BYTES);
        /* A signal that is ignored waits only while it is blocked. */
        if (action.handler == (uintptr_t)SIG_IGN ||
            (action.handler == (uintptr_t)SIG_DFL && is_ignored_by_default(signal)))
            continue;
        return action.flags & SA_RESTART ? ONE_REPEATS : ONE_ENDS;
    }
    return NOBODY;
}

/* --- Registers ---------------------------------------------------------------------------------- */

#if defined(__x86_64__)

enum { CALL_BYTES = 2 }; /* of the instruction */

static long *result_of(ucontext_t *context)
{
    return (long *)&context->uc_mcontext.gregs[REG_RAX];
}

/* The instruction leaves the address behind it in rcx. Not so on processors with FRED. */
static bool leaves_address(void)
{
    static volatile signed char known; /* 0: not yet; else 1 or -1, the same for all threads */
    if (known == 0) {
        long number = SYS_getpid, rcx = 0;
        __asm__ __volatile__("syscall" : "+a"(number), "+c"(rcx) : : "r11", "memory", "cc");
        known = rcx != 0 ? 1 : -1;
    }
    return known > 0;
}

static bool is_behind_call(const ucontext_t *context)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    uintptr_t at = (uintptr_t)registers[REG_RIP];
    if (leaves_address())
        return registers[REG_RCX] == registers[REG_RIP];
    /* At the start of a page there may be nothing before it. */
    const unsigned char *code = (const unsigned char *)at;
    return at % 4096 >= CALL_BYTES && code[-2] == 0x0f && code[-1] == 0x05;
}

static bool is_before_repeated_call(const ucontext_t *context)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    return leaves_address() && registers[REG_RCX] == registers[REG_RIP] + CALL_BYTES;
}

static void end_call(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_RIP] += CALL_BYTES;
    context->uc_mcontext.gregs[REG_RAX] = -EINTR;
}

#elif defined(__aarch64__)

static long *result_of(ucontext_t *context) { return (long *)&context->uc_mcontext.regs[0]; }

static bool is_behind_call(const ucontext_t *context)
{
    const uint32_t svc_0 = 0xd4000001;
    uintptr_t pc = (uintptr_t)context->uc_mcontext.pc;
    return pc % 4096 != 0 && ((const uint32_t *)pc)[-1] == svc_0;
}

/* The registers do not tell it from a call that has not been made yet. */
static bool is_before_repeated_call(const ucontext_t *context)
{
    (void)context;
    return false;
}

static void end_call(ucontext_t *context) { (void)context; }

#else

static long *result_of(ucontext_t *context)
{
    static long none;
    (void)context;
    return &none;
}
static bool is_behind_call(const ucontext_t *context)
{
    (void)context;
    return false;
}
static bool is_before_repeated_call(const ucontext_t *context)
{
    (void)context;
    return false;
}
static void end_call(ucontext_t *context) { (void)context; }

#endif

/* Those that end with EINTR if a handler without SA_RESTART has run. Others that the kernel repeats
 * must not end so (fork, for one). */
static bool can_be_ended(long number)
{
    switch (number) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_ioctl:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_sendfile:
    case SYS_splice:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_openat:
    case SYS_futex:
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
    case SYS_getrandom:
        return true;
    default:
        return false;
    }
}

/* --- What the handler does ---------------------------------------------------------------------- */

void gl_interrupted_note(void *signal_context)
{
    ucontext_t *context = signal_context;
    long result = *result_of(context);
    if ((result == -EINTR || result > 0) && is_behind_call(context)) {
        if (look_for_signals(context) == NOBODY)
            gl_interrupted_calls++;
    } else if (can_be_ended(result) && is_before_repeated_call(context)) {
        if (look_for_signals(context) == ONE_ENDS)
            end_call(context);
    }
}
