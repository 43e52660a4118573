/* SPDX-License-Identifier: MIT */
/*
 * heap/bin.c - free slots in blocks: finding, taking, putting back, sweeping.
 *
 * Slots are found by counting trailing zeros in the words of free_bits (0.6 to 0.8 ns a slot). The
 * sweep is lazy: after a collection a block with dead objects stands on the unswept list, and its
 * descriptor says UNSWEPT, so that a free() of an object in it takes the slow path. Whoever needs
 * slots, or frees there, sweeps that one block: bitmaps and state bytes, never the objects.
 */
#include "heap/bin.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "heap/arena.h"
#include "heap/attached.h"
#include "heap/counts.h"
#include "heap/meta.h"
#include "os/memory.h"

/* Aligned so that the bins of one kind share a page. */
gl_bin gl_bins[GL_N_BINS] __attribute__((aligned(4096)));

/* Bins that have ever had a block, and those whose locks gl_bin_lock_all() holds. The first is written
 * under the lock of the arena, the second by the holder of these locks. */
static uint64_t used_bins[GL_N_BINS / 64], locked_bins[GL_N_BINS / 64];

void gl_bin_init(void)
{
    /* Where nobody checks the order of locks, the pages of bins that are not used stay untouched. */
    for (uint32_t b = 0; GL_CHECK_LEVEL >= 2 && b < GL_N_BINS; b++) {
        gl_bins[b].lock.rank = GL_RANK_BIN;
    }
}

/* ---- Lists ---------------------------------------------------------------------------------- */

static void push(uint32_t *head, uint32_t block, uint8_t flag)
{
    gl_block *header = &gl_heap.blocks[block];
    header->flags |= flag;
    header->prev = 0;
    header->next = *head;
    if (*head) {
        gl_heap.blocks[*head].prev = block;
    }
    *head = block;
}

static void unlink(uint32_t *head, uint32_t block, uint8_t flag)
{
    gl_block *header = &gl_heap.blocks[block];
    header->flags &= (uint8_t)~flag;
    if (header->prev) {
        gl_heap.blocks[header->prev].next = header->next;
    } else {
        *head = header->next;
    }
    if (header->next) {
        gl_heap.blocks[header->next].prev = header->prev;
    }
}

/* ---- Blocks --------------------------------------------------------------------------------- */

static void set_desc(uint32_t block, uint32_t bin)
{
    const gl_class_info *info = &gl_classes[gl_bin_class(gl_heap.blocks[block].bin)];
    gl_desc desc = {info->reciprocal, info->granules, (uint16_t)bin};
    gl_heap.descs[block] = desc;
}

/* The bits of word w that stand for slots. */
static uint64_t slot_mask(uint32_t n_objects, uint32_t w) { return gl_low_bits(n_objects - w * 64); }

static void note_use(uint32_t bin)
{
    if (gl_bins[bin].n_blocks == 0 && !(used_bins[bin / 64] >> (bin % 64) & 1)) {
        gl_lock_acquire(&gl_arena_lock);
        used_bins[bin / 64] |= (uint64_t)1 << (bin % 64);
        gl_lock_release(&gl_arena_lock);
    }
}

/* A bin with so many blocks will fill one more, on average to the half: at most a sixteenth of what it
 * holds becomes resident in vain. A page costs 1.0 us in a row of 16, and 1.7 to 2.4 by its own fault. */
enum { PREFAULT_FROM_BLOCKS = 8 };

