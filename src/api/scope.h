/* SPDX-License-Identifier: MIT */
/* api/scope.h - the scopes at exit. */
#ifndef GL_API_SCOPE_H
#define GL_API_SCOPE_H

/* A line on stderr for each scope, if the option `scopes` asks for it. */
void gl_scope_write_lines(void);

#endif
