/* SPDX-License-Identifier: MIT */
/*
 * api/start.c - the start: options, heap, threads, collector, fork, exit.
 *
 * gl_start_state is the only shared state. A thread that comes while another one starts waits for
 * it. A call from inside the start (the C library may allocate) gets what there is: the heap if it
 * is ready, else failure. A start that fails leaves the state NEW, and the next call tries again.
 */
#include "api/start.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "api/init.h"
#include "api/environment.h"
#include "api/findings.h"
#include "api/options.h"
#include "api/profile.h"
#include "api/scope.h"
#include "api/stats.h"
#include "base/fmt.h"
#include "base/syscall.h"
#include "collect/collect.h"
#include "collect/finalize.h"
#include "heap/heap.h"
#include "object/lru.h"
#include "object/scope.h"
#include "os/memory.h"
#include "os/system.h"
#include "os/threads.h"
#include "profile/profile.h"
#include "profile/records.h"

enum {
    EXIT_TOOL_FAILURE = 125,
    WAIT_NS = 10 * 1000 * 1000 /* then look whether the starting thread is still there */
};

gl_lock gl_api_lock = GL_LOCK_INIT(GL_RANK_API);
volatile uint32_t gl_start_state;

/* ---- Who starts ----------------------------------------------------------------------------- */

/* In the child of a fork, the thread that was starting may not exist. */
static bool is_thread_here(uint32_t tid)
{
    return gl_syscall3(SYS_tgkill, getpid(), (long)tid, 0) != -ESRCH;
}

typedef enum start_turn { TURN_MINE, TURN_INSIDE, TURN_DONE } start_turn;

/* Waits until the library runs, or it is this thread's turn to start it. */
static start_turn take_turn(void)
{
    uint32_t self = (uint32_t)gl_threads_tid();
    for (;;) {
        uint32_t state = gl_load32_acquire(&gl_start_state);
        if (state == GL_START_READY) {
            return TURN_DONE;
        }
        if (state == self) {
            return TURN_INSIDE;
        }
        if (state == GL_START_NEW || !is_thread_here(state)) {
            if (gl_cas32_full(&gl_start_state, state, self)) {
                return TURN_MINE;
            }
            continue;
        }
        gl_futex_wait(&gl_start_state, state, WAIT_NS);
    }
}

static void end_turn(int error)
{
    gl_store32_release(&gl_start_state, error ? GL_START_NEW : GL_START_READY);
    gl_futex_wake(&gl_start_state, UINT32_MAX);
}

/* ---- Fork ----------------------------------------------------------------------------------- */

/* What before_fork() found; what comes after must match it. A process of one thread needs no locks:
 * taking and releasing them costs parent and child a dozen pages each, which are copied. */
typedef enum fork_kind {
    FORK_UNPREPARED, /* the library did not run */
    FORK_ALONE,      /* no other thread was there */
    FORK_LOCKED
} fork_kind;

static __thread fork_kind fork_is;

static void before_fork(void)
{
    uint32_t state = gl_load32_acquire(&gl_start_state);
    if (state != GL_START_NEW && state != GL_START_READY) {
        (void)gl_hook_start(); /* waits: a half-made heap must not be copied */
    }
    if (!gl_start_is_ready()) {
        fork_is = FORK_UNPREPARED;
    } else if (gl_collect_is_alone()) {
        fork_is = FORK_ALONE;
    } else {
        gl_scope_before_fork();
        gl_collect_before_fork();
        fork_is = FORK_LOCKED;
    }
}

static void after_fork_parent(void)
{
    if (fork_is == FORK_LOCKED) {
        gl_collect_after_fork_parent();
        gl_scope_after_fork_parent();
    }
}

static void after_fork_child(void)
{
    gl_record_after_fork_child();
    if (fork_is == FORK_ALONE) {
        gl_threads_after_fork_alone();
        return;
    }
    gl_lock_reset(&gl_api_lock);
    gl_options_after_fork_child();
    gl_lru_after_fork_child();
    if (fork_is == FORK_LOCKED) {
        gl_collect_after_fork_child();
        gl_scope_after_fork_child();
    }
}

/* Before the heap is made, so that no fork can copy half of one. */
static bool register_fork_handlers(void)
{
    static bool is_registered; /* only the thread whose turn it is comes here */
    if (!is_registered) {
        is_registered = pthread_atfork(before_fork, after_fork_parent, after_fork_child) == 0;
    }
    return is_registered;
}

/* ---- The start ------------------------------------------------------------------------------ */

static int read_options(const gc_config *config)
{
    gl_knobs knobs;
    gl_option_faults faults = {0, 0};
    gl_options_defaults(&knobs);
    if (!gl_os_is_secure()) {
        gl_options_read_environment(&knobs, gl_environment(), &faults);
    }
    if (config) {
        gl_config_apply(config, &knobs, &faults);
    }
    if (!gl_options_accept(&knobs, &faults)) {
        return EINVAL;
    }
    gl_options_commit(&knobs);
    return 0;
}

void gl_start_apply_faults(void)
{
    if (gl_options.fail_after) {
        gl_os_inject_commit_failure(gl_options.fail_after, true);
    } else {
        gl_os_inject_commit_failure(gl_options.fail_every, false);
    }
}

/* A second attempt, after one that found no memory, keeps what calls have set since. */
static int read_options_once(const gc_config *config)
{
    static bool is_done; /* only the thread whose turn it is comes here */
    if (is_done && !config) {
        return 0;
    }
    int error = read_options(config);
    if (!error) {
        is_done = true;
        gl_start_apply_faults();
    }
    return error;
}

static int start(const gc_config *config)
{
    int error = read_options_once(config);
    if (error) {
        return error;
    }
    if (!register_fork_handlers() || !gl_heap_init()) {
        return ENOMEM;
    }
    gl_threads_init((int)gl_options.suspend_signal);
    gl_collect_init();
    gl_findings_started();
    return 0;
}

int gl_start_with_config(const gc_config *config, bool *is_running)
{
    start_turn turn = take_turn();
    if (turn != TURN_MINE) {
        *is_running = true;
        return turn == TURN_DONE || gl_heap_is_ready() ? 0 : ENOMEM;
    }
    int saved = errno;
    int error = start(config);
    end_turn(error);
    errno = saved;
    return error;
}

bool gl_hook_start(void)
{
    bool is_running;
    int error = gl_start_with_config(NULL, &is_running);
    if (error == EINVAL) {
        _exit(EXIT_TOOL_FAILURE); /* read_options() has said why */
    }
    return error == 0;
}

void gl_hook_thread_leaves(void)
{
    gl_profile_thread_leaves();
    gl_scope_thread_leaves();
}

/* After main() and the handlers of atexit(), before the C library ends. Programs that leave by
 * _exit(), or by a signal, leave no statistics. */
__attribute__((destructor)) static void end(void)
{
    if (gl_start_is_ready()) {
        gl_finalize_at_exit();
        gl_fmt_expect_end();
        gl_profile_write_at_exit();
        gl_scope_write_lines();
        gl_stats_write_file();
        gl_findings_ended();
    }
}
