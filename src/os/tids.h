/* SPDX-License-Identifier: MIT */
/*
 * os/tids.h - what one stop knows of each thread id: a hash table in memory of its own. Private to
 * os/; used by the thread that stops the world only.
 *
 * Emptying the table is free: an entry counts only if it carries the number of the present stop.
 */
#ifndef GL_OS_TIDS_H
#define GL_OS_TIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum gl_tid_state {
    GL_TID_NEW,       /* no entry before */
    GL_TID_SIGNALLED, /* the signal is under way */
    GL_TID_PARKED,    /* it stands in the handler */
    GL_TID_HELD,      /* it is in a blocking region and cannot leave it */
    GL_TID_GONE,      /* dead */
    GL_TID_KERNEL     /* a kernel worker */
} gl_tid_state;

typedef struct gl_tid_entry {
    uint32_t stop; /* the stop that it belongs to */
    int tid;
    gl_tid_state state;
} gl_tid_entry;

void gl_tids_clear(void);

/* The entry of the thread; a new one has GL_TID_NEW. NULL if memory is short. Valid until the next
 * call. */
gl_tid_entry *gl_tids_at(int tid);

/* Calls fn for each entry that was GL_TID_SIGNALLED; fn may change its state. */
void gl_tids_each_signalled(void (*fn)(gl_tid_entry *entry, void *arg), void *arg);

#endif
