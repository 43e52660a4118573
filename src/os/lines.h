/* SPDX-License-Identifier: MIT */
/*
 * os/lines.h - from addresses to lines of source, by debug information (DWARF).
 *
 * libdw of elfutils reads it. It is loaded here, when the first report wants lines: it and what it needs are
 * five libraries of 1.2 MB, which a program that is never profiled shall not carry, and a
 * separate program for the reports would have to be found and run from inside an exit. It allocates with
 * malloc: to be called by reports only, with no lock held. Without libdw (at build time its headers) nothing
 * is found.
 */
#ifndef GL_OS_LINES_H
#define GL_OS_LINES_H

#include <stdbool.h>
#include <stdint.h>

/* The debug information of one file. Zeroed: none. */
typedef struct gl_lines {
    void *session, *dwarf;
} gl_lines;

/* False: no debug information there, or nothing to read it with; the struct is zeroed then. */
bool gl_lines_open(gl_lines *lines, const char *path);
void gl_lines_close(gl_lines *lines);

typedef struct gl_line_place {
    const char *file;    /* of the code at the address, or NULL; valid until gl_lines_close() */
    unsigned line;       /* 0: not known */
    unsigned first_line; /* of the function */
    unsigned end_line;   /* where the next function begins; UINT_MAX: there is none */
} gl_line_place;

/* The line of the function `name` to which the code at an address (as the file has it) belongs: where other
 * functions have been inlined, the line of the call; where that function itself has been inlined into
 * another, its own line all the same. */
bool gl_lines_find(const gl_lines *lines, uintptr_t address, const char *name, gl_line_place *place);

/* Calls fn for each line of that function, in the file of the code at the address, for which there is code, in
 * any order and more than once. Code of other functions that the compiler has mixed in is left out. */
void gl_lines_each(const gl_lines *lines, uintptr_t address, const char *name,
                   void (*fn)(unsigned line, void *arg), void *arg);

#endif
