/* SPDX-License-Identifier: MIT */
/*
 * collect/mark_loop.c - the mark loop.
 *
 * An independent random cache line costs some nanoseconds and a dependent one a hundred: the loop
 * lives by how many loads it keeps in flight. So objects are taken from the stack in batches, and
 * each batch passes through four tight loops:
 *
 *   pop      ids of objects -> spans of words, at most a cache line each
 *   scan     the words of these lines -> offsets of what lies in the arena; meanwhile one prefetch
 *            of a line of the next batch per line scanned, not all in a burst
 *   resolve  offsets -> mark byte, bit and id, by the block's descriptor
 *   mark     set the bit; keep the id on the stack if the bit is new, without a branch
 *
 * (Prefetching ahead of a mark stack: Boehm 2000; a queue in front of it: Cher, Hosking and Vitek
 * 2004; the batches are our measurement, doc/marking.md.) The stack is last in, first out: a FIFO
 * would grow with the width of the graph.
 */
#include "base/bits.h"
#include "collect/layout.h"
#include "collect/marker.h"
#include "heap/large.h"
#include "os/memory.h"
#include "os/regions.h"

enum {
    WORDS_PER_SPAN = 8,
    SLICE_WORDS = 256, /* larger objects are scanned 2 KiB at a time */
    SLICE_SPANS = SLICE_WORDS / WORDS_PER_SPAN + 1,
    TYPED_SPANS = 64,
    PIECE_BYTES = 16 * 1024,
    SPARSE_FROM_BYTES = 4 << 20,
    WORDS_MASK = 0xfff,
    ROW = 8
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "mark bits are set by the byte");

const uint64_t gl_mark_kind_flags[8] = {
    [GL_KIND_ATOMIC] = GL_ID_LEAF,
    [GL_KIND_TYPED] = GL_ID_TYPED,
};

/* ---- Pop ------------------------------------------------------------------------------------ */

static uint32_t add_spans(uint64_t *spans, uint32_t n, uintptr_t start, uintptr_t end)
{
    while (start < end) {
        uintptr_t line_end = (start | 63) + 1;
        uintptr_t stop = line_end < end ? line_end : end;
        spans[n++] = start | (uint64_t)((stop - start) / sizeof(uintptr_t)) << GL_ID_WORDS_SHIFT;
        start = stop;
    }
    return n;
}

/* One slice of a long row of words; the rest goes back on the stack. */
static uint32_t add_slice(gl_marker *m, uint64_t *spans, uint32_t n, uint64_t id, size_t n_words)
{
    uintptr_t start = gl_id_address(id);
    size_t now = n_words < SLICE_WORDS ? n_words : SLICE_WORDS;
    if (n_words > now) {
        /* There is room: the slice was just popped. */
        uint64_t rest = id + now * sizeof(uintptr_t);
        m->stack[m->top++] =
            (id & GL_ID_LARGE) ? rest : rest - ((uint64_t)now << GL_ID_WORDS_SHIFT);
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
                            (uint64_t)1 << GL_ID_WORDS_SHIFT;
        }
    }
    return n_words;
}

static uint32_t scan(gl_marker *m, gl_filter_spans spans, gl_filter_spans next);

/* Typed objects are scanned at once: they are few, and their words lie apart. */
static void scan_typed(gl_marker *m, uint64_t id)
{
    gl_object object;
    uint64_t spans[TYPED_SPANS];
    gl_filter_spans none = {NULL, 0};
    if (!gl_heap_find_held(gl_id_address(id), &object)) {
        return;
    }
    const gc_layout *layout = gl_layout_get(gl_heap_layout_of(&object));
    size_t n_words = object.bytes / sizeof(uintptr_t);
    for (size_t word = 0; layout && layout->n_offsets && word < n_words;) {
        uint32_t n = 0;
        word = add_typed(spans, TYPED_SPANS, &n, &object, layout, word);
        gl_mark_offsets(m, scan(m, (gl_filter_spans){spans, n}, none));
    }
}

