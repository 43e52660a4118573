/* SPDX-License-Identifier: MIT */
/* api/environment.h - where the environment is, even before the C library knows. */
#ifndef GL_API_ENVIRONMENT_H
#define GL_API_ENVIRONMENT_H

/* The variables, ended by NULL; NULL if there are none. */
char *const *gl_environment(void);

#endif
