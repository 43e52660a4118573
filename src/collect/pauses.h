/* SPDX-License-Identifier: MIT */
/* collect/pauses.h - a histogram of pauses: eight buckets per doubling, so within 12.5%. */
#ifndef GL_COLLECT_PAUSES_H
#define GL_COLLECT_PAUSES_H

#include <stdint.h>

enum { GL_PAUSE_BUCKETS = 8 * 64 };

typedef struct gl_pauses {
    uint64_t count, total_ns, max_ns;
    uint64_t buckets[GL_PAUSE_BUCKETS];
} gl_pauses;

void gl_pauses_add(gl_pauses *pauses, uint64_t ns);

/* The pause that `percent` of all do not exceed; 0 if there was none. */
uint64_t gl_pauses_percentile(const gl_pauses *pauses, unsigned percent);

#endif
