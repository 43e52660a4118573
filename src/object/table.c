/* SPDX-License-Identifier: MIT */
/* object/table.c - see table.h. */
#include "object/table.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "heap/heap.h"

enum { CAPACITY_MIN = 10, SLOTS_MIN = 16, SPARSE = 8 };

/* The entries of a table of 2^31 slots. */
#define CAPACITY_MAX ((uint32_t)1 << 30)

/* ---- The index ------------------------------------------------------------------------------- */

static void enter_slot(gl_table *t, uint32_t hash, uint32_t entry)
{
    uint32_t i = hash & t->slot_mask;
    while (t->slots[i].entry != 0) {
        i = (i + 1) & t->slot_mask;
    }
    t->slots[i] = (gl_slot){hash, entry + 1};
}

static uint32_t slot_of(const gl_table *t, uint32_t entry)
{
    uint32_t i = t->hashes[entry] & t->slot_mask;
    while (t->slots[i].entry != entry + 1) {
        gl_debug(t->slots[i].entry != 0, &t->slots[i]);
        i = (i + 1) & t->slot_mask;
    }
    return i;
}

/* Closes the gap: whoever stands behind it and may stand in it moves up (Knuth, The Art of Computer
 * Programming, 6.4, algorithm R). */
static void remove_slot(gl_table *t, uint32_t gap)
{
    for (uint32_t i = (gap + 1) & t->slot_mask; t->slots[i].entry != 0;
         i = (i + 1) & t->slot_mask) {
        uint32_t home = t->slots[i].hash & t->slot_mask;
        if (((i - home) & t->slot_mask) >= ((i - gap) & t->slot_mask)) {
            t->slots[gap] = t->slots[i];
            gap = i;
        }
    }
    t->slots[gap] = (gl_slot){0, 0};
}

/* ---- Searching ------------------------------------------------------------------------------- */

typedef enum comparison { DIFFERENT, EQUAL, CHANGED } comparison;

/* The key is held by our frame while the lock is not. */
static comparison compare_unlocked(gl_table *t, const gl_keys *keys, uint32_t entry,
                                   const void *key, gl_lock *lock)
{
    void *candidate = t->pairs[entry].key;
    uint32_t version = t->version, hash = t->hashes[entry];
    gl_lock_release(lock);
    bool is_equal = gl_keys_are_equal(keys, candidate, key);
    gl_lock_acquire(lock);
    if (t->version != version) {
        return CHANGED;
    }
    return is_equal && t->hashes[entry] == hash ? EQUAL : DIFFERENT;
}

static comparison compare_locked(gl_table *t, const gl_keys *keys, uint32_t entry,
                                 const void *key, gl_lock *lock)
{
    const void *candidate = t->pairs[entry].key;
    if (candidate == key) {
        return EQUAL;
    }
    if (keys->kind == GL_KEYS_USER) {
        return compare_unlocked(t, keys, entry, key, lock);
    }
    return gl_keys_are_equal(keys, candidate, key) ? EQUAL : DIFFERENT;
}

/* Entries that come while the program compares do so behind what has been searched: only a removal
 * or a move makes the search begin anew. */
uint32_t gl_table_find_locked(gl_table *t, const gl_keys *keys, uint32_t hash, const void *key,
                              gl_lock *lock)
{
    if (!t->slots) {
        return GL_NO_ENTRY;
    }
    uint32_t i = hash & t->slot_mask;
    while (t->slots[i].entry != 0) {
        uint32_t entry = t->slots[i].entry - 1;
        comparison result = DIFFERENT;
        if (t->slots[i].hash == hash && t->hashes[entry] != 0) {
            result = compare_locked(t, keys, entry, key, lock);
        }
        if (result == EQUAL) {
            return entry;
        }
        if (result == CHANGED && !t->slots) {
            return GL_NO_ENTRY;
        }
        i = result == CHANGED ? hash & t->slot_mask : (i + 1) & t->slot_mask;
    }
    return GL_NO_ENTRY;
}

/* ---- Entries --------------------------------------------------------------------------------- */

/* The list of holes goes through the keys of the pairs. */
static uint32_t take_hole(gl_table *t)
{
    uint32_t entry = t->free - 1;
    t->free = (uint32_t)(uintptr_t)t->pairs[entry].key;
    return entry;
}

static void put_hole(gl_table *t, uint32_t entry)
{
    t->pairs[entry].key = (void *)(uintptr_t)t->free; /* too small a number to be a pointer */
    t->free = entry + 1;
}

