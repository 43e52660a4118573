/* SPDX-License-Identifier: MIT */
/* object/destructor.c - see destructor.h. */
#include "object/destructor.h"

#include "heap/heap.h"
#include "heap/hooks.h"
#include "heap/meta.h"

enum {
    N_DESTRUCTORS = 1 << GL_DESTRUCTOR_BITS,
    HANDED_OVER_FROM = 8 /* objects taken away */
};

gl_destructor *gl_destructors;

bool gl_destructor_start(void)
{
    if (GL_LIKELY(gl_load_acquire((volatile gl_word *)&gl_destructors) != 0)) {
        return true;
    }
    if ((!gl_heap_is_ready() && !gl_hook_start()) || !gl_arena_enable_counts()) {
        return false;
    }
    gl_lock_acquire(&gl_owners_lock);
    gl_destructor *made = gl_destructors;
    if (!made && (made = gl_meta_alloc(N_DESTRUCTORS * sizeof *made)) != NULL) {
        gl_store_release((volatile gl_word *)&gl_destructors, (uintptr_t)made);
    }
    gl_lock_release(&gl_owners_lock);
    return made != NULL;
}

bool gl_destructor_find(uintptr_t fn, uint32_t *number)
{
    uint32_t place = gl_destructor_place(fn);
    for (uint32_t i = 0; i < N_DESTRUCTORS; i++, place = (place + 1) % N_DESTRUCTORS) {
        volatile gl_word *slot = &gl_destructors[place].fn;
        if (fn != 0 && (place == GL_DESTRUCTOR_NONE || place == GL_DESTRUCTOR_DYING)) {
            continue;
        }
        if (gl_load_relaxed(slot) == 0 && fn != 0) {
            gl_cas_full(slot, 0, fn);
        }
        if (gl_load_relaxed(slot) == fn) {
            *number = place;
            return true;
        }
    }
    return false;
}

/* An owner that is just making such an object may note the destructor again; then the next object that is
 * taken away ends it. */
void gl_destructor_taken_away_locked(uint32_t number, gl_owner *owner)
{
    gl_destructor *d = &gl_destructors[number];
    d->n_taken_away++;
    if (d->n_taken_away >= HANDED_OVER_FROM) {
        gl_store32_relaxed(&d->is_handed_over, 1);
        gl_store_relaxed(&owner->newest, GL_NO_DESTRUCTOR_YET);
    }
}
