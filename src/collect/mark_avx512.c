/* SPDX-License-Identifier: MIT */
/*
 * collect/mark_avx512.c - pop and resolve, eight objects at a time.
 *
 * A gather of eight descriptors costs no less than eight loads; what is won is the arithmetic
 * behind it. doc/marking.md has the figures.
 */
#include "base/bits.h"
#include "collect/marker.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* The words scanned belong to the program; here only our own tables are read. */
#define AVX512 __attribute__((target("avx512f,popcnt")))

enum { ROW = 8 };

AVX512 static uint32_t take_rows_avx512(const uint64_t *top, size_t max, uint64_t *spans)
{
    const __m512i reversed = _mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i seven = _mm512_set1_epi64(7), eight = _mm512_set1_epi64(8);
    uint32_t n = 0;
    for (; n + ROW <= max; n += ROW) {
        __m512i ids = _mm512_loadu_si512(top - n - ROW);
        __m512i words_before = _mm512_and_si512(_mm512_srli_epi64(ids, 3), seven);
        __m512i words = _mm512_srli_epi64(ids, GL_ID_WORDS_SHIFT); /* flags count as many words */
        if (_mm512_cmpgt_epu64_mask(_mm512_add_epi64(words_before, words), eight)) {
            break;
        }
        _mm512_storeu_si512(spans + n, _mm512_permutexvar_epi64(reversed, ids));
    }
    return n;
}

static void mark_large_ones(gl_marker *m, const uint64_t *offsets, uint32_t which)
{
    for (; which; which &= which - 1) {
        uint64_t block = offsets[__builtin_ctz(which)] >> GL_BLOCK_SHIFT;
        if (gl_heap.descs[block].bin != GL_ROLE_FREE) {
            gl_mark_large(m, (uint32_t)block);
        }
    }
}

/* Bit numbers and ids of eight offsets; a table of what stays the same. */
typedef struct row_constants {
    __m512i base, low16, stride, word_mask, lane, kind_flags, zero;
    __m128i lane_shift;
} row_constants;

AVX512 static inline __m512i row_objects(__m512i offsets, __m512i descs, const row_constants *c)
{
    /* The multiplication takes the low halves: the offset in the block, and the reciprocal. */
    return _mm512_srli_epi64(_mm512_mul_epu32(_mm512_and_si512(offsets, c->low16), descs), 32);
}

AVX512 static inline __m512i row_bits(__m512i blocks, __m512i objects, const row_constants *c)
{
    __m512i bits = _mm512_add_epi64(_mm512_mul_epu32(blocks, c->stride), objects);
    __m512i words = _mm512_sll_epi64(_mm512_and_si512(bits, c->word_mask), c->lane_shift);
    return _mm512_or_si512(_mm512_or_si512(words, c->lane), _mm512_andnot_si512(c->word_mask, bits));
}

AVX512 static inline __m512i row_ids(__m512i offsets, __m512i objects, __m512i descs,
                                     __m512i granules, const row_constants *c)
{
    __m512i blocks_start = _mm512_add_epi64(c->base, _mm512_andnot_si512(c->low16, offsets));
    __m512i in_block = _mm512_slli_epi64(_mm512_mul_epu32(objects, granules), GL_GRANULE_SHIFT);
    __m512i words = _mm512_slli_epi64(granules, GL_ID_WORDS_SHIFT + 1);
    __m512i kinds = _mm512_srli_epi64(descs, 48 + GL_CLASS_SHIFT);
    __m512i ids = _mm512_or_si512(_mm512_add_epi64(blocks_start, in_block), words);
    return _mm512_or_si512(ids, _mm512_permutexvar_epi64(kinds, c->kind_flags));
}

_Static_assert(GL_GRANULE_BYTES == 2 * sizeof(uintptr_t), "words are granules, shifted by one");

AVX512 static inline row_constants constants_for(const gl_marker *m)
{
    row_constants c;
    c.base = _mm512_set1_epi64((long long)gl_heap.base);
    c.low16 = _mm512_set1_epi64(GL_BLOCK_BYTES - 1);
    c.stride = _mm512_set1_epi64(GL_BITMAP_STRIDE * 64);
    c.word_mask = _mm512_set1_epi64(~63LL);
    c.lane = _mm512_set1_epi64((long long)m->lane << 6);
    c.kind_flags = _mm512_loadu_si512(gl_mark_kind_flags);
    c.zero = _mm512_setzero_si512();
    c.lane_shift = _mm_cvtsi32_si128((int)m->lane_shift);
    return c;
}

