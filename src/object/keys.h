/* SPDX-License-Identifier: MIT */
/*
 * object/keys.h - how the keys of maps and caches are hashed and compared: ours, or by the
 * program's functions, which are never called with a lock held.
 *
 * Hashes begin with a number that each process draws for itself, so that nobody outside can choose
 * keys that collide (Crosby and Wallach, "Denial of Service via Algorithmic Complexity Attacks",
 * 2003).
 */
#ifndef GL_OBJECT_KEYS_H
#define GL_OBJECT_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include <gleaner/weakref.h>

typedef enum gl_keys_kind {
    GL_KEYS_WORDS, /* pointers by address, and numbers in the place of pointers */
    GL_KEYS_STRINGS,
    GL_KEYS_USER
} gl_keys_kind;

/* Immutable once made. */
typedef struct gl_keys {
    gl_keys_kind kind;
    uint64_t (*hash)(const void *key);
    int (*equal)(const void *a, const void *b);
} gl_keys;

/* False: `ops` is none of ours, and not complete. */
bool gl_keys_init(gl_keys *keys, const gc_hash_ops *ops);

/* Never 0. No lock is held: this may call the program. */
uint32_t gl_keys_hash(const gl_keys *keys, const void *key);

/* May be called with a lock held, unless the keys are of GL_KEYS_USER. */
bool gl_keys_are_equal(const gl_keys *keys, const void *a, const void *b);

#endif
