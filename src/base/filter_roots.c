/* SPDX-License-Identifier: MIT */
/*
 * base/filter_roots.c - the filter for roots: portable, for AVX2 and for AVX-512, chosen at run time.
 *
 * The words belong to the program; what a sanitizer thinks of them is of no interest.
 */
#include "base/filter_roots.h"

#include <stdbool.h>

#define UNSANITIZED __attribute__((no_sanitize("address", "thread", "undefined")))

static inline uintptr_t demangle(uintptr_t word, const gl_roots_range *r)
{
    return (word >> r->rotation | word << (-r->rotation & 63)) ^ r->key;
}

UNSANITIZED static uint32_t filter_portable(const gl_root_word *words, size_t n,
                                            const gl_roots_range *r, uintptr_t *out)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        uintptr_t word = words[i];
        bool is_candidate = (word - r->base <= r->size) | (demangle(word, r) - r->base <= r->size);
        out[found] = word;
        found += is_candidate;
    }
    return found;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* AVX2 compares signed numbers only: with their highest bit flipped these are in the same order. */
UNSANITIZED __attribute__((target("avx2"))) static uint32_t
filter_avx2(const gl_root_word *words, size_t n, const gl_roots_range *r, uintptr_t *out)
{
    const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    const __m256i bases = _mm256_set1_epi64x((long long)r->base);
    const __m256i sizes = _mm256_xor_si256(_mm256_set1_epi64x((long long)r->size), sign);
    const __m256i keys = _mm256_set1_epi64x((long long)r->key);
    const __m128i right = _mm_cvtsi32_si128((int)r->rotation);
    const __m128i left = _mm_cvtsi32_si128((int)(64 - r->rotation));
    uint32_t found = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256i word = _mm256_loadu_si256((const __m256i *)(const void *)(words + i));
        __m256i rotated = _mm256_or_si256(_mm256_srl_epi64(word, right), _mm256_sll_epi64(word, left));
        __m256i plain = _mm256_sub_epi64(word, bases);
        __m256i mangled = _mm256_sub_epi64(_mm256_xor_si256(rotated, keys), bases);
        __m256i outside = _mm256_and_si256(
            _mm256_cmpgt_epi64(_mm256_xor_si256(plain, sign), sizes),
            _mm256_cmpgt_epi64(_mm256_xor_si256(mangled, sign), sizes));
        unsigned inside = ~(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(outside)) & 0xf;
        for (; inside; inside &= inside - 1) {
            out[found++] = words[i + (size_t)__builtin_ctz(inside)];
        }
    }
    return found + filter_portable(words + i, n - i, r, out + found);
}

#define AVX512 __attribute__((target("avx512f,popcnt")))

typedef struct range_512 {
    __m512i base, size, key, rotation;
} range_512;

AVX512 static inline range_512 widen(const gl_roots_range *r)
{
    return (range_512){_mm512_set1_epi64((long long)r->base), _mm512_set1_epi64((long long)r->size),
                       _mm512_set1_epi64((long long)r->key),
                       _mm512_set1_epi64((long long)r->rotation)};
}

/* Which of eight words are candidates. */
AVX512 static inline __mmask8 choose(__m512i word, const range_512 *r)
{
    __m512i plain = _mm512_sub_epi64(word, r->base);
    __m512i demangled = _mm512_xor_si512(_mm512_rorv_epi64(word, r->rotation), r->key);
    __m512i mangled = _mm512_sub_epi64(demangled, r->base);
    return (__mmask8)(_mm512_cmple_epu64_mask(plain, r->size) |
                      _mm512_cmple_epu64_mask(mangled, r->size));
}

AVX512 static inline uint32_t store(uintptr_t *out, __m512i word, __mmask8 chosen)
{
    _mm512_storeu_si512((void *)out, _mm512_maskz_compress_epi64(chosen, word));
    return (uint32_t)__builtin_popcount(chosen);
}

UNSANITIZED AVX512 static uint32_t filter_avx512(const gl_root_word *words, size_t n,
                                                 const gl_roots_range *r, uintptr_t *out)
{
    const range_512 wide = widen(r);
    uint32_t found = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m512i word = _mm512_loadu_si512((const void *)(words + i));
        __mmask8 chosen = choose(word, &wide);
        if (chosen) {
            found += store(out + found, word, chosen);
        }
    }
    return found + filter_portable(words + i, n - i, r, out + found);
}

/* Words between: seen by their upper halves alone, which for a pointer into the range are one of a few
 * numbers. What is found is looked at whole. */
UNSANITIZED static inline uint32_t add_between(const gl_root_word *word, uint32_t halves,
                                               const gl_roots_range *r, uintptr_t *out)
{
    uint32_t found = 0;
    for (; halves; halves &= halves - 1) {
        uintptr_t upper = (uintptr_t)word + (uintptr_t)__builtin_ctz(halves) * sizeof(uint32_t);
        uintptr_t between = *(const gl_root_word *)(upper - sizeof(uint32_t));
        out[found] = between;
        found += between - r->base <= r->size;
    }
    return found;
}

/* Without a branch for what is usual: where memory is full of pointers, nobody can predict which lines have
 * some. */
UNSANITIZED AVX512 static uint32_t filter_dense_avx512(const gl_root_word *words, size_t n,
                                                       bool has_before, const gl_roots_range *r,
                                                       uintptr_t *out)
{
    enum { EVEN = 0x5555 };
    const range_512 wide = widen(r);
    const __m512i uppers = _mm512_set1_epi32((int)(r->base >> 32));
    const __m512i span = _mm512_set1_epi32((int)(((r->base + r->size) >> 32) - (r->base >> 32)));
    uint32_t found = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m512i word = _mm512_loadu_si512((const void *)(words + i));
        found += store(out + found, word, choose(word, &wide));
        uint32_t halves = EVEN & _mm512_cmple_epu32_mask(_mm512_sub_epi32(word, uppers), span);
        if (__builtin_expect(halves != 0, 0)) {
            halves &= i > 0 || has_before ? EVEN : EVEN & ~1u;
            found += add_between(words + i, halves, r, out + found);
        }
    }
    for (; i < n; i++) {
        found += filter_portable(words + i, 1, r, out + found);
        found += add_between(words + i, i > 0 || has_before, r, out + found);
    }
    return found;
}
#else
#define filter_dense_avx512 NULL
#define filter_avx2 filter_portable
#define filter_avx512 filter_portable
#endif

gl_filter_dense *gl_filter_dense_for(gl_simd simd)
{
    return simd == GL_SIMD_AVX512 ? filter_dense_avx512 : NULL;
}

gl_filter_roots *gl_filter_roots_for(gl_simd simd)
{
    return simd == GL_SIMD_AVX512 ? filter_avx512 : simd == GL_SIMD_AVX2 ? filter_avx2 : filter_portable;
}