/* A fresh block for the bin, all slots free; 0 without memory. */
static uint32_t make_block(uint32_t bin)
{
    const gl_class_info *info = &gl_classes[gl_bin_class(bin)];
    bool is_zero;
    note_use(bin);
    if (gl_bins[bin].n_blocks > 0 && gl_bin_kind(bin) == GL_KIND_MALLOC) {
        gl_size_class_refine(gl_bin_class(bin));
    }
    uint32_t block = gl_arena_take(1, 1, &is_zero);
    if (!block) {
        return 0;
    }
    gl_block *header = &gl_heap.blocks[block];
    uint32_t *layouts = NULL;
    if (gl_bin_kind(bin) == GL_KIND_TYPED) {
        layouts = gl_meta_alloc(info->n_objects * sizeof *layouts);
        if (!layouts) {
            gl_arena_give(block, 1);
            return 0;
        }
    }
    memset(header, 0, GL_BLOCK_HEADER_BYTES);
    header->bin = (uint16_t)bin;
    header->n_objects = header->n_free = info->n_objects;
    header->layouts = layouts;
    uint64_t *bits = gl_block_free_bits(block);
    for (uint32_t w = 0; w < gl_words_for(info->n_objects); w++) {
        bits[w] = slot_mask(info->n_objects, w);
    }
    if (is_zero && gl_bins[bin].n_blocks >= PREFAULT_FROM_BLOCKS) {
        gl_os_prefault((void *)gl_block_start(block), GL_BLOCK_BYTES);
    }
    set_desc(block, bin);
    gl_bins[bin].n_free += info->n_objects;
    gl_bins[bin].n_blocks++;
    push(&gl_bins[bin].partial, block, GL_BLOCK_LISTED);
    return block;
}

/* Every slot of the block is free, and it is on no list. */
static void release_block(uint32_t bin, uint32_t block)
{
    gl_block *header = &gl_heap.blocks[block];
    if (header->layouts) {
        gl_meta_free(header->layouts, header->n_objects * sizeof *header->layouts);
        header->layouts = NULL;
    }
    gl_attached_forget_block(block);
    gl_bins[bin].n_free -= header->n_objects;
    gl_bins[bin].n_blocks--;
    gl_arena_give(block, 1);
}

static bool is_whole(const gl_block *header)
{
    return header->n_free == header->n_objects;
}

/* ---- Taking --------------------------------------------------------------------------------- */

/* Takes up to n slots of one block, ascending, and stores them downwards from `end`: the array then
 * pops in ascending order. */
static uint32_t extract(uint32_t block, uintptr_t *end, uint32_t n)
{
    gl_block *header = &gl_heap.blocks[block];
    uint32_t bytes = gl_classes[gl_bin_class(header->bin)].bytes;
    uint64_t *bits = gl_block_free_bits(block);
    uint32_t n_words = gl_words_for(header->n_objects);
    uint32_t n_left = n;
    for (uint32_t w = 0; n_left > 0 && w < n_words; w++) {
        uint64_t word = bits[w];
        uintptr_t slot = gl_block_start(block) + (uintptr_t)w * 64 * bytes;
        if (word == ~(uint64_t)0 && n_left >= 64) {
            /* The usual case in a fresh block, and in one whose objects died together. */
            for (uint32_t i = 0; i < 64; i++, slot += bytes) {
                *--end = slot;
            }
            n_left -= 64;
            word = 0;
        }
        for (; word && n_left > 0; word &= word - 1, n_left--) {
            *--end = slot + (uintptr_t)gl_ctz64(word) * bytes;
        }
        bits[w] = word;
    }
    header->n_free = (uint16_t)(header->n_free - (n - n_left));
    gl_bins[header->bin].n_free -= n - n_left;
    return n - n_left;
}

/* Of the first partial blocks the owner's own, or else nobody's; 0 if all are of others. These take from
 * the front, so `other` is the one farthest from it. */
static uint32_t own_partial(const gl_bin *b, uint32_t owner, uint32_t *other)
{
    enum { LOOK_AT = 8 };
    uint32_t block = b->partial, unowned = 0;
    for (int i = 0; block && i < LOOK_AT; i++, block = gl_heap.blocks[block].next) {
        *other = block;
        if (gl_heap.blocks[block].owner == owner) {
            return block;
        }
        if (gl_heap.blocks[block].owner == 0 && !unowned) {
            unowned = block;
        }
    }
    return unowned;
}

/* Where all is of others, a fresh block is worth its memory only while there is little left over. */
static bool is_fresh_worth_it(uint32_t bin)
{
    const gl_bin *b = &gl_bins[bin];
    return gl_bin_kind(bin) == GL_KIND_MALLOC && !b->unswept &&
           b->n_free < 2u * gl_classes[gl_bin_class(bin)].n_objects;
}

static uint32_t choose_block(uint32_t bin, uint32_t owner)
{
    gl_bin *b = &gl_bins[bin];
    while (!b->partial && b->unswept) {
        gl_bin_sweep_block_locked(b->unswept);
    }
    uint32_t other = 0;
    uint32_t block = own_partial(b, owner, &other);
    if (!block && (!other || is_fresh_worth_it(bin))) {
        block = make_block(bin);
    }
    return block ? block : other;
}

