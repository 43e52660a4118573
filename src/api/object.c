/* SPDX-License-Identifier: MIT */
/*
 * api/object.c - questions about one object.
 *
 * They only read, take no lock and start nothing (without a heap there is no object), so that a
 * signal handler may ask.
 */
#include <errno.h>

#include <gleaner/gc.h>

#include "heap/heap.h"

enum { GENERATION_YOUNG = 0, GENERATION_FROZEN = 3 };

void *gc_base(const void *p)
{
    gl_object object;
    return gl_heap_find((uintptr_t)p, &object) ? (void *)object.start : NULL;
}

size_t gc_sizeof(const void *p)
{
    gl_object object;
    return gl_heap_find_exact((uintptr_t)p, &object) ? object.bytes : 0;
}

int gc_is_tracked(const void *p)
{
    gl_object object;
    return gl_heap_find_exact((uintptr_t)p, &object) && gl_kind_is_scanned(object.kind);
}

int gc_is_finalized(const void *p)
{
    gl_object object;
    return gl_heap_find_exact((uintptr_t)p, &object) && (object.state & GL_STATE_FINALIZED);
}

int gc_get_generation(const void *p)
{
    gl_object object;
    if (!gl_heap_find_exact((uintptr_t)p, &object)) {
        errno = EINVAL;
        return -1;
    }
    return object.state & GL_STATE_FROZEN ? GENERATION_FROZEN : GENERATION_YOUNG;
}
