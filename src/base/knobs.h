/* SPDX-License-Identifier: MIT */
/* base/knobs.h - the values of the options, readable by every layer, written by api/options.c. */
#ifndef GL_BASE_KNOBS_H
#define GL_BASE_KNOBS_H

#include <stdint.h>

enum { GL_KNOB_TEXT_BYTES = 256 };

#define GL_KNOB_FIELD_FLAG uint64_t
#define GL_KNOB_FIELD_COUNT uint64_t
#define GL_KNOB_FIELD_BYTES uint64_t
#define GL_KNOB_FIELD_CHOICE uint64_t
#define GL_KNOB_FIELD_TEXT gl_knob_text

typedef struct gl_knob_text {
    char text[GL_KNOB_TEXT_BYTES];
} gl_knob_text;

/* One member per line of knobs.def. Writer: initialisation, one thread. */
typedef struct gl_knobs {
#define GL_KNOB(name, type, initial, min, max, choices, help) GL_KNOB_FIELD_##type name;
#include "base/knobs.def"
#undef GL_KNOB
} gl_knobs;

enum { GL_MODE_COLLECT = 0, GL_MODE_MALLOC = 1, GL_MODE_SAFE = 2 };
enum { GL_HUGE_PAGES_AUTO = 0, GL_HUGE_PAGES_NEVER = 1, GL_HUGE_PAGES_ALWAYS = 2 };
enum { GL_FINALIZERS_ALLOCATING = 0, GL_FINALIZERS_THREAD = 1, GL_FINALIZERS_EXPLICIT = 2 };
enum { GL_ROOTS_AUTO = 0, GL_ROOTS_IMAGES = 1, GL_ROOTS_PROCESS = 2 };

extern gl_knobs gl_options;

#endif