/* A block with free slots: a partial one, a swept one, a fresh one. 0: no memory. */
static uint32_t block_with_slots(uint32_t bin, uint32_t owner)
{
    uint32_t block = choose_block(bin, owner);
    if (block) {
        gl_heap.blocks[block].owner = owner;
    }
    return block;
}

static void note_taken(uint32_t bin, uint32_t n)
{
    size_t bytes = (size_t)n * gl_classes[gl_bin_class(bin)].bytes;
    gl_heap_note_growth(bytes);
    gl_add_relaxed(&gl_heap.allocated_bytes, bytes);
    gl_add_relaxed(&gl_heap.allocated_slots, n);
}

uint32_t gl_bin_take_locked(uint32_t bin, uintptr_t *out, uint32_t n, uint32_t owner)
{
    gl_debug(gl_lock_is_held(&gl_bins[bin].lock), NULL);
    uint32_t got = 0;
    while (got < n) {
        uint32_t block = block_with_slots(bin, owner);
        if (!block) {
            break;
        }
        got += extract(block, out + (n - got), n - got);
        if (gl_heap.blocks[block].n_free == 0) {
            unlink(&gl_bins[bin].partial, block, GL_BLOCK_LISTED);
        }
        if (got >= n / 2) {
            break; /* enough: what is left of the next block can wait */
        }
    }
    if (got < n) {
        memmove(out, out + (n - got), got * sizeof *out);
    }
    note_taken(bin, got);
    return got;
}

/* The number of bits that are set from bit `from` on, at most `max`. */
static uint32_t count_row(const uint64_t *bits, uint32_t from, uint32_t n_bits, uint32_t max)
{
    uint32_t n = 0;
    while (n < max && from + n < n_bits) {
        uint32_t at = from + n;
        uint64_t holes = ~bits[at / 64] >> (at % 64);
        uint32_t row = holes ? gl_ctz64(holes) : 64 - at % 64;
        n += row;
        if (holes) {
            break;
        }
    }
    return n < max ? n : max;
}

static void clear_row(uint64_t *bits, uint32_t from, uint32_t n)
{
    while (n > 0) {
        uint32_t in_word = 64 - from % 64 < n ? 64 - from % 64 : n;
        uint64_t mask = in_word == 64 ? ~(uint64_t)0 : (((uint64_t)1 << in_word) - 1) << (from % 64);
        bits[from / 64] &= ~mask;
        from += in_word;
        n -= in_word;
    }
}

bool gl_bin_take_strip_locked(uint32_t bin, size_t max_bytes, uint32_t owner, uintptr_t *start,
                            uintptr_t *end)
{
    enum { SHORTEST = 8 };
    uint32_t block = block_with_slots(bin, owner);
    if (!block) {
        return false;
    }
    gl_block *header = &gl_heap.blocks[block];
    const gl_class_info *info = &gl_classes[gl_bin_class(bin)];
    uint64_t *bits = gl_block_free_bits(block);
    uint32_t w = 0;
    while (bits[w] == 0) {
        w++;
    }
    uint32_t first = w * 64 + gl_ctz64(bits[w]);
    uint32_t n = count_row(bits, first, info->n_objects, (uint32_t)(max_bytes / info->bytes));
    if (n < SHORTEST) {
        return false;
    }
    clear_row(bits, first, n);
    header->n_free = (uint16_t)(header->n_free - n);
    gl_bins[bin].n_free -= n;
    if (header->n_free == 0) {
        unlink(&gl_bins[bin].partial, block, GL_BLOCK_LISTED);
    }
    note_taken(bin, n);
    *start = gl_block_start(block) + (uintptr_t)first * info->bytes;
    *end = *start + (uintptr_t)n * info->bytes;
    return true;
}

/* ---- Putting back --------------------------------------------------------------------------- */

