/* SPDX-License-Identifier: MIT */
/*
 * os/handlers.c - the program's signal handlers, behind a function that counts them.
 *
 * The kernel's action has the program's flags and mask, and our function. An entry of the table is
 * written before the kernel is told; a child of vfork, which shares our memory, mostly goes back to
 * the default action, which leaves the table alone. Calls to the kernel by hand are not seen: their
 * handlers are not counted.
 *
 * Locks: none; sigaction() may be called from a handler.
 */
#include "os/handlers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "os/threads.h"

enum { N_SIGNALS = 64 };

__thread volatile unsigned gl_handled_signals;

typedef void handler_fn(int signal, siginfo_t *info, void *context);

static volatile gl_word handlers[N_SIGNALS + 1]; /* handler_fn *, the program's */

/* A handler without SA_SIGINFO gets two arguments more than it looks at, as from the kernel. */
static void count_and_go_on(int signal, siginfo_t *info, void *context)
{
    gl_handled_signals++;
    ((handler_fn *)gl_load_relaxed(&handlers[signal]))(signal, info, context);
}

static bool is_handler(uintptr_t handler)
{
    return handler != (uintptr_t)SIG_DFL && handler != (uintptr_t)SIG_IGN &&
           handler != (uintptr_t)SIG_ERR && handler != (uintptr_t)SIG_HOLD;
}

static bool is_for_us(int signal)
{
    return signal > 0 && signal <= N_SIGNALS && signal != gl_threads_signal();
}

/* Puts a handler into the table; what the kernel is to call instead. A program may hand back what it
 * has got from a function that we do not stand before. */
static uintptr_t enter(int signal, uintptr_t handler)
{
    if (!is_handler(handler))
        return handler;
    if (handler != (uintptr_t)count_and_go_on)
        gl_store_relaxed(&handlers[signal], handler);
    return (uintptr_t)count_and_go_on;
}

/* The other way round; `before` is what the table had. */
static uintptr_t translate(uintptr_t handler, uintptr_t before)
{
    return handler == (uintptr_t)count_and_go_on ? before : handler;
}

int gl_handlers_sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    if (!is_for_us(signal))
        return gl_libc_sigaction(signal, action, old);
    uintptr_t before = gl_load_relaxed(&handlers[signal]);
    struct sigaction installed;
    if (action) {
        installed = *action;
        installed.sa_handler = (sighandler_t)enter(signal, (uintptr_t)action->sa_handler);
    }
    int r = gl_libc_sigaction(signal, action ? &installed : NULL, old);
    if (r != 0)
        gl_store_relaxed(&handlers[signal], before);
    else if (old)
        old->sa_handler = (sighandler_t)translate((uintptr_t)old->sa_handler, before);
    return r;
}

sighandler_t gl_handlers_signal(int signal, sighandler_t handler,
                                sighandler_t libc(int signal, sighandler_t handler))
{
    if (!is_for_us(signal))
        return libc(signal, handler);
    uintptr_t before = gl_load_relaxed(&handlers[signal]);
    sighandler_t old = libc(signal, (sighandler_t)enter(signal, (uintptr_t)handler));
    if (old == SIG_ERR)
        gl_store_relaxed(&handlers[signal], before);
    return (sighandler_t)translate((uintptr_t)old, before);
}
