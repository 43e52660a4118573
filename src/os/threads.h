/* SPDX-License-Identifier: MIT */
/*
 * os/threads.h - the platform contract for stopping the world.
 *
 * A thread needs no registration: the threads to stop are the entries of /proc/self/task. Each
 * gets the suspend signal; its handler puts a node, which lies on its own stack, on a list and
 * waits. The registers of the thread are then in its signal frame, above the node, so whoever
 * scans from the node to the top of the stack sees them, vector registers included. Where /proc is
 * missing, the threads that called gl_threads_register() are stopped.
 *
 * Locks: gl_threads_stop() is called with GL_RANK_COLLECT and all heap locks held, so that no
 * stopped thread can hold one; it takes no lock of a lower rank than GL_RANK_OS.
 */
#ifndef GL_OS_THREADS_H
#define GL_OS_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the collector knows of a stopped thread (or of the calling one). */
typedef struct gl_stopped_thread {
    struct gl_stopped_thread *next;
    uintptr_t stack_pointer;  /* scan from here upwards; lowest address that is in use */
    uintptr_t interrupted_stack_pointer; /* lowest address that the interrupted code uses. Mostly
                                            above stack_pointer and on the same stack; on another
                                            one if the handler ran on an alternate signal stack:
                                            then scan from both */
    uintptr_t thread_pointer; /* of the thread control block */
    int tid;
} gl_stopped_thread;

/* Chooses the suspend signal and installs its handler (SA_RESTART | SA_SIGINFO | SA_ONSTACK, all
 * signals blocked while it runs). Once. `signal` 0: the default, SIGRTMAX - 4. */
void gl_threads_init(int signal);
int gl_threads_signal(void);

/* For systems without /proc: the calling thread comes, and goes. Cheap, idempotent, no
 * allocation from the heap. */
void gl_threads_register(void);
void gl_threads_unregister(void);

/* Stops all other threads. True: they all stand (or are in a blocking region), and
 * gl_threads_stopped() lists them. False: some thread did not stop within `timeout_ns` (it blocks
 * every signal, say); the others have been resumed. Threads that exit, or are born, meanwhile are
 * dealt with. */
bool gl_threads_stop(uint64_t timeout_ns);
void gl_threads_resume(void);

/* The list of stopped threads, valid until gl_threads_resume(). The caller is not in it. */
const gl_stopped_thread *gl_threads_stopped(void);

/* Calls fn(self, arg) with the callee-saved registers of the calling thread spilled to its stack,
 * above self->stack_pointer. */
void gl_threads_with_registers(void (*fn)(const gl_stopped_thread *self, void *arg), void *arg);

/* Makes every thread of the process pass a memory barrier, between two instructions of its own. False: the
 * system has no such call, or does not allow it. */
bool gl_threads_barrier(void);

/* A region in which the thread neither gets the suspend signal nor touches the heap: enter spills
 * the registers and publishes the stack pointer, then calls fn(arg) and, on leaving, waits until no
 * stop is under way. Returns what fn returns. Nests (an inner call just calls fn). */
void *gl_threads_blocking(void *(*fn)(void *), void *arg);

/* For a call into the heap from inside a blocking region: leaves the region (waiting for a stop
 * that is under way) and returns true if there was one to re-enter with gl_threads_reenter(). */
bool gl_threads_leave(void);
void gl_threads_reenter(void);

/* Calls fn(tid, arg) for each thread that took no signal in an earlier stop, and still has not. */
void gl_threads_each_unstopped(void (*fn)(int tid, void *arg), void *arg);

/* True while the world is stopped by the calling process (for checks). */
bool gl_threads_world_is_stopped(void);

/* True if the calling thread is the main thread, and the C library has made no other. */
bool gl_threads_is_alone(void);

/* In the child of a fork: only this thread is left. Where it was alone before the fork, nothing is
 * written but its own thread-local storage: each page that the child writes is copied. */
void gl_threads_after_fork(void);
void gl_threads_after_fork_alone(void);

/* This thread's kernel id, cached per thread, right after fork too. */
int gl_threads_tid(void);

/* The address of the calling thread's control block. */
uintptr_t gl_threads_pointer(void);

/* How many threads the process has, from /proc; 0 if that cannot be told. */
size_t gl_threads_count(void);

#endif
