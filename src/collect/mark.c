/* SPDX-License-Identifier: MIT */
/*
 * collect/mark.c - the mark loop.
 *
 * An independent random cache line costs 4 ns here and a dependent one 165: the loop lives by how
 * many loads it keeps in flight. So objects are taken from the stack in batches, and each batch
 * passes through four tight loops:
 *
 *   pop      ids of objects -> spans of words, at most a cache line each
 *   scan     the words of these lines -> offsets of what lies in the arena; meanwhile one prefetch
 *            of a line of the next batch per line scanned, not all in a burst
 *   resolve  offsets -> mark word, bit and id, by the block's descriptor; prefetch the mark word
 *   mark     set the bit; keep the id on the stack if the bit is new, without a branch
 *
 * (Prefetching ahead of a mark stack: Boehm 2000; a queue in front of it: Cher, Hosking and Vitek
 * 2004; the batches are our measurement, doc/marking.md.) The stack is last in, first out: a FIFO
 * would grow with the width of the graph.
 *
 * An id says all that a scan needs: the address of the object, its length in words, and flags; no
 * table is read when it is popped, and the id of an object inside one cache line is its span.
 *
 * STACK OVERFLOW. If the stack cannot grow, the object is marked, its block is flagged, and when the
 * stack is empty the marked objects of flagged blocks are scanned again.
 */
#include "collect/mark.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/filter.h"
#include "base/filter_roots.h"
#include "collect/layout.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/meta.h"
#include "os/memory.h"
#include "os/registers.h"

enum {
    BATCH_OBJECTS = 96, /* 64 to 128 are equal, 16 is twice slower */
    WORDS_PER_SPAN = 8,
    SLICE_WORDS = 256, /* larger objects are scanned 2 KiB at a time */
    SLICE_SPANS = SLICE_WORDS / WORDS_PER_SPAN + 1,
    MAX_SPANS = 1024,
    TYPED_SPANS = 64,
    MAX_CANDIDATES = MAX_SPANS * WORDS_PER_SPAN,
    STACK_FIRST_BYTES = 128 * 1024,
    STACK_KEEP_BYTES = 1024 * 1024
};

/* Ids and spans: an address, a count of words above bit 48, and (ids only) flags above bit 60. A span
 * is a row of words inside one cache line. */
#define WORDS_SHIFT GL_SPAN_COUNT_SHIFT
#define ADDRESS_MASK GL_SPAN_ADDRESS_MASK
#define WORDS_MASK 0xfffu
#define ID_LARGE ((uint64_t)1 << 61) /* the length is in the block's header */
#define ID_TYPED ((uint64_t)1 << 62) /* scanned by its layout */
#define ID_LEAF ((uint64_t)1 << 63)  /* pointer-free: marked, never pushed */
#define ID_FLAGS (ID_LARGE | ID_TYPED | ID_LEAF)

struct gl_marker {
    gl_filter *filter;
    uint64_t *stack;
    size_t top, capacity; /* entries */
    size_t max_capacity;
    size_t limit; /* test hook */
    uint64_t n_overflows;
    bool has_overflowed; /* some block is flagged */
    uint32_t n_spans[2];
    uint64_t spans[2][MAX_SPANS];
    uint64_t offsets[MAX_CANDIDATES + GL_FILTER_SLACK]; /* of candidate words in the arena */
    uint64_t bits[MAX_CANDIDATES];    /* where their mark bits are, counted from mark_bits, */
    uint64_t ids[MAX_CANDIDATES];     /* and their ids */
};

/* By kind: what goes into the id. */
static const uint64_t kind_flags[GL_N_KINDS] = {
    [GL_KIND_ATOMIC] = ID_LEAF,
    [GL_KIND_TYPED] = ID_TYPED,
};

static inline uint64_t small_id(uint64_t block, uint32_t object, gl_desc desc, gl_kind kind)
{
    uint64_t bytes = (uint64_t)desc.granules << GL_GRANULE_SHIFT;
    return (gl_heap.base + (block << GL_BLOCK_SHIFT) + object * bytes) |
           (bytes / sizeof(uintptr_t)) << WORDS_SHIFT | kind_flags[kind];
}

static inline uintptr_t id_address(uint64_t id) { return id & ADDRESS_MASK; }
static inline size_t id_words(uint64_t id) { return id >> WORDS_SHIFT & WORDS_MASK; }

