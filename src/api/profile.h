/* SPDX-License-Identifier: MIT */
/* api/profile.h - profiled functions at exit. */
#ifndef GL_API_PROFILE_H
#define GL_API_PROFILE_H

/* Writes the report of GC_PROFILE, if a function was profiled. */
void gl_profile_write_at_exit(void);

#endif
