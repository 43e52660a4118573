/* SPDX-License-Identifier: MIT */
/*
 * api/asprintf.c - gc_asprintf(), the only call that needs the C library's formatted output.
 *
 * vsnprintf() may call malloc() for wide characters and long numbers: no lock is held here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <gleaner/gc.h>

enum { SHORT_BYTES = 256 }; /* most strings: formatted once, then copied */

int gc_asprintf(char **out, const char *format, ...)
{
    char text[SHORT_BYTES];
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    *out = NULL;
    int length = vsnprintf(text, sizeof text, format, list);
    char *copy = length < 0 ? NULL : gc_malloc_atomic((size_t)length + 1);
    if (copy && length < SHORT_BYTES) {
        memcpy(copy, text, (size_t)length + 1);
    } else if (copy) {
        length = vsnprintf(copy, (size_t)length + 1, format, again);
    }
    va_end(again);
    va_end(list);
    *out = copy;
    return copy ? length : -1;
}
