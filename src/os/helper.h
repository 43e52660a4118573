/* SPDX-License-Identifier: MIT */
/*
 * os/helper.h - short-lived threads for the collector's own work, while the world is stopped.
 *
 * A helper is a bare thread of the kernel, made by clone(): neither the C library nor the program
 * knows of it, nothing is allocated, and it exists only from start to join, so that no fork, no
 * debugger and no program that counts its threads ever meets an idle one. The price: it shares the
 * thread-local storage of its maker. So the function must not use thread-local variables, errno, or
 * anything of the C library but memory functions, and its maker must wait for it.
 *
 * Helpers run with all signals blocked, and so does their maker from gl_helpers_begin() to
 * gl_helpers_end(): a signal handler that forks would leave the child waiting for helpers that it does
 * not have.
 */
#ifndef GL_OS_HELPER_H
#define GL_OS_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gl_helper {
    volatile uint32_t tid; /* the kernel clears it, and wakes the waiter, when the helper is gone */
    void (*fn)(void *arg);
    void *arg;
} gl_helper;

enum { GL_HELPER_STACK_BYTES = 64 * 1024 };

/* True if this process may have helpers: not under a tool or a sanitizer that would not know them,
 * not inside a sandbox that the process has put itself in (which might kill it for a clone). */
bool gl_helper_is_allowed(void);

/* Processors that the calling thread may run on; at least 1. */
unsigned gl_helper_count_processors(void);

/* Around the life of all helpers; `saved` keeps the caller's signal mask. */
void gl_helpers_begin(uint64_t *saved);
void gl_helpers_end(const uint64_t *saved);

/* Runs fn(arg) beside the caller, on a stack of GL_HELPER_STACK_BYTES, aligned to 16. `helper` must
 * live until the join. False: the system refuses, and nothing runs. */
bool gl_helper_start(gl_helper *helper, void *stack, void (*fn)(void *arg), void *arg);

/* Waits until the helper is gone. */
void gl_helper_join(gl_helper *helper);

#endif
