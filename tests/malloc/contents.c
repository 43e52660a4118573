/* SPDX-License-Identifier: MIT */
/*
 * What is in the memory: blocks do not overlap, whatever their size and alignment; calloc() is zero
 * also where somebody wrote before; realloc() keeps the content. Pseudo-random, with a seed that is
 * printed on failure and may be given as an argument.
 */
#include "expect.h"

#include <malloc.h>
#include <stdint.h>

static uint64_t state;

static size_t random_below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % n;
}

/* Small sizes mostly, and some of every magnitude. */
static size_t random_size(void)
{
    static const size_t limits[] = {16, 16, 64, 64, 256, 1024, 1024, 8192, 40000, 300000};
    return random_below(limits[random_below(sizeof limits / sizeof *limits)]);
}

/* Everything at once: alignment by size, all alive, all filled. */
static void check_matrix(void)
{
    enum { N_SIZES = 12, N_ALIGNMENTS = 17 };
    static const size_t sizes[N_SIZES] = {0,    1,    15,   16,    17,    100,
                                          1000, 4096, 5000, 21839, 21840, 200000};
    static void *blocks[N_ALIGNMENTS][N_SIZES];
    for (size_t i = 0; i < N_ALIGNMENTS; i++) {
        size_t alignment = (size_t)16 << i; /* to 1 MiB */
        for (size_t j = 0; j < N_SIZES; j++) {
            void *p = aligned_alloc(alignment, sizes[j]);
            EXPECT(p != NULL && (uintptr_t)p % alignment == 0);
            EXPECT(malloc_usable_size(p) >= sizes[j]);
            fill(p, sizes[j], (unsigned)(i * N_SIZES + j));
            blocks[i][j] = p;
        }
    }
    for (size_t i = 0; i < N_ALIGNMENTS; i++) {
        for (size_t j = 0; j < N_SIZES; j++) {
            EXPECT(is_filled(blocks[i][j], sizes[j], (unsigned)(i * N_SIZES + j)));
            void *p = realloc(blocks[i][j], sizes[j] + 100);
            EXPECT(p != NULL && is_filled(p, sizes[j], (unsigned)(i * N_SIZES + j)));
            free(p);
        }
    }
}

static int is_zero(const unsigned char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != 0) {
            return 0;
        }
    }
    return 1;
}

static void check_calloc_after_use(void)
{
    enum { N = 50 };
    for (size_t bytes = 1; bytes < 3000000; bytes += 1 + bytes / 3) {
        void *used[N];
        size_t n = bytes < 100000 ? N : 3;
        for (size_t i = 0; i < n; i++) {
            used[i] = malloc(bytes);
            memset(used[i], 0xa5, malloc_usable_size(used[i]));
        }
        for (size_t i = 0; i < n; i++) {
            free(used[i]);
        }
        for (size_t i = 0; i < n; i++) {
            used[i] = calloc(1, bytes);
            EXPECT(used[i] != NULL && is_zero(used[i], bytes));
        }
        for (size_t i = 0; i < n; i++) {
            free(used[i]);
        }
    }
}

static void check_growth(void)
{
    unsigned char *p = NULL;
    size_t have = 0;
    for (size_t bytes = 1; bytes < 60000000; bytes += 1 + bytes / 5) {
        p = realloc(p, bytes);
        EXPECT(p != NULL && is_filled(p, have, 9));
        fill(p, bytes, 9);
        have = bytes;
    }
    for (size_t bytes = have; bytes > 0; bytes -= 1 + bytes / 4) {
        p = realloc(p, bytes);
        EXPECT(p != NULL && is_filled(p, bytes, 9));
    }
    free(p);
}

typedef struct block {
    void *at;
    size_t bytes;
    unsigned seed;
} block;

static void *allocate(size_t bytes)
{
    size_t way = random_below(4);
    if (way == 0) {
        unsigned char *p = calloc(bytes + 1, 1);
        EXPECT(p != NULL && is_zero(p, bytes));
        return p;
    }
    return way == 1 ? aligned_alloc((size_t)16 << random_below(9), bytes) : malloc(bytes);
}

/* A little of everything, in any order. */
static void check_mixture(void)
{
    enum { N = 2000, N_STEPS = 60000 };
    static block blocks[N];
    for (unsigned step = 0; step < N_STEPS; step++) {
        block *b = &blocks[random_below(N)];
        size_t bytes = random_size();
        EXPECT(b->at == NULL || is_filled(b->at, b->bytes, b->seed));
        if (b->at != NULL && random_below(3) == 0) {
            b->at = realloc(b->at, bytes + 1);
            EXPECT(b->at != NULL &&
                   is_filled(b->at, bytes < b->bytes ? bytes : b->bytes, b->seed));
        } else {
            free(b->at);
            b->at = allocate(bytes);
            EXPECT(b->at != NULL);
        }
        b->bytes = bytes;
        b->seed = step;
        fill(b->at, bytes, step);
    }
    for (size_t i = 0; i < N; i++) {
        EXPECT(blocks[i].at == NULL || is_filled(blocks[i].at, blocks[i].bytes, blocks[i].seed));
        free(blocks[i].at);
    }
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240229;
    unsigned long long seed = state;
    check_matrix();
    check_calloc_after_use();
    check_growth();
    check_mixture();
    if (expect_status() != 0) {
        fprintf(stderr, "the seed was %llu\n", seed);
    }
    return expect_status();
}
