/* SPDX-License-Identifier: MIT */
/* collect/finalize_internal.h - what the parts of finalize.h share. */
#ifndef GL_COLLECT_FINALIZE_INTERNAL_H
#define GL_COLLECT_FINALIZE_INTERNAL_H

#include "collect/finalize.h"

typedef enum gl_finalize_kind {
    GL_FINALIZE_FINALIZER,
    GL_FINALIZE_CALLBACK,  /* of a weak reference, which takes the place of the object */
    GL_FINALIZE_DESTRUCTOR /* of a counted object */
} gl_finalize_kind;

/* One call that is to be made. */
typedef struct gl_finalize_item {
    gl_finalize_kind kind;
    void *object;
    uintptr_t fn;
    void *arg;
} gl_finalize_item;

/* At the end of the queue. False: no memory. */
bool gl_finalize_enqueue_locked(uint32_t number);

/* The same for the destructor of a counted object, which gets a record for it. */
bool gl_finalize_enqueue_destructor_locked(const gl_object *object);

/* The next record that is still there; 0: nothing waits. */
uint32_t gl_finalize_next_locked(void);

/* Takes the record off. The caller must hold the item on its stack until the call. */
gl_finalize_item gl_finalize_take_locked(uint32_t number);
void gl_finalize_call(const gl_finalize_item *item);

#endif