static inline uint32_t block_of(uint64_t id)
{
    return (uint32_t)((id_address(id) - gl_heap.base) >> GL_BLOCK_SHIFT);
}

/* ---- The stack ------------------------------------------------------------------------------ */

gl_marker *gl_marker_new(void)
{
    gl_marker *m = gl_meta_alloc(sizeof *m);
    void *start;
    size_t bytes;
    gl_arena_mark_stack_range(&start, &bytes);
    if (!m || !gl_os_commit(start, STACK_FIRST_BYTES)) {
        gl_meta_free(m, sizeof *m);
        return NULL;
    }
    m->filter = gl_filter_select();
    m->stack = start;
    m->capacity = STACK_FIRST_BYTES / sizeof *m->stack;
    m->max_capacity = bytes / sizeof *m->stack;
    return m;
}

static bool try_grow_stack(gl_marker *m)
{
    size_t more = m->capacity;
    if (m->limit || more > m->max_capacity - m->capacity ||
        !gl_os_commit(m->stack + m->capacity, more * sizeof *m->stack)) {
        return false;
    }
    m->capacity += more;
    return true;
}

static bool ensure_room(gl_marker *m, size_t n)
{
    while (m->top + n > m->capacity || (m->limit && m->top + n > m->limit)) {
        if (!try_grow_stack(m)) {
            return false;
        }
    }
    return true;
}

void gl_marker_trim(gl_marker *m)
{
    size_t keep = STACK_KEEP_BYTES / sizeof *m->stack;
    if (m->capacity > keep) {
        gl_os_purge(m->stack + keep, (m->capacity - keep) * sizeof *m->stack);
    }
}

void gl_marker_limit_stack(gl_marker *m, size_t n)
{
    m->limit = n;
}

uint64_t gl_marker_overflows(const gl_marker *m)
{
    return m->n_overflows;
}

/* Only for queueing one object, outside the tight loops. */
static void push(gl_marker *m, uint64_t id)
{
    if (ensure_room(m, 1)) {
        m->stack[m->top++] = id;
        return;
    }
    uint32_t block = block_of(id);
    gl_heap.blocks[gl_heap.descs[block].granules ? block : gl_large_head(block)].flags |=
        GL_BLOCK_OVERFLOWED;
    m->has_overflowed = true;
    m->n_overflows++;
}

/* ---- Pop ------------------------------------------------------------------------------------ */

static uint32_t add_spans(uint64_t *spans, uint32_t n, uintptr_t start, uintptr_t end)
{
    while (start < end) {
        uintptr_t line_end = (start | 63) + 1;
        uintptr_t stop = line_end < end ? line_end : end;
        spans[n++] = start | (uint64_t)((stop - start) / sizeof(uintptr_t)) << WORDS_SHIFT;
        start = stop;
    }
    return n;
}

/* One slice of a long row of words; the rest goes back on the stack. */
static uint32_t add_slice(gl_marker *m, uint64_t *spans, uint32_t n, uint64_t id, size_t n_words)
{
    uintptr_t start = id_address(id);
    size_t now = n_words < SLICE_WORDS ? n_words : SLICE_WORDS;
    if (n_words > now) {
        /* There is room: the slice was just popped. */
        uint64_t rest = id + now * sizeof(uintptr_t);
        m->stack[m->top++] = (id & ID_LARGE) ? rest : rest - ((uint64_t)now << WORDS_SHIFT);
    }
    return add_spans(spans, n, start, start + now * sizeof(uintptr_t));
}

/* The words of the object that the layout names, beginning with word `from`: up to `max` of them.
 * Returns the word to go on with, or the end. */
static size_t add_typed(uint64_t *spans, uint32_t max, uint32_t *n, const gl_object *object,
                        const gc_layout *layout, size_t from)
{
    size_t n_words = object->bytes / sizeof(uintptr_t);
    size_t item = from - from % layout->size_words;
    for (; item < n_words; item += layout->size_words) {
        for (uint32_t i = 0; i < layout->n_offsets; i++) {
            size_t word = item + layout->offsets_words[i];
            if (word >= n_words) {
                return n_words;
            }
            if (word < from) {
                continue;
            }
            if (*n >= max) {
                return word;
            }
            spans[(*n)++] = (object->start + word * sizeof(uintptr_t)) |
                            (uint64_t)1 << WORDS_SHIFT;
        }
    }
    return n_words;
}

