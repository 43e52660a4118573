/* SPDX-License-Identifier: MIT */
/*
 * malloc/holders.h - pointers that the program has handed to the kernel and that only the kernel
 * holds: the data of epoll, the values of timers, of notifications and of queued signals. They are
 * kept here, as roots.
 */
#ifndef GL_MALLOC_HOLDERS_H
#define GL_MALLOC_HOLDERS_H

#include <stdint.h>

typedef enum gl_holder_kind { GL_HOLDER_EPOLL = 1, GL_HOLDER_TIMER, GL_HOLDER_QUEUE } gl_holder_kind;

/* Who holds: two numbers that tell it from others of its kind. */
static inline uint64_t gl_holder_key(gl_holder_kind kind, uint32_t a, uint32_t b)
{
    return (uint64_t)kind << 62 ^ (uint64_t)a << 32 ^ b;
}

/* The holder has taken this word; what it held before is kept as well, until the next one, because
 * two threads may come here in another order than to the kernel. */
void gl_holders_put(uint64_t key, uintptr_t word);

/* Around a call that makes the holder let go: the version from before it. If another thread has
 * given it something meanwhile, that stays. */
uint32_t gl_holders_version(uint64_t key);
void gl_holders_drop(uint64_t key, uint32_t version);

/* A word that is held for a while, and of which nobody says when it is over. */
void gl_holders_pass(uintptr_t word);

#endif
