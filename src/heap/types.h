/* SPDX-License-Identifier: MIT */
/*
 * heap/types.h - the nouns of the heap, their layouts, and the equations between their fields.
 *
 * ARENA. A range of addresses, used from its start up to gl_heap.used_bytes, in BLOCKS of 64 KiB.
 *   Everything about a block and its objects lies beside the arena in tables indexed by the block
 *   number, so that nothing of ours is inside user memory, and neither marking nor sweeping touches
 *   an object that is dead:
 *
 *     descs[b]       8 bytes, read-mostly: how to get from an address to an object
 *     blocks[b]      64 bytes, the mutable header; behind it
 *     free_bits      one bit per object: the slot is free and in no cache
 *     mark_bits      one bit per object: reached, or not to be reclaimed
 *     state[g]       one byte per granule of 16 bytes, by address alone: what starts here
 *     pages[b]       one byte: whether memory of a free block is resident (heap/pages.h)
 *
 * A block is one of: FREE (part of a free run), SMALL (objects of one size class and kind), the
 * HEAD of a large object, or a CONTINUATION of it.
 *
 * THE STATE BYTE is the truth about an object: non-zero exactly at the first granule of each
 *   allocated small object. malloc stores it, free checks and clears it; so every double, interior
 *   or wild free is seen at the call, and the collector knows at any time which slots are in use.
 *   Any value but GL_STATE_ALLOCATED sends free() to its slow path.
 *
 * EQUATIONS (checked by heap/verify.c, with the world stopped), for each small block b:
 *   n_free(b)  = number of set bits of free_bits(b)
 *   a slot is exactly one of: free (its bit is set, state 0), cached (in one magazine or depot,
 *     state 0), allocated or in quarantine (state != 0), dead (in an UNSWEPT block: mark bit 0, free bit 0)
 *   state is 0 at each granule that is not the start of a slot
 *   the bits at and above n_objects are 0 in free_bits
 *   the count of a free or cached slot of GL_KIND_COUNTED is 0 (heap/counts.h)
 * and for the heap:
 *   in_use_bytes = sum over small blocks of (n_objects - n_free - n_dead) * size
 *                + sum over large objects of run_blocks * 64 KiB
 *   used_bytes / 64 KiB = free blocks + small blocks + blocks of large objects
 *
 * SLACK. C allows a pointer one past the end to be the only one. Requests above 128 bytes get at
 *   least one byte more than they asked for, so that such a pointer still falls inside. Below, that
 *   would cost too much (malloc(16) must stay 16): there a pointer to the start of a slot that is
 *   not allocated counts for the slot before it if it is a root, and in a register every pointer to
 *   the start of a slot does. Aligned requests up to 16 KiB have slack only where their class leaves
 *   some, for the next aligned size would be twice as large.
 */
#ifndef GL_HEAP_TYPES_H
#define GL_HEAP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/lock.h"

enum {
    GL_GRANULE_SHIFT = 4,
    GL_GRANULE_BYTES = 1 << GL_GRANULE_SHIFT,
    GL_BLOCK_SHIFT = 16, /* 32, 64 and 128 KiB measured equal */
    GL_BLOCK_BYTES = 1 << GL_BLOCK_SHIFT,
    GL_BLOCK_GRANULES = GL_BLOCK_BYTES / GL_GRANULE_BYTES,
    GL_BITMAP_WORDS = GL_BLOCK_GRANULES / 64,
    GL_BITMAP_STRIDE = 72, /* words from one block's bitmap to the next: 9 cache lines, an odd
                              number, so that equal slots of neighbours do not share a cache set */
    GL_CLASS_SHIFT = 6,
    GL_N_CLASSES = 1 << GL_CLASS_SHIFT, /* class 0 is not used */
    GL_SLACK_ABOVE = 128,
    GL_SMALL_MAX = 21839, /* the largest request that a size class serves */
    GL_N_STATE_FLAGS = 8,
    GL_STRIP_MAX = 128,    /* the largest objects that are allocated from strips */
    GL_N_STRIPS = GL_STRIP_MAX / GL_GRANULE_BYTES + 1, /* these classes are multiples of a granule */
    GL_STRIP_BYTES = 4096  /* the longest strip */
};

/* What an object's memory means to the collector. Kind 0 is no kind: bins 0 to 63 are the roles. */
typedef enum gl_kind {
    GL_KIND_NONE = 0,
    GL_KIND_MALLOC = 1,        /* from malloc(): scanned, not zeroed */
    GL_KIND_SCANNED = 2,       /* from gc_malloc(): scanned, zeroed */
    GL_KIND_ATOMIC = 3,        /* never scanned, not zeroed */
    GL_KIND_UNCOLLECTABLE = 4, /* scanned, zeroed, a root */
    GL_KIND_TYPED = 5,         /* scanned by its layout, zeroed */
    GL_KIND_COUNTED = 6,       /* from gc_rc_malloc(): scanned, zeroed, with a count (heap/counts.h); only after
                                  gl_arena_enable_counts() */
    GL_N_KINDS = 7
} gl_kind;

