/* SPDX-License-Identifier: MIT */
/*
 * os/unwind.h - the frames above the calling one, by the unwinder of libgcc.
 *
 * That library is loaded at the first question, if the program does not have it: programs that never ask
 * are spared one more library at their start. No lock may be held at that first question.
 */
#ifndef GL_OS_UNWIND_H
#define GL_OS_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

/* True if frames can be walked. */
bool gl_unwind_load(void);

/* Calls fn(pc, bottom, arg) for each frame from the caller's upwards, until it returns false. `pc`: where the
 * frame goes on; `bottom`: its lowest address, the stack pointer when what it has called returns. */
void gl_unwind_walk(bool (*fn)(uintptr_t pc, uintptr_t bottom, void *arg), void *arg);

#endif
