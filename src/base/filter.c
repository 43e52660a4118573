/* SPDX-License-Identifier: MIT */
/*
 * base/filter.c - the filter: portable, for AVX2 and for AVX-512, chosen at run time.
 *
 * The words belong to the program: they may be uninitialised, or race with nobody (the world is
 * stopped), and whole lines are read where only a part is asked for. None of that is for the
 * sanitizers to judge.
 */
#include "base/filter.h"

#include <stdbool.h>

#include "base/bits.h"
#include "base/simd.h"

#define UNSANITIZED __attribute__((no_sanitize("address", "thread", "undefined")))

static inline void prefetch_span(uint64_t span)
{
    gl_prefetch((const void *)(span & GL_SPAN_ADDRESS_MASK));
}

/* Up to `n` of them, beginning with number `from`. */
static inline void prefetch_some(gl_filter_spans next, uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < next.n && i - from < n; i++) {
        prefetch_span(next.at[i]);
    }
}

UNSANITIZED static uint32_t filter_portable(gl_filter_spans spans, gl_filter_spans next,
                                            uintptr_t base, uintptr_t size, uint64_t *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < spans.n; i++) {
        if (i < next.n) {
            prefetch_span(next.at[i]);
        }
        const uintptr_t *first = (const uintptr_t *)(spans.at[i] & GL_SPAN_ADDRESS_MASK);
        const uintptr_t *word = first + (spans.at[i] >> GL_SPAN_COUNT_SHIFT);
        do {
            uintptr_t offset = *--word - base;
            out[n] = offset;
            n += offset < size;
        } while (word > first);
    }
    prefetch_some(next, spans.n, next.n);
    return n;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Of a span: the bits of its words in their line, bit 0 for the first word of the line. */
static inline uint32_t words_of(uint64_t span)
{
    uint32_t bits = (1u << (span >> GL_SPAN_COUNT_SHIFT)) - 1;
    return bits << (span / sizeof(uintptr_t) % 8);
}

static inline const void *line_of(uint64_t span)
{
    return (const void *)(span & GL_SPAN_ADDRESS_MASK & ~(uint64_t)63);
}

/* ---- AVX2 ----------------------------------------------------------------------------------- */

/* By a mask of four words: where the chosen ones come from, as pairs of 32 bits, last word first. */
#define FROM(w) 2 * (w), 2 * (w) + 1
static const _Alignas(32) uint32_t pick_reversed[16][8] = {
    {0},
    {FROM(0)},
    {FROM(1)},
    {FROM(1), FROM(0)},
    {FROM(2)},
    {FROM(2), FROM(0)},
    {FROM(2), FROM(1)},
    {FROM(2), FROM(1), FROM(0)},
    {FROM(3)},
    {FROM(3), FROM(0)},
    {FROM(3), FROM(1)},
    {FROM(3), FROM(1), FROM(0)},
    {FROM(3), FROM(2)},
    {FROM(3), FROM(2), FROM(0)},
    {FROM(3), FROM(2), FROM(1)},
    {FROM(3), FROM(2), FROM(1), FROM(0)},
};
#undef FROM

typedef struct half_range {
    __m256i base, flipped_size; /* AVX2 compares signed numbers only: both sides are flipped */
} half_range;

/* The wanted words of four that lie in the range go to `out`; returns how many. */
UNSANITIZED __attribute__((target("avx2,popcnt"))) static inline uint32_t
filter_half(__m256i words, uint32_t wanted, const half_range *r, uint64_t *out)
{
    const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    __m256i offsets = _mm256_sub_epi64(words, r->base);
    __m256i inside = _mm256_cmpgt_epi64(r->flipped_size, _mm256_xor_si256(offsets, sign));
    uint32_t chosen = (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(inside)) & wanted;
    __m256i from = _mm256_load_si256((const __m256i *)(const void *)pick_reversed[chosen]);
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_permutevar8x32_epi32(offsets, from));
    return (uint32_t)__builtin_popcount(chosen);
}