/* A bin is a size class of a kind: kind << GL_CLASS_SHIFT | class. */
enum { GL_N_BINS = GL_N_KINDS << GL_CLASS_SHIFT };

/* The bin of a block that holds no small objects, or whose dead objects are not swept yet: these
 * bins have empty magazines, so that free() finds them full and takes its slow path. */
enum gl_role {
    GL_ROLE_FREE = 0,
    GL_ROLE_LARGE = 1,        /* first block of a large object */
    GL_ROLE_CONTINUATION = 2, /* of a large object: `reciprocal` is the distance to the first */
    GL_ROLE_UNSWEPT = 3       /* a small block; the bin is in its header */
};

/* Block descriptor. Writer: whoever makes or unmakes the block (bin and arena lock); `bin` also the
 * sweep. Readers: everybody, without a lock. A block of small objects has granules != 0. */
typedef struct gl_desc {
    uint32_t reciprocal; /* ceil(2^32 / size): object number = offset * reciprocal >> 32, exact for
                            offsets below 64 KiB and sizes up to 32 KiB */
    uint16_t granules;   /* size of the objects / 16; 0: no small objects here */
    uint16_t bin;
} gl_desc;

enum gl_block_flag {
    GL_BLOCK_LISTED = 1,     /* on the partial list of its bin */
    GL_BLOCK_UNSWEPT = 2,    /* on the unswept list of its bin */
    GL_BLOCK_OVERFLOWED = 4, /* the mark stack was full: marked objects of it may be unscanned */
    GL_BLOCK_ALL_DEAD = 16,  /* at the flip no object of it was reached */
    GL_BLOCK_BOUNDARY = 32,  /* first or last block of a free run; arena lock */
    GL_BLOCK_CONDEMNED = 64  /* some object of it may be condemned; the collector */
};

/* Block header, 64 bytes, and the bitmap of free slots. Together they take 9 cache lines, an odd number,
 * so that those of neighbours do not share a cache set. Protected by the lock of its bin (small), by the arena lock (free run,
 * large), or by the world being stopped. Block number 0 ends a list: block 0 is never used. */
typedef struct gl_block {
    uint32_t next, prev; /* list of the bin, or of free runs of about the same length */
    uint32_t run_blocks; /* free run (first and last block) or large object (first block) */
    uint16_t bin;        /* small: true bin, also while unswept */
    uint16_t n_objects;
    uint16_t n_free;
    uint16_t n_dead; /* unswept: slots that the sweep will free */
    uint8_t flags;   /* enum gl_block_flag */
    uint8_t kind;    /* gl_kind of a large object */
    uint8_t state;   /* state byte of a large object */
    uint8_t is_marked; /* large: mark bit */
    uint8_t is_moved;  /* large: its pages came from elsewhere (gl_os_move) */
    uint32_t layout;   /* large, typed: number of its layout */
    union {
        size_t large_bytes; /* large: usable bytes; scanned up to here */
        uint32_t *records;  /* small: what hangs on each object, as `attached` */
    };
    uint32_t *layouts;  /* small, typed: layout number per object; of meta memory */
    uint64_t *attached; /* small: a bit per object with GL_STATE_ATTACHED or FINALIZED; of meta memory,
                           NULL until there is one (heap/attached.h) */
    uint32_t owner;     /* small: number of the cache that took slots here last, or 0. A hint */
    uint32_t record;    /* large: what hangs on it */
    uint64_t free_bits[GL_BITMAP_WORDS];
} gl_block;

/* Without the bitmap. */
enum { GL_BLOCK_HEADER_BYTES = offsetof(gl_block, free_bits) };

_Static_assert(sizeof(gl_desc) == 8, "the marker loads a descriptor as one word");
_Static_assert((int)GL_BLOCK_HEADER_BYTES == 64, "one cache line per header");

/* Values of the state byte. FROZEN and PINNED are roots. CONDEMNED counts, to 3, the collections that
 * have not reached an object of malloc's which nobody has freed (collect/lost.h). All but ALLOCATED alone
 * are slow to free. QUARANTINED is freed, and held back (heap/quarantine.h): the program must not use it
 * any more, but the slot is not free. ATTACHED: weak references or finalizers hang on it (collect/weak.h);
 * FINALIZED: one of these finalizers, or the destructor of a counted object, has run. */
enum gl_state {
    GL_STATE_FREE = 0,
    GL_STATE_ALLOCATED = 1,
    GL_STATE_FROZEN = 2,
    GL_STATE_PINNED = 4,
    GL_STATE_CONDEMNED_ONCE = 8,
    GL_STATE_CONDEMNED = 24, /* all bits of the count */
    GL_STATE_QUARANTINED = 32, /* without ALLOCATED, which is in all others but FREE */
    GL_STATE_ATTACHED = 64,
    GL_STATE_FINALIZED = 128
};

static inline bool gl_state_is_allocated(unsigned state) { return state & GL_STATE_ALLOCATED; }

