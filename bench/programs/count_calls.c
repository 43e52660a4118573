/* SPDX-License-Identifier: MIT */
/* What gc_retain() and gc_release() are compared with, in a shared object of its own as they are. */
#include "count_calls.h"

#include <stdlib.h>

void *plain_retain(void *p)
{
    ((counted *)p)->plain++;
    return p;
}

int plain_release(void *p) { return --((counted *)p)->plain == 0; }

void *atomic_retain(void *p)
{
    atomic_fetch_add_explicit(&((counted *)p)->atomic, 1, memory_order_relaxed);
    return p;
}

int atomic_release(void *p)
{
    return atomic_fetch_sub_explicit(&((counted *)p)->atomic, 1, memory_order_acq_rel) == 1;
}

typedef struct header {
    long count;
    void (*destructor)(void *);
} header;

void *hand_new(size_t size, void (*destructor)(void *))
{
    header *h = calloc(1, sizeof *h + size);
    if (!h)
        return NULL;
    h->count = 1;
    h->destructor = destructor;
    return h + 1;
}

void *hand_retain(void *p)
{
    ((header *)p - 1)->count++;
    return p;
}

void hand_release(void *p)
{
    header *h = (header *)p - 1;
    if (--h->count == 0) {
        if (h->destructor)
            h->destructor(p);
        free(h);
    }
}
