/* SPDX-License-Identifier: MIT */
/*
 * base/atomic.h - the one place that names libatomic_ops: loads and stores with named orders.
 *
 * Widths: gl_word (a machine word, also for pointers), uint32_t (futex words), a byte for claims.
 * Relaxed orders are spelt out, so that a reader sees where nothing is ordered on purpose.
 */
#ifndef GL_BASE_ATOMIC_H
#define GL_BASE_ATOMIC_H

#include <atomic_ops.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sanitize.h"

typedef AO_t gl_word;

static inline size_t gl_load_relaxed(const volatile gl_word *p) { return AO_load(p); }
static inline size_t gl_load_acquire(const volatile gl_word *p) { return AO_load_acquire(p); }
static inline void gl_store_relaxed(volatile gl_word *p, size_t v) { AO_store(p, v); }
static inline void gl_store_release(volatile gl_word *p, size_t v) { AO_store_release(p, v); }
static inline size_t gl_add_relaxed(volatile gl_word *p, size_t v) { return AO_fetch_and_add(p, v); }
static inline size_t gl_add_full(volatile gl_word *p, size_t v)
{
    return AO_fetch_and_add_full(p, v);
}
static inline bool gl_cas_full(volatile gl_word *p, size_t expected, size_t desired)
{
    return AO_compare_and_swap_full(p, expected, desired) != 0;
}

static inline uint32_t gl_load32_acquire(const volatile uint32_t *p)
{
    return AO_int_load_acquire((const volatile unsigned *)p);
}
static inline uint32_t gl_load32_relaxed(const volatile uint32_t *p)
{
    return AO_int_load((const volatile unsigned *)p);
}
static inline void gl_store32_release(volatile uint32_t *p, uint32_t v)
{
    AO_int_store_release((volatile unsigned *)p, v);
}
static inline void gl_store32_relaxed(volatile uint32_t *p, uint32_t v)
{
    AO_int_store((volatile unsigned *)p, v);
}
static inline uint32_t gl_add32_full(volatile uint32_t *p, uint32_t v)
{
    return AO_int_fetch_and_add_full((volatile unsigned *)p, v);
}
static inline bool gl_cas32_full(volatile uint32_t *p, uint32_t expected, uint32_t desired)
{
    return AO_int_compare_and_swap_full((volatile unsigned *)p, expected, desired) != 0;
}

static inline uint8_t gl_load8_acquire(const volatile uint8_t *p) { return AO_char_load_acquire(p); }

static inline bool gl_cas8_full(volatile uint8_t *p, uint8_t expected, uint8_t desired)
{
    return AO_char_compare_and_swap_full(p, expected, desired) != 0;
}

/* ThreadSanitizer does not know fences; it knows this, which on the machines that it runs on is
 * one. */
static inline void gl_fence_full(void)
{
#if GL_HAS_TSAN
    static volatile gl_word word;
    AO_fetch_and_add_full(&word, 0);
#else
    AO_nop_full();
#endif
}

/* Orders the program against a signal handler of the same thread: the compiler only. */
static inline void gl_signal_fence(void) { AO_compiler_barrier(); }

/* A loop that waits tells the processor so. */
static inline void gl_spin_hint(void)
{
#if defined(__x86_64__)
    __asm__ __volatile__("pause" ::: "memory");
#elif defined(__aarch64__)
    __asm__ __volatile__("yield" ::: "memory");
#else
    AO_compiler_barrier();
#endif
}

#endif
