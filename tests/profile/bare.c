/* SPDX-License-Identifier: MIT */
/* tests/profile/bare.c - built without debug information, and with several kinds of it. Optimised, the profiled
 * function is inlined into main(). */
#include <gleaner/gc.h>
#include <gleaner/scope.h>

static void *volatile kept[3];
static volatile int n_calls = 3; /* the loop stays one */

static void profiled_bare(int i)
{
    GC_PROFILE();
    kept[i] = gc_malloc_atomic(1 << 20);
}

int main(void)
{
    GC_PROFILE();
    for (int i = 0; i < n_calls; i++)
        profiled_bare(i);
    return kept[2] == 0;
}
