/* SPDX-License-Identifier: MIT */
/*
 * api/options.h - reads the options of base/knobs.def from the environment and from lists.
 *
 * Sources, each of which wins over those before it: the defaults, GLEANER_OPTIONS, GLEANER_<KEY>,
 * gc_init(). Reading changes a gl_knobs of the caller; gl_options_commit() makes it the one that
 * every layer sees.
 *
 * FAULTS. An unknown key or a bad value is ignored, with one line on stderr that names it, the
 * reason and the nearest names. What the whole start makes of it is gl_options_accept().
 *
 * Nothing here allocates or uses stdio: it runs inside the first malloc of the process.
 */
#ifndef GL_API_OPTIONS_H
#define GL_API_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/knobs.h"

/* What was wrong while options were read. */
typedef struct gl_option_faults {
    uint32_t n_faults;        /* unknown keys and bad values */
    uint32_t n_not_available; /* known values that this version cannot serve: modes to come */
} gl_option_faults;

/* The table, a row per line of knobs.def. */
typedef enum gl_knob_type {
    GL_KNOB_TYPE_FLAG,
    GL_KNOB_TYPE_COUNT,
    GL_KNOB_TYPE_BYTES,
    GL_KNOB_TYPE_CHOICE,
    GL_KNOB_TYPE_TEXT
} gl_knob_type;

typedef struct gl_knob {
    const char *name;
    const char *choices; /* "a|b|c" for CHOICE, else "" */
    uint64_t initial, min, max;
    size_t offset; /* of the member of gl_knobs */
    gl_knob_type type;
} gl_knob;

extern const gl_knob gl_knob_table[];
extern const size_t gl_n_knobs;

void gl_options_defaults(gl_knobs *knobs);

/* `environment` as from gl_environment(); NULL: none. */
void gl_options_read_environment(gl_knobs *knobs, char *const *environment,
                                 gl_option_faults *faults);

/* "key=value:key=value". `where` names the source in messages: "gc_init". */
void gl_options_read_list(gl_knobs *knobs, const char *list, const char *where,
                          gl_option_faults *faults);

/* Whether to go on with these options: not with a mode that is not there, and not with any fault if
 * strict=1. Says why on stderr if not. */
bool gl_options_accept(const gl_knobs *knobs, const gl_option_faults *faults);

/* Makes them the options of the process. After the start, only gc_init() does this. */
void gl_options_commit(const gl_knobs *knobs);

/* A copy of an option that is a text, safe against a commit at the same time. */
void gl_options_copy_text(gl_knob_text *copy, const gl_knob_text *option);

/* In the child of a fork. */
void gl_options_after_fork_child(void);

#endif
