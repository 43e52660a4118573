/* SPDX-License-Identifier: MIT */
/*
 * profile/profile.h - functions that are profiled while they run (doc/scopes.md).
 */
#ifndef GL_PROFILE_PROFILE_H
#define GL_PROFILE_PROFILE_H

#include <gleaner/scope.h>
#include <stdbool.h>
#include <stdint.h>

/* The function to which the code at `pc` belongs begins; `guard` lies in its frame. Returns the serial number
 * of the call in this thread; 0: it is not profiled, for lack of memory. */
uint64_t gl_profile_enter(const void *guard, gc_profile_site *site, uintptr_t pc);

/* It ends, and with it what longjmp() has passed over. */
void gl_profile_leave(const void *guard, uint64_t serial);

/* The calling thread has collected, because the program asked for it or not: bytes in objects have become
 * fewer by so much. */
void gl_profile_collected(uint64_t reclaimed_bytes, bool was_asked_for);

/* The calling thread ends. */
void gl_profile_thread_leaves(void);

/* While a report is being made, what it allocates itself is not attributed. Returns what to pass to the
 * second. */
bool gl_profile_pause(void);
void gl_profile_resume(bool was_paused);

/* Writes the report; false: the descriptor takes no more (errno EIO), or no memory (ENOMEM). */
bool gl_profile_write(int fd);

/* True if there is something to report. */
bool gl_profile_has_any(void);

#endif
