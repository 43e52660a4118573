/* SPDX-License-Identifier: MIT */
/*
 * heap/size_class.h - the sizes that small objects come in.
 *
 * Steps of 16 bytes to 256, so that class c up to there holds c granules; then about eight per doubling. Above 528 a size is what is left of a
 * block divided by a whole number, so that little of a block is lost. The powers of two are there
 * for aligned requests; plain requests of that size take the next class, which has slack (types.h).
 *
 * COARSE CLASSES. Each class in use costs a process some pages: a block, its state bytes, its magazine;
 * and each child that it forks copies those that it writes. So requests of malloc begin with every class
 * up to 2 KiB joined to the next of about a doubling, and a coarse class is given up for the fine ones in
 * it when its first block is full. Zeroed kinds have fine classes from the start.
 */
#ifndef GL_HEAP_SIZE_CLASS_H
#define GL_HEAP_SIZE_CLASS_H

#include "heap/types.h"

typedef struct gl_class_info {
    uint32_t bytes;
    uint32_t reciprocal;
    uint16_t n_objects; /* per block */
    uint16_t granules;
    uint16_t magazine; /* slots that a cache holds at most */
    uint16_t batch;    /* slots that go to and fro at once */
} gl_class_info;

extern gl_class_info gl_classes[GL_N_CLASSES] GL_HIDDEN;
extern uint32_t gl_n_size_classes; /* classes 1 to gl_n_size_classes are in use */

void gl_size_class_init(void);

/* From now on malloc uses the fine classes that were joined to this one, if any. Any number of threads
 * may call it. */
void gl_size_class_refine(uint32_t size_class);

/* The smallest class whose objects are all aligned to `alignment` (a power of two up to 32 KiB) and
 * hold `bytes`; 0 if there is none. */
uint32_t gl_size_class_aligned(size_t alignment, size_t bytes);

#endif
