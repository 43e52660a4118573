/* SPDX-License-Identifier: MIT */
/*
 * collect/mark.c - the marker from outside: its stack, roots, overflow, the start of the bitmap. The
 * loop itself is in mark_loop.c.
 *
 * STACK OVERFLOW. If the stack cannot grow, the object is marked, its block is flagged, and when the
 * stack is empty the marked objects of flagged blocks are scanned again.
 */
#include "base/bits.h"
#include "base/check.h"
#include "collect/marker.h"
#include "collect/quarantine.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap/large.h"
#include "heap/meta.h"
#include "heap/quarantine.h"
#include "os/memory.h"
#include "os/registers.h"

enum {
    STACK_FIRST_BYTES = 128 * 1024,
    STACK_KEEP_BYTES = 1024 * 1024
};

/* ---- The stack ------------------------------------------------------------------------------ */

bool gl_marker_init(gl_marker *m, void *stack, size_t stack_bytes)
{
    static const volatile uint32_t nobody;
    if (!gl_os_commit(stack, STACK_FIRST_BYTES)) {
        return false;
    }
    gl_simd simd = gl_simd_select();
    m->filter = gl_filter_for(simd);
    m->filter_roots = gl_filter_roots_for(simd);
    m->filter_dense = gl_filter_dense_for(simd);
    m->take_rows = gl_mark_take_rows_for(simd);
    m->resolve = gl_mark_resolve_for(simd);
    m->stack = stack;
    m->capacity = STACK_FIRST_BYTES / sizeof *m->stack;
    m->max_capacity = stack_bytes / sizeof *m->stack;
    m->hungry = &nobody;
    return true;
}

/* Half of the space for mark stacks is this marker's, the rest is the helpers'. */
gl_marker *gl_marker_new(void)
{
    gl_marker *m = gl_meta_alloc(sizeof *m);
    void *start;
    size_t bytes;
    gl_arena_mark_stack_range(&start, &bytes);
    if (!m || !gl_marker_init(m, start, bytes / 2)) {
        gl_meta_free(m, sizeof *m);
        return NULL;
    }
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

bool gl_marker_ensure_room(gl_marker *m, size_t n)
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

bool gl_marker_has_work(const gl_marker *m)
{
    return m->top > m->bottom || m->has_overflowed;
}

void gl_marker_limit_stack(gl_marker *m, size_t n)
{
    m->limit = n;
}

uint64_t gl_marker_overflows(const gl_marker *m)
{
    return m->n_overflows;
}

uint32_t gl_marker_n_markers(const gl_marker *m)
{
    return m->n_markers;
}

/* Several markers may flag a block at once: all write the same. */
void gl_marker_push(gl_marker *m, uint64_t id)
{
    if (gl_marker_ensure_room(m, 1)) {
        m->stack[m->top++] = id;
        return;
    }
    uint32_t block = gl_id_block(id);
    gl_heap.blocks[gl_heap.descs[block].granules ? block : gl_large_head(block)].flags |=
        GL_BLOCK_OVERFLOWED;
    m->has_overflowed = true;
    m->n_overflows++;
}

/* ---- The whole ------------------------------------------------------------------------------ */

/* Queues the marked, allocated objects of one flagged block again. */
static void rescan_block(gl_marker *m, uint32_t block)
{
    gl_desc desc = gl_heap.descs[block];
    gl_block *header = &gl_heap.blocks[block];
    header->flags &= (uint8_t)~GL_BLOCK_OVERFLOWED;
    if (!desc.granules) {
        gl_marker_push(m, gl_block_start(block) |
                              (header->kind == GL_KIND_TYPED ? GL_ID_TYPED : GL_ID_LARGE));
        gl_mark_loop(m);
        return;
    }
    for (uint32_t i = 0; i < header->n_objects; i++) {
        gl_object object;
        if (gl_heap_find_held(gl_block_start(block) + (size_t)i * desc.granules * GL_GRANULE_BYTES,
                              &object) &&
            gl_mark_is_set(&object) && object.kind != GL_KIND_ATOMIC) {
            gl_marker_push(m, gl_id_of_small(block, i, desc, object.kind));
            gl_mark_loop(m);
        }
    }
}

void gl_mark_drain(gl_marker *m)
{
    gl_mark_with_helpers(m);
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

static inline bool is_watched(const gl_marker *m, uintptr_t offset)
{
    uint64_t block = offset >> GL_BLOCK_SHIFT;
    return !m->watched || (m->watched[block / 64] >> (block % 64) & 1);
}

/* One past the end of the slot before (types.h: SLACK). */
static uint32_t add_root_end(gl_marker *m, uint32_t n, uintptr_t offset, gl_root_kind kind)
{
    bool is_start = offset % GL_GRANULE_BYTES == 0 && offset > 0;
    if (is_start && is_watched(m, offset - 1) &&
        (offset == gl_heap.used_bytes || kind == GL_ROOT_REGISTERS || !is_object_start(offset))) {
        m->offsets[n++] = offset - 1;
    }
    return n;
}

static inline uint32_t add_root_word(gl_marker *m, uint32_t n, uintptr_t word, gl_root_kind kind)
{
    uintptr_t offset = word - gl_heap.base;
    uintptr_t used = gl_heap.used_bytes;
    if (offset > used) {
        return n;
    }
    if (offset < used) {
        m->offsets[n] = offset;
        n += is_watched(m, offset);
    }
    return kind == GL_ROOT_OBJECTS ? n : add_root_end(m, n, offset, kind);
}

/* Both readings of each candidate. */
static void mark_candidates(gl_marker *m, const uintptr_t *words, uint32_t n_words,
                            gl_root_kind kind)
{
    gl_root_kind mangled_kind = kind == GL_ROOT_REGISTERS ? GL_ROOT_MEMORY : kind;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_words; i++) {
        n = add_root_word(m, n, words[i], kind);
        n = add_root_word(m, n, gl_os_demangle(words[i]), mangled_kind);
        if (GL_UNLIKELY(n + 4 > GL_MARK_BATCH_OBJECTS)) {
            gl_mark_offsets(m, n);
            n = 0;
        }
    }
    gl_mark_offsets(m, n);
}

/* The words at `first` and, if asked to, those that begin in the middle of two of them, or of the word before
 * and the first. */
static void mark_portion(gl_marker *m, const gl_root_word *first, size_t n, bool has_before,
                         gl_root_kind kind)
{
    const gl_roots_range range = {gl_heap.base, gl_heap.used_bytes, gl_os_mangle_key(),
                                  gl_os_mangle_rotation()};
    uintptr_t candidates[2 * GL_ROOT_PORTION_WORDS + GL_FILTER_ROOTS_SLACK];
    if (m->reads_between && m->filter_dense) {
        mark_candidates(m, candidates, m->filter_dense(first, n, has_before, &range, candidates), kind);
        return;
    }
    uint32_t n_found = m->filter_roots(first, n, &range, candidates);
    if (n_found) {
        mark_candidates(m, candidates, n_found, kind);
    }
    if (m->reads_between) {
        size_t skipped = !has_before;
        const gl_root_word *between =
            (const gl_root_word *)((uintptr_t)(first + skipped) - sizeof *first / 2);
        n_found = m->filter_roots(between, n - skipped, &range, candidates);
        mark_candidates(m, candidates, n_found, kind);
    }
}

void gl_mark_range(gl_marker *m, uintptr_t start, uintptr_t end, gl_root_kind kind)
{
    const gl_root_word *word = (const gl_root_word *)gl_round_up(start, sizeof(uintptr_t));
    const gl_root_word *begin = word;
    const gl_root_word *stop = (const gl_root_word *)gl_round_down(end, sizeof(uintptr_t));
    if (m->counts_ends) {
        kind = GL_ROOT_REGISTERS;
    }
    while (word < stop) {
        size_t n_left = (size_t)(stop - word);
        size_t n = n_left < GL_ROOT_PORTION_WORDS ? n_left : GL_ROOT_PORTION_WORDS;
        mark_portion(m, word, n, word > begin, kind);
        word += n;
    }
}

void gl_marker_watch(gl_marker *m, const uint64_t *watched)
{
    m->watched = watched;
}

void gl_marker_read_between(gl_marker *m, bool reads_between)
{
    m->reads_between = reads_between;
}

void gl_marker_be_thorough(gl_marker *m, bool is_thorough)
{
    m->reads_between = m->counts_ends = is_thorough;
}

void gl_mark_starts(gl_marker *m, const uintptr_t *starts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        m->offsets[i] = starts[i] - gl_heap.base;
    }
    gl_mark_offsets(m, n);
}

