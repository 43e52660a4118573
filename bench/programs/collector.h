/* SPDX-License-Identifier: MIT */
/*
 * One name for each call that the collector workloads need, so that one source is compiled once
 * per collector. The build defines exactly one of BENCH_COLLECTOR_GLEANER, BENCH_COLLECTOR_LIBGC
 * and BENCH_COLLECTOR_MALLOC. The last is malloc and free by hand, whatever library is preloaded:
 * there COLLECTOR_IS_MANUAL is 1, and a workload frees what a collector would find.
 *
 * collector_new gives zeroed memory under the collectors. Workloads write every field all the
 * same, so that malloc needs no memset of its own.
 *
 * Include this before <pthread.h>: libgc's header redirects the calls that create threads.
 */
#ifndef BENCH_COLLECTOR_H
#define BENCH_COLLECTOR_H

#include <stddef.h>

#if defined(BENCH_COLLECTOR_GLEANER)

#include <gleaner/gc.h>

#define COLLECTOR_IS_MANUAL 0

static inline void collector_init(void)
{
    gc_init(NULL);
}

static inline void *collector_new(size_t size_bytes)
{
    return gc_malloc(size_bytes);
}

static inline void *collector_new_atomic(size_t size_bytes)
{
    return gc_malloc_atomic(size_bytes);
}

static inline void collector_delete(void *p)
{
    gc_free(p);
}

static inline void collector_collect(void)
{
    gc_collect();
}

static inline void collector_hold(void)
{
    gc_disable();
}

static inline void collector_resume(void)
{
    gc_enable();
}

#elif defined(BENCH_COLLECTOR_LIBGC)

#define GC_THREADS
#include <gc.h>
#include <stdlib.h>

#define COLLECTOR_IS_MANUAL 0

/*
 * libgc starts its parallel markers with the first further thread. A program without threads marks
 * alone unless it asks; this one asks if the environment names a number of markers, and is otherwise
 * what a program that links libgc is.
 */
static inline void collector_init(void)
{
    GC_INIT();
    if (getenv("GC_MARKERS") != NULL)
        GC_start_mark_threads();
}

static inline void *collector_new(size_t size_bytes)
{
    return GC_MALLOC(size_bytes);
}

static inline void *collector_new_atomic(size_t size_bytes)
{
    return GC_MALLOC_ATOMIC(size_bytes);
}

static inline void collector_delete(void *p)
{
    GC_FREE(p);
}

static inline void collector_collect(void)
{
    GC_gcollect();
}

static inline void collector_hold(void)
{
    GC_disable();
}

static inline void collector_resume(void)
{
    GC_enable();
}

#elif defined(BENCH_COLLECTOR_MALLOC)

#include <stdlib.h>

#define COLLECTOR_IS_MANUAL 1

static inline void collector_init(void)
{
}

static inline void *collector_new(size_t size_bytes)
{
    return malloc(size_bytes);
}

static inline void *collector_new_atomic(size_t size_bytes)
{
    return malloc(size_bytes);
}

static inline void collector_delete(void *p)
{
    free(p);
}

static inline void collector_collect(void)
{
}

static inline void collector_hold(void)
{
}

static inline void collector_resume(void)
{
}

#else
#error "define one of BENCH_COLLECTOR_GLEANER, BENCH_COLLECTOR_LIBGC, BENCH_COLLECTOR_MALLOC"
#endif

#endif
