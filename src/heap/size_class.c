/* SPDX-License-Identifier: MIT */
/* heap/size_class.c - the table of size classes, computed once. */
#include "heap/size_class.h"

#include "heap/alloc.h"

gl_class_info gl_classes[GL_N_CLASSES];
uint32_t gl_n_size_classes;

/* One entry for each count of granules that a request can round to, slack included. */
uint8_t gl_class_of_granules[GL_SMALL_MAX / GL_GRANULE_BYTES + 3];

volatile uint8_t gl_malloc_class_of_granules[GL_SMALL_MAX / GL_GRANULE_BYTES + 3];

static const uint16_t coarse_sizes[] = {32, 64, 128, 272, 528, 1040, 2112};

static const uint16_t sizes[] = {
    16,   32,   48,   64,   80,   96,    112,   128,   144,   160,  176,  192,  208,
    224,  240,  256,  272,  304,  336,   368,   400,   432,   480,  512,  528,  592,
    656,  720,  784,  848,  928,  1024,  1040,  1168,  1296,  1424, 1552, 1680, 1872,
    2048, 2112, 2336, 2608, 2848, 3120,  3440,  3632,  3840,  4096, 4368, 4672, 5040,
    5456, 5952, 6544, 7280, 8192, 9360,  10912, 13104, 16384, 21840};

enum {
    N_SIZES = sizeof sizes / sizeof sizes[0],
    N_COARSE = sizeof coarse_sizes / sizeof coarse_sizes[0],
    MAGAZINE_MAX = 255,
    MAGAZINE_MIN = 8
};

_Static_assert((int)N_SIZES < (int)GL_N_CLASSES, "a class fits its bits");

static void fill(gl_class_info *info, uint32_t bytes)
{
    /* A magazine holds about a block's worth; with the word behind its end, at most 2 KiB. */
    uint32_t slots = GL_BLOCK_BYTES / bytes;
    info->bytes = bytes;
    info->reciprocal = (uint32_t)((((uint64_t)1 << 32) + bytes - 1) / bytes);
    info->n_objects = (uint16_t)(GL_BLOCK_BYTES / bytes);
    info->granules = (uint16_t)(bytes / GL_GRANULE_BYTES);
    info->magazine = (uint16_t)(slots > MAGAZINE_MAX   ? MAGAZINE_MAX
                                : slots < MAGAZINE_MIN ? MAGAZINE_MIN
                                                       : slots);
    info->batch = (uint16_t)((info->magazine + 1) / 2); /* 128: two whole words of free bits */
}

static void join_classes(void)
{
    uint32_t granules = 0;
    for (uint32_t i = 0; i < N_COARSE; i++) {
        uint8_t c = gl_class_of_granules[coarse_sizes[i] / GL_GRANULE_BYTES];
        for (; granules * GL_GRANULE_BYTES <= coarse_sizes[i]; granules++) {
            gl_malloc_class_of_granules[granules] = c;
        }
    }
    for (; granules * GL_GRANULE_BYTES <= sizes[N_SIZES - 1]; granules++) {
        gl_malloc_class_of_granules[granules] = gl_class_of_granules[granules];
    }
}

void gl_size_class_refine(uint32_t size_class)
{
    uint32_t bytes = gl_classes[size_class].bytes;
    for (uint32_t i = 0; i < N_COARSE; i++) {
        if (coarse_sizes[i] == bytes) {
            uint32_t granules = i ? coarse_sizes[i - 1] / GL_GRANULE_BYTES + 1 : 0;
            for (; granules * GL_GRANULE_BYTES < bytes; granules++) {
                gl_malloc_class_of_granules[granules] = gl_class_of_granules[granules];
            }
        }
    }
}

void gl_size_class_init(void)
{
    uint32_t granules = 0;
    for (uint32_t c = 1; c <= N_SIZES; c++) {
        fill(&gl_classes[c], sizes[c - 1]);
        for (; granules * GL_GRANULE_BYTES <= sizes[c - 1]; granules++) {
            gl_class_of_granules[granules] = (uint8_t)c;
        }
    }
    gl_n_size_classes = N_SIZES;
    join_classes();
}

uint32_t gl_size_class_aligned(size_t alignment, size_t bytes)
{
    for (uint32_t c = 1; c <= N_SIZES; c++) {
        if (gl_classes[c].bytes >= bytes && gl_classes[c].bytes % alignment == 0) {
            return c;
        }
    }
    return 0;
}
