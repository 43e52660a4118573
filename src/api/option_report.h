/* SPDX-License-Identifier: MIT */
/* api/option_report.h - the lines that say what is wrong with an option. */
#ifndef GL_API_OPTION_REPORT_H
#define GL_API_OPTION_REPORT_H

#include "api/options.h"

/* A piece of a string. */
typedef struct gl_slice {
    const char *at;
    size_t length;
} gl_slice;

typedef enum gl_option_fault {
    GL_OPTION_OK,
    GL_OPTION_UNKNOWN,
    GL_OPTION_NO_VALUE, /* no '=' */
    GL_OPTION_NOT_A_FLAG,
    GL_OPTION_NOT_A_NUMBER,
    GL_OPTION_NOT_BYTES,
    GL_OPTION_OUT_OF_RANGE,
    GL_OPTION_NO_SUCH_CHOICE,
    GL_OPTION_NOT_AVAILABLE, /* a choice that a later version has */
    GL_OPTION_TOO_LONG
} gl_option_fault;

/* One option as it was given. */
typedef struct gl_option_given {
    const char *where; /* "GLEANER_OPTIONS", "gc_init"; NULL: a variable GLEANER_<KEY> of its own */
    const gl_knob *knob; /* NULL if unknown */
    gl_slice key, value;
} gl_option_given;

/* Writes one line to stderr. */
void gl_option_report(const gl_option_given *given, gl_option_fault fault);

#endif