static void scan_spans_at_once(gl_marker *m, const uint64_t *spans, uint32_t n);

/* Typed objects are scanned at once: they are few, and their words lie apart. */
static void scan_typed(gl_marker *m, uint64_t id)
{
    gl_object object;
    uint64_t spans[TYPED_SPANS];
    if (!gl_heap_find(id_address(id), &object)) {
        return;
    }
    const gc_layout *layout = gl_layout_get(gl_heap_layout_of(&object));
    size_t n_words = object.bytes / sizeof(uintptr_t);
    for (size_t word = 0; layout && layout->n_offsets && word < n_words;) {
        uint32_t n = 0;
        word = add_typed(spans, TYPED_SPANS, &n, &object, layout, word);
        scan_spans_at_once(m, spans, n);
    }
}

static uint32_t pop_special(gl_marker *m, uint64_t *spans, uint32_t n, uint64_t id)
{
    if (id & ID_TYPED) {
        scan_typed(m, id);
        return n;
    }
    uint32_t head = gl_large_head(block_of(id));
    uintptr_t end = gl_block_start(head) + gl_heap.blocks[head].large_bytes;
    return add_slice(m, spans, n, id, (end - id_address(id)) / sizeof(uintptr_t));
}

/* True if the object needs no more than its id to be scanned: no flags, and inside one line. */
static inline bool is_span(uint64_t id)
{
    return (id & 63) / sizeof(uintptr_t) + (id >> WORDS_SHIFT) <= WORDS_PER_SPAN;
}

/* Takes up to a batch of objects from the stack. */
static uint32_t pop_batch(gl_marker *m, uint64_t *spans)
{
    uint32_t n = 0;
    uint32_t n_left = BATCH_OBJECTS;
    const uint64_t *stack = m->stack;
    size_t top = m->top; /* in a register through the rows of small objects */
    while (n_left > 0 && top > 0 && n <= MAX_SPANS - SLICE_SPANS) {
        uint64_t id = stack[--top];
        n_left--;
        if (GL_LIKELY(is_span(id))) {
            spans[n++] = id;
            continue;
        }
        m->top = top;
        n = id & ID_FLAGS ? pop_special(m, spans, n, id)
                          : add_slice(m, spans, n, id, id_words(id));
        top = m->top;
    }
    m->top = top;
    return n;
}

/* ---- Scan ----------------------------------------------------------------------------------- */

/* Offsets of words that point into the arena go to m->offsets; the lines of `next` are prefetched on
 * the way. */
static uint32_t scan(gl_marker *m, gl_filter_spans spans, gl_filter_spans next)
{
    return m->filter(spans, next, gl_heap.base, gl_heap.used_bytes, m->offsets);
}

/* ---- Resolve -------------------------------------------------------------------------------- */

static void mark_large(gl_marker *m, uint32_t block)
{
    uint32_t head = gl_large_head(block);
    gl_block *header = &gl_heap.blocks[head];
    if (header->is_marked || header->state == GL_STATE_FREE) {
        return;
    }
    header->is_marked = 1;
    if (header->kind == GL_KIND_TYPED) {
        push(m, gl_block_start(head) | ID_TYPED);
    } else if (gl_kind_is_scanned((gl_kind)header->kind)) {
        push(m, gl_block_start(head) | ID_LARGE);
    }
}

static uint32_t resolve(gl_marker *m, uint32_t n_offsets)
{
    const gl_desc *descs = gl_heap.descs;
    const uint64_t *mark_bits = gl_heap.mark_bits;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_offsets; i++) {
        uint64_t offset = m->offsets[i];
        uint64_t block = offset >> GL_BLOCK_SHIFT;
        gl_desc desc = descs[block];
        if (GL_UNLIKELY(desc.granules == 0)) {
            if (desc.bin != GL_ROLE_FREE) {
                mark_large(m, (uint32_t)block);
            }
            continue;
        }
        uint32_t object = gl_object_number(desc, (uint32_t)(offset & (GL_BLOCK_BYTES - 1)));
        uint64_t bit = block * (GL_BITMAP_STRIDE * 64) + object;
        __builtin_prefetch(&mark_bits[bit / 64], 1);
        m->bits[n] = bit;
        m->ids[n] = small_id(block, object, desc, gl_bin_kind(desc.bin));
        n++;
    }
    return n;
}

