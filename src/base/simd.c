/* SPDX-License-Identifier: MIT */
/* base/simd.c - the choice of vector instructions, at run time. */
#include "base/simd.h"

#include "base/cpu.h"
#include "base/knobs.h"

/* All processors with AVX2 have POPCNT. */
bool gl_simd_is_supported(gl_simd simd)
{
    gl_cpu cpu = gl_cpu_ask();
    return simd == GL_SIMD_PORTABLE || (simd == GL_SIMD_AVX2 && cpu.has_avx2) ||
           (simd == GL_SIMD_AVX512 && cpu.has_avx512f && cpu.has_avx2);
}

gl_simd gl_simd_select(void)
{
    gl_simd best = gl_options.simd == 0 ? GL_SIMD_AVX512 : (gl_simd)gl_options.simd;
    while (!gl_simd_is_supported(best)) {
        best = (gl_simd)(best - 1);
    }
    return best;
}
