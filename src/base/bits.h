/* SPDX-License-Identifier: MIT */
/* base/bits.h - arithmetic on words: rounding, counting, safe products. */
#ifndef GL_BASE_BITS_H
#define GL_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline unsigned gl_ctz64(uint64_t v) { return (unsigned)__builtin_ctzll(v); } /* v != 0 */
static inline unsigned gl_popcount64(uint64_t v) { return (unsigned)__builtin_popcountll(v); }
static inline unsigned gl_log2_floor(uint64_t v) { return 63u - (unsigned)__builtin_clzll(v); }

/* A word with the lowest n bits set. */
static inline uint64_t gl_low_bits(uint32_t n) { return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1; }

static inline bool gl_is_power_of_two(uint64_t v) { return v != 0 && (v & (v - 1)) == 0; }

/* `unit` is a power of two; the caller has excluded overflow. */
static inline size_t gl_round_up(size_t v, size_t unit) { return (v + unit - 1) & ~(unit - 1); }
static inline size_t gl_round_down(size_t v, size_t unit) { return v & ~(unit - 1); }

static inline bool gl_try_multiply(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* `n_bits` (1 to 63) bits of a key, well mixed also where keys lie in a row: the upper ones of its product with
 * the golden ratio (Fibonacci hashing: Knuth, "The Art of Computer Programming", 6.4). */
static inline uint64_t gl_hash_bits(uint64_t key, unsigned n_bits)
{
    return (key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - n_bits);
}

/* Asks for a cache line. Not __builtin_prefetch(): gcc 12 takes a loop that only prefetches for one
 * without effect, and removes it. */
static inline void gl_prefetch(const void *p)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetcht0 %0" : : "m"(*(const char *)p));
#elif defined(__aarch64__)
    __asm__ __volatile__("prfm pldl1keep, %0" : : "Q"(*(const char *)p));
#else
    __builtin_prefetch(p);
#endif
}

/* The same for a line that will be written. */
static inline void gl_prefetch_to_write(const void *p)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetcht0 %0" : : "m"(*(const char *)p));
#elif defined(__aarch64__)
    __asm__ __volatile__("prfm pstl1keep, %0" : : "Q"(*(const char *)p));
#else
    __builtin_prefetch(p, 1);
#endif
}

#endif
