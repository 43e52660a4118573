/* SPDX-License-Identifier: MIT */
/*
 * os/interrupted.h - which system calls ended early because of the suspend signal, and for no other
 * reason.
 *
 * SA_RESTART lets the kernel repeat most calls by itself, but nanosleep, poll, select, epoll_wait,
 * semop, calls on sockets with a timeout and others end with EINTR after any handler, and a blocking
 * write ends with a part of its data written. Whoever wraps such a call compares the counter before
 * and after it: if it changed, the call is to be repeated, and no signal of the program's own has
 * been seen by it.
 */
#ifndef GL_OS_INTERRUPTED_H
#define GL_OS_INTERRUPTED_H

/* Of this thread; wraps around. Written by the suspend handler. */
extern __thread volatile unsigned gl_interrupted_calls;

/* The last act of the suspend handler: looks at what the signal has interrupted, and counts. Where
 * the kernel is about to repeat a call that a signal of the program, which has come meanwhile, would
 * have ended, it lets the call end. */
void gl_interrupted_note(void *signal_context);

#endif
