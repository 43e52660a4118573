/* SPDX-License-Identifier: MIT */
/*
 * gleaner/roots.h - tell the collector about memory, threads and stacks that it cannot find itself.
 *
 * Found without being told: the stacks, registers and thread-local storage of all threads, however
 * they were made, and the static data of the program and of every loaded library. (Not found where
 * libgleaner.so is used alone: pthread_setspecific() values of keys above 31, which libc keeps in
 * memory from its malloc(), and what a thread returns that never called this library, from its end
 * until it is joined.) The common rules of gleaner/gc.h hold.
 */
#ifndef GLEANER_ROOTS_H
#define GLEANER_ROOTS_H

#include <gleaner/api.h>

GC_BEGIN_DECLS

/* Scans the range, word by word, at each collection until it is removed: it must stay readable.
 * Adding the same range twice needs two removals. EINVAL (NULL, or the range wraps), ENOMEM. */
int gc_add_root(void *start, size_t size_bytes) GC_SYMBOL(gc_add_root);

/* Ends gc_add_root() of exactly that range. ENOENT if there is none. */
int gc_remove_root(void *start, size_t size_bytes) GC_SYMBOL(gc_remove_root);

/* Never scans the range as static data, thread-local storage or process memory (it is known to
 * hold no pointers to the heap). A range given to gc_add_root() is scanned all the same. */
int gc_exclude_root(void *start, size_t size_bytes) GC_SYMBOL(gc_exclude_root);

/* Keeps an object alive whatever the tracer finds; as many gc_unpin() undo as many gc_pin().
 * `p` may point inside. EINVAL if it is no object of ours; for gc_unpin also if it is not pinned. */
int gc_pin(void *p) GC_SYMBOL(gc_pin);
int gc_unpin(void *p) GC_SYMBOL(gc_unpin);

/* Ensures that `p` is found in a register or on the stack up to this point of the program, however
 * much the compiler would like to forget it. Costs nothing at run time. */
static inline void gc_keep_alive(const void *p)
{
    __asm__ __volatile__("" : : "r"(p) : "memory");
}

/* Makes the calling thread known now. Not needed in the usual case: a thread is known from its
 * first allocation, and threads that never allocate are found when the world stops. Needed only
 * where /proc is not mounted. gc_unregister_thread() gives the thread's allocation caches back
 * (they come again with its next allocation). */
int gc_register_thread(void) GC_SYMBOL(gc_register_thread);
int gc_unregister_thread(void) GC_SYMBOL(gc_unregister_thread);

/* Calls fn(arg) and returns its result. For calls that may block for long: a collection does not
 * wait for, nor interrupt, a thread that is inside; its stack is scanned as it was at the call.
 * `fn` must not read or write collected objects. It may call the library, and malloc() where that is
 * ours; from the first such call on, the rest of `fn` is an ordinary part of the program. */
void *gc_blocking_call(void *(*fn)(void *), void *arg) GC_SYMBOL(gc_blocking_call);

/* Stacks that the program makes itself (coroutines), where they are not in memory from gc_malloc()
 * or, under libgleaner-malloc.so, anywhere in writable memory: those are found. */
typedef struct gc_stack gc_stack;

/* Makes known the stack [low, low + size_bytes). It is scanned whole while it is not running, or
 * from the saved stack pointer up after gc_stack_switch(). The handle is owned by the caller until
 * gc_stack_unregister(). NULL with EINVAL, ENOMEM. */
gc_stack *gc_stack_register(void *low, size_t size_bytes) GC_SYMBOL(gc_stack_register);

/* To be called on the old stack just before the switch to `to` (NULL: to the thread's own stack):
 * `from` (NULL: the thread's own) is suspended with the present stack pointer. EINVAL. */
int gc_stack_switch(gc_stack *from, gc_stack *to) GC_SYMBOL(gc_stack_switch);

/* The stack is not scanned any more, and the handle is gone. EINVAL if it is not registered. */
int gc_stack_unregister(gc_stack *stack) GC_SYMBOL(gc_stack_unregister);

GC_END_DECLS

#endif
