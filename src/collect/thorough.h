/* SPDX-License-Identifier: MIT */
/*
 * collect/thorough.h - looks for pointers that marking does not look for, before memory that the program
 * never freed is reclaimed.
 *
 * Marking reads aligned words, and takes a pointer one past the end of a small object for a pointer to
 * the next (heap/types.h: SLACK). Programs keep pointers in packed structures, too: Ruby has one at a
 * multiple of four, and the kernel's epoll_event is packed. To mark in that way would double what marking
 * costs and keep twice the garbage. But only few objects are ever about to be reclaimed unfreed; so they
 * alone pay: all roots, and everything that was reached, is read once more, in order of addresses, at
 * every fourth byte.
 */
#ifndef GL_COLLECT_THOROUGH_H
#define GL_COLLECT_THOROUGH_H

#include "collect/mark.h"

/* Marks what the objects that are marked now refer to in this way; the caller drains. */
void gl_thorough_mark_heap(gl_marker *marker);

#endif