/* After `n` slots of the block have become free. Returns true if that released the block. */
static bool settle(gl_bin *b, uint32_t bin, uint32_t block, uint32_t n)
{
    gl_block *header = &gl_heap.blocks[block];
    header->n_free = (uint16_t)(header->n_free + n);
    b->n_free += n;
    if (header->flags & GL_BLOCK_UNSWEPT) {
        return false;
    }
    if (!(header->flags & GL_BLOCK_LISTED)) {
        push(&b->partial, block, GL_BLOCK_LISTED);
    }
    /* One empty block stays, so that a program at the edge of a block does not make and unmake it
     * again and again. */
    if (is_whole(header) && (b->partial != block || header->next)) {
        unlink(&b->partial, block, GL_BLOCK_LISTED);
        release_block(bin, block);
        return true;
    }
    return false;
}

void gl_bin_release_empty_locked(uint32_t bin)
{
    gl_bin *b = &gl_bins[bin];
    for (uint32_t block = b->partial, next; block; block = next) {
        next = gl_heap.blocks[block].next;
        if (is_whole(&gl_heap.blocks[block])) {
            unlink(&b->partial, block, GL_BLOCK_LISTED);
            release_block(bin, block);
        }
    }
}

static uint32_t block_of(uintptr_t slot) { return (uint32_t)((slot - gl_heap.base) >> GL_BLOCK_SHIFT); }

/* Makes the first slots free, as far as they are in one block: neighbours are often freed together. Returns
 * how many. */
static uint32_t free_in_block(uint32_t bin, uint32_t block, const uintptr_t *slots, uint32_t n)
{
    gl_desc desc = gl_heap.descs[block];
    uint64_t *bits = gl_block_free_bits(block);
    uint32_t done = 0;
    gl_check(gl_heap.blocks[block].bin == bin, (void *)slots[0]);
    do {
        uint32_t i = gl_object_number(desc, (uint32_t)(slots[done] & (GL_BLOCK_BYTES - 1)));
        uint64_t bit = (uint64_t)1 << (i % 64);
        /* Two threads that free one object in the same instant pass the check of the state byte both;
         * the second of them is found here. */
        gl_check(!(bits[i / 64] & bit), (void *)slots[done]);
        bits[i / 64] |= bit;
        done++;
    } while (done < n && block_of(slots[done]) == block);
    return done;
}

void gl_bin_put_locked(uint32_t bin, const uintptr_t *slots, uint32_t n)
{
    gl_bin *b = &gl_bins[bin];
    gl_debug(gl_lock_is_held(&b->lock), NULL);
    bool has_released = false;
    for (uint32_t i = 0, done; i < n; i += done) {
        uint32_t block = block_of(slots[i]);
        done = free_in_block(bin, block, slots + i, n - i);
        has_released |= settle(b, bin, block, done);
    }
    if (has_released) {
        gl_arena_trim();
    }
    size_t bytes = (size_t)n * gl_classes[gl_bin_class(bin)].bytes;
    gl_add_relaxed(&gl_heap.in_use_bytes, (size_t)0 - bytes);
    gl_add_relaxed(&gl_heap.freed_slots, n);
}

/* ---- Depot ---------------------------------------------------------------------------------- */

/* A depot holds at most about 1 MiB of small objects. Of larger ones, whose trip to the blocks costs
 * less than what a program does with them, less: what lies here is lost to other sizes. */
static uint32_t depot_limit(const gl_class_info *info)
{
    uint32_t max_bytes = info->bytes <= 512 ? 1u << 20 : 1u << 17;
    uint32_t n = max_bytes / ((uint32_t)info->batch * info->bytes) + 1;
    return n < GL_DEPOT_BATCHES ? n : GL_DEPOT_BATCHES;
}

/* Brings the topmost batch of the owner to the top; false if it has none. */
static bool raise_own_batch(gl_bin *b, size_t batch, uint32_t owner)
{
    uint32_t top = b->n_batches - 1;
    for (uint32_t i = b->n_batches; i-- > 0;) {
        if (b->batches[i][batch] == owner) {
            uintptr_t *own = b->batches[i];
            b->batches[i] = b->batches[top];
            b->batches[top] = own;
            return true;
        }
    }
    return false;
}

enum {
    FEW_BLOCKS = 2, /* such a bin has nothing to give back: its depot keeps what it gets */
    FEW_BATCHES = 4 /* so many are left to their owner: more means that one thread frees what another
                       allocates */
};

