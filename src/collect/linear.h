/* SPDX-License-Identifier: MIT */
/*
 * collect/linear.h - reads the heap in order of addresses, beside marking, which follows pointers.
 *
 * THOROUGHLY. Marking reads aligned words, and takes a pointer one past the end of a small object for a
 * pointer to the next (heap/types.h: SLACK). Programs keep pointers in packed structures, too: Ruby has one
 * at a multiple of four, and the kernel's epoll_event is packed. To mark in that way would double what
 * marking costs and keep twice the garbage. But only few objects are ever about to be reclaimed unfreed
 * (collect/lost.h); so they alone pay: all roots, and everything that was reached, is read once more, at
 * every fourth byte.
 *
 * FOR THE QUARANTINE all memory of malloc's is a root, whether reached or not, and all that one wants to
 * know is which freed objects it refers to. In order of addresses that is a matter of memory bandwidth.
 */
#ifndef GL_COLLECT_LINEAR_H
#define GL_COLLECT_LINEAR_H

#include "collect/mark.h"

/* Marks what the objects that are marked now, with those that are condemned or without, refer to
 * (gl_marker_be_thorough()); the caller drains. */
void gl_linear_mark_from_live(gl_marker *marker, bool with_condemned);

/* Marks what the memory of malloc's that the program has refers to. */
void gl_linear_mark_from_malloc(gl_marker *marker);

#endif
