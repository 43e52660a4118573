/* SPDX-License-Identifier: MIT */
/* collect/pauses.c - a histogram with relative precision (after Tene's HdrHistogram, 2012). */
#include "collect/pauses.h"

#include "base/bits.h"

/* Below 8 ns a bucket is a nanosecond; above, the three bits after the first. */
static unsigned bucket_of(uint64_t ns)
{
    if (ns < 8) {
        return (unsigned)ns;
    }
    unsigned log = gl_log2_floor(ns);
    return (log - 2) * 8 + (unsigned)((ns >> (log - 3)) & 7);
}

static uint64_t upper_end(unsigned bucket)
{
    if (bucket < 8) {
        return bucket;
    }
    unsigned log = bucket / 8 + 2;
    uint64_t step = (uint64_t)1 << (log - 3);
    return ((uint64_t)1 << log) + (bucket % 8) * step + (step - 1);
}

void gl_pauses_add(gl_pauses *p, uint64_t ns)
{
    p->count++;
    p->total_ns += ns;
    p->max_ns = ns > p->max_ns ? ns : p->max_ns;
    p->buckets[bucket_of(ns)]++;
}

uint64_t gl_pauses_percentile(const gl_pauses *p, unsigned percent)
{
    uint64_t rank = (p->count * percent + 99) / 100;
    uint64_t seen = 0;
    for (unsigned b = 0; b < GL_PAUSE_BUCKETS && rank > 0; b++) {
        seen += p->buckets[b];
        if (seen >= rank) {
            uint64_t end = upper_end(b);
            return end < p->max_ns ? end : p->max_ns;
        }
    }
    return 0;
}
