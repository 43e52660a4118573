/* SPDX-License-Identifier: MIT */
/*
 * base/cpu.h - which vector instructions the processor and the system have, asked when it matters.
 *
 * Not __builtin_cpu_supports(): its constructor asks for everything at the start of each process, and
 * in a virtual machine each CPUID instruction is a trip to the host. That was 140 of the 330
 * microseconds which the library added to the start of `true`.
 */
#ifndef GL_BASE_CPU_H
#define GL_BASE_CPU_H

#include <stdbool.h>
#include <stdint.h>

typedef struct gl_cpu {
    bool has_avx2, has_avx512f;
} gl_cpu;

#if defined(__x86_64__)
#include <cpuid.h>

/* The registers that the system saves at a switch of threads. */
static inline uint32_t gl_cpu_saved_state(void)
{
    uint32_t low, high;
    __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static inline gl_cpu gl_cpu_ask(void)
{
    enum { STATE_AVX = 0x06, STATE_AVX512 = 0xe6 };
    gl_cpu cpu = {false, false};
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) {
        return cpu;
    }
    uint32_t saved = gl_cpu_saved_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return cpu;
    }
    cpu.has_avx2 = (b & bit_AVX2) && (saved & STATE_AVX) == STATE_AVX;
    cpu.has_avx512f = (b & bit_AVX512F) && (saved & STATE_AVX512) == STATE_AVX512;
    return cpu;
}
#else
static inline gl_cpu gl_cpu_ask(void)
{
    gl_cpu none = {false, false};
    return none;
}
#endif

#endif
