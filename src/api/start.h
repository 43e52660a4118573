/* SPDX-License-Identifier: MIT */
/*
 * api/start.h - the start of the library, once per process.
 *
 * LAZY. A library that is loaded and not used does nothing: no memory, no signal handler. The first
 * call that needs the heap starts it, through gl_hook_start(); a fast path needs no test for that,
 * because a thread without an allocation cache takes the slow path. Where libgleaner-malloc.so is
 * preloaded, the calls of a program that links libgleaner.so reach the preloaded copy, and the
 * other one stays as it is.
 *
 * BAD OPTIONS. A mode that is not available, or any fault with strict=1, stops the start: gc_init()
 * fails with EINVAL; any other first call, which cannot tell, ends the process with status 125, the
 * status with which `gleaner run` says that the tool failed and not the program.
 */
#ifndef GL_API_START_H
#define GL_API_START_H

#include <stdbool.h>
#include <stdint.h>

#include <gleaner/gc.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/lock.h"
#include "heap/hooks.h"

/* Protects the small tables of this layer: callbacks, handlers. Nothing is called while it is
 * held. The tables are valid after each single store, so the child of a fork just resets it. */
extern gl_lock gl_api_lock;

/* 0: not started; GL_START_READY; else the thread id of who is at it. Writer: start.c. */
extern volatile uint32_t gl_start_state;
enum { GL_START_NEW = 0, GL_START_READY = 0x7fffffff };

static inline bool gl_start_is_ready(void)
{
    return gl_load32_acquire(&gl_start_state) == GL_START_READY;
}

/* The first line of every public call that is not a hot path. */
static inline bool gl_start_ensure(void)
{
    return GL_LIKELY(gl_start_is_ready()) || gl_hook_start();
}

/* Starts with what the program asks for; `config` is checked and complete (init.h), or NULL. 0,
 * EINVAL or ENOMEM. If the library runs already, *is_running is set and nothing is done. */
int gl_start_with_config(const gc_config *config, bool *is_running);

/* Puts the options that testing needs into effect. */
void gl_start_apply_faults(void);

#endif
