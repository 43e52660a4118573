/* SPDX-License-Identifier: MIT */
/* os/helper.c - helpers by clone(), on x86-64 and aarch64. */
#include "os/helper.h"

#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/syscall.h"
#include "os/internal.h"
#include "os/memory.h"

enum { KERNEL_SIGSET_BYTES = 8, STATUS_BYTES = 4096 };

/* The number behind `name` at the start of a line; 0 if there is none. */
static uint64_t status_field(const char *text, const char *name)
{
    for (const char *line = text; *line; line++) {
        const char *at = line, *n = name;
        while (*n && *at == *n) {
            at++;
            n++;
        }
        if (!*n) {
            while (*at == ' ' || *at == '\t') {
                at++;
            }
            return gl_os_parse_dec(&at);
        }
        while (*line && *line != '\n') {
            line++;
        }
        if (!*line) {
            break;
        }
    }
    return 0;
}

/* A container's filter of system calls lets a process make threads. One that the process has
 * installed itself may not; without privileges that takes the flag NoNewPrivs. */
static bool is_sandboxed(void)
{
    char text[STATUS_BYTES];
    if (gl_os_read_file("/proc/self/status", text, sizeof text) <= 0) {
        return true;
    }
    return status_field(text, "Seccomp:") != 0 && status_field(text, "NoNewPrivs:") != 0;
}

bool gl_helper_is_allowed(void)
{
    return !GL_HAS_TSAN && !gl_os_space_is_reserved() && !is_sandboxed();
}

unsigned gl_helper_count_processors(void)
{
    enum { MAX_WORDS = 64 }; /* 4096 processors */
    uint64_t set[MAX_WORDS] = {0};
    long bytes = gl_syscall3(SYS_sched_getaffinity, 0, (long)sizeof set, (long)set);
    if (gl_syscall_failed(bytes)) {
        return 1;
    }
    unsigned n = 0;
    for (int w = 0; w < MAX_WORDS; w++) {
        n += gl_popcount64(set[w]);
    }
    return n ? n : 1;
}

/* The first function on the helper's stack; it does not return. */
__attribute__((noreturn, used, no_stack_protector)) static void run(gl_helper *helper)
{
    helper->fn(helper->arg);
    for (;;) {
        gl_syscall3(SYS_exit, 0, 0, 0);
    }
}

/* clone(), after which the child goes on in run() on its own stack. */
static long clone_helper(unsigned long flags, char *stack_top, gl_helper *helper)
{
    volatile uint32_t *tid = &helper->tid;
#if defined(__x86_64__)
    long result;
    register volatile uint32_t *child_tid __asm__("r10") = tid;
    register long tls __asm__("r8") = 0;
    __asm__ __volatile__("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xor %%ebp, %%ebp\n\t"
                         "mov %[helper], %%rdi\n\t"
                         "call *%[run]\n\t"
                         "1:"
                         : "=a"(result)
                         : "a"((long)SYS_clone), "D"(flags), "S"(stack_top), "d"(tid),
                           "r"(child_tid), "r"(tls), [helper] "r"(helper), [run] "r"(run)
                         : "rcx", "r11", "memory", "cc");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = (long)flags;
    register char *x1 __asm__("x1") = stack_top;
    register volatile uint32_t *x2 __asm__("x2") = tid;
    register long x3 __asm__("x3") = 0;
    register volatile uint32_t *x4 __asm__("x4") = tid;
    __asm__ __volatile__("svc #0\n\t"
                         "cbnz x0, 1f\n\t"
                         "mov x29, xzr\n\t"
                         "mov x0, %[helper]\n\t"
                         "blr %[run]\n\t"
                         "1:"
                         : "+r"(x0)
                         : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), [helper] "r"(helper),
                           [run] "r"(run)
                         : "x30", "memory", "cc");
    return x0;
#else
    (void)flags, (void)stack_top, (void)tid;
    return -ENOSYS;
#endif
}

void gl_helpers_begin(uint64_t *saved)
{
    uint64_t all = ~(uint64_t)0;
    gl_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)saved, KERNEL_SIGSET_BYTES);
}

void gl_helpers_end(const uint64_t *saved)
{
    gl_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)saved, 0, KERNEL_SIGSET_BYTES);
}

bool gl_helper_start(gl_helper *helper, void *stack, void (*fn)(void *arg), void *arg)
{
    static const unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                       CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID |
                                       CLONE_CHILD_CLEARTID;
    helper->fn = fn;
    helper->arg = arg;
    long tid = clone_helper(flags, (char *)stack + GL_HELPER_STACK_BYTES, helper);
    if (gl_syscall_failed(tid)) {
        helper->tid = 0;
    }
    return !gl_syscall_failed(tid);
}

/* The kernel wakes waiters of any process, so this is not the wait of base/lock.h. */
void gl_helper_join(gl_helper *helper)
{
    for (uint32_t tid; (tid = gl_load32_acquire(&helper->tid)) != 0;) {
        gl_syscall4(SYS_futex, (long)&helper->tid, FUTEX_WAIT, (long)tid, 0);
    }
}
