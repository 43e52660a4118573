/* SPDX-License-Identifier: MIT */
/*
 * base/filter_roots.h - finds the few words of root memory that may be pointers into the heap. Roots
 * are mostly something else (a process's own mappings, V8's heap), and each word counts twice: as it
 * stands, and as setjmp would have mangled it.
 */
#ifndef GL_BASE_FILTER_ROOTS_H
#define GL_BASE_FILTER_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/simd.h"

/* What makes a word a candidate: with `word` itself, or with the word rotated right by `rotation` bits
 * and then XORed with `key`, word - base <= size. */
typedef struct gl_roots_range {
    uintptr_t base, size;
    uintptr_t key;
    unsigned rotation; /* below 64; 0, with key 0: the word itself only */
} gl_roots_range;

/* Roots are read at every address that is a multiple of four, if need be. */
typedef uintptr_t gl_root_word __attribute__((aligned(4), may_alias));

/* An implementation may store this many entries more than it returns. */
enum { GL_FILTER_ROOTS_SLACK = 8 };

/* Stores the candidates among `n` words, in order; returns how many. */
typedef uint32_t gl_filter_roots(const gl_root_word *words, size_t n, const gl_roots_range *range,
                                 uintptr_t *out);

/* The same, and among the words that begin in the middle of two of these (the first of them before words[0], if
 * `has_before`), those with word - base <= size, in any order. Room for twice as many entries. */
typedef uint32_t gl_filter_dense(const gl_root_word *words, size_t n, bool has_before,
                                 const gl_roots_range *range, uintptr_t *out);

/* NULL: there is none that is better than to filter twice. */
gl_filter_dense *gl_filter_dense_for(gl_simd simd);

/* The implementation that uses these instructions, which the processor must support. */
gl_filter_roots *gl_filter_roots_for(gl_simd simd);

#endif