bool gl_bin_try_withdraw_locked(uint32_t bin, uintptr_t *out, uint32_t owner)
{
    gl_bin *b = &gl_bins[bin];
    if (b->n_batches == 0) {
        return false;
    }
    size_t n = gl_classes[gl_bin_class(bin)].batch;
    b->idle_ticks = 0;
    if (!raise_own_batch(b, n, owner) && b->n_batches < FEW_BATCHES) {
        return false;
    }
    memcpy(out, b->batches[--b->n_batches], n * sizeof *out);
    return true;
}

bool gl_bin_try_deposit_locked(uint32_t bin, const uintptr_t *slots, uint32_t owner)
{
    gl_bin *b = &gl_bins[bin];
    const gl_class_info *info = &gl_classes[gl_bin_class(bin)];
    if (b->n_blocks > FEW_BLOCKS && b->n_free > (uint64_t)b->n_blocks * info->n_objects / 4) {
        gl_bin_empty_depot_locked(bin);
        return false;
    }
    if (b->n_batches >= depot_limit(info)) {
        return false;
    }
    if (!b->batches && !(b->batches = gl_meta_alloc(GL_DEPOT_BATCHES * sizeof *b->batches))) {
        return false;
    }
    uintptr_t **place = &b->batches[b->n_batches];
    if (!*place && !(*place = gl_meta_alloc((info->batch + 1u) * sizeof **place))) {
        return false;
    }
    memcpy(*place, slots, info->batch * sizeof **place);
    (*place)[info->batch] = owner;
    b->n_batches++;
    return true;
}

void gl_bin_return_batches_locked(uint32_t bin, uint32_t owner)
{
    gl_bin *b = &gl_bins[bin];
    size_t batch = gl_classes[gl_bin_class(bin)].batch;
    while (b->n_batches > 0 && raise_own_batch(b, batch, owner)) {
        b->n_batches--;
        gl_bin_put_locked(bin, b->batches[b->n_batches], (uint32_t)batch);
    }
}

void gl_bin_empty_depot_locked(uint32_t bin)
{
    gl_bin *b = &gl_bins[bin];
    while (b->n_batches > 0) {
        b->n_batches--;
        gl_bin_put_locked(bin, b->batches[b->n_batches], gl_classes[gl_bin_class(bin)].batch);
    }
}

void gl_bin_tick(void)
{
    enum { IDLE_TICKS = 3 }; /* less than dirty memory stays: without it nobody counts ticks */
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        gl_bin *b = &gl_bins[bin];
        if (b->n_batches > 0) {
            gl_lock_acquire(&b->lock);
            if (++b->idle_ticks >= IDLE_TICKS) {
                gl_bin_empty_depot_locked(bin);
            }
            gl_lock_release(&b->lock);
        }
    }
}

/* ---- Sweep ---------------------------------------------------------------------------------- */

/* Clears the state bytes of the slots whose bits are set. */
static void clear_states(uint32_t block, uint32_t w, uint64_t dead)
{
    uint32_t granules = gl_heap.descs[block].granules;
    uint8_t *state = gl_state_of(gl_block_start(block)) + (size_t)w * 64 * granules;
    for (; dead; dead &= dead - 1) {
        state[(size_t)gl_ctz64(dead) * granules] = GL_STATE_FREE;
    }
}

