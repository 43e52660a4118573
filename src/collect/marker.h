/* SPDX-License-Identifier: MIT */
/*
 * collect/marker.h - what the parts of the marker share: mark.c (roots, overflow, the whole),
 * mark_loop.c (the four loops), mark_avx512.c (two of them by vectors), mark_parallel.c (markers
 * beside each other).
 *
 * ID: an object on the mark stack, all that a scan needs in one word: its address (48 bits), its
 *   length in words, flags. No table is read when it is popped.
 * SPAN: a row of words inside one cache line: address and count. An id without flags of an object
 *   inside one line is its span.
 * LANES: with several markers, each has its own copy of every word of the mark bitmap, and the
 *   copies of one word lie side by side. A marker writes its own only and reads all, so that no
 *   locked instruction is needed: what a race costs is that two markers scan the same object.
 */
#ifndef GL_COLLECT_MARKER_H
#define GL_COLLECT_MARKER_H

#include "base/check.h"
#include "base/filter.h"
#include "base/filter_roots.h"
#include "collect/mark.h"
#include "heap/types.h"

enum {
    GL_MARK_BATCH_OBJECTS = 96, /* 64 to 128 are equal, 16 is twice slower */
    GL_MARK_MAX_SPANS = 1024,
    GL_MARK_MAX_CANDIDATES = GL_MARK_MAX_SPANS * 8,
    GL_MARK_MAX_LANES = 8,
    GL_ROOT_PORTION_WORDS = 128 /* of a root range at a time: the stack may be a small one */
};

#define GL_ID_WORDS_SHIFT GL_SPAN_COUNT_SHIFT
#define GL_ID_ADDRESS_MASK GL_SPAN_ADDRESS_MASK
#define GL_ID_LARGE ((uint64_t)1 << 61) /* the length is in the block's header */
#define GL_ID_TYPED ((uint64_t)1 << 62) /* scanned by its layout */
#define GL_ID_LEAF ((uint64_t)1 << 63)  /* pointer-free: marked, never pushed */
#define GL_ID_FLAGS (GL_ID_LARGE | GL_ID_TYPED | GL_ID_LEAF)

/* By kind: what goes into the id. Eight entries, for a vector. */
extern const uint64_t gl_mark_kind_flags[8] GL_HIDDEN;

/* Moves rows of eight ids that are spans from below `top` to `spans`, the topmost first, as long as
 * there are such rows, at most `max`. Returns how many ids. */
typedef uint32_t gl_mark_take_rows(const uint64_t *top, size_t max, uint64_t *spans);

/* m->offsets[0..n) to m->bits and m->ids of small objects; large ones are marked at once. Returns how many
 * small ones; some that are marked already may be left out. */
typedef uint32_t gl_mark_resolve(gl_marker *m, uint32_t n);

struct gl_marker {
    gl_filter *filter;
    gl_filter_roots *filter_roots;
    gl_filter_dense *filter_dense; /* NULL: none */
    gl_mark_take_rows *take_rows; /* NULL: none */
    gl_mark_resolve *resolve;
    uint64_t *stack;
    size_t bottom, top, capacity; /* entries; those below bottom were given away */
    size_t max_capacity;
    size_t limit; /* test hook */
    uint64_t n_overflows;
    bool has_overflowed;         /* some block is flagged */
    bool reads_between;          /* ranges are read at every fourth byte (collect/linear.h) */
    const uint64_t *watched;     /* NULL: all; else a bit per block: only objects of these need be marked */
    bool counts_ends;            /* in ranges, a pointer to a slot counts for the one before, too */
    bool prefetches_marks;       /* only with lanes: another processor may have the line. Without, the
                                    mark loop keeps enough loads in flight by itself */
    bool finds_new, finds_old;   /* most of the last batch was not marked yet; was marked already */
    uint32_t n_candidates;       /* of this batch, before what is marked already was sorted out */
    uint8_t *marks;              /* the bitmap, or the lanes */
    uint32_t lane, lane_shift;   /* of 1 << lane_shift lanes */
    uint32_t n_markers;          /* that took part in this collection */
    uint32_t patience;           /* batches until others are asked to help; 0: never */
    const volatile uint32_t *hungry; /* not 0: somebody waits for work */
    uint32_t n_spans[2];
    uint64_t spans[2][GL_MARK_MAX_SPANS];
    uint64_t offsets[GL_MARK_MAX_CANDIDATES + GL_FILTER_SLACK]; /* of words that point into the arena */
    uint64_t bits[GL_MARK_MAX_CANDIDATES + GL_FILTER_SLACK];    /* where their mark bits are, */
    uint64_t ids[GL_MARK_MAX_CANDIDATES + GL_FILTER_SLACK];     /* and their ids */
};

static inline uintptr_t gl_id_address(uint64_t id) { return id & GL_ID_ADDRESS_MASK; }

static inline uint32_t gl_id_block(uint64_t id)
{
    return (uint32_t)((gl_id_address(id) - gl_heap.base) >> GL_BLOCK_SHIFT);
}

static inline uint64_t gl_id_of_small(uint64_t block, uint32_t object, gl_desc desc, gl_kind kind)
{
    uint64_t bytes = (uint64_t)desc.granules << GL_GRANULE_SHIFT;
    return (gl_heap.base + (block << GL_BLOCK_SHIFT) + object * bytes) |
           (bytes / sizeof(uintptr_t)) << GL_ID_WORDS_SHIFT | gl_mark_kind_flags[kind];
}

/* Where in the lanes a bit of the bitmap is. */
static inline uint64_t gl_lane_bit(uint64_t bit, uint32_t lane, uint32_t lane_shift)
{
    return (bit & ~(uint64_t)63) << lane_shift | (uint64_t)lane << 6 | (bit & 63);
}

/* ---- mark.c --------------------------------------------------------------------------------- */

/* Sets up a marker in zeroed memory, on a stack of its own. */
bool gl_marker_init(gl_marker *m, void *stack, size_t stack_bytes);

/* Room for n more ids; false: the stack cannot grow. */
bool gl_marker_ensure_room(gl_marker *m, size_t n);

/* Queues one object; if the stack is full, its block is flagged instead. */
void gl_marker_push(gl_marker *m, uint64_t id);

/* ---- mark_loop.c ---------------------------------------------------------------------------- */

/* Scans until the marker's own stack is empty. */
void gl_mark_loop(gl_marker *m);

/* Marks m->offsets[0..n) and queues what is new. */
void gl_mark_offsets(gl_marker *m, uint32_t n);

/* Marks the large object that the block belongs to. */
void gl_mark_large(gl_marker *m, uint32_t block);

gl_mark_resolve gl_mark_resolve_portable;

/* ---- mark_avx512.c -------------------------------------------------------------------------- */

/* The vector forms, where `simd` allows them; the portable ones otherwise. */
gl_mark_take_rows *gl_mark_take_rows_for(gl_simd simd);
gl_mark_resolve *gl_mark_resolve_for(gl_simd simd);

/* ---- mark_parallel.c ------------------------------------------------------------------------ */

/* From the loop: the marker has been at it for long, it may get help. */
void gl_mark_call_helpers(gl_marker *m);

/* From the loop: somebody waits for work; gives some away if there is enough. */
void gl_mark_share(gl_marker *m);

/* Scans until no marker has anything left. The helpers, if any were called, are gone then, and the
 * bitmap is whole. */
void gl_mark_with_helpers(gl_marker *m);

#endif
