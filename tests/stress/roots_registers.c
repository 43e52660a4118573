/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/roots_registers.c - the only pointer is in a register: of the thread that collects,
 * of one that runs, or of one that waits in the system; or in a jmp_buf, where the C library
 * mangles it.
 */
#include "roots.h"

#include <setjmp.h>

#if defined(__x86_64__)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- The thread that collects ---------------------------------------------------------------- */

static trial *asked;

static void collect_asked(void)
{
    collect_and_look(asked);
}

/* Puts the pointer into a register that calls preserve, and calls. r15, or rbx where r15 is tried,
 * keeps the stack pointer. */
#define ACROSS_CALL(function, reg, keeper)                                                        \
    static void function(trial *t)                                                                \
    {                                                                                             \
        asked = t;                                                                                \
        __asm__ __volatile__("movq %%rsp, %%" keeper "\n\t"                                       \
                             "subq $256, %%rsp\n\t"                                               \
                             "andq $-64, %%rsp\n\t"                                               \
                             "pushq %%rbp\n\t"                                                    \
                             "pushq %%rbp\n\t"                                                    \
                             "movq %0, %%" reg "\n\t"                                             \
                             "xorq $-1, %%" reg "\n\t"                                            \
                             "xorq %1, %%" reg "\n\t"                                             \
                             "call *%2\n\t"                                                       \
                             "xorl %%eax, %%eax\n\t"                                              \
                             "movq %%rax, %%" reg "\n\t"                                          \
                             "popq %%rbp\n\t"                                                     \
                             "movq %%" keeper ", %%rsp"                                           \
                             :                                                                    \
                             : "S"(t->hidden), "D"(t->erase), "d"(collect_asked)                  \
                             : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13",       \
                               "r14", "r15", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3",      \
                               "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",  \
                               "xmm12", "xmm13", "xmm14", "xmm15");                               \
    }

ACROSS_CALL(rbx_across_call, "rbx", "r15")
ACROSS_CALL(rbp_across_call, "rbp", "r15")
ACROSS_CALL(r12_across_call, "r12", "r15")
ACROSS_CALL(r13_across_call, "r13", "r15")
ACROSS_CALL(r14_across_call, "r14", "r15")
ACROSS_CALL(r15_across_call, "r15", "rbx")

/* ---- A thread that runs ---------------------------------------------------------------------- */

/* Loops with the pointer in a register until the other thread has collected. */
#define WHILE_RUNNING(function, place, reg)                                                       \
    static void *function(void *arg)                                                              \
    {                                                                                             \
        const trial *t = arg;                                                                     \
        __asm__ __volatile__("movq %0, %%" reg "\n\t"                                             \
                             "xorq $-1, %%" reg "\n\t"                                            \
                             "xorq %1, %%" reg "\n\t"                                             \
                             "movl $1, %2\n"                                                      \
                             "1:\tpause\n\t"                                                      \
                             "cmpl $0, %3\n\t"                                                    \
                             "je 1b\n\t"                                                          \
                             "movq %0, %%" reg                                                    \
                             :                                                                    \
                             : "D"(t->hidden), "S"(t->erase), "m"(trial_ready), "m"(trial_go)     \
                             : reg, "cc", "memory");                                              \
        return NULL;                                                                              \
    }                                                                                             \
    static void place(trial *t)                                                                   \
    {                                                                                             \
        try_in_thread(t, function, NULL);                                                         \
    }

WHILE_RUNNING(hold_rax, rax_of_thread, "rax")
WHILE_RUNNING(hold_rbx, rbx_of_thread, "rbx")
WHILE_RUNNING(hold_r8, r8_of_thread, "r8")
WHILE_RUNNING(hold_r11, r11_of_thread, "r11")
WHILE_RUNNING(hold_r15, r15_of_thread, "r15")

/* The same with the pointer in a part of a vector register. `load` brings the pointer from xmm0
 * (where its upper half is zero) into place and clears what it used; %xmm1 is free. */
