/* SPDX-License-Identifier: MIT */
#ifndef BENCH_COUNT_CALLS_H
#define BENCH_COUNT_CALLS_H

#include <stdatomic.h>

typedef struct counted {
    long plain;
    _Atomic long atomic;
} counted;

/* A release says whether it was the last one. */
void *plain_retain(void *p);
int plain_release(void *p);
void *atomic_retain(void *p);
int atomic_release(void *p);

#endif
