/* SPDX-License-Identifier: MIT */
/* api/init.h - gc_config, the options that a program sets itself. */
#ifndef GL_API_INIT_H
#define GL_API_INIT_H

#include <gleaner/gc.h>

#include "api/options.h"

/* Copies what the caller's version of the structure has, the rest is 0. False if a member has a
 * value that it cannot have. */
bool gl_config_read(const gc_config *config, gc_config *complete);

/* Sets the members that are not 0, then `options`, which wins: it is what a program passes on from
 * its own user. */
void gl_config_apply(const gc_config *complete, gl_knobs *knobs, gl_option_faults *faults);

#endif
