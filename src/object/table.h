/* SPDX-License-Identifier: MIT */
/*
 * object/table.h - the hash table under caches and maps: dense rows of entries, and an index.
 *
 * ENTRIES are numbered in the order in which they came, as those of Python's dict (Hettinger,
 *   "Python dictionaries", 2016): a pair of key and value, the hash, and what else the user of the
 *   table keeps for each. Hash 0: a hole, whose pair refers to nothing.
 * THE INDEX is a hash table with open addressing and linear probing: hash and number of an entry in
 *   8 bytes, so that a search reads no entry but one of equal hash. A slot may name a hole: it ends
 *   no search.
 *
 * Equations, for each table:
 *   n_live = entries with a hash; n_live <= n_used <= capacity <= 2/3 of the slots
 *   each entry with a hash has just one slot
 *   entries of a higher number came later, unless holes are reused
 *   reuses_holes: the holes below n_used are in the list `free`, and no slot names one
 *
 * Everything is in objects of the collected heap to which only the table refers, and the table is
 * part of a collected object: what is lost goes with all that it held. Memory is allocated and
 * freed without the lock, for allocation may collect: make a new table, take the lock, ask again
 * whether it is needed, move, let the lock go, release what is left over.
 *
 * The lock is that of the map or cache. Functions whose name ends in _locked need it.
 */
#ifndef GL_OBJECT_TABLE_H
#define GL_OBJECT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "heap/types.h"
#include "object/keys.h"

typedef struct gl_pair {
    void *key;
    void *value;
} gl_pair;

typedef struct gl_slot {
    uint32_t hash;
    uint32_t entry; /* number + 1; 0: nothing here, and a search ends */
} gl_slot;

#define GL_NO_ENTRY UINT32_MAX

typedef struct gl_table {
    gl_pair *pairs;
    gl_slot *slots; /* one object with the hashes and the extras */
    uint32_t *hashes;
    char *extras;
    uint32_t capacity;
    uint32_t slot_mask; /* slots - 1 */
    uint32_t n_used, n_live;
    uint32_t free;        /* number + 1 of the first hole of the list */
    uint32_t version;     /* counts what makes a search begin anew */
    uint32_t extra_bytes; /* for each entry */
    uint8_t pair_kind;    /* gl_kind: whether it holds what the pairs refer to */
    bool reuses_holes;    /* else entries keep their order, and holes go when the table moves */
} gl_table;

/* An empty table without memory, of the same make as another one. */
gl_table gl_table_like(const gl_table *table);

/* Where the key is, or GL_NO_ENTRY. While the program compares keys the lock is not held; what is
 * returned is true now. */
uint32_t gl_table_find_locked(gl_table *t, const gl_keys *keys, uint32_t hash, const void *key,
                              gl_lock *lock);

static inline bool gl_table_has_room_locked(const gl_table *t)
{
    return t->free != 0 || t->n_used < t->capacity;
}

/* Enters a key that is not there; there is room. Returns its number. */
uint32_t gl_table_add_locked(gl_table *t, uint32_t hash, void *key, void *value);

void gl_table_remove_locked(gl_table *t, uint32_t entry);

/* The same without a look at the index, whose slot goes on to name the hole: for a collection. Not
 * where holes are reused. */
void gl_table_drop_locked(gl_table *t, uint32_t entry);

/* The key of an entry has another hash now. */
void gl_table_rehash_locked(gl_table *t, uint32_t entry, uint32_t hash);

/* How many entries a table needs in which this one's fit, and then some. */
uint32_t gl_table_wanted_locked(const gl_table *t);

/* Gets memory for so many entries. False with ENOMEM. No lock is held. */
bool gl_table_allocate(gl_table *t, uint32_t capacity);

/* Moves all entries to a new table, which is empty and has room for them. Then *t is that, and
 * *fresh what is left over. Entries are renumbered without gaps; where holes are reused there are
 * none, and the numbers stay. */
void gl_table_move_locked(gl_table *t, gl_table *fresh);

/* Frees the memory. No lock is held, and nobody else knows the table. */
void gl_table_release(gl_table *t);

#endif
