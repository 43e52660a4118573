/* SPDX-License-Identifier: MIT */
/*
 * collect/pacer.h - when to collect: arithmetic only, no clock and no heap inside, so that tests can
 * simulate programs.
 *
 * After a collection with L bytes live, the next starts at max(floor, P * (1 + percent * f / 100)),
 * where P is the larger of L and a recent peak of L that decays by an eighth per collection (a
 * program whose live data breathes is not collected at each breath), and f is the backoff: it
 * doubles, up to max_backoff, whenever a collection reclaims less than an eighth of the heap or the
 * collector's share of time exceeds a twentieth while it reclaims less than a quarter; it halves
 * when a collection reclaims more than a quarter, and is gone when it reclaims more than half. So a program that frees everything itself pays for
 * a few collections in its whole life; one that frees nothing needs no backoff. The soft limit caps
 * the trigger, unless the collector takes half of the time: then the heap may grow beyond it.
 *
 * CONDEMNED objects (collect/lost.h) are in use, but not live: they do not let the heap grow. What a
 * collection condemns counts as reclaimed, and what it reclaims of those condemned before does not, or the
 * first collections of a program that leaks would look meagre. While as much is condemned as half of
 * the distance to the next collection, that distance is halved: the sooner they are done, the less is held.
 *
 * A BOUND is set by a scope of the program (object/scope.h). It caps the trigger as the limit does, but the room
 * beyond it, where what is live comes close, does not grow: an eighth of what is live, so that a byte that is
 * allocated pays for eight to be marked at most.
 *
 * THE FIRST COLLECTION knows nothing of the program, and most programs live for less than a second: one
 * that reaches the floor at once is either building its data up, or about to end. Where `patience` is
 * above 1, the heap may therefore grow to that multiple of the floor before the first collection, as long
 * as the program has not run for fifty times what the collection is expected to take.
 */
#ifndef GL_COLLECT_PACER_H
#define GL_COLLECT_PACER_H

#include <stdint.h>

typedef struct gl_pacer {
    /* Settings. */
    uint64_t percent;      /* 0: no automatic collection */
    uint64_t floor_bytes;  /* the smallest trigger */
    uint64_t limit_bytes;  /* soft limit; UINT64_MAX: none */
    uint64_t max_backoff;  /* 1 (no backoff) or a power of two */
    uint64_t bound_bytes;  /* of the tightest open scope; UINT64_MAX, from gl_pacer_init(): none */
    uint64_t patience;     /* with the first collection; 1 from gl_pacer_init(): none */
    /* State. */
    uint64_t backoff;      /* 1 to max_backoff */
    uint64_t limit_room;   /* how far beyond the limit, in sixteenths of what is live */
    uint64_t peak_bytes;
    uint64_t live_bytes;   /* after the last collection, without what is condemned */
    uint64_t condemned_bytes;
    uint64_t n_collections;
} gl_pacer;

/* What a collection found. */
typedef struct gl_pacer_sample {
    uint64_t before_bytes;    /* in use when it began */
    uint64_t live_bytes;      /* after it, condemned ones included */
    uint64_t collector_ns;    /* that it took */
    uint64_t program_ns;      /* from the end of the collection before to its start */
    uint64_t condemned_bytes; /* of those that live */
    uint64_t new_condemned_bytes, old_reclaimed_bytes; /* condemned by it; reclaimed, condemned before */
} gl_pacer_sample;

void gl_pacer_init(gl_pacer *pacer, uint64_t percent, uint64_t floor_bytes, uint64_t limit_bytes,
                   uint64_t max_backoff);

/* The trigger in bytes in use; UINT64_MAX: none. */
uint64_t gl_pacer_trigger(const gl_pacer *pacer);

/* In use is more than the trigger. A higher trigger, if the first collection can wait; else 0. */
uint64_t gl_pacer_defer(const gl_pacer *pacer, uint64_t in_use_bytes, uint64_t program_ns);

/* Learns from a collection; returns the new trigger. */
uint64_t gl_pacer_learn(gl_pacer *pacer, const gl_pacer_sample *sample);

/* THE QUARANTINE (mode `safe`). How much the program may free until the next pass: as little as it can be, for
 * it is memory that nobody has, and so much that passes take between a sixty-fourth and a twenty-fourth of the
 * time; from 1 MiB to 16 MiB, or to a quarter of what a pass reads (the heap and all other memory of the
 * process) if that is more. Twice as much gains little, for memory that is not in the cache costs more than
 * the passes (doc/collection.md). */
uint64_t gl_pacer_quarantine(uint64_t limit_bytes, uint64_t read_bytes, uint64_t collector_ns,
                             uint64_t program_ns);
extern const uint64_t gl_pacer_quarantine_first_bytes;

/* A pass has counted what lives; it says nothing of how much garbage there is. */
uint64_t gl_pacer_note(gl_pacer *pacer, uint64_t live_bytes);

#endif
