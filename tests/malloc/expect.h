/* SPDX-License-Identifier: MIT */
/*
 * tests/malloc/expect.h - for programs that know nothing of Gleaner: they are run with glibc's
 * malloc, which says whether what they expect is right, and then with Gleaner's preloaded.
 */
#ifndef GL_TESTS_MALLOC_EXPECT_H
#define GL_TESTS_MALLOC_EXPECT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* There when Gleaner is in the process. */
extern size_t gleaner_gc_sizeof(const void *p) __attribute__((weak));
extern size_t gleaner_gc_collect(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif

static int expect_n_faults;
static int expect_n_checks;

#define EXPECT(condition)                                                  \
    do {                                                                   \
        __atomic_add_fetch(&expect_n_checks, 1, __ATOMIC_RELAXED);         \
        if (!(condition)) {                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            __atomic_add_fetch(&expect_n_faults, 1, __ATOMIC_RELAXED);     \
        }                                                                  \
    } while (0)

/* The status of the program; a program that checks nothing fails. */
static inline int expect_status(void)
{
    return expect_n_faults != 0 || expect_n_checks == 0;
}

static inline int is_gleaner(void)
{
    return gleaner_gc_sizeof != NULL;
}

/* Hides from the compiler what a pointer or number is: it must neither warn of nor remove the
 * calls that a test is about. */
static inline void *opaque(void *p)
{
    __asm__ __volatile__("" : "+r"(p) : : "memory");
    return p;
}

static inline size_t opaque_size(size_t n)
{
    __asm__ __volatile__("" : "+r"(n));
    return n;
}

/* A pattern that belongs to an address and a seed, and whether it is still there. */
static inline void fill(void *p, size_t bytes, unsigned seed)
{
    unsigned char *at = (unsigned char *)p;
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(seed * 131u + i * 7u);
    }
}

static inline int is_filled(const void *p, size_t bytes, unsigned seed)
{
    const unsigned char *at = (const unsigned char *)p;
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != (unsigned char)(seed * 131u + i * 7u)) {
            return 0;
        }
    }
    return 1;
}

#endif
