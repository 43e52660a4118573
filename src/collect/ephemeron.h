/* SPDX-License-Identifier: MIT */
/*
 * collect/ephemeron.h - entries of maps with weak keys: a value is held when its map and its key
 * have been reached (Hayes, "Ephemerons: A New Finalization Mechanism", 1997).
 *
 * The maps know their entries; here is the order in which they are asked. A value that is marked
 * may lead to the key of another entry, or to another map, and so on: a chain of n would need n
 * rounds over all maps. So:
 *
 *   ROUNDS. Every map that has been reached marks the values of the keys that have been, and the
 *     marker drains. As long as that settles a good share of what is pending, all rounds together
 *     cost no more than a few times the first.
 *   THE TRACE. Then what is marked next is marked one object at a time, and each object that has
 *     records (collect/weak.h) is told: a key has its value marked, a map its values. So each entry
 *     is looked at when its key is reached, and when its map is. That is several times slower than
 *     the marker, and linear.
 *
 * Lock: that of weak.h. What is here beside the list of maps is used while the world is stopped.
 */
#ifndef GL_COLLECT_EPHEMERON_H
#define GL_COLLECT_EPHEMERON_H

#include "collect/mark.h"
#include "collect/weak.h"

/* ---- For maps -------------------------------------------------------------------------------- */

/* The record of a map, on the map itself; its links belong to the list from now on. The class's
 * `reached` is called for it in each round, if the map has been reached; it marks values. That of
 * an entry's record, on the key, is called by the trace. */
void gl_ephemeron_list_map_locked(uint32_t number);
void gl_ephemeron_unlist_map_locked(uint32_t number);

/* A number for the collection under way. */
uint32_t gl_ephemeron_cycle(void);

/* True if the object has been reached that starts there. */
static inline bool gl_ephemeron_is_reached(uintptr_t start)
{
    uintptr_t offset = start - gl_heap.base;
    uint32_t block = (uint32_t)(offset >> GL_BLOCK_SHIFT);
    gl_desc desc = gl_heap.descs[block];
    if (desc.granules == 0) {
        return gl_heap.blocks[block].is_marked;
    }
    return gl_slot_is_marked(block,
                             gl_object_number(desc, (uint32_t)(offset & (GL_BLOCK_BYTES - 1))));
}

/* Marks what the values refer to, and counts them as settled. */
void gl_ephemeron_mark_values(void *const *values, uint32_t n);

/* So many entries wait for their keys, and so many were looked at. */
void gl_ephemeron_count(uint64_t n_pending, uint64_t n_examined);

/* ---- For a collection ------------------------------------------------------------------------ */

/* A new collection: no map has been asked. */
void gl_ephemerons_begin(void);

/* Marks all values that are held, and what they lead to. To be called again when more has been
 * marked; also when weak references have been cleared: then only maps count that have been reached
 * since, for keys that had not been reached have no entries any more. */
void gl_ephemerons_mark(gl_marker *marker);

/* How many entries the last collection has looked at, those twice that it saw twice; how many
 * objects it has traced. For tests. */
uint64_t gl_ephemerons_examined(void);
uint64_t gl_ephemerons_traced(void);

#endif
