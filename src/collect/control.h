/* SPDX-License-Identifier: MIT */
/*
 * collect/control.h - when collections happen and what is remembered of them: settings, the pacer's
 * state, thresholds, counters.
 */
#ifndef GL_COLLECT_CONTROL_H
#define GL_COLLECT_CONTROL_H

#include "collect/collect.h"

/* The policy of roots (collect/roots.c). Fixed at start. */
bool gl_control_scans_process(void);

uint64_t gl_control_next_sequence(void);

/* A collection has ended, or was given up. The lock of the cycle is held. */
void gl_control_finished(const gl_cycle_report *report);
void gl_control_skipped(void);
uint64_t gl_control_cycle_ns(void); /* since the last collection ended */

void gl_control_after_fork_child(void);

/* Callbacks of the user, around which a collection from inside is BUSY. No lock held. */
bool gl_control_is_in_callback(void);
void gl_control_callback_start(const gl_cycle_report *report);
void gl_control_callback_stop(const gl_cycle_report *report);

#endif
