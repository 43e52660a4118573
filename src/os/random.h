/* SPDX-License-Identifier: MIT */
/* os/random.h - numbers that nobody can guess from outside the process. Not for cryptography. */
#ifndef GL_OS_RANDOM_H
#define GL_OS_RANDOM_H

#include <stdint.h>

/* The state to begin with: from the bytes that the kernel gives to each process, which takes no
 * system call that a sandbox may forbid. */
uint64_t gl_random_seed(void);

/* SplitMix64 (Steele, Lea, Flood 2014): the kernel's random bytes must not be readable from what we
 * make of them, for the C library guards stacks with them. */
static inline uint64_t gl_random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#endif
