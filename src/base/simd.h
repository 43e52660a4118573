/* SPDX-License-Identifier: MIT */
/*
 * base/simd.h - which vector instructions to use: what the processor has, cut down by the option
 * `simd`. Every use has a portable form beside it.
 */
#ifndef GL_BASE_SIMD_H
#define GL_BASE_SIMD_H

#include <stdbool.h>

/* In the order of the option's words after `auto`. */
typedef enum gl_simd { GL_SIMD_PORTABLE = 1, GL_SIMD_AVX2 = 2, GL_SIMD_AVX512 = 3 } gl_simd;

/* True if the processor, and the system that saves its registers, can run it. */
bool gl_simd_is_supported(gl_simd simd);

/* The best that is supported and allowed. */
gl_simd gl_simd_select(void);

#endif
