/* SPDX-License-Identifier: MIT */
/* What gc_retain() and gc_release() are compared with, in a shared object of its own as they are. */
#include "count_calls.h"

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
