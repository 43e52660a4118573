/* SPDX-License-Identifier: MIT */
/* collect/freed.c - what is to be done about an object when the program frees it, or realloc moves it. */
#include "collect/finalize.h"
#include "collect/roots.h"
#include "collect/weak.h"
#include "heap/attached.h"
#include "heap/hooks.h"

bool gl_hook_object_freed(void *start, unsigned state)
{
    gl_object object;
    if (!gl_heap_find_exact((uintptr_t)start, &object)) {
        return true;
    }
    if ((state & (GL_STATE_ATTACHED | GL_STATE_FINALIZED)) && !gl_finalize_freed(&object)) {
        return false;
    }
    if (state & GL_STATE_CONDEMNED) {
        gl_hook_condemned_used(&object, "free");
    }
    if (state & (GL_STATE_FROZEN | GL_STATE_PINNED)) {
        gl_roots_object_freed(&object);
    }
    return true;
}

bool gl_hook_object_moved(const gl_object *from, void *to)
{
    gl_object target;
    if (!gl_heap_find_exact((uintptr_t)to, &target)) {
        return false;
    }
    gl_weak_lock();
    bool is_moved = gl_weak_move_locked(from, &target);
    if (is_moved && (from->state & GL_STATE_FINALIZED) &&
        gl_attached_set(&target, GL_STATE_FINALIZED)) {
        gl_attached_clear(from, GL_STATE_FINALIZED);
    }
    gl_weak_unlock();
    if (is_moved) {
        gl_roots_object_moved(from, &target);
    }
    return is_moved;
}
