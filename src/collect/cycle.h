/* SPDX-License-Identifier: MIT */
/* collect/cycle.h - the collector's inside view of the cycle; the outside one is collect.h. */
#ifndef GL_COLLECT_CYCLE_H
#define GL_COLLECT_CYCLE_H

#include "collect/collect.h"
#include "collect/mark.h"

void gl_cycle_open(void); /* collections may begin */

/* Makes what every collection needs, if it is not there. Each collection calls it, too. False: no
 * memory. */
bool gl_cycle_prepare(void);

/* As gl_collect(), but gives up (SKIPPED) if another thread is collecting. */
gl_cycle_result gl_cycle_try(int generation, gc_reason reason);

/* Calls the visitor for each allocated object while the world stands. False: it did not stop. */
typedef bool gl_cycle_visitor(const gl_object *object, void *unused);
bool gl_cycle_with_stopped_world(gl_cycle_visitor *visitor);

/* For tests. */
gl_marker *gl_cycle_marker(void);

#endif
