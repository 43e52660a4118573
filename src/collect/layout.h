/* SPDX-License-Identifier: MIT */
/* collect/layout.h - descriptions of where the pointers of a type are. Numbered from 1, for ever. */
#ifndef GL_COLLECT_LAYOUT_H
#define GL_COLLECT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/* Immutable once made. */
typedef struct gc_layout gc_layout;
struct gc_layout {
    uint32_t number;
    uint32_t size_words;
    uint32_t n_offsets;
    uint32_t offsets_words[]; /* ascending */
};

/* As gc_layout_new(); errno values in *error. Equal descriptions give the same layout. */
gc_layout *gl_layout_new(size_t size, const size_t offsets[], size_t n, int *error);
const gc_layout *gl_layout_get(uint32_t number);

/* Whoever was adding one is gone; an entry counts only when it is complete. */
void gl_layout_after_fork_child(void);

#endif
