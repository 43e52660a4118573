/* SPDX-License-Identifier: MIT */
/* os/random.c - see random.h. */
#include "os/random.h"

#include <sys/auxv.h>

uint64_t gl_random_seed(void)
{
    enum { KERNEL_BYTES = 16 };
    static const uint64_t FNV_PRIME = UINT64_C(0x100000001b3);
    const unsigned char *bytes = (const unsigned char *)getauxval(AT_RANDOM);
    uint64_t seed = (uint64_t)(uintptr_t)&bytes; /* the stack is at a random place, too */
    for (int i = 0; bytes && i < KERNEL_BYTES; i++) {
        seed = (seed ^ bytes[i]) * FNV_PRIME;
    }
    return seed;
}
