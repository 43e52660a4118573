/* SPDX-License-Identifier: MIT */
/*
 * What every benchmark program shares: a clock, a random source, arguments and the lines it prints.
 *
 * A program prints `metric NAME VALUE UNIT` for what it measured and `check NAME VALUE` for what
 * it computed. Metrics are costs (less is better); every line that is not a metric must be the
 * same under every peer, and bench/run compares them.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static inline uint64_t bench_clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t bench_wall_ns(void)
{
    return bench_clock_ns(CLOCK_MONOTONIC);
}

/* CPU time of all threads of the process. */
static inline uint64_t bench_cpu_ns(void)
{
    return bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline void bench_metric(const char *name, double value, const char *unit)
{
    printf("metric %s %.6g %s\n", name, value, unit);
}

static inline void bench_check(const char *name, uint64_t value)
{
    printf("check %s %" PRIu64 "\n", name, value);
}

_Noreturn static inline void bench_die(const char *what)
{
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

static inline void *bench_need(void *p)
{
    if (p == NULL)
        bench_die("out of memory");
    return p;
}

/* Argument `i` as a positive number; the program ends with a message where it is not one. */
static inline size_t bench_arg(int argc, char **argv, int i, const char *name)
{
    char *end;
    unsigned long long value;

    if (i >= argc) {
        fprintf(stderr, "error: %s: argument %d (%s) is missing\n", argv[0], i, name);
        exit(2);
    }
    errno = 0;
    value = strtoull(argv[i], &end, 10);
    if (errno != 0 || *end != '\0' || value == 0 || argv[i][0] == '-') {
        fprintf(stderr, "error: %s: %s must be a positive number, not `%s'\n", argv[0], name,
                argv[i]);
        exit(2);
    }
    return (size_t)value;
}

/* SplitMix64 (Steele, Lea, Flood 2014): one add and a few shifts, no state in memory but this. */
typedef struct {
    uint64_t state;
} bench_rng;

static inline uint64_t bench_random(bench_rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number below `n`, for n < 2^32. */
static inline size_t bench_below(bench_rng *rng, size_t n)
{
    return (size_t)(((bench_random(rng) >> 32) * n) >> 32);
}

/*
 * Sizes as programs ask for them: half up to 64 bytes, a third up to 256, the rest up to 1 KiB,
 * one in a hundred up to 8 KiB.
 */
static inline size_t bench_random_size(bench_rng *rng)
{
    uint64_t r = bench_random(rng);
    uint64_t share = (r >> 32) % 100;

    if (share < 50)
        return 8 + r % 57;
    if (share < 85)
        return 65 + r % 192;
    if (share < 99)
        return 257 + r % 768;
    return 1025 + r % 7168;
}

/*
 * Storage that is no part of the measured heap, and that no collector sees once it is returned:
 * scratch tables with pointers in them would otherwise keep objects alive.
 */
static inline void *bench_scratch(size_t size_bytes)
{
    void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        bench_die("no memory for scratch tables");
    return p;
}

static inline void bench_scratch_return(void *p, size_t size_bytes)
{
    munmap(p, size_bytes);
}

/*
 * Binds the calling thread to the i-th CPU that it may use, round about. Threads that work together
 * otherwise share one CPU in one run and not in the next, and times differ fivefold.
 */
static inline void bench_bind(size_t i)
{
    cpu_set_t allowed, chosen;
    size_t left, cpu;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    left = i % (size_t)CPU_COUNT(&allowed);
    for (cpu = 0; !CPU_ISSET(cpu, &allowed) || left-- > 0; cpu++)
        ;
    CPU_ZERO(&chosen);
    CPU_SET(cpu, &chosen);
    sched_setaffinity(0, sizeof chosen, &chosen);
}

#endif
