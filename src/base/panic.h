/* SPDX-License-Identifier: MIT */
/* base/panic.h - stop the program with one line on stderr, without allocating. */
#ifndef GL_BASE_PANIC_H
#define GL_BASE_PANIC_H

/* Writes "gleaner: <function>: <why> (address 0x...)" to descriptor 2 and aborts. `address` may
 * be NULL. Safe in a signal handler and with any lock held. */
_Noreturn void gl_panic(const char *why, const void *address, const char *function);

#endif