/* One span of any length, by the halves of its line. */
UNSANITIZED __attribute__((target("avx2,popcnt"))) static inline uint32_t
filter_span_by_halves(uint64_t span, const half_range *r, uint64_t *out)
{
    const __m256i *line = line_of(span);
    uint32_t wanted = words_of(span), n = 0;
    if (wanted > 0xf) {
        n = filter_half(_mm256_load_si256(line + 1), wanted >> 4, r, out);
    }
    if (wanted & 0xf) {
        n += filter_half(_mm256_load_si256(line), wanted & 0xf, r, out + n);
    }
    return n;
}

/* Two spans of two words each: one vector, the second span below the first, for it is read from its
 * end. */
UNSANITIZED __attribute__((target("avx2"))) static inline __m256i load_two_pairs(const uint64_t *spans)
{
    const __m128i *first = (const __m128i *)(spans[0] & GL_SPAN_ADDRESS_MASK);
    const __m128i *second = (const __m128i *)(spans[1] & GL_SPAN_ADDRESS_MASK);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(second)),
                                   _mm_loadu_si128(first), 1);
}

static inline bool are_pairs(const uint64_t *spans)
{
    const uint64_t pair = (uint64_t)2 << GL_SPAN_COUNT_SHIFT;
    uint64_t differ = (spans[0] ^ pair) | (spans[1] ^ pair) | (spans[2] ^ pair) | (spans[3] ^ pair);
    return differ >> GL_SPAN_COUNT_SHIFT == 0;
}

UNSANITIZED __attribute__((target("avx2,popcnt"))) static inline uint32_t
filter_four(const uint64_t *spans, const half_range *r, uint64_t *out)
{
    uint32_t n = 0;
    if (are_pairs(spans)) {
        n = filter_half(load_two_pairs(spans), 0xf, r, out);
        return n + filter_half(load_two_pairs(spans + 2), 0xf, r, out + n);
    }
    for (int i = 0; i < 4; i++) {
        n += filter_span_by_halves(spans[i], r, out + n);
    }
    return n;
}

UNSANITIZED __attribute__((target("avx2,popcnt"))) static uint32_t
filter_avx2(gl_filter_spans spans, gl_filter_spans next, uintptr_t base, uintptr_t size,
            uint64_t *out)
{
    const half_range range = {_mm256_set1_epi64x((long long)base),
                              _mm256_set1_epi64x((long long)(size ^ (uint64_t)1 << 63))};
    uint32_t n = 0, i = 0;
    for (; i + 4 <= spans.n; i += 4) {
        n += filter_four(spans.at + i, &range, out + n);
        prefetch_some(next, i, 4);
    }
    prefetch_some(next, i, next.n);
    for (; i < spans.n; i++) {
        n += filter_span_by_halves(spans.at[i], &range, out + n);
    }
    return n;
}

/* ---- AVX-512 -------------------------------------------------------------------------------- */

#define AVX512 __attribute__((target("avx512f,popcnt")))

typedef struct line_range {
    __m512i base, size;
} line_range;

/* The words that `wanted` chooses and that lie in the range go to `out`; returns how many. They are
 * compressed in the register, for a compressing store would be slower. */
UNSANITIZED AVX512 static inline uint32_t filter_words(__m512i words, uint32_t wanted,
                                                       const line_range *r, uint64_t *out)
{
    __m512i offsets = _mm512_sub_epi64(words, r->base);
    __mmask8 inside = _mm512_mask_cmplt_epu64_mask((__mmask8)wanted, offsets, r->size);
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(inside, offsets));
    return (uint32_t)__builtin_popcount(inside);
}