static void push_pieces(uintptr_t start, uintptr_t end, void *marker)
{
    gl_marker *m = marker;
    while (start < end) {
        uintptr_t bytes = end - start < PIECE_BYTES ? end - start : PIECE_BYTES;
        m->stack[m->top++] = start | (uint64_t)(bytes / sizeof(uintptr_t)) << GL_ID_WORDS_SHIFT;
        start += bytes;
    }
}

/* Of a very large object only the pages that have content are read: a table that is used here and there
 * stays as it is, and a page that was never touched gets no page table. Its pieces can be shared, too.
 * False: there is no room on the stack for so many. */
static bool try_push_present(gl_marker *m, uintptr_t start, uintptr_t end)
{
    if (end - start < SPARSE_FROM_BYTES ||
        !gl_marker_ensure_room(m, (end - start) / gl_os_page_bytes)) {
        return false;
    }
    gl_regions_present(start, end, true, push_pieces, m);
    return true;
}

static uint32_t pop_special(gl_marker *m, uint64_t *spans, uint32_t n, uint64_t id)
{
    if (id & GL_ID_TYPED) {
        scan_typed(m, id);
        return n;
    }
    uint32_t head = gl_large_head(gl_id_block(id));
    uintptr_t end = gl_block_start(head) + gl_heap.blocks[head].large_bytes;
    if (gl_id_address(id) == gl_block_start(head) && try_push_present(m, gl_id_address(id), end)) {
        return n;
    }
    return add_slice(m, spans, n, id, (end - gl_id_address(id)) / sizeof(uintptr_t));
}

/* True if the object needs no more than its id to be scanned: no flags, and inside one line. */
static inline bool is_span(uint64_t id)
{
    return (id & 63) / sizeof(uintptr_t) + (id >> GL_ID_WORDS_SHIFT) <= WORDS_PER_SPAN;
}

/* Up to `max` ids one by one; spans[n...) receives what they need. Returns the new n. */
static uint32_t pop_some(gl_marker *m, uint64_t *spans, uint32_t n, uint32_t max)
{
    size_t top = m->top; /* in a register through the rows of small objects */
    for (; max > 0 && top > m->bottom; max--) {
        uint64_t id = m->stack[--top];
        if (GL_LIKELY(is_span(id))) {
            spans[n++] = id;
            continue;
        }
        m->top = top;
        n = id & GL_ID_FLAGS
                ? pop_special(m, spans, n, id)
                : add_slice(m, spans, n, id, id >> GL_ID_WORDS_SHIFT & WORDS_MASK);
        top = m->top;
    }
    m->top = top;
    return n;
}

/* Takes about a batch of objects from the stack, as long as there is room for the most that one turn
 * adds: the whole batch in rows, and then a row's worth of slices. */
