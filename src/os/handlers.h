/* SPDX-License-Identifier: MIT */
/*
 * os/handlers.h - counts the signal handlers of the program that run in a thread.
 *
 * A system call that a handler of the program has ended stands there with EINTR until the handler
 * returns. If the suspend signal comes in that moment, it looks as if it had ended the call. So the
 * kernel calls our function for each signal for which the program has one, which counts and goes on
 * to the program's. Whoever asks for the action of a signal is told the program's.
 */
#ifndef GL_OS_HANDLERS_H
#define GL_OS_HANDLERS_H

#include <signal.h>

#include "base/sanitize.h"

/* The C library's own function, under a name that nobody replaces. ThreadSanitizer has a table and a function
 * of its own around each handler, and must see ours installed, too. */
#if GL_HAS_TSAN
#define gl_libc_sigaction sigaction
#else
extern int __sigaction(int signal, const struct sigaction *action, struct sigaction *old);
#define gl_libc_sigaction __sigaction
#endif

/* Of this thread; wraps around. */
extern __thread volatile unsigned gl_handled_signals;

/* What sigaction() does, for any signal but the suspend signal. */
int gl_handlers_sigaction(int signal, const struct sigaction *action, struct sigaction *old);

/* What signal() does; `libc` is that one of the C library's functions which sets the flags. */
sighandler_t gl_handlers_signal(int signal, sighandler_t handler,
                                sighandler_t libc(int signal, sighandler_t handler));

#endif
