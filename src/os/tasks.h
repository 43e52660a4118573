/* SPDX-License-Identifier: MIT */
/*
 * os/tasks.h - the threads of the process as the kernel lists them. Private to os/.
 *
 * By raw system calls, without errno, locks and descriptors kept open.
 */
#ifndef GL_OS_TASKS_H
#define GL_OS_TASKS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* How many threads there are, the caller and a dead main thread included; 0 if that cannot be
 * told. One system call: the link count of /proc/self/task. */
size_t gl_tasks_count(void);

/* Calls fn(tid, arg) for each thread until fn returns false. Returns how many fn has seen; 0 if
 * there is no list (no /proc, no descriptor left). A list is not a snapshot, and may lack threads
 * if others end meanwhile: compare with gl_tasks_count(). Only one thread may call this. */
size_t gl_tasks_list(bool (*fn)(int tid, void *arg), void *arg);

typedef enum gl_task_kind {
    GL_TASK_ALIVE,
    GL_TASK_DEAD,   /* a zombie: it will run no more code of the program */
    GL_TASK_KERNEL, /* runs code of the kernel only (a worker of io_uring), takes no signals;
                       also the thread of ThreadSanitizer */
    GL_TASK_UNKNOWN /* cannot be told: it may not exist (ask gl_tasks_kill) */
} gl_task_kind;

gl_task_kind gl_tasks_kind(int tid);

/* True if the signal waits to be delivered to that very thread. */
bool gl_tasks_has_pending(int tid, int signal);

/* The kernel's word, never a cached one. */
int gl_tasks_self(void);
int gl_tasks_process(void);

/* Sends a signal (0: none, only the check) to a thread of this process; 0 or a negated error. */
int gl_tasks_kill(int process, int tid, int signal);

/* Sends the suspend signal: with a mark by which its handler can tell it from one that the program
 * sent. Where the system refuses that, without: then any signal of this process counts as ours. */
int gl_tasks_suspend(int process, int tid, int signal);
bool gl_tasks_is_ours(const siginfo_t *info);

#endif
