/* SPDX-License-Identifier: MIT */
/*
 * api/environment.c - the environment, from the first malloc of the process on.
 *
 * The C library sets `environ` in its own initialiser. Before that run the functions in the
 * program's DT_PREINIT_ARRAY, and whatever they allocate starts a preloaded library; then
 * the environment is found where the kernel put it: above the arguments, at the end of the stack.
 */
#include "api/environment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

extern void *__libc_stack_end; /* of the dynamic loader, and of a static libc */

/* Constructors run after those of the C library. Then a NULL `environ` means clearenv(). Volatile:
 * clang runs simple constructors at compile time. */
static volatile bool is_libc_ready;

__attribute__((constructor)) static void note_libc(void)
{
    is_libc_ready = true;
}

static char *const *initial_environment(void)
{
    const uintptr_t *argument_count = __libc_stack_end;
    if (!argument_count) {
        return NULL;
    }
    return (char *const *)(argument_count + 1 + *argument_count + 1);
}

char *const *gl_environment(void)
{
    return environ || is_libc_ready ? environ : initial_environment();
}
