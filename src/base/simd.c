/* SPDX-License-Identifier: MIT */
/* base/simd.c - the choice of vector instructions, at run time. */
#include "base/simd.h"

#include "base/knobs.h"

bool gl_simd_is_supported(gl_simd simd)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool has_popcnt = __builtin_cpu_supports("popcnt");
    switch (simd) {
    case GL_SIMD_AVX512:
        return has_popcnt && __builtin_cpu_supports("avx512f");
    case GL_SIMD_AVX2:
        return has_popcnt && __builtin_cpu_supports("avx2");
    case GL_SIMD_PORTABLE:
        return true;
    }
#endif
    return simd == GL_SIMD_PORTABLE;
}

gl_simd gl_simd_select(void)
{
    gl_simd best = gl_options.simd == 0 ? GL_SIMD_AVX512 : (gl_simd)gl_options.simd;
    while (!gl_simd_is_supported(best)) {
        best = (gl_simd)(best - 1);
    }
    return best;
}
