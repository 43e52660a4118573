/* SPDX-License-Identifier: MIT */
/* heap/attached.c - see attached.h. */
#include "heap/attached.h"

#include "base/bits.h"
#include "heap/arena.h"
#include "heap/meta.h"

static const uint8_t FLAGS = GL_STATE_ATTACHED | GL_STATE_FINALIZED;

static size_t bitmap_bytes(const gl_block *header)
{
    return gl_words_for(header->n_objects) * sizeof *header->attached;
}

static size_t numbers_bytes(const gl_block *header)
{
    return header->n_objects * sizeof *header->records;
}

static bool ensure_tables(gl_block *header)
{
    if (!header->attached) {
        uint64_t *attached = gl_meta_alloc(bitmap_bytes(header));
        uint32_t *records = gl_meta_alloc(numbers_bytes(header));
        if (!attached || !records) {
            gl_meta_free(attached, bitmap_bytes(header));
            gl_meta_free(records, numbers_bytes(header));
            return false;
        }
        header->attached = attached;
        header->records = records;
    }
    return true;
}

uint32_t *gl_attached_number(const gl_object *object)
{
    gl_block *header = &gl_heap.blocks[object->block];
    if (object->is_large) {
        return &header->record;
    }
    return header->attached ? &header->records[object->index] : NULL;
}

bool gl_attached_set(const gl_object *object, uint8_t flag)
{
    gl_block *header = &gl_heap.blocks[object->block];
    if (!object->is_large) {
        if (!ensure_tables(header)) {
            return false;
        }
        header->attached[object->index / 64] |= (uint64_t)1 << (object->index % 64);
    }
    gl_heap_set_state(object, flag);
    return true;
}

void gl_attached_clear(const gl_object *object, uint8_t flag)
{
    gl_heap_clear_state(object, flag);
    gl_block *header = &gl_heap.blocks[object->block];
    if (!object->is_large && !(*gl_state_of(object->start) & FLAGS)) {
        header->attached[object->index / 64] &= ~((uint64_t)1 << (object->index % 64));
    }
}

bool gl_attached_has(uint32_t block, uint32_t index)
{
    const uint64_t *attached = gl_heap.blocks[block].attached;
    return attached && (attached[index / 64] >> (index % 64) & 1);
}

static void each_in_small(uint32_t block, void (*fn)(const gl_object *, void *), void *arg)
{
    const gl_block *header = &gl_heap.blocks[block];
    size_t bytes = (size_t)gl_heap.descs[block].granules << GL_GRANULE_SHIFT;
    for (uint32_t w = 0; w < gl_words_for(header->n_objects); w++) {
        uint64_t todo = header->attached[w] & ~gl_block_mark_bits(block)[w];
        for (; todo; todo &= todo - 1) {
            gl_object object;
            if (gl_heap_find_held(gl_block_start(block) + (w * 64 + gl_ctz64(todo)) * bytes, &object)) {
                fn(&object, arg);
            }
        }
    }
}

void gl_attached_each_unmarked(void (*fn)(const gl_object *object, void *arg), void *arg)
{
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        const gl_block *header = &gl_heap.blocks[block];
        gl_desc desc = gl_heap.descs[block];
        gl_object object;
        if (desc.granules) {
            if (header->attached) {
                each_in_small(block, fn, arg);
            }
        } else if (desc.bin == GL_ROLE_LARGE && (header->state & FLAGS) && !header->is_marked &&
                   gl_heap_find_held(gl_block_start(block), &object)) {
            fn(&object, arg);
        }
    }
}

void gl_attached_forget_block(uint32_t block)
{
    gl_block *header = &gl_heap.blocks[block];
    if (header->attached) {
        gl_meta_free(header->attached, bitmap_bytes(header));
        gl_meta_free(header->records, numbers_bytes(header));
        header->attached = NULL;
        header->records = NULL;
    }
}
