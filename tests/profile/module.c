/* SPDX-License-Identifier: MIT */
/* tests/profile/module.c - a profiled function in an object that is loaded, and unloaded again. */
#include <gleaner/gc.h>
#include <gleaner/scope.h>

void *profiled_in_module(size_t bytes);

void *profiled_in_module(size_t bytes)
{
    GC_PROFILE();
    void *p = gc_malloc_atomic(bytes);
    gc_free(gc_malloc(32));
    return p;
}
