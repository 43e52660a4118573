/* SPDX-License-Identifier: MIT */
/* api/stats.h - statistics of the process as a line in a file. */
#ifndef GL_API_STATS_H
#define GL_API_STATS_H

/* Appends one line to the file of option stats_file, if there is one: at the end of the process. */
void gl_stats_write_file(void);

#endif
