/* SPDX-License-Identifier: MIT */
/* malloc/calls.c - where the C library's functions are, and the time that is left of a call. */
#include "malloc/calls.h"

enum { NS_PER_S = 1000000000, NS_PER_MS = 1000000 };

/* ---- The functions behind ours --------------------------------------------------------------- */

gl_real_calls gl_real_table;
volatile uint32_t gl_real_is_found;

/* Stands for a function that this C library does not have. */
static long is_missing(void)
{
    errno = ENOSYS;
    return -1;
}

static void *find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    return found ? found : (void *)(uintptr_t)is_missing;
}

/* Threads that come at the same time all find the same. */
__attribute__((cold)) void gl_calls_find(void)
{
#define GL_FIND(name) gl_real_table.name = (__typeof__(&(name)))(uintptr_t)find(#name);
    GL_REAL_CALLS(GL_FIND)
#undef GL_FIND
    gl_store32_release(&gl_real_is_found, 1);
}

__attribute__((constructor)) static void find_early(void)
{
    (void)gl_real();
}

/* ---- Time ------------------------------------------------------------------------------------ */

uint64_t gl_call_ns_of(const struct timespec *t)
{
    uint64_t ns;
    if (__builtin_mul_overflow((uint64_t)t->tv_sec, (uint64_t)NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, (uint64_t)t->tv_nsec, &ns)) {
        return UINT64_MAX;
    }
    return ns;
}

struct timespec gl_call_timespec(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
    return t;
}

uint64_t gl_call_left_ns(const gl_call *call, uint64_t timeout_ns)
{
    uint64_t end_ns, now_ns = gl_os_now_ns();
    if (__builtin_add_overflow(call->start_ns + gl_os_coarse_step_ns(), timeout_ns, &end_ns)) {
        return UINT64_MAX;
    }
    return end_ns > now_ns ? end_ns - now_ns : 0;
}

int gl_call_left_ms(const gl_call *call, int timeout_ms)
{
    uint64_t left_ns = gl_call_left_ns(call, (uint64_t)timeout_ms * NS_PER_MS);
    uint64_t left_ms = left_ns / NS_PER_MS + (left_ns % NS_PER_MS != 0);
    return left_ms < (uint64_t)timeout_ms ? (int)left_ms : timeout_ms;
}

struct timespec gl_call_left(const gl_call *call, const struct timespec *timeout)
{
    return gl_call_timespec(gl_call_left_ns(call, gl_call_ns_of(timeout)));
}
