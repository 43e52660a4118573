/* SPDX-License-Identifier: MIT */
/* object/lru.h - what the layers above ask of all caches together. */
#ifndef GL_OBJECT_LRU_H
#define GL_OBJECT_LRU_H

#include <stdint.h>

/* Evicts half of the entries of each cache that there is. Returns how many. No lock is held. */
uint64_t gl_lru_give_up_half(void);

void gl_lru_after_fork_child(void);

#endif
