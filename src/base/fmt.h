/* SPDX-License-Identifier: MIT */
/*
 * base/fmt.h - compose a line in a fixed buffer and write it with one system call: for messages
 * from places that must not allocate and must not use stdio.
 *
 * What does not fit is cut; the line still ends with a newline if the last thing added was one.
 */
#ifndef GL_BASE_FMT_H
#define GL_BASE_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GL_FMT_BYTES = 1024 };

typedef struct gl_fmt {
    size_t length;
    char text[GL_FMT_BYTES];
} gl_fmt;

void gl_fmt_init(gl_fmt *f);
void gl_fmt_str(gl_fmt *f, const char *s); /* NULL: "(null)" */
void gl_fmt_dec(gl_fmt *f, uint64_t v);
void gl_fmt_hex(gl_fmt *f, uintptr_t v);                       /* 0x... */
void gl_fmt_fixed(gl_fmt *f, uint64_t v, unsigned decimals);   /* v / 10^decimals: 1234,3 is 1.234 */
void gl_fmt_bytes(gl_fmt *f, uint64_t bytes);                  /* 12.3 MiB */

/* Writes the line to a descriptor, all of it; preserves errno; gives up on an error: then false. No signal
 * comes of it. */
bool gl_fmt_write(const gl_fmt *f, int fd);

/* The process is about to end: no line that cannot be written may hinder it. */
void gl_fmt_expect_end(void);

#endif
