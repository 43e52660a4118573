/* SPDX-License-Identifier: MIT */
/* tests/profile/bare.c - built without debug information, and with several kinds of it. Optimised, the profiled
 * function is inlined into main(). */
#include <gleaner/gc.h>
#include <gleaner/scope.h>

static void *volatile kept[3];

static void profiled_bare(int i)
{
    GC_PROFILE();
    kept[i] = gc_malloc_atomic(1 << 20);
}

int main(void)
{
    GC_PROFILE();
    for (int i = 0; i < 3; i++)
        profiled_bare(i);
    return kept[2] == 0;
}