/* ---- Mark ----------------------------------------------------------------------------------- */

static void mark_without_room(gl_marker *m, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *word = &gl_heap.mark_bits[m->bits[i] / 64];
        uint64_t bit = (uint64_t)1 << (m->bits[i] % 64);
        bool is_new = !(*word & bit);
        *word |= bit;
        if (is_new && !(m->ids[i] & ID_LEAF)) {
            push(m, m->ids[i]);
        }
    }
}

static void mark(gl_marker *m, uint32_t n)
{
    if (GL_UNLIKELY(!ensure_room(m, n + 1))) {
        mark_without_room(m, n);
        return;
    }
    uint64_t *mark_bits = gl_heap.mark_bits;
    uint64_t *top = m->stack + m->top;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *word = &mark_bits[m->bits[i] / 64];
        uint64_t old = *word;
        uint64_t shift = m->bits[i] % 64;
        uint64_t id = m->ids[i];
        *word = old | (uint64_t)1 << shift;
        *top = id;
        top += ~(old >> shift | id >> 63) & 1;
    }
    m->top = (size_t)(top - m->stack);
}

static void scan_spans_at_once(gl_marker *m, const uint64_t *spans, uint32_t n)
{
    gl_filter_spans these = {spans, n}, none = {NULL, 0};
    mark(m, resolve(m, scan(m, these, none)));
}

/* ---- The loop ------------------------------------------------------------------------------- */

static void drain_stack(gl_marker *m)
{
    unsigned current = 0;
    m->n_spans[0] = pop_batch(m, m->spans[0]);
    while (m->n_spans[current] > 0 || m->top > 0) {
        unsigned next = 1 - current;
        m->n_spans[next] = pop_batch(m, m->spans[next]);
        gl_filter_spans now = {m->spans[current], m->n_spans[current]};
        gl_filter_spans then = {m->spans[next], m->n_spans[next]};
        mark(m, resolve(m, scan(m, now, then)));
        current = next;
    }
}

/* Queues the marked, allocated objects of one flagged block again. */
static void rescan_block(gl_marker *m, uint32_t block)
{
    gl_desc desc = gl_heap.descs[block];
    gl_block *header = &gl_heap.blocks[block];
    header->flags &= (uint8_t)~GL_BLOCK_OVERFLOWED;
    if (!desc.granules) {
        push(m, gl_block_start(block) | (header->kind == GL_KIND_TYPED ? ID_TYPED : ID_LARGE));
        drain_stack(m);
        return;
    }
    for (uint32_t i = 0; i < header->n_objects; i++) {
        gl_object object;
        if (gl_heap_find(gl_block_start(block) + (size_t)i * desc.granules * GL_GRANULE_BYTES,
                         &object) &&
            gl_mark_is_set(&object) && object.kind != GL_KIND_ATOMIC) {
            push(m, small_id(block, i, desc, object.kind));
            drain_stack(m);
        }
    }
}

void gl_mark_drain(gl_marker *m)
{
    drain_stack(m);
    while (m->has_overflowed) {
        m->has_overflowed = false;
        for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
            bool is_object = gl_heap.descs[block].granules ||
                             gl_heap.descs[block].bin == GL_ROLE_LARGE;
            if (is_object && gl_heap.blocks[block].flags & GL_BLOCK_OVERFLOWED) {
                rescan_block(m, block);
            }
        }
    }
}

/* ---- Roots ---------------------------------------------------------------------------------- */

/* True if an object that is allocated begins there: the state byte knows the small ones. */
static bool is_object_start(uintptr_t offset)
{
    return gl_heap.state[offset >> GL_GRANULE_SHIFT] != GL_STATE_FREE ||
           (offset % GL_BLOCK_BYTES == 0 &&
            gl_heap.descs[offset >> GL_BLOCK_SHIFT].bin == GL_ROLE_LARGE);
}