/* Which of the bits are set already, by any marker. */
AVX512 static inline __mmask8 row_seen(const gl_marker *m, __mmask8 which, __m512i bits,
                                       const row_constants *c)
{
    __m512i words = _mm512_srli_epi64(bits, 6), seen = c->zero;
    for (long long lane = 0; lane < 1LL << m->lane_shift; lane++) {
        __m512i at = _mm512_xor_si512(words, _mm512_set1_epi64(lane));
        seen = _mm512_or_si512(
            seen, _mm512_mask_i64gather_epi64(c->zero, which, at, m->marks, sizeof(uint64_t)));
    }
    __m512i bit = _mm512_srlv_epi64(seen, _mm512_andnot_si512(c->word_mask, bits));
    return _mm512_test_epi64_mask(bit, _mm512_set1_epi64(1));
}

AVX512 static inline void prefetch_marks(const gl_marker *m, __m512i bits)
{
    _Alignas(64) uint64_t bytes[ROW];
    _mm512_store_si512(bytes, _mm512_srli_epi64(bits, 3));
    for (int i = 0; i < ROW; i++) {
        gl_prefetch_to_write(&m->marks[bytes[i]]);
    }
}

/* While most objects are marked already, these are sorted out here, eight at a time; the mark loop tests
 * the rest again, for an object may come twice in a batch. */
AVX512 static uint32_t resolve_avx512(gl_marker *m, uint32_t n_offsets)
{
    const row_constants c = constants_for(m);
    uint32_t n = 0, n_small = 0;
    for (uint32_t i = 0; i < n_offsets; i += ROW) {
        uint32_t n_left = n_offsets - i;
        __mmask8 valid = n_left >= ROW ? 0xff : (__mmask8)((1u << n_left) - 1);
        __m512i offsets = _mm512_maskz_loadu_epi64(valid, m->offsets + i);
        __m512i blocks = _mm512_srli_epi64(offsets, GL_BLOCK_SHIFT);
        __m512i descs = _mm512_i64gather_epi64(blocks, gl_heap.descs, sizeof(gl_desc));
        __m512i granules = _mm512_and_si512(_mm512_srli_epi64(descs, 32), c.low16);
        __mmask8 small = _mm512_mask_cmpneq_epi64_mask(valid, granules, c.zero);
        if (GL_UNLIKELY(small != valid)) {
            mark_large_ones(m, m->offsets + i, (uint32_t)(valid & ~small));
        }
        n_small += (uint32_t)__builtin_popcount(small);
        __m512i objects = row_objects(offsets, descs, &c);
        __m512i bits = row_bits(blocks, objects, &c);
        if (m->finds_old) {
            small &= (__mmask8)~row_seen(m, small, bits, &c);
            if (!small) {
                continue;
            }
        }
        __m512i ids = row_ids(offsets, objects, descs, granules, &c);
        _mm512_storeu_si512(m->bits + n, _mm512_maskz_compress_epi64(small, bits));
        _mm512_storeu_si512(m->ids + n, _mm512_maskz_compress_epi64(small, ids));
        n += (uint32_t)__builtin_popcount(small);
        if (m->prefetches_marks && !m->finds_old) {
            prefetch_marks(m, bits);
        }
    }
    m->n_candidates = n_small;
    return n;
}

gl_mark_take_rows *gl_mark_take_rows_for(gl_simd simd)
{
    return simd == GL_SIMD_AVX512 ? take_rows_avx512 : NULL;
}

gl_mark_resolve *gl_mark_resolve_for(gl_simd simd)
{
    return simd == GL_SIMD_AVX512 ? resolve_avx512 : gl_mark_resolve_portable;
}

#else

gl_mark_take_rows *gl_mark_take_rows_for(gl_simd simd)
{
    (void)simd;
    return NULL;
}

gl_mark_resolve *gl_mark_resolve_for(gl_simd simd)
{
    (void)simd;
    return gl_mark_resolve_portable;
}

#endif