/* One span of any length. The line is loaded whole and reversed. */
UNSANITIZED AVX512 static inline uint32_t filter_span(uint64_t span, const line_range *r,
                                                      uint64_t *out)
{
    const __m512i reversed = _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    uint32_t count = (uint32_t)(span >> GL_SPAN_COUNT_SHIFT);
    uint32_t after = 8 - (uint32_t)(span / sizeof(uintptr_t) % 8) - count;
    __m512i line = _mm512_permutexvar_epi64(reversed, _mm512_load_si512(line_of(span)));
    return filter_words(line, ((1u << count) - 1) << after, r, out);
}

/* Four spans of two words each: one vector. The addresses are those of the words. */
UNSANITIZED AVX512 static inline __m512i load_pairs(const uint64_t *addresses)
{
    __m256i low = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)addresses[0])),
        _mm_loadu_si128((const __m128i *)addresses[1]), 1);
    __m256i high = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)addresses[2])),
        _mm_loadu_si128((const __m128i *)addresses[3]), 1);
    __m512i words = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    return _mm512_permutex_epi64(words, 0xb1); /* last word first in each */
}

/* Two spans of four words each. */
UNSANITIZED AVX512 static inline __m512i load_fours(const uint64_t *addresses)
{
    __m512i words = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)addresses[0])),
        _mm256_loadu_si256((const __m256i *)addresses[1]), 1);
    return _mm512_permutex_epi64(words, 0x1b); /* last word first in each */
}

/* Eight spans. Objects of 16 and of 32 bytes are common, and so small that a vector for each would be
 * wasted: rows of them share one. */
UNSANITIZED AVX512 static inline uint32_t filter_eight(const uint64_t *spans, const line_range *r,
                                                       uint64_t *out)
{
    const __m512i two = _mm512_set1_epi64((long long)2 << GL_SPAN_COUNT_SHIFT);
    const __m512i four = _mm512_set1_epi64((long long)4 << GL_SPAN_COUNT_SHIFT);
    const __m512i addresses_only = _mm512_set1_epi64((long long)GL_SPAN_ADDRESS_MASK);
    __m512i all = _mm512_loadu_si512(spans);
    __m512i counts = _mm512_andnot_si512(addresses_only, all);
    _Alignas(64) uint64_t addresses[8];
    _mm512_store_si512(addresses, _mm512_and_si512(addresses_only, all));
    uint32_t n = 0;
    if (_mm512_cmpeq_epi64_mask(counts, two) == 0xff) {
        n = filter_words(load_pairs(addresses), 0xff, r, out);
        return n + filter_words(load_pairs(addresses + 4), 0xff, r, out + n);
    }
    if (_mm512_cmpeq_epi64_mask(counts, four) == 0xff) {
        for (int i = 0; i < 8; i += 2) {
            n += filter_words(load_fours(addresses + i), 0xff, r, out + n);
        }
        return n;
    }
    for (int i = 0; i < 8; i++) {
        n += filter_span(spans[i], r, out + n);
    }
    return n;
}

UNSANITIZED AVX512 static uint32_t filter_avx512(gl_filter_spans spans, gl_filter_spans next,
                                                 uintptr_t base, uintptr_t size, uint64_t *out)
{
    const line_range range = {_mm512_set1_epi64((long long)base),
                              _mm512_set1_epi64((long long)size)};
    uint32_t n = 0, i = 0;
    for (; i + 8 <= spans.n; i += 8) {
        n += filter_eight(spans.at + i, &range, out + n);
        prefetch_some(next, i, 8);
    }
    prefetch_some(next, i, next.n);
    for (; i < spans.n; i++) {
        n += filter_span(spans.at[i], &range, out + n);
    }
    return n;
}
#endif

/* ---- Choice --------------------------------------------------------------------------------- */

gl_filter *gl_filter_for(gl_simd simd)
{
#if defined(__x86_64__)
    switch (simd) {
    case GL_SIMD_AVX512:
        return filter_avx512;
    case GL_SIMD_AVX2:
        return filter_avx2;
    case GL_SIMD_PORTABLE:
        break;
    }
#endif
    (void)simd;
    return filter_portable;
}
