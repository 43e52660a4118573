/* SPDX-License-Identifier: MIT */
/*
 * base/filter.h - of many words, those that lie in a range: the inner loop of a conservative scan.
 *
 * A SPAN is a row of words inside one cache line of 64 bytes, in one word: the address of the first
 * in the low 48 bits, the count (1 to 8) above. Words are taken last to first within a span.
 */
#ifndef GL_BASE_FILTER_H
#define GL_BASE_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/simd.h"

#define GL_SPAN_COUNT_SHIFT 48
#define GL_SPAN_ADDRESS_MASK (((uint64_t)1 << GL_SPAN_COUNT_SHIFT) - 1)

/* An implementation may store this many entries more than it returns. */
enum { GL_FILTER_SLACK = 8 };

typedef struct gl_filter_spans {
    const uint64_t *at;
    uint32_t n;
} gl_filter_spans;

/* Stores word - base for each word of the spans with word - base < size, in order; returns how many.
 * Prefetches the lines of `next`, one for each span read. */
typedef uint32_t gl_filter(gl_filter_spans spans, gl_filter_spans next, uintptr_t base,
                           uintptr_t size, uint64_t *out);

/* The implementation that uses these instructions, which the processor must support. */
gl_filter *gl_filter_for(gl_simd simd);

#endif
