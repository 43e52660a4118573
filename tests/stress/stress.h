/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/stress.h - what the stress programs share: checks that count, a random sequence, and
 * addresses that do not look like addresses.
 *
 * What a program knows about its objects must not keep them alive. It stores addresses hidden, and
 * looks at an object in a deep frame whose place on the stack is overwritten afterwards.
 */
#ifndef GL_TESTS_STRESS_STRESS_H
#define GL_TESTS_STRESS_STRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gleaner/gc.h>

static int stress_n_checks, stress_n_faults;

enum { STRESS_FAULTS_SHOWN = 20 };

static inline bool stress_expect(bool is_true, const char *what, const char *file, int line)
{
    __atomic_add_fetch(&stress_n_checks, 1, __ATOMIC_RELAXED);
    if (!is_true) {
        int n = __atomic_add_fetch(&stress_n_faults, 1, __ATOMIC_RELAXED);
        if (n <= STRESS_FAULTS_SHOWN) {
            fprintf(stderr, "%s:%d: %s\n", file, line, what);
        }
    }
    return is_true;
}

/* Notes a fault if the condition does not hold; its value. */
#define EXPECT(condition) stress_expect((condition), #condition, __FILE__, __LINE__)

/* Without this the rest of the program makes no sense. */
#define REQUIRE(condition)      \
    do {                        \
        if (!EXPECT(condition)) \
            exit(2);            \
    } while (0)

/* The status of the program: one that checks nothing fails. */
static inline int stress_status(void)
{
    return stress_n_faults != 0 || stress_n_checks == 0;
}

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static inline uint64_t stress_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline size_t stress_below(uint64_t *state, size_t n)
{
    return (size_t)(stress_random(state) % n);
}

static inline uintptr_t stress_hide(const void *p)
{
    return ~(uintptr_t)p;
}

static inline void *stress_reveal(uintptr_t hidden)
{
    return (void *)~hidden;
}

/* True if malloc() and gc_malloc() share a heap. */
static inline bool stress_is_malloc_ours(void)
{
    void *volatile p = malloc(1); /* volatile: a malloc that is only freed may be dropped */
    bool is_ours = gc_sizeof(p) != 0;
    free(p);
    return is_ours;
}

static inline uint64_t stress_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* At least this long, whatever interrupts. */
static inline void stress_sleep_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&t, &t) != 0) {
    }
}

enum { STRESS_DEPTH = 16, STRESS_FRAME_BYTES = 512, STRESS_CLEAR_BYTES = 16 * 1024 };

__attribute__((noinline, unused)) static void stress_descend(void (*fn)(void *), void *arg,
                                                              int depth)
{
    volatile char frame[STRESS_FRAME_BYTES];
    frame[0] = (char)depth;
    if (depth > 0) {
        stress_descend(fn, arg, depth - 1);
    } else {
        fn(arg);
    }
    frame[1] = frame[0]; /* no tail call */
}

__attribute__((noinline, unused)) static void stress_clear_stack(void)
{
    volatile char frame[STRESS_CLEAR_BYTES];
    for (size_t i = 0; i < sizeof frame; i++) {
        frame[i] = 0;
    }
}

/* Calls fn(arg) some frames further down, and overwrites that part of the stack afterwards. */
static inline void stress_deep(void (*fn)(void *), void *arg)
{
    stress_descend(fn, arg, STRESS_DEPTH);
    stress_clear_stack();
}

/* The value of the argument --NAME=VALUE, or `otherwise`. */
static inline const char *stress_argument(int argc, char **argv, const char *name,
                                          const char *otherwise)
{
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, length) == 0 &&
            argv[i][2 + length] == '=') {
            return argv[i] + 2 + length + 1;
        }
    }
    return otherwise;
}

static inline uint64_t stress_number(int argc, char **argv, const char *name, uint64_t otherwise)
{
    const char *text = stress_argument(argc, argv, name, NULL);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

#endif
