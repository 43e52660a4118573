/* SPDX-License-Identifier: MIT */
/*
 * os/internal.h - what the files of os/ share: tables in memory of their own, small reads from
 * /proc, and the numbers in them. Nothing outside of os/ includes this.
 *
 * Nothing here touches errno, allocates from a heap, or leaves a descriptor open.
 */
#ifndef GL_OS_INTERNAL_H
#define GL_OS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/regions.h"

/* Enlarges a table that has a mapping of its own; NULL and 0 bytes: a new one. The new part is
 * zero. The sizes are rounded up to pages. NULL if memory is short: the old table stays valid. */
void *gl_os_table_grow(void *table, size_t old_bytes, size_t new_bytes);

void gl_os_table_free(void *table, size_t bytes);

/* Opens a file for reading, close-on-exec; negative: the negated error number. */
int gl_os_open(const char *path, int extra_flags);

/* Opens a file about the memory of the process: its name below /proc/thread-self and /proc/self. */
int gl_os_open_memory_file(const char *of_thread, const char *of_process);

/* One read() that is repeated when a signal interrupts it; 0: the end; negative: error. */
long gl_os_read(int fd, void *buffer, size_t bytes);
void gl_os_close(int fd);

/* Reads the start of a file into a buffer and ends it with NUL; returns the length, or a negated
 * error number (the buffer is "" then). */
long gl_os_read_file(const char *path, char *buffer, size_t bytes);

/* Reads a number at *at and moves *at behind it; no digit: 0, and *at stays. */
uint64_t gl_os_parse_dec(const char **at);
uint64_t gl_os_parse_hex(const char **at);

bool gl_os_starts_with(const char *text, const char *prefix);

/* One line of /proc/self/maps, with a newline at its end (here so that tests can bring their own). */
gl_region gl_regions_parse(const char *line);

/* Test hook: what gl_regions_present() may use from now on. */
typedef enum gl_presence_source {
    GL_PRESENCE_SCAN,    /* whatever there is: PAGEMAP_SCAN first */
    GL_PRESENCE_ENTRIES, /* /proc/self/pagemap */
    GL_PRESENCE_NONE     /* as if it could not be opened */
} gl_presence_source;
void gl_regions_inject_source(gl_presence_source source);

/* The memory limit as gl_os_cgroup_limit_bytes() finds it, from the text of a /proc/PID/cgroup
 * file and the place where the hierarchies are mounted (so that tests can bring their own). */
size_t gl_os_cgroup_limit_at(const char *membership, const char *mount_root);

#endif
