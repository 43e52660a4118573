/* SPDX-License-Identifier: MIT */
/*
 * collect/collect.h - what the layers above ask of the collector. No lock is held at the call.
 */
#ifndef GL_COLLECT_COLLECT_H
#define GL_COLLECT_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gleaner/gc.h> /* gc_reason, gc_stats */

enum { GL_N_GENERATIONS = 3, GL_GENERATION_OLDEST = 2 };

/* What one collection did with lost objects: those of malloc's that were neither freed nor reached
 * (collect/lost.h). */
typedef struct gl_lost_report {
    uint64_t condemned_objects, condemned_bytes; /* kept for now, by this one or earlier ones */
    uint64_t new_objects, new_bytes;             /* of all not reached, condemned for the first time */
    uint64_t exempt_objects, exempt_bytes;       /* kept for good, by evidence or by rule */
    uint64_t ripe_objects, ripe_bytes;           /* to be reclaimed now */
    uint64_t hidden_uses;                        /* evidence since the start */
} gl_lost_report;

/* What one collection did with what the program had freed (collect/quarantine.h). */
typedef struct gl_quarantine_report {
    uint64_t released_objects, released_bytes;
    uint64_t held_objects, held_bytes; /* something refers to them */
} gl_quarantine_report;

/* What one collection did with objects that have finalizers or destructors (collect/finalize.h). */
typedef struct gl_finalize_report {
    uint64_t found;     /* not reached, and queued */
    uint64_t reclaimed; /* found by an earlier collection, and reclaimed now */
} gl_finalize_report;

/* One finished collection. */
typedef struct gl_cycle_report {
    uint64_t sequence; /* from 1 */
    int generation; /* that was asked for */
    gc_reason reason;
    uint64_t candidates; /* objects at the start */
    uint64_t collected, uncollectable;
    uint64_t reclaimed_bytes;
    uint64_t reclaimed_slack_bytes; /* of these, what large objects that the program had not freed could not
                                       use of their blocks */
    uint64_t heap_before_bytes, live_bytes; /* in use at the start; after the flip */
    uint64_t root_bytes;                    /* scanned as roots */
    uint64_t stop_ns, roots_ns, mark_ns, weak_ns, flip_ns; /* phases of the pause */
    uint64_t pause_ns, duration_ns;
    size_t n_threads; /* stopped, with this one */
    uint32_t n_markers;
    gl_finalize_report finalize;
    gl_lost_report lost;             /* mode `collect` */
    gl_quarantine_report quarantine; /* mode `safe` */
    bool is_skipped;  /* given up: nothing was changed */
} gl_cycle_report;

typedef enum gl_cycle_result {
    GL_CYCLE_DONE,
    GL_CYCLE_BUSY,    /* called from inside a collection's own callback */
    GL_CYCLE_SKIPPED  /* a thread did not stop: nothing was changed */
} gl_cycle_result;

/* A full collection now. `report` may be NULL. If another thread is collecting, waits for it and
 * then does its own. */
gl_cycle_result gl_collect(gc_reason reason, gl_cycle_report *report);

/* The same for a generation. There is but one: the collection is as full as the other, and is counted as what
 * was asked for. */
gl_cycle_result gl_collect_generation(int generation, gc_reason reason, gl_cycle_report *report);

/* Automatic collection: nests. */
void gl_collect_disable(void);
void gl_collect_enable(void);
bool gl_collect_is_enabled(void);

/* From now on nothing is reclaimed that came from malloc and was not freed (collect/lost.h): somebody holds
 * pointers where the collector cannot see them. `why`: one clause, static storage; the first one stays. */
void gl_collect_keep_lost(const char *why);

/* Called once from gl_hook_start(), after the heap is ready and the options are read. */
void gl_collect_init(void);

/* Recomputes the trigger after a change of the option trigger_bytes. */
void gl_collect_repace(void);
int gl_collect_set_percent(int percent);
size_t gl_collect_set_memory_limit(size_t bytes);

/* True if so many bytes in use are close to the soft limit. */
bool gl_collect_is_memory_short(uint64_t in_use_bytes);

/* A bound for the heap, until the next call: from the scopes that are open. UINT64_MAX: none. */
void gl_collect_set_bound(uint64_t bytes);
void gl_collect_get_threshold(size_t threshold[3]);
void gl_collect_set_threshold(const size_t threshold[3]);
void gl_collect_get_count(size_t count[3]);

/* Fills the collector's part of gc_stats: generations, pauses, skipped, reclaimed_bytes. */
void gl_collect_fill_stats(gc_stats *stats);
uint64_t gl_collect_n_collections(void); /* finished ones */

void gl_collect_set_debug(unsigned flags);
unsigned gl_collect_get_debug(void);
size_t gl_collect_get_garbage(void **out, size_t n);
void gl_collect_clear_garbage(void);

void gl_collect_freeze(void);
void gl_collect_unfreeze(void);

/* True if no other thread can be inside the library now, or hold anything of it: a fork then needs
 * no locks, and no page of the library need be written for it, before or after. */
bool gl_collect_is_alone(void);

/* Fork: prepare takes the collector's and the heap's locks, the others let them go. */
void gl_collect_before_fork(void);
void gl_collect_after_fork_parent(void);
void gl_collect_after_fork_child(void);

/* Called up, with no lock held and the world running: callbacks and the trace line. In api/. */
void gl_hook_cycle_start(const gl_cycle_report *report);
void gl_hook_cycle_stop(const gl_cycle_report *report);

#endif
