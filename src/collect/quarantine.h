/* SPDX-License-Identifier: MIT */
/*
 * collect/quarantine.h - mode `safe`: which freed objects may be used again.
 *
 * A pass is an ordinary collection with two differences. Memory from malloc that is not freed is never
 * reclaimed, so all of it is marked before marking begins and is read as one long root (collect/linear.h).
 * And what is in quarantine begins unmarked, whatever its kind: if a word refers to it, it is marked, and
 * waits on, with all that it refers to itself; if not, the flip makes it free like any dead object.
 *
 * So what is released is exactly what no word refers to at that moment, and nothing but a hidden pointer
 * can bring it back. How much may be freed between two passes is gl_pacer_quarantine() in pacer.h.
 */
#ifndef GL_COLLECT_QUARANTINE_H
#define GL_COLLECT_QUARANTINE_H

#include "collect/collect.h"
#include "collect/mark.h"

/* Sets the mark bits of a small block of malloc's: all, but of what is in quarantine. */
void gl_quarantine_premark(uint32_t block);

/* Once the bitmap is prepared: lets ranges be read only for objects that may be unmarked. */
void gl_quarantine_watch(gl_marker *marker);

/* After marking, before the flip: counts what is released and what is held. */
void gl_quarantine_settle(gl_quarantine_report *report);

#endif