#define IN_VECTOR(function, place, load, ...)                                                     \
    static void *function(void *arg)                                                              \
    {                                                                                             \
        const trial *t = arg;                                                                     \
        __asm__ __volatile__("movq %0, %%xmm0\n\t"                                                \
                             "pcmpeqd %%xmm1, %%xmm1\n\t"                                         \
                             "psrldq $8, %%xmm1\n\t"                                              \
                             "pxor %%xmm1, %%xmm0\n\t"                                            \
                             "movq %1, %%xmm1\n\t"                                                \
                             "pxor %%xmm1, %%xmm0\n\t"                                            \
                             "pxor %%xmm1, %%xmm1\n\t" load "\n\t"                                \
                             "movl $1, %2\n"                                                      \
                             "1:\tpause\n\t"                                                      \
                             "cmpl $0, %3\n\t"                                                    \
                             "je 1b\n\t"                                                          \
                             "pxor %%xmm0, %%xmm0\n\t"                                            \
                             :                                                                    \
                             : "r"(t->hidden), "r"(t->erase), "m"(trial_ready), "m"(trial_go)     \
                             : "cc", "memory", "xmm0", "xmm1", __VA_ARGS__);                      \
        return NULL;                                                                              \
    }                                                                                             \
    static void place(trial *t)                                                                   \
    {                                                                                             \
        try_in_thread(t, function, NULL);                                                         \
    }

IN_VECTOR(hold_xmm0, xmm0_of_thread, "nop", "xmm2")
IN_VECTOR(hold_xmm15, xmm15_of_thread, "pslldq $8, %%xmm0\n\tmovdqa %%xmm0, %%xmm15\n\t"
                                       "pxor %%xmm0, %%xmm0", "xmm15")
IN_VECTOR(hold_mm3, mm3_of_thread, "movdq2q %%xmm0, %%mm3\n\tpxor %%xmm0, %%xmm0", "mm3")
__attribute__((target("avx2"))) IN_VECTOR(hold_ymm9, ymm9_of_thread,
                                          "vpxor %%xmm9, %%xmm9, %%xmm9\n\t"
                                          "vinserti128 $1, %%xmm0, %%ymm9, %%ymm9\n\t"
                                          "vpxor %%xmm0, %%xmm0, %%xmm0", "xmm9")
__attribute__((target("avx512f"))) IN_VECTOR(hold_zmm5, zmm5_of_thread,
                                             "vpxor %%xmm5, %%xmm5, %%xmm5\n\t"
                                             "vinserti32x4 $3, %%xmm0, %%zmm5, %%zmm5\n\t"
                                             "vpxor %%xmm0, %%xmm0, %%xmm0", "xmm5")
__attribute__((target("avx512f"))) IN_VECTOR(hold_zmm31, zmm31_of_thread,
                                             "vpxorq %%zmm31, %%zmm31, %%zmm31\n\t"
                                             "vinserti32x4 $2, %%xmm0, %%zmm31, %%zmm31\n\t"
                                             "vpxor %%xmm0, %%xmm0, %%xmm0", "xmm31")

/* ---- A thread that waits in the system ------------------------------------------------------- */

static void *hold_r12_in_futex(void *arg)
{
    const trial *t = arg;
    __asm__ __volatile__("movq %0, %%r12\n\t"
                         "xorq $-1, %%r12\n\t"
                         "xorq %1, %%r12\n\t"
                         "movl $1, %2\n"
                         "1:\tmovl %4, %%eax\n\t"
                         "leaq %3, %%rdi\n\t"
                         "movl %5, %%esi\n\t"
                         "xorl %%edx, %%edx\n\t"
                         "xorl %%r10d, %%r10d\n\t"
                         "syscall\n\t"
                         "cmpl $0, %3\n\t"
                         "je 1b\n\t"
                         "xorl %%r12d, %%r12d"
                         :
                         : "r"(t->hidden), "r"(t->erase), "m"(trial_ready), "m"(trial_go),
                           "i"(SYS_futex), "i"(FUTEX_WAIT)
                         : "rax", "rcx", "rdx", "rsi", "rdi", "r10", "r11", "r12", "cc", "memory");
    return NULL;
}

