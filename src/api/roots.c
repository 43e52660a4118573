/* SPDX-License-Identifier: MIT */
/* api/roots.c - gleaner/roots.h: what the program tells the collector about its memory. */
#include <gleaner/roots.h>

#include <errno.h>

#include "api/start.h"
#include "collect/roots.h"
#include "heap/heap.h"
#include "os/threads.h"

/* How far below gc_stack_switch() the registers of the suspended stack may be saved: the frames of
 * the program's own switching functions, with all registers, fit in this. What is below them and
 * scanned for nothing does no harm. */
enum { SWITCH_FRAMES_BYTES = 2048 };

static int result(int error)
{
    if (error) {
        errno = error;
        return -1;
    }
    return 0;
}

/* ---- Ranges and objects --------------------------------------------------------------------- */

static int with_range(int (*fn)(uintptr_t, uintptr_t), void *start, size_t size_bytes)
{
    uintptr_t first = (uintptr_t)start;
    uintptr_t end;
    if (!start || __builtin_add_overflow(first, size_bytes, &end)) {
        return result(EINVAL);
    }
    return result(gl_start_ensure() ? fn(first, end) : ENOMEM);
}

int gc_add_root(void *start, size_t size_bytes)
{
    return with_range(gl_roots_add, start, size_bytes);
}

int gc_remove_root(void *start, size_t size_bytes)
{
    return with_range(gl_roots_remove, start, size_bytes);
}

int gc_exclude_root(void *start, size_t size_bytes)
{
    return with_range(gl_roots_exclude, start, size_bytes);
}

int gc_pin(void *p)
{
    return result(gl_start_ensure() ? gl_roots_pin((uintptr_t)p) : ENOMEM);
}

int gc_unpin(void *p)
{
    return result(gl_start_ensure() ? gl_roots_unpin((uintptr_t)p) : ENOMEM);
}

/* ---- Threads -------------------------------------------------------------------------------- */

int gc_register_thread(void)
{
    if (!gl_start_ensure()) {
        return result(ENOMEM);
    }
    gl_threads_register();
    return 0;
}

int gc_unregister_thread(void)
{
    if (gl_start_is_ready()) {
        gl_heap_thread_detach();
        gl_threads_unregister();
    }
    return 0;
}

/* Before the first use there is no collection to hold up. */
void *gc_blocking_call(void *(*fn)(void *), void *arg)
{
    return gl_start_is_ready() ? gl_heap_blocking(fn, arg) : fn(arg);
}

/* ---- Stacks --------------------------------------------------------------------------------- */

/* A gc_stack is a gl_root_stack: users see the public name, the collector its own. */
gc_stack *gc_stack_register(void *low, size_t size_bytes)
{
    gl_root_stack *stack = NULL;
    int error = !low || size_bytes == 0 ? EINVAL : gl_start_ensure() ? 0 : ENOMEM;
    if (!error) {
        error = gl_roots_stack_register((uintptr_t)low, size_bytes, &stack);
    }
    return result(error) == 0 ? (gc_stack *)stack : NULL;
}

int gc_stack_switch(gc_stack *from, gc_stack *to)
{
    gl_root_stack *old = (gl_root_stack *)from, *new = (gl_root_stack *)to;
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    int error = gl_roots_stack_switch(old, new, frame - SWITCH_FRAMES_BYTES);
    if (error == EINVAL) {
        error = gl_roots_stack_switch(old, new, frame); /* close to the end of its stack */
    }
    return result(error);
}

int gc_stack_unregister(gc_stack *stack)
{
    return result(gl_roots_stack_unregister((gl_root_stack *)stack));
}
