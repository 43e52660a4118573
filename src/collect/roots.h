/* SPDX-License-Identifier: MIT */
/* collect/roots.h - where marking begins. The functions here return 0 or an errno value. */
#ifndef GL_COLLECT_ROOTS_H
#define GL_COLLECT_ROOTS_H

#include <stddef.h>
#include <stdint.h>

int gl_roots_add(uintptr_t start, uintptr_t end);
int gl_roots_remove(uintptr_t start, uintptr_t end); /* ENOENT */
int gl_roots_exclude(uintptr_t start, uintptr_t end);

int gl_roots_pin(uintptr_t address);   /* EINVAL, ENOMEM */
int gl_roots_unpin(uintptr_t address); /* EINVAL */

/* FROZEN and PINNED of an object that is freed, or moved by realloc. */
struct gl_object;
void gl_roots_object_freed(const struct gl_object *object);
void gl_roots_object_moved(const struct gl_object *from, const struct gl_object *to);

/* Coroutine stacks; the handle type is private to roots. */
typedef struct gl_root_stack gl_root_stack;
int gl_roots_stack_register(uintptr_t low, size_t bytes, gl_root_stack **out);
int gl_roots_stack_switch(gl_root_stack *from, gl_root_stack *to, uintptr_t stack_pointer);
int gl_roots_stack_unregister(gl_root_stack *stack);

#endif