static uint32_t pop_batch(gl_marker *m, uint64_t *spans)
{
    enum { ROOM = GL_MARK_BATCH_OBJECTS + ROW * SLICE_SPANS };
    uint32_t n = 0;
    uint32_t n_left = GL_MARK_BATCH_OBJECTS;
    while (n_left > 0 && m->top > m->bottom && n <= GL_MARK_MAX_SPANS - ROOM) {
        size_t max = m->top - m->bottom < n_left ? m->top - m->bottom : n_left;
        uint32_t n_taken = m->take_rows ? m->take_rows(m->stack + m->top, max, spans + n) : 0;
        m->top -= n_taken;
        n += n_taken;
        n_left -= n_taken;
        uint32_t n_single = n_left < ROW ? n_left : ROW;
        n = pop_some(m, spans, n, n_single);
        n_left -= n_single;
    }
    gl_debug(n <= GL_MARK_MAX_SPANS, spans);
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

/* Two markers may come at once, and a large object is much to scan twice: one of them gets it. */
void gl_mark_large(gl_marker *m, uint32_t block)
{
    uint32_t head = gl_large_head(block);
    gl_block *header = &gl_heap.blocks[head];
    if (header->is_marked || header->state == GL_STATE_FREE ||
        !gl_cas8_full(&header->is_marked, 0, 1)) {
        return;
    }
    if (header->kind == GL_KIND_TYPED) {
        gl_marker_push(m, gl_block_start(head) | GL_ID_TYPED);
    } else if (gl_kind_is_scanned((gl_kind)header->kind)) {
        gl_marker_push(m, gl_block_start(head) | GL_ID_LARGE);
    }
}

uint32_t gl_mark_resolve_portable(gl_marker *m, uint32_t n_offsets)
{
    const gl_desc *descs = gl_heap.descs;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_offsets; i++) {
        uint64_t offset = m->offsets[i];
        uint64_t block = offset >> GL_BLOCK_SHIFT;
        gl_desc desc = descs[block];
        if (GL_UNLIKELY(desc.granules == 0)) {
            if (desc.bin != GL_ROLE_FREE) {
                gl_mark_large(m, (uint32_t)block);
            }
            continue;
        }
        uint32_t object = gl_object_number(desc, (uint32_t)(offset & (GL_BLOCK_BYTES - 1)));
        uint64_t bit = gl_lane_bit(block * (GL_BITMAP_STRIDE * 64) + object, m->lane, m->lane_shift);
        if (m->prefetches_marks) {
            gl_prefetch_to_write(&m->marks[bit / 8]);
        }
        m->bits[n] = bit;
        m->ids[n] = gl_id_of_small(block, object, desc, gl_bin_kind(desc.bin));
        n++;
    }
    m->n_candidates = n;
    return n;
}

/* ---- Mark ----------------------------------------------------------------------------------- */

/* The bits of all markers in this byte of the bitmap. Bytes and not words, because neighbours are
 * marked in a row: to load a word that was stored a moment ago takes five cycles. */
static inline uint32_t seen_in(const uint8_t *marks, uint64_t byte, uint32_t n_lanes)
{
    uint32_t seen = marks[byte];
    for (uint32_t j = 1; j < n_lanes; j++) {
        seen |= marks[byte ^ (j * sizeof(uint64_t))];
    }
    return seen;
}

/* A line that another marker has written should not be written for nothing: it would go to and fro
 * between the processors. So where many of the objects are marked already, these are stored elsewhere;
 * without a branch, for nobody can predict it. (Where most are new, that would only delay the loads
 * behind the store: a tree takes a third longer.) */
static inline uint8_t *elsewhere_if(uint8_t *at, uint32_t is_seen, uint8_t *elsewhere)
{
    uintptr_t mask = (uintptr_t)0 - is_seen;
    return (uint8_t *)(((uintptr_t)at & ~mask) | ((uintptr_t)elsewhere & mask));
}

static inline void mark_in(gl_marker *m, uint32_t n, uint32_t n_lanes, bool spares_stores)
{
    uint8_t *marks = m->marks;
    uint64_t *top = m->stack + m->top;
    uint8_t nowhere;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t byte = m->bits[i] / 8;
        uint32_t shift = m->bits[i] % 8;
        uint64_t id = m->ids[i];
        uint32_t seen = seen_in(marks, byte, n_lanes);
        uint8_t *at = &marks[byte];
        uint8_t now = (uint8_t)(*at | 1u << shift);
        if (spares_stores) {
            at = elsewhere_if(at, seen >> shift & 1, &nowhere);
        }
        *at = now;
        *top = id;
        top += ~(seen >> shift | id >> 63) & 1;
    }
    size_t n_new = (size_t)(top - m->stack) - m->top;
    m->finds_new = n_new * 4 >= (size_t)m->n_candidates * 3;
    m->finds_old = n_new * 4 < m->n_candidates;
    m->top += n_new;
}

static void mark_without_room(gl_marker *m, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t byte = m->bits[i] / 8;
        uint32_t bit = 1u << (m->bits[i] % 8);
        bool is_new = !(seen_in(m->marks, byte, 1u << m->lane_shift) & bit);
        m->marks[byte] = (uint8_t)(m->marks[byte] | bit);
        if (is_new && !(m->ids[i] & GL_ID_LEAF)) {
            gl_marker_push(m, m->ids[i]);
        }
    }
}

