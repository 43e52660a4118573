/* SPDX-License-Identifier: MIT */
/*
 * base/confine.h - which system calls a process may still make that has confined itself by seccomp.
 *
 * A filter names the calls that the program means to make, and most filters kill the process for
 * any other: for ours, then, which the program knows nothing of. So each filter that the program
 * installs is kept here, and asked before each of our calls; what it would punish is not made, and
 * fails with EPERM. What depends on the call must be able to do without: a collection is given up,
 * memory is not given back.
 *
 * Filters that the process was started with (by a container, say) are not known. Those let a program
 * do what programs do, or answer with an error.
 *
 * Locks: none. Filters are added, never removed, but for the last one if it could not be installed.
 */
#ifndef GL_BASE_CONFINE_H
#define GL_BASE_CONFINE_H

#include <stdbool.h>

struct sock_fprog;

/* True from the first filter on. */
extern volatile bool gl_confine_is_on __attribute__((visibility("hidden")));

/* Remembers a filter that is about to be installed. If there is no memory or no room for it, no call
 * is allowed from now on but those of the strict mode. */
void gl_confine_add(const struct sock_fprog *filter);

/* The same for the strict mode: read, write, exit. */
void gl_confine_add_strict(void);

/* The last one was not installed. */
void gl_confine_withdraw(void);

/* Whether the call would be punished, or answered by a lie. */
bool gl_confine_forbids(long number, const long arguments[6]);

#endif
