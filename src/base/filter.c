/* SPDX-License-Identifier: MIT */
/*
 * base/filter.c - the filter, portable and for AVX-512, chosen at run time.
 *
 * The words belong to the program: they may be uninitialised, or race with nobody (the world is
 * stopped), and whole lines are read where only a part is asked for. None of that is for the
 * sanitizers to judge.
 */
#include "base/filter.h"

#include <stdbool.h>

#include "base/cpu.h"

#define UNSANITIZED __attribute__((no_sanitize("address", "thread", "undefined")))

static inline void prefetch_span(uint64_t span)
{
    __builtin_prefetch((const void *)(span & GL_SPAN_ADDRESS_MASK));
}

static inline void prefetch_rest(gl_filter_spans next, uint32_t from)
{
    for (uint32_t i = from; i < next.n; i++) {
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
    prefetch_rest(next, spans.n);
    return n;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* The line is loaded whole, reversed, compared and compressed in registers; a compressing store
 * would be slower. */
UNSANITIZED __attribute__((target("avx512f,popcnt"))) static uint32_t
filter_avx512(gl_filter_spans spans, gl_filter_spans next, uintptr_t base, uintptr_t size,
              uint64_t *out)
{
    const __m512i reversed = _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i bases = _mm512_set1_epi64((long long)base);
    const __m512i sizes = _mm512_set1_epi64((long long)size);
    uint32_t n = 0;
    for (uint32_t i = 0; i < spans.n; i++) {
        if (i < next.n) {
            prefetch_span(next.at[i]);
        }
        uintptr_t first = spans.at[i] & GL_SPAN_ADDRESS_MASK;
        uint32_t count = (uint32_t)(spans.at[i] >> GL_SPAN_COUNT_SHIFT);
        uint32_t after = 8 - (uint32_t)(first / 8 % 8) - count; /* words of the line behind ours */
        __m512i line = _mm512_load_si512((const void *)(first & ~(uintptr_t)63));
        __m512i offsets = _mm512_sub_epi64(_mm512_permutexvar_epi64(reversed, line), bases);
        __mmask8 wanted = (__mmask8)(((1u << count) - 1) << after);
        __mmask8 inside = _mm512_mask_cmplt_epu64_mask(wanted, offsets, sizes);
        _mm512_storeu_si512(out + n, _mm512_maskz_compress_epi64(inside, offsets));
        n += (uint32_t)__builtin_popcount(inside);
    }
    prefetch_rest(next, spans.n);
    return n;
}

static bool has_avx512(void)
{
    return gl_cpu_ask().has_avx512f;
}
#else
#define filter_avx512 filter_portable

static bool has_avx512(void)
{
    return false;
}
#endif

gl_filter *gl_filter_at(unsigned i)
{
    if (i == 0) {
        return filter_portable;
    }
    return i == 1 && has_avx512() ? filter_avx512 : NULL;
}

gl_filter *gl_filter_select(void)
{
    return has_avx512() ? filter_avx512 : filter_portable;
}
