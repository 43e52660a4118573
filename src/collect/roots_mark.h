/* SPDX-License-Identifier: MIT */
/* collect/roots_mark.h - the collector's side of roots.c. */
#ifndef GL_COLLECT_ROOTS_MARK_H
#define GL_COLLECT_ROOTS_MARK_H

#include "collect/mark.h"
#include "os/images.h"
#include "os/regions.h"
#include "os/threads.h"

/* GL_RANK_API: held from before the stop to the end of marking, and over a fork. */
void gl_roots_lock(void);
void gl_roots_unlock(void);
void gl_roots_after_fork_child(void);

/* Marks from all roots. `images` NULL: the PROCESS policy. The world is stopped. Returns the bytes
 * scanned, at least 1; 0 if the process's memory could not be listed: then nothing may be
 * reclaimed. */
uint64_t gl_roots_mark(gl_marker *marker, const gl_stopped_thread *self,
                       const gl_stopped_thread *others, const gl_images *images);

#endif