/* A declaration that says so spares a load of the address through the global offset table. */
#define GL_HIDDEN __attribute__((visibility("hidden")))

/* The one heap. Writer of the addresses: gl_heap_init(), once. */
typedef struct gl_heap_state {
    _Alignas(64) uintptr_t base;         /* of the arena; block 0 begins here */
    volatile gl_word used_bytes; /* arena in use so far: committed, with tables behind it; grows */
    gl_desc *descs;
    gl_block *blocks;
    uint64_t *mark_bits;
    uint8_t *state;
    uintptr_t state_origin;      /* state - base / 16: the state byte of p is at state_origin + p / 16 */
    size_t max_bytes;            /* of the arena */
    /* Written by every slow path: not in the line above, which every malloc and free reads. */
    _Alignas(64) volatile gl_word in_use_bytes; /* see the equations; bytes in caches count as in use */
    volatile gl_word peak_bytes;       /* the most in_use_bytes since somebody began to watch; else SIZE_MAX */
    volatile gl_word trigger_bytes;    /* in_use_bytes beyond which a collection is due */
    volatile gl_word allocated_bytes;  /* ever handed out to caches, or as large objects */
    volatile gl_word allocated_slots;  /* the same in objects */
    volatile gl_word freed_slots;      /* given back from caches, freed large ones, dead ones */
    volatile gl_word n_frozen;         /* objects with GL_STATE_FROZEN */
    volatile gl_word n_pinned;         /* objects with GL_STATE_PINNED */
    volatile gl_word n_waiting;        /* finalizers and the like that wait to be run (collect/finalize.h) */
} gl_heap_state;

extern gl_heap_state gl_heap GL_HIDDEN;

/* ---- Bytes in use --------------------------------------------------------------------------- */

static inline void gl_heap_raise_peak(size_t in_use_bytes)
{
    for (size_t peak = gl_load_relaxed(&gl_heap.peak_bytes);
         in_use_bytes > peak && !gl_cas_full(&gl_heap.peak_bytes, peak, in_use_bytes);) {
        peak = gl_load_relaxed(&gl_heap.peak_bytes);
    }
}

/* So many bytes more are in use: in slow paths. */
static inline void gl_heap_note_growth(size_t bytes)
{
    gl_heap_raise_peak(gl_add_relaxed(&gl_heap.in_use_bytes, bytes) + bytes);
}

/* ---- Addresses ------------------------------------------------------------------------------ */

static inline uintptr_t gl_block_start(uint32_t block)
{
    return gl_heap.base + ((uintptr_t)block << GL_BLOCK_SHIFT);
}

static inline uint64_t *gl_block_free_bits(uint32_t block)
{
    return gl_heap.blocks[block].free_bits;
}

static inline uint64_t *gl_block_mark_bits(uint32_t block)
{
    return gl_heap.mark_bits + (size_t)block * GL_BITMAP_STRIDE;
}

static inline bool gl_slot_is_marked(uint32_t block, uint32_t i)
{
    return gl_block_mark_bits(block)[i / 64] >> (i % 64) & 1;
}

/* The number of the granule at this distance from the arena's base. Rotated, a misaligned or foreign offset is
 * huge: one comparison with the granules in use for both. */
static inline uintptr_t gl_granule_at(uintptr_t offset)
{
    return offset >> GL_GRANULE_SHIFT | offset << (64 - GL_GRANULE_SHIFT);
}

/* Not 0: some object of the small block may be in quarantine. In a line of its own, behind the mark bits: any
 * thread writes it in free(), and the header belongs to those who hold the lock of the bin. */
static inline volatile uint8_t *gl_block_has_quarantined(uint32_t block)
{
    return (volatile uint8_t *)(gl_block_mark_bits(block) + GL_BITMAP_STRIDE - 1);
}

static inline uint8_t *gl_state_of(uintptr_t address)
{
    return (uint8_t *)(gl_heap.state_origin + (address >> GL_GRANULE_SHIFT));
}

/* The number of the object that contains the byte at `offset` of a small block. */
static inline uint32_t gl_object_number(gl_desc desc, uint32_t offset)
{
    return (uint32_t)(((uint64_t)offset * desc.reciprocal) >> 32);
}

static inline uint32_t gl_words_for(uint32_t n_objects) { return (n_objects + 63) / 64; }

static inline uint32_t gl_bin_of(gl_kind kind, uint32_t size_class)
{
    return (uint32_t)kind << GL_CLASS_SHIFT | size_class;
}

static inline gl_kind gl_bin_kind(uint32_t bin) { return (gl_kind)(bin >> GL_CLASS_SHIFT); }
static inline uint32_t gl_bin_class(uint32_t bin) { return bin & (GL_N_CLASSES - 1); }

static inline bool gl_kind_is_scanned(gl_kind kind)
{
    return kind != GL_KIND_ATOMIC && kind != GL_KIND_NONE;
}

static inline bool gl_kind_is_zeroed(gl_kind kind) { return kind != GL_KIND_MALLOC && kind != GL_KIND_ATOMIC; }

#endif