static void clear_counts(uint32_t block, uint32_t w, uint64_t dead)
{
    uintptr_t bytes = (uintptr_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    for (; dead; dead &= dead - 1) {
        gl_count_clear(gl_block_start(block) + (w * 64 + gl_ctz64(dead)) * bytes);
    }
}

/* Dead is what is neither marked nor free: free slots, also those in caches, were marked before the
 * collection began. */
static void free_dead_slots(uint32_t block)
{
    const gl_block *header = &gl_heap.blocks[block];
    uint64_t *bits = gl_block_free_bits(block);
    const uint64_t *marks = gl_block_mark_bits(block);
    bool is_all_free = header->n_free + header->n_dead == header->n_objects;
    bool has_counts = gl_bin_kind(header->bin) == GL_KIND_COUNTED;
    if (is_all_free) {
        memset(gl_state_of(gl_block_start(block)), GL_STATE_FREE, GL_BLOCK_GRANULES);
    }
    for (uint32_t w = 0; w < gl_words_for(header->n_objects); w++) {
        uint64_t dead = ~marks[w] & slot_mask(header->n_objects, w) & ~bits[w];
        if (!is_all_free) {
            clear_states(block, w, dead);
        }
        if (has_counts) {
            clear_counts(block, w, dead);
        }
        bits[w] |= dead;
    }
}

void gl_bin_sweep_block_locked(uint32_t block)
{
    gl_block *header = &gl_heap.blocks[block];
    uint32_t bin = header->bin;
    gl_bin *b = &gl_bins[bin];
    gl_debug(gl_lock_is_held(&b->lock), NULL);
    gl_debug(header->flags & GL_BLOCK_UNSWEPT, NULL);
    free_dead_slots(block);
    unlink(&b->unswept, block, GL_BLOCK_UNSWEPT);
    header->n_free = (uint16_t)(header->n_free + header->n_dead);
    b->n_free += header->n_dead;
    header->n_dead = 0;
    b->n_all_dead -= (header->flags & GL_BLOCK_ALL_DEAD) != 0;
    header->flags &= (uint8_t)~GL_BLOCK_ALL_DEAD;
    if (is_whole(header) && b->partial) {
        release_block(bin, block);
        return;
    }
    set_desc(block, bin);
    if (header->n_free) {
        push(&b->partial, block, GL_BLOCK_LISTED);
    }
}

void gl_bin_add_unswept(uint32_t block, uint32_t n_dead)
{
    gl_block *header = &gl_heap.blocks[block];
    gl_bin *b = &gl_bins[header->bin];
    if (header->flags & GL_BLOCK_LISTED) {
        unlink(&b->partial, block, GL_BLOCK_LISTED);
    }
    header->n_dead = (uint16_t)n_dead;
    if (header->n_free + n_dead == header->n_objects) {
        header->flags |= GL_BLOCK_ALL_DEAD;
        b->n_all_dead++;
    }
    push(&b->unswept, block, GL_BLOCK_UNSWEPT);
    gl_heap.descs[block].bin = GL_ROLE_UNSWEPT;
}

void gl_bin_release_dead(void)
{
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        gl_bin *b = &gl_bins[bin];
        if (!b->n_all_dead) {
            continue;
        }
        gl_lock_acquire(&b->lock);
        for (uint32_t block = b->unswept, next; block && b->n_all_dead; block = next) {
            next = gl_heap.blocks[block].next;
            if (gl_heap.blocks[block].flags & GL_BLOCK_ALL_DEAD) {
                gl_bin_sweep_block_locked(block);
            }
        }
        gl_lock_release(&b->lock);
    }
}

void gl_bin_sweep_all(void)
{
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        gl_bin *b = &gl_bins[bin];
        if (b->n_blocks == 0) {
            continue;
        }
        gl_lock_acquire(&b->lock);
        gl_bin_empty_depot_locked(bin);
        while (b->unswept) {
            gl_bin_sweep_block_locked(b->unswept);
        }
        gl_lock_release(&b->lock);
    }
}

/* ---- Locks ---------------------------------------------------------------------------------- */

void gl_bin_lock_all(void)
{
    for (uint32_t w = 0; w < GL_N_BINS / 64; w++) {
        for (uint64_t todo = used_bins[w] & ~locked_bins[w]; todo; todo &= todo - 1) {
            gl_lock_acquire(&gl_bins[w * 64 + gl_ctz64(todo)].lock);
            locked_bins[w] |= todo & -todo;
        }
    }
}

bool gl_bin_all_locked(void)
{
    return memcmp(used_bins, locked_bins, sizeof used_bins) == 0;
}

void gl_bin_unlock_all(void)
{
    for (uint32_t w = GL_N_BINS / 64; w-- > 0;) {
        uint64_t todo = locked_bins[w];
        locked_bins[w] = 0;
        for (; todo; todo &= todo - 1) {
            gl_lock_release(&gl_bins[w * 64 + gl_ctz64(todo)].lock);
        }
    }
}

/* Read before written: a page that is only read is not copied for the child. */
void gl_bin_after_fork_child(void)
{
    for (uint32_t bin = 0; bin < GL_N_BINS; bin++) {
        if (gl_lock_is_held(&gl_bins[bin].lock)) {
            gl_lock_reset(&gl_bins[bin].lock);
        }
    }
    memset(locked_bins, 0, sizeof locked_bins);
}