static void mark(gl_marker *m, uint32_t n)
{
    if (GL_UNLIKELY(!gl_marker_ensure_room(m, n + 1))) {
        mark_without_room(m, n);
    } else if (m->lane_shift == 0) {
        mark_in(m, n, 1, false);
    } else if (m->lane_shift == 1 && (m->finds_new || m->n_candidates > n)) {
        mark_in(m, n, 2, false);
    } else if (m->lane_shift == 1) {
        mark_in(m, n, 2, true);
    } else {
        mark_in(m, n, 1u << m->lane_shift, !m->finds_new && m->n_candidates == n);
    }
}

void gl_mark_offsets(gl_marker *m, uint32_t n)
{
    mark(m, m->resolve(m, n));
}

/* ---- Chains --------------------------------------------------------------------------------- */

/* Marks what the word refers to; the id of a small object that is new and must be scanned, or 0. */
static inline uint64_t mark_word(gl_marker *m, uintptr_t word)
{
    uint64_t offset = word - gl_heap.base;
    if (offset >= gl_heap.used_bytes) {
        return 0;
    }
    uint64_t block = offset >> GL_BLOCK_SHIFT;
    gl_desc desc = gl_heap.descs[block];
    if (desc.granules == 0) {
        if (desc.bin != GL_ROLE_FREE) {
            gl_mark_large(m, (uint32_t)block);
        }
        return 0;
    }
    uint32_t object = gl_object_number(desc, (uint32_t)(offset & (GL_BLOCK_BYTES - 1)));
    uint64_t bit = gl_lane_bit(block * (GL_BITMAP_STRIDE * 64) + object, m->lane, m->lane_shift);
    if (seen_in(m->marks, bit / 8, 1u << m->lane_shift) >> (bit % 8) & 1) {
        return 0;
    }
    m->marks[bit / 8] = (uint8_t)(m->marks[bit / 8] | 1u << (bit % 8));
    uint64_t id = gl_id_of_small(block, object, desc, gl_bin_kind(desc.bin));
    return id & GL_ID_LEAF ? 0 : id;
}

/* A list gives batches of one object, for which the four loops are a long way. This follows it word by
 * word as long as each object leads to just one other; what else it meets goes on the stack. */
__attribute__((no_sanitize("address", "thread"))) static void follow_chain(gl_marker *m, uint64_t span)
{
    while (span) {
        const uintptr_t *first = (const uintptr_t *)gl_id_address(span);
        uint64_t last_id = 0;
        for (uint64_t i = span >> GL_ID_WORDS_SHIFT; i-- > 0;) {
            uint64_t id = mark_word(m, first[i]);
            if (id && last_id) {
                gl_marker_push(m, last_id);
            }
            last_id = id ? id : last_id;
        }
        span = last_id;
        if (span && (m->top > m->bottom || !is_span(span))) {
            gl_marker_push(m, span);
            span = 0;
        }
    }
}

/* ---- The loop ------------------------------------------------------------------------------- */

static void look_around(gl_marker *m)
{
    if (m->patience > 0 && --m->patience == 0) {
        gl_mark_call_helpers(m);
    }
    if (GL_UNLIKELY(gl_load32_relaxed(m->hungry) > 0)) {
        gl_mark_share(m);
    }
}

void gl_mark_loop(gl_marker *m)
{
    unsigned current = 0;
    m->n_spans[0] = pop_batch(m, m->spans[0]);
    while (m->n_spans[current] > 0 || m->top > m->bottom) {
        unsigned next = 1 - current;
        if (m->n_spans[current] == 1 && m->top == m->bottom) {
            follow_chain(m, m->spans[current][0]);
            m->n_spans[current] = 0;
        }
        m->n_spans[next] = pop_batch(m, m->spans[next]);
        gl_filter_spans now = {m->spans[current], m->n_spans[current]};
        gl_filter_spans then = {m->spans[next], m->n_spans[next]};
        gl_mark_offsets(m, scan(m, now, then));
        look_around(m);
        current = next;
    }
    m->bottom = m->top = 0;
}