static uint32_t add_root_word(gl_marker *m, uint32_t n, uintptr_t word, gl_root_kind kind)
{
    uintptr_t offset = word - gl_heap.base;
    uintptr_t used = gl_heap.used_bytes;
    if (offset > used) {
        return n;
    }
    if (offset < used) {
        m->offsets[n++] = offset;
    }
    /* One past the end of the slot before (types.h: SLACK). */
    bool is_start = offset % GL_GRANULE_BYTES == 0 && offset > 0;
    if (is_start &&
        (offset == used || kind == GL_ROOT_REGISTERS || !is_object_start(offset))) {
        m->offsets[n++] = offset - 1;
    }
    return n;
}

/* Both readings of each candidate. */
static void mark_candidates(gl_marker *m, const uintptr_t *words, uint32_t n_words,
                            gl_root_kind kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_words; i++) {
        n = add_root_word(m, n, words[i], kind);
        n = add_root_word(m, n, gl_os_demangle(words[i]), GL_ROOT_MEMORY);
        if (GL_UNLIKELY(n + 4 > BATCH_OBJECTS)) {
            mark(m, resolve(m, n));
            n = 0;
        }
    }
    mark(m, resolve(m, n));
}

void gl_mark_range(gl_marker *m, uintptr_t start, uintptr_t end, gl_root_kind kind)
{
    enum { PORTION = 128 }; /* the stack may be a small one */
    static gl_filter_roots *filter; /* the world is stopped */
    const uintptr_t *word = (const uintptr_t *)gl_round_up(start, sizeof(uintptr_t));
    const uintptr_t *stop = (const uintptr_t *)gl_round_down(end, sizeof(uintptr_t));
    const gl_roots_range range = {gl_heap.base, gl_heap.used_bytes, gl_os_mangle_key(),
                                  gl_os_mangle_rotation()};
    uintptr_t candidates[PORTION + GL_FILTER_ROOTS_SLACK];
    if (!filter) {
        filter = gl_filter_roots_select();
    }
    while (word < stop) {
        size_t n = (size_t)(stop - word) < PORTION ? (size_t)(stop - word) : PORTION;
        uint32_t n_found = filter(word, n, &range, candidates);
        if (n_found) {
            mark_candidates(m, candidates, n_found, kind);
        }
        word += n;
    }
}

void gl_mark_object(gl_marker *m, const gl_object *object)
{
    m->offsets[0] = object->start - gl_heap.base;
    mark(m, resolve(m, 1));
}

bool gl_mark_is_set(const gl_object *object)
{
    if (object->is_large) {
        return gl_heap.blocks[object->block].is_marked;
    }
    return gl_block_mark_bits(object->block)[object->index / 64] >> (object->index % 64) & 1;
}

/* ---- Before marking ------------------------------------------------------------------------- */

static void prepare_block(uint32_t block)
{
    uint32_t n = gl_heap.blocks[block].n_objects;
    const uint64_t *free_bits = gl_block_free_bits(block);
    uint64_t *marks = gl_block_mark_bits(block);
    for (uint32_t w = 0; w < n / 64; w++) {
        marks[w] = free_bits[w];
    }
    if (n / 64 < GL_BITMAP_STRIDE) {
        uint64_t tail = ~(uint64_t)0 << (n % 64);
        marks[n / 64] = (n % 64 ? free_bits[n / 64] : 0) | tail;
    }
}

static void mark_cached(uint32_t bin, const gl_magazine *magazine, void *arg)
{
    (void)bin;
    (void)arg;
    for (uint32_t i = 0; i < magazine->count; i++) {
        uintptr_t offset = magazine->slots[i] - gl_heap.base;
        uint32_t block = (uint32_t)(offset >> GL_BLOCK_SHIFT);
        uint32_t object = gl_object_number(gl_heap.descs[block],
                                           (uint32_t)(offset & (GL_BLOCK_BYTES - 1)));
        gl_block_mark_bits(block)[object / 64] |= (uint64_t)1 << (object % 64);
    }
}

void gl_mark_prepare(void)
{
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        if (gl_heap.descs[block].granules) {
            prepare_block(block);
        } else if (gl_heap.descs[block].bin == GL_ROLE_LARGE) {
            gl_heap.blocks[block].is_marked = 0;
        }
    }
    gl_cache_each_magazine(mark_cached, NULL);
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        for (uint32_t i = 0; i < gl_bins[bin].n_batches; i++) {
            gl_magazine batch = {gl_classes[gl_bin_class(bin)].batch, 0, gl_bins[bin].batches[i]};
            mark_cached(bin, &batch, NULL);
        }
    }
}