uint32_t gl_table_add_locked(gl_table *t, uint32_t hash, void *key, void *value)
{
    gl_debug(gl_table_has_room_locked(t), t);
    uint32_t entry = t->free ? take_hole(t) : t->n_used++;
    t->pairs[entry] = (gl_pair){key, value};
    t->hashes[entry] = hash;
    t->n_live++;
    enter_slot(t, hash, entry);
    return entry;
}

void gl_table_remove_locked(gl_table *t, uint32_t entry)
{
    gl_debug(t->hashes[entry] != 0, &t->hashes[entry]);
    remove_slot(t, slot_of(t, entry));
    t->hashes[entry] = 0;
    t->pairs[entry] = (gl_pair){NULL, NULL};
    t->n_live--;
    t->version++;
    if (t->reuses_holes) {
        put_hole(t, entry);
    }
}

void gl_table_drop_locked(gl_table *t, uint32_t entry)
{
    gl_debug(t->hashes[entry] != 0 && !t->reuses_holes, &t->hashes[entry]);
    t->hashes[entry] = 0;
    t->pairs[entry] = (gl_pair){NULL, NULL};
    t->n_live--;
}

void gl_table_rehash_locked(gl_table *t, uint32_t entry, uint32_t hash)
{
    remove_slot(t, slot_of(t, entry));
    t->hashes[entry] = hash;
    enter_slot(t, hash, entry);
    t->version++;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

gl_table gl_table_like(const gl_table *table)
{
    return (gl_table){.extra_bytes = table->extra_bytes,
                      .pair_kind = table->pair_kind,
                      .reuses_holes = table->reuses_holes,
                      .version = table->version + 1};
}

uint32_t gl_table_wanted_locked(const gl_table *t)
{
    uint32_t n = 2 * t->n_live; /* full */
    if (t->n_live <= t->capacity / SPARSE) {
        n = t->capacity / 2;
    } else if (t->n_live < t->capacity / 2) {
        n = t->capacity; /* half of it are holes */
    }
    return n < CAPACITY_MIN ? CAPACITY_MIN : n;
}

bool gl_table_allocate(gl_table *t, uint32_t capacity)
{
    if (capacity > CAPACITY_MAX) {
        errno = ENOMEM;
        return false;
    }
    size_t n_slots = SLOTS_MIN;
    while (n_slots / 3 * 2 < capacity) {
        n_slots *= 2;
    }
    capacity = (uint32_t)(n_slots / 3 * 2);
    size_t per_entry = sizeof *t->hashes + t->extra_bytes;
    gl_slot *slots =
        gl_heap_alloc(n_slots * sizeof *slots + capacity * per_entry, GL_KIND_ATOMIC, true);
    size_t pair_bytes = capacity * sizeof(gl_pair);
    gl_pair *pairs = slots ? gl_heap_alloc(pair_bytes, (gl_kind)t->pair_kind, true) : NULL;
    if (!pairs) {
        if (slots) {
            gl_heap_free(slots, "gl_table_allocate");
            errno = ENOMEM;
        }
        return false;
    }
    t->pairs = pairs;
    t->slots = slots;
    t->extras = (char *)(slots + n_slots);
    t->hashes = (uint32_t *)(void *)(t->extras + capacity * (size_t)t->extra_bytes);
    t->capacity = capacity;
    t->slot_mask = (uint32_t)(n_slots - 1);
    t->n_used = t->n_live = t->free = 0;
    return true;
}

static void copy_entry(gl_table *to, const gl_table *from, uint32_t entry)
{
    uint32_t copy = gl_table_add_locked(to, from->hashes[entry], from->pairs[entry].key,
                                        from->pairs[entry].value);
    memcpy(to->extras + copy * (size_t)to->extra_bytes,
           from->extras + entry * (size_t)from->extra_bytes, from->extra_bytes);
}

void gl_table_move_locked(gl_table *t, gl_table *fresh)
{
    gl_debug(fresh->n_used == 0 && fresh->capacity >= t->n_live, fresh);
    gl_debug(!t->reuses_holes || t->n_live == t->n_used, t);
    for (uint32_t entry = 0; entry < t->n_used; entry++) {
        if (t->hashes[entry] != 0) {
            copy_entry(fresh, t, entry);
        }
    }
    fresh->version = t->version + 1;
    gl_table old = *t;
    *t = *fresh;
    *fresh = old;
}

void gl_table_release(gl_table *t)
{
    if (t->slots) {
        gl_heap_free(t->pairs, "gl_table_release");
        gl_heap_free(t->slots, "gl_table_release");
        *t = gl_table_like(t);
    }
}
