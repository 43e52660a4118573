/* SPDX-License-Identifier: MIT */
/* api/write.h - append a line to a file. */
#ifndef GL_API_WRITE_H
#define GL_API_WRITE_H

#include <stdbool.h>

#include "base/fmt.h"

/* Begins a line of statistics or findings: "pid=... program=..."; one word each. */
void gl_write_begin(gl_fmt *line);

/* Opens a file for appending, and makes it if need be. Negative: it cannot be, and that has been said. */
int gl_write_open(const char *path);

/* Says on stderr that the file cannot be written to, the first time. */
void gl_write_complain(const char *path);

/* Opens, appends the line with one write, closes: whatever the program does with descriptors
 * (daemons close them all, shells hand them on) cannot disturb it. Makes the file if need be.
 * The first time that a file cannot be opened, says so on stderr. Not a cancellation point;
 * preserves errno. */
void gl_write_append(const char *path, const gl_fmt *line);

#endif