static void *wake_later(void *unused)
{
    while (!__atomic_load_n(&trial_go, __ATOMIC_ACQUIRE)) {
        stress_sleep_us(200);
    }
    syscall(SYS_futex, &trial_go, FUTEX_WAKE, 100, NULL, NULL, 0);
    return unused;
}

static void r12_in_futex(trial *t)
{
    pthread_t waker;
    trial_ready = trial_go = 0; /* before the waker looks */
    REQUIRE(pthread_create(&waker, NULL, wake_later, NULL) == 0);
    try_in_thread(t, hold_r12_in_futex, NULL);
    pthread_join(waker, NULL);
}

/* ---- setjmp ---------------------------------------------------------------------------------- */

static jmp_buf static_buffer;

/* Calls _setjmp(buffer) with the pointer in rbp, which the C library stores mangled. */
static void save_rbp(const trial *t, jmp_buf *buffer)
{
    __asm__ __volatile__("movq %%rsp, %%r15\n\t"
                         "subq $256, %%rsp\n\t"
                         "andq $-64, %%rsp\n\t"
                         "movq %%rbp, %%r14\n\t"
                         "movq %0, %%rbp\n\t"
                         "xorq $-1, %%rbp\n\t"
                         "xorq %1, %%rbp\n\t"
                         "call *%2\n\t"
                         "movq %%r14, %%rbp\n\t"
                         "movq %%r15, %%rsp\n\t"
                         "xorl %%eax, %%eax"
                         :
                         : "b"(t->hidden), "S"(t->erase), "r"(_setjmp), "D"(buffer)
                         : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r14", "r15", "cc",
                           "memory");
}

static void in_static_jmp_buf(trial *t)
{
    save_rbp(t, &static_buffer);
    collect_and_look(t);
    memset(&static_buffer, 0, sizeof static_buffer);
}

static void *keep_in_jmp_buf(void *arg)
{
    jmp_buf buffer;
    save_rbp(arg, &buffer);
    rest();
    memset(&buffer, 0, sizeof buffer);
    __asm__ __volatile__("" : : "r"(buffer) : "memory");
    return NULL;
}

static void in_jmp_buf_of_thread(trial *t)
{
    try_in_thread(t, keep_in_jmp_buf, NULL);
}

const place register_places[] = {
    {"rbx across a call", rbx_across_call, NEEDS_X86_64},
    {"rbp across a call", rbp_across_call, NEEDS_X86_64},
    {"r12 across a call", r12_across_call, NEEDS_X86_64},
    {"r13 across a call", r13_across_call, NEEDS_X86_64},
    {"r14 across a call", r14_across_call, NEEDS_X86_64},
    {"r15 across a call", r15_across_call, NEEDS_X86_64},
    {"rax of a thread", rax_of_thread, NEEDS_X86_64},
    {"rbx of a thread", rbx_of_thread, NEEDS_X86_64},
    {"r8 of a thread", r8_of_thread, NEEDS_X86_64},
    {"r11 of a thread", r11_of_thread, NEEDS_X86_64},
    {"r15 of a thread", r15_of_thread, NEEDS_X86_64},
    {"xmm0 of a thread", xmm0_of_thread, NEEDS_X86_64},
    {"xmm15 of a thread, upper half", xmm15_of_thread, NEEDS_X86_64},
    {"mm3 of a thread", mm3_of_thread, NEEDS_X86_64},
    {"ymm9 of a thread, upper half", ymm9_of_thread, NEEDS_X86_64 | NEEDS_AVX2},
    {"zmm5 of a thread, upper quarter", zmm5_of_thread, NEEDS_X86_64 | NEEDS_AVX512},
    {"zmm31 of a thread", zmm31_of_thread, NEEDS_X86_64 | NEEDS_AVX512},
    {"r12 of a thread in a system call", r12_in_futex, NEEDS_X86_64},
    {"static jmp_buf, rbp", in_static_jmp_buf, NEEDS_X86_64},
    {"jmp_buf of a thread, rbp", in_jmp_buf_of_thread, NEEDS_X86_64},
    {NULL, NULL, 0},
};

#else

const place register_places[] = {{NULL, NULL, 0}};

#endif
