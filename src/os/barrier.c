/* SPDX-License-Identifier: MIT */
/* os/barrier.c - a memory barrier in every thread, so that what threads do often needs none. */
#include "base/syscall.h"
#include "os/threads.h"

/* From linux/membarrier.h (since 4.14). */
enum { PRIVATE_EXPEDITED = 1 << 3, REGISTER_PRIVATE_EXPEDITED = 1 << 4 };

static bool try_barrier(long command) { return gl_syscall3(SYS_membarrier, command, 0, 0) == 0; }

bool gl_threads_barrier(void)
{
    return try_barrier(PRIVATE_EXPEDITED) ||
           (try_barrier(REGISTER_PRIVATE_EXPEDITED) && try_barrier(PRIVATE_EXPEDITED));
}
