/* SPDX-License-Identifier: MIT */
/*
 * heap/meta.h - memory for the library's own structures, apart from the arena.
 *
 * Pieces come in powers of two from 64 bytes, zero-filled, and are kept for reuse by size. Inside
 * the library's space, so root scanning never sees them. Lock: GL_RANK_META, inside.
 */
#ifndef GL_HEAP_META_H
#define GL_HEAP_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From where memory comes: from the first range, and when that is used up, from the second. */
void gl_meta_init(void *first, size_t first_bytes, void *second, size_t second_bytes);
void *gl_meta_alloc(size_t bytes);         /* NULL if there is no memory; no errno */
void gl_meta_free(void *p, size_t bytes);  /* bytes as asked for */

/* An array that doubles: makes room for `need` entries of `entry_bytes`, keeping content. `*at` and
 * `*capacity` start as NULL and 0. False if there is no memory: nothing changed. */
bool gl_meta_reserve(void **at, size_t *capacity, size_t need, size_t entry_bytes);

size_t gl_meta_bytes(void); /* committed so far */

void gl_meta_lock(void); /* for fork */
void gl_meta_unlock(void);
void gl_meta_after_fork_child(void);

#endif
