/* SPDX-License-Identifier: MIT */
/* tests/profile/bare.c - compiled without debug information: the report at exit shows addresses. */
#include <gleaner/gc.h>
#include <gleaner/scope.h>

static void *volatile kept;

static __attribute__((noinline)) void profiled_bare(void)
{
    GC_PROFILE();
    kept = gc_malloc_atomic(3 << 20);
}

int main(void)
{
    profiled_bare();
    return kept == 0;
}
