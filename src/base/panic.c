/* SPDX-License-Identifier: MIT */
/* base/panic.c - the end of the program when the heap contradicts itself. */
#include "base/panic.h"

#include <stdlib.h>

#include "base/fmt.h"

void gl_panic(const char *why, const void *address, const char *function)
{
    gl_fmt line;
    gl_fmt_init(&line);
    gl_fmt_str(&line, "gleaner: ");
    gl_fmt_str(&line, function);
    gl_fmt_str(&line, ": ");
    gl_fmt_str(&line, why);
    if (address) {
        gl_fmt_str(&line, " (address ");
        gl_fmt_hex(&line, (uintptr_t)address);
        gl_fmt_str(&line, ")");
    }
    gl_fmt_str(&line, "\n");
    gl_fmt_write(&line, 2);
    abort();
}