void gl_mark_object(gl_marker *m, const gl_object *object)
{
    gl_mark_starts(m, &object->start, 1);
}

bool gl_mark_is_set(const gl_object *object)
{
    if (object->is_large) {
        return gl_heap.blocks[object->block].is_marked;
    }
    return gl_slot_is_marked(object->block, object->index);
}

void gl_mark_set(const gl_object *object)
{
    if (object->is_large) {
        gl_heap.blocks[object->block].is_marked = true;
    } else {
        gl_block_mark_bits(object->block)[object->index / 64] |= (uint64_t)1 << (object->index % 64);
    }
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

static void prepare_small(uint32_t block)
{
    if (gl_quarantine_is_on() && gl_bin_kind(gl_heap.blocks[block].bin) == GL_KIND_MALLOC) {
        gl_quarantine_premark(block);
    } else {
        prepare_block(block);
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

void gl_mark_prepare(gl_marker *m)
{
    m->marks = (uint8_t *)gl_heap.mark_bits;
    m->prefetches_marks = false;
    m->watched = NULL;
    gl_marker_be_thorough(m, false);
    m->n_markers = 1;
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        gl_block *header = &gl_heap.blocks[block];
        if (gl_heap.descs[block].granules) {
            prepare_small(block);
        } else if (gl_heap.descs[block].bin == GL_ROLE_LARGE) {
            header->is_marked = gl_quarantine_is_on() && header->kind == GL_KIND_MALLOC &&
                                gl_state_is_allocated(header->state);
        }
    }
    gl_cache_each_magazine(mark_cached, NULL);
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        for (uint32_t i = 0; i < gl_bins[bin].n_batches; i++) {
            gl_magazine batch = {.count = gl_classes[gl_bin_class(bin)].batch,
                                 .slots = gl_bins[bin].batches[i]};
            mark_cached(bin, &batch, NULL);
        }
    }
}
