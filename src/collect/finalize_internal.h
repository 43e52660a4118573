/* SPDX-License-Identifier: MIT */
/* collect/finalize_internal.h - what the parts of finalize.h share. */
#ifndef GL_COLLECT_FINALIZE_INTERNAL_H
#define GL_COLLECT_FINALIZE_INTERNAL_H

#include "collect/finalize.h"

/* One call that is to be made: of a finalizer, or of a weak reference's callback. */
typedef struct gl_finalize_item {
    void *object; /* or the weak reference */
    uintptr_t fn;
    void *arg;
    bool is_callback;
} gl_finalize_item;

/* At the end of the queue. False: no memory. */
bool gl_finalize_enqueue_locked(uint32_t number);

/* The next record that is still there; 0: nothing waits. */
uint32_t gl_finalize_next_locked(void);

/* Takes the record off. The caller must hold the item on its stack until the call. */
gl_finalize_item gl_finalize_take_locked(uint32_t number);
void gl_finalize_call(const gl_finalize_item *item);

#endif
