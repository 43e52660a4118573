/* SPDX-License-Identifier: MIT */
/*
 * collect/finalize_run.c - who runs what waits, and when.
 *
 * A function of the program's may do anything: allocate, collect, attach finalizers, leave by an exception
 * or longjmp(), never return. It is taken off the queue before it is called, and no lock is held, so
 * all that it can hold up is its own thread.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/knobs.h"
#include "collect/control.h"
#include "collect/finalize_internal.h"
#include "heap/heap.h"
#include "os/threads.h"

static struct {
    volatile gl_word has_thread; /* in this process; writer: who starts it, by compare-and-swap */
    volatile uint32_t n_wakes;   /* the thread sleeps on it */
} runner;

/* ---- One thread ----------------------------------------------------------------------------- */

/* The frame in which this thread runs finalizers; 0: it does not. */
static __thread uintptr_t running_frame;

/* A frame below the present one was left by longjmp(). */
static bool is_inside(uintptr_t frame)
{
    return running_frame > frame;
}

static void end_running(uintptr_t *frame)
{
    (void)frame;
    running_frame = 0;
}

static bool try_next(gl_finalize_item *item)
{
    gl_weak_lock();
    uint32_t number = gl_finalize_next_locked();
    if (number) {
        *item = gl_finalize_take_locked(number);
    }
    gl_weak_unlock();
    return number != 0;
}

size_t gl_finalize_run(size_t max)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (is_inside(here)) {
        return 0;
    }
    uintptr_t frame __attribute__((cleanup(end_running), unused)) = running_frame = here;
    gl_finalize_item item;
    size_t n = 0;
    while ((max == 0 || n < max) && try_next(&item)) {
        gl_finalize_call(&item);
        n++;
    }
    return n;
}

/* ---- A thread for it ------------------------------------------------------------------------ */

/* A finalizer may end its thread: the next collection starts another. */
static void end_serving(int *unused)
{
    (void)unused; /* what a cleanup is given */
    gl_store_release(&runner.has_thread, 0);
}

static void *serve(void *has_ended)
{
    int guard __attribute__((cleanup(end_serving), unused)) = 0;
    while (!has_ended) {
        uint32_t n_wakes = gl_load32_acquire(&runner.n_wakes);
        if (gl_finalize_run(0) == 0) {
            gl_futex_wait(&runner.n_wakes, n_wakes, 0);
        }
    }
    return NULL;
}

/* Signals are for the program's own threads. */
static bool start_thread(void)
{
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool is_started = pthread_create(&thread, NULL, serve, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (is_started) {
        pthread_detach(thread);
    }
    return is_started;
}

static bool ensure_thread(void)
{
    if (!gl_cas_full(&runner.has_thread, 0, 1)) {
        return true;
    }
    bool is_started = start_thread();
    if (!is_started) {
        gl_store_release(&runner.has_thread, 0);
    }
    return is_started;
}

static void wake_thread(void)
{
    if (ensure_thread()) {
        gl_add32_full(&runner.n_wakes, 1);
        gl_futex_wake(&runner.n_wakes, 1);
    }
}

void gl_finalize_after_fork_child(void)
{
    gl_store_relaxed(&runner.has_thread, 0);
}

/* ---- The policy ----------------------------------------------------------------------------- */

static bool is_policy(uint64_t policy)
{
    return gl_options.finalizers == policy;
}

void gl_finalize_wake(void)
{
    if (gl_load_relaxed(&gl_heap.n_waiting) && is_policy(GL_FINALIZERS_THREAD)) {
        wake_thread();
    }
}

bool gl_finalize_run_if_due(void)
{
    if (gl_load_relaxed(&gl_heap.n_waiting) == 0 || !is_policy(GL_FINALIZERS_ALLOCATING) ||
        gl_control_is_in_callback()) {
        return false;
    }
    return gl_finalize_run(0) != 0;
}

int gl_finalize_start_policy(void)
{
    if (is_policy(GL_FINALIZERS_THREAD) && !ensure_thread()) {
        return EAGAIN;
    }
    gl_finalize_wake();
    return 0;
}
