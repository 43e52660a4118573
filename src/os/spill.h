/* SPDX-License-Identifier: MIT */
/*
 * os/spill.h - the registers that the compiler may keep a caller's values in, and the thread
 * pointer. setjmp would not do: the C library scrambles the frame pointer in a jmp_buf.
 */
#ifndef GL_OS_SPILL_H
#define GL_OS_SPILL_H

#include <stdint.h>

enum { GL_SPILLED_WORDS = 20 };

/* Locals of a function with this attribute lie on the real stack, also under AddressSanitizer. */
#define GL_ON_REAL_STACK __attribute__((noinline, no_sanitize_address))

/* Stores the callee-saved registers; what the function itself has saved in its frame by then is
 * above the lower one of `words` and its frame address. */
static inline __attribute__((always_inline)) void gl_spill_registers(uintptr_t *words)
{
#if defined(__x86_64__)
    __asm__ __volatile__("movq %%rbx, 0(%0)\n\t"
                         "movq %%rbp, 8(%0)\n\t"
                         "movq %%r12, 16(%0)\n\t"
                         "movq %%r13, 24(%0)\n\t"
                         "movq %%r14, 32(%0)\n\t"
                         "movq %%r15, 40(%0)"
                         :
                         : "r"(words)
                         : "memory");
#elif defined(__aarch64__)
    __asm__ __volatile__("stp x19, x20, [%0]\n\t"
                         "stp x21, x22, [%0, #16]\n\t"
                         "stp x23, x24, [%0, #32]\n\t"
                         "stp x25, x26, [%0, #48]\n\t"
                         "stp x27, x28, [%0, #64]\n\t"
                         "stp x29, x30, [%0, #80]\n\t"
                         "stp d8, d9, [%0, #96]\n\t"
                         "stp d10, d11, [%0, #112]\n\t"
                         "stp d12, d13, [%0, #128]\n\t"
                         "stp d14, d15, [%0, #144]"
                         :
                         : "r"(words)
                         : "memory");
#else
    __builtin_unwind_init();
    words[0] = 0;
#endif
}

static inline uintptr_t gl_spill_thread_pointer(void)
{
#if defined(__x86_64__)
    uintptr_t pointer;
    __asm__ __volatile__("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
#elif defined(__aarch64__)
    uintptr_t pointer;
    __asm__ __volatile__("mrs %0, tpidr_el0" : "=r"(pointer));
    return pointer;
#else
    return (uintptr_t)__builtin_thread_pointer();
#endif
}

#endif
