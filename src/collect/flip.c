/* SPDX-License-Identifier: MIT */
/* collect/flip.c - from mark bits to free slots: a population count now, the rest lazily. */
#include "collect/flip.h"

#include "base/bits.h"
#include "heap/arena.h"
#include "heap/bin.h"
#include "heap/large.h"

typedef struct unreached_filter {
    bool (*fn)(const gl_object *object, void *arg);
    void *arg;
} unreached_filter;

static bool pass_unreached(const gl_object *object, void *filter)
{
    const unreached_filter *f = filter;
    return gl_mark_is_set(object) || f->fn(object, f->arg);
}

void gl_flip_each_unreached(bool (*fn)(const gl_object *object, void *arg), void *arg)
{
    unreached_filter filter = {fn, arg};
    gl_heap_each(pass_unreached, &filter);
}

/* Free slots, cached slots and the tail of the last word are marked: what is not is dead. */
static uint32_t count_dead(uint32_t block)
{
    const uint64_t *marks = gl_block_mark_bits(block);
    uint32_t n = 0;
    for (uint32_t w = 0; w < gl_words_for(gl_heap.blocks[block].n_objects); w++) {
        n += gl_popcount64(~marks[w]);
    }
    return n;
}

static void flip_small(uint32_t block, gl_flip_result *result)
{
    uint32_t n_dead = count_dead(block);
    if (n_dead == 0) {
        return;
    }
    uint64_t bytes = (uint64_t)n_dead * gl_heap.descs[block].granules * GL_GRANULE_BYTES;
    gl_bin_add_unswept(block, n_dead);
    gl_add_relaxed(&gl_heap.in_use_bytes, (size_t)0 - bytes);
    gl_add_relaxed(&gl_heap.freed_slots, n_dead);
    result->objects += n_dead;
    result->bytes += bytes;
}

static void flip_large(uint32_t head, gl_flip_result *result)
{
    gl_block *header = &gl_heap.blocks[head];
    if (header->is_marked || header->state == GL_STATE_FREE) {
        return;
    }
    uint64_t bytes = (uint64_t)header->run_blocks << GL_BLOCK_SHIFT;
    if (header->state != GL_STATE_QUARANTINED) {
        result->slack_bytes += bytes - header->large_bytes;
    }
    header->state = GL_STATE_FREE; /* a free() by the program is an error from now on */
    header->next = result->large;
    result->large = head;
    result->objects++;
    result->bytes += bytes;
}

void gl_flip(gl_flip_result *result)
{
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        gl_desc desc = gl_heap.descs[block];
        if (desc.granules) {
            flip_small(block, result);
        } else if (desc.bin == GL_ROLE_LARGE) {
            flip_large(block, result);
        }
    }
}

void gl_flip_release(gl_flip_result *result)
{
    for (uint32_t head = result->large, next; head; head = next) {
        next = gl_heap.blocks[head].next;
        gl_large_release(head);
    }
    result->large = 0;
    gl_bin_release_dead();
}
