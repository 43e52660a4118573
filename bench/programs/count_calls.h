/* SPDX-License-Identifier: MIT */
#ifndef BENCH_COUNT_CALLS_H
#define BENCH_COUNT_CALLS_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct counted {
    long plain;
    _Atomic long atomic;
} counted;

/* A release says whether it was the last one. */
void *plain_retain(void *p);
int plain_release(void *p);
void *atomic_retain(void *p);
int atomic_release(void *p);

/* What a program would write itself, on malloc and free: a header in front of the object. */
void *hand_new(size_t size, void (*destructor)(void *));
void *hand_retain(void *p);
void hand_release(void *p);

#endif
