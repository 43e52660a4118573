/* SPDX-License-Identifier: MIT */
/*
 * collect/lost.h - memory from malloc that the program has never freed and that marking has not reached.
 *
 * A program that calls malloc knows nothing of a collector. It may keep a pointer in a form that nobody
 * can find (an offset, an XOR), so what it freed and what it seems to have lost are two things. An object
 * of malloc's that a collection does not reach is first CONDEMNED, and kept, with all that it refers to.
 * Only when several collections (option lost_collections) have not reached it, and a thorough search
 * (collect/linear.h) has found nothing either, it is reclaimed.
 *
 * EVIDENCE. If the program frees, resizes or measures a condemned object, it has a pointer that we did
 * not find. From then on no lost object of that size class is reclaimed, and after a few such classes
 * none at all. So, too, where a library of base/hiders.def is loaded.
 *
 * Objects from gc_malloc() and its kin are not concerned: who calls it has agreed to be collected.
 */
#ifndef GL_COLLECT_LOST_H
#define GL_COLLECT_LOST_H

#include "collect/collect.h"
#include "collect/mark.h"

/* Searches roots thoroughly; what it finds is queued. False: they could not be listed. */
typedef bool gl_lost_search(gl_marker *marker, void *arg);

/* After marking, the world stopped: condemns, marks what is kept, and drains. What is left unmarked then
 * is to be reclaimed. `reason` of the collection. */
void gl_lost_hold(gl_marker *marker, gc_reason reason, gl_lost_search *search, void *arg,
                  gl_lost_report *report);

/* After everything has been marked: what was found or kept after all begins anew. */
void gl_lost_settle(gl_lost_report *report);

/* Looks at the libraries that have been loaded since the last call. No lock held, the world running. */
void gl_lost_look_at_images(void);

/* True if nothing that the program lost is ever reclaimed in this process. */
bool gl_lost_is_all_kept(void);

/* What was used although no pointer to it was found: how large, by which call, how often. */
typedef struct gl_lost_evidence {
    size_t bytes;
    const char *call;
    uint64_t count;
} gl_lost_evidence;

/* Piece number i of what is remembered, the first kinds that there were; false if there are not so many. */
bool gl_lost_evidence_at(size_t i, gl_lost_evidence *evidence);

/* For statistics: pieces of evidence since the start, and why all is kept (NULL: it is not). */
uint64_t gl_lost_n_evidence(void);
const char *gl_lost_why_kept(void);

#endif
