/* SPDX-License-Identifier: MIT */
/*
 * object/weakmap.c - maps that do not keep one half of their entries alive.
 *
 * A map is a table whose pairs the collector reads in part (weak values: the keys) or not at all
 * (weak keys). Each entry has a record on its weak half (collect/weak.h), which removes it when
 * that goes, and the map has one on itself, which removes all of these when the map goes. Records
 * name the map by its address, and the entry by its number.
 *
 * LOCKS. To find an entry takes the lock of the map (collect/table_locks.h); to add, remove or move
 * one takes the lock of the records, too, before it. As the program may have to compare keys, with
 * neither, a change begins with a search, and is made if the table is as the search has left it. A
 * collection has all these locks.
 *
 * WEAK KEYS. A collection asks the map for the values of keys that have been reached
 * (collect/ephemeron.h). Once it has been asked for all, it remembers which wait, as a list through
 * the table's extras.
 */
#include <errno.h>

#include <gleaner/weakref.h>

#include "base/check.h"
#include "collect/ephemeron.h"
#include "collect/table_locks.h"
#include "collect/weak.h"
#include "heap/heap.h"
#include "heap/hooks.h"
#include "object/table.h"

/* What the table keeps for each entry. */
typedef struct extra {
    uint64_t order;    /* grows from entry to entry; stays in holes, so that one can bisect */
    uint32_t record;
    uint32_t next;     /* number + 1 of the next that waits for its key; for a collection */
} extra;

struct gc_weakmap {
    gl_table table;
    gl_keys keys;
    gc_weak_kind kind;
    uint32_t record;   /* on this object */
    uint64_t next_order;
    uint32_t waiting;  /* number + 1 of the first that waits for its key */
    uint32_t cycle;    /* the collection that has asked for all */
};

enum { DATA_MAP, DATA_ENTRY }; /* of an entry's record */

static extra *extra_of(const gl_table *t, uint32_t entry)
{
    return &((extra *)(void *)t->extras)[entry];
}

static gc_weakmap *map_of(const gl_weak_record *r)
{
    return (gc_weakmap *)r->data[DATA_MAP];
}

/* The pairs of a map with weak values are scanned, for the keys: there a value is stored as its
 * complement, which points nowhere. The marker reads a typed object one pair at a time: a million
 * pairs took it 5 ms longer. */
static void *stored_value(const gc_weakmap *map, const void *value)
{
    return (void *)((uintptr_t)value ^ (map->kind == GC_WEAK_VALUES ? ~(uintptr_t)0 : 0));
}

/* The same backwards. */
static void *value_at(const gc_weakmap *map, uint32_t entry)
{
    return stored_value(map, map->table.pairs[entry].value);
}

static void set_value(gc_weakmap *map, uint32_t entry, const void *value)
{
    map->table.pairs[entry].value = stored_value(map, value);
}

/* ---- Records --------------------------------------------------------------------------------- */

static void half_goes(uint32_t number, gl_weak_record *r)
{
    gc_weakmap *map = map_of(r);
    gl_table_lock_unless_collecting(map);
    gl_table_drop_locked(&map->table, (uint32_t)r->data[DATA_ENTRY]);
    gl_table_unlock_unless_collecting(map);
    gl_weak_remove_locked(number);
}

/* A key that is compared by its address has another hash from now on. */
static void half_moved(uint32_t number, gl_weak_record *r, uintptr_t to)
{
    gc_weakmap *map = map_of(r);
    uint32_t entry = (uint32_t)r->data[DATA_ENTRY];
    (void)number;
    gl_table_lock_unless_collecting(map);
    if (map->kind == GC_WEAK_VALUES) {
        set_value(map, entry, (void *)to);
    } else {
        map->table.pairs[entry].key = (void *)to;
    }
    if (map->kind == GC_WEAK_KEYS && map->keys.kind == GL_KEYS_WORDS) {
        gl_table_rehash_locked(&map->table, entry, gl_keys_hash(&map->keys, (void *)to));
    }
    gl_table_unlock_unless_collecting(map);
}

static void key_reached(gl_weak_record *r)
{
    gc_weakmap *map = map_of(r);
    gl_ephemeron_count(0, 1);
    if (gl_ephemeron_is_reached((uintptr_t)map)) {
        gl_ephemeron_mark_values(&map->table.pairs[r->data[DATA_ENTRY]].value, 1);
    }
}

/* Both locks are held. */
static void remove_records_locked(gc_weakmap *map)
{
    const gl_table *t = &map->table;
    for (uint32_t entry = 0; entry < t->n_used; entry++) {
        if (t->hashes[entry] != 0) {
            gl_weak_remove_locked(extra_of(t, entry)->record);
        }
    }
    if (map->record) {
        if (map->kind == GC_WEAK_KEYS) {
            gl_ephemeron_unlist_map_locked(map->record);
        }
        gl_weak_remove_locked(map->record);
        map->record = 0;
    }
}

static void map_goes(uint32_t number, gl_weak_record *r)
{
    gc_weakmap *map = (gc_weakmap *)r->key;
    (void)number;
    gl_table_lock_unless_collecting(map);
    remove_records_locked(map);
    gl_table old = map->table;
    map->table = gl_table_like(&old); /* the collector's now */
    gl_table_unlock_unless_collecting(map);
}

/* ---- For a collection ------------------------------------------------------------------------ */

/* Values on their way to the marker. */
typedef struct batch {
    void *values[GL_MARK_STARTS_MAX];
    uint32_t n;
} batch;

static void flush(batch *b)
{
    gl_ephemeron_mark_values(b->values, b->n);
    b->n = 0;
}

static void settle(batch *b, void *value)
{
    b->values[b->n++] = value;
    if (b->n == sizeof b->values / sizeof b->values[0]) {
        flush(b);
    }
}

static uint32_t ask_all(gc_weakmap *map, batch *b)
{
    const gl_table *t = &map->table;
    uint32_t n_waiting = 0;
    map->cycle = gl_ephemeron_cycle();
    map->waiting = 0;
    for (uint32_t entry = 0; entry < t->n_used; entry++) {
        if (t->hashes[entry] == 0) {
            continue;
        }
        if (gl_ephemeron_is_reached((uintptr_t)t->pairs[entry].key)) {
            settle(b, t->pairs[entry].value);
        } else {
            extra_of(t, entry)->next = map->waiting;
            map->waiting = entry + 1;
            n_waiting++;
        }
    }
    gl_ephemeron_count(n_waiting, t->n_used);
    return n_waiting;
}

/* An entry that has been cleared meanwhile does not wait any more. */
static void ask_waiting(gc_weakmap *map, batch *b)
{
    const gl_table *t = &map->table;
    uint32_t n_waiting = 0, n_examined = 0;
    uint32_t *link = &map->waiting;
    for (uint32_t i; (i = *link) != 0; n_examined++) {
        extra *e = extra_of(t, i - 1);
        bool is_there = t->hashes[i - 1] != 0;
        if (is_there && !gl_ephemeron_is_reached((uintptr_t)t->pairs[i - 1].key)) {
            link = &e->next;
            n_waiting++;
            continue;
        }
        if (is_there) {
            settle(b, t->pairs[i - 1].value);
        }
        *link = e->next;
    }
    gl_ephemeron_count(n_waiting, n_examined);
}

static void map_reached(gl_weak_record *r)
{
    gc_weakmap *map = (gc_weakmap *)r->key;
    batch b = {.n = 0};
    if (map->cycle != gl_ephemeron_cycle()) {
        ask_all(map, &b);
    } else {
        ask_waiting(map, &b);
    }
    flush(&b);
}

static const gl_weak_class key_class = {
    .is_reference = true, .goes = half_goes, .moved = half_moved, .reached = key_reached};
static const gl_weak_class value_class = {
    .is_reference = true, .goes = half_goes, .moved = half_moved};
static const gl_weak_class keys_map_class = {
    .is_bound = true, .is_late = true, .goes = map_goes, .reached = map_reached};
static const gl_weak_class values_map_class = {
    .is_bound = true, .is_late = true, .goes = map_goes};

/* ---- A map ----------------------------------------------------------------------------------- */

static bool attach(gc_weakmap *map)
{
    gl_object object;
    bool is_ours = gl_heap_find_exact((uintptr_t)map, &object);
    gl_check(is_ours, map);
    gl_weak_lock();
    if (map->kind == GC_WEAK_KEYS) {
        map->record = gl_weak_add_locked(&object, &keys_map_class, NULL);
        if (map->record) {
            gl_ephemeron_list_map_locked(map->record);
        }
    } else {
        map->record = gl_weak_add_locked(&object, &values_map_class, NULL);
    }
    gl_weak_unlock();
    return map->record != 0;
}

static bool attach_persistently(gc_weakmap *map)
{
    for (unsigned attempt = 0; !attach(map); attempt++) {
        if (!gl_hook_no_memory(sizeof *map, attempt, true)) {
            return false;
        }
    }
    return true;
}

gc_weakmap *gc_weakmap_new(gc_weak_kind kind, const gc_hash_ops *ops)
{
    gl_keys keys;
    if ((kind != GC_WEAK_KEYS && kind != GC_WEAK_VALUES) || !gl_keys_init(&keys, ops)) {
        errno = EINVAL;
        return NULL;
    }
    gc_weakmap *map = gl_heap_alloc(sizeof *map, GL_KIND_SCANNED, true);
    if (!map) {
        return NULL;
    }
    map->keys = keys;
    map->kind = kind;
    map->table.extra_bytes = sizeof(extra);
    map->table.pair_kind = kind == GC_WEAK_KEYS ? GL_KIND_ATOMIC : GL_KIND_SCANNED;
    if (!attach_persistently(map)) {
        gl_heap_free(map, "gc_weakmap_new");
        errno = ENOMEM;
        return NULL;
    }
    return map;
}

static void lock_both(gc_weakmap *map)
{
    gl_weak_lock();
    gl_lock_acquire(gl_table_lock_of(map));
}

static void unlock_both(gc_weakmap *map)
{
    gl_lock_release(gl_table_lock_of(map));
    gl_weak_unlock();
}

void gc_weakmap_free(gc_weakmap *map)
{
    gl_object object;
    if (!map) {
        return;
    }
    gl_heap_wake();
    if (!gl_heap_find_exact((uintptr_t)map, &object)) {
        gl_hook_misuse("gc_weakmap_free", map);
        errno = EINVAL;
        return;
    }
    lock_both(map);
    remove_records_locked(map);
    gl_table old = map->table;
    map->table = gl_table_like(&old);
    unlock_both(map);
    gl_table_release(&old);
    gl_heap_free(map, "gc_weakmap_free");
}

/* ---- Searching ------------------------------------------------------------------------------- */

void *gc_weakmap_get(gc_weakmap *map, const void *key)
{
    gl_heap_wake();
    uint32_t hash = gl_keys_hash(&map->keys, key);
    gl_lock *lock = gl_table_lock_of(map);
    void *value = NULL;
    gl_lock_acquire(lock);
    uint32_t entry = gl_table_find_locked(&map->table, &map->keys, hash, key, lock);
    if (entry != GL_NO_ENTRY) {
        value = value_at(map, entry);
    }
    gl_lock_release(lock);
    if (entry == GL_NO_ENTRY) {
        errno = ENOENT;
    }
    return value;
}

size_t gc_weakmap_len(gc_weakmap *map)
{
    gl_heap_wake();
    gl_lock *lock = gl_table_lock_of(map);
    gl_lock_acquire(lock);
    size_t n = map->table.n_live;
    gl_lock_release(lock);
    return n;
}

/* What a search has found, and when. */
typedef struct finding {
    uint32_t hash;
    uint32_t entry;
    uint32_t version, n_used; /* of the table */
} finding;

static finding search(gc_weakmap *map, uint32_t hash, const void *key)
{
    gl_lock *lock = gl_table_lock_of(map);
    finding f = {.hash = hash};
    gl_lock_acquire(lock);
    f.entry = gl_table_find_locked(&map->table, &map->keys, hash, key, lock);
    f.version = map->table.version;
    f.n_used = map->table.n_used;
    gl_lock_release(lock);
    return f;
}

static bool is_still_true_locked(const gc_weakmap *map, const finding *f)
{
    const gl_table *t = &map->table;
    return t->version == f->version && t->n_used == f->n_used &&
           (f->entry == GL_NO_ENTRY || t->hashes[f->entry] == f->hash);
}

/* ---- Changing -------------------------------------------------------------------------------- */

typedef enum outcome {
    DONE,
    AGAIN, /* the table is not what it was */
    FULL,
    NO_OBJECT,
    NO_MEMORY
} outcome;

/* A new record on the weak half of an entry. 0: no memory. */
static uint32_t add_record_locked(gc_weakmap *map, const gl_object *object, uint32_t entry)
{
    uint32_t number =
        gl_weak_add_locked(object, map->kind == GC_WEAK_KEYS ? &key_class : &value_class, NULL);
    if (number) {
        gl_weak_record *r = gl_weak_record_at(number);
        r->data[DATA_MAP] = (uintptr_t)map;
        r->data[DATA_ENTRY] = entry;
    }
    return number;
}

/* The key that is there stays, as in Python. */
static outcome replace_locked(gc_weakmap *map, uint32_t entry, void *value,
                              const gl_object *object)
{
    extra *e = extra_of(&map->table, entry);
    if (map->kind == GC_WEAK_VALUES) {
        uint32_t number = add_record_locked(map, object, entry);
        if (!number) {
            return NO_MEMORY;
        }
        gl_weak_remove_locked(e->record);
        e->record = number;
    }
    set_value(map, entry, value);
    return DONE;
}

static outcome add_locked(gc_weakmap *map, uint32_t hash, void *key, void *value,
                          const gl_object *object)
{
    if (!gl_table_has_room_locked(&map->table)) {
        return FULL;
    }
    uint32_t number = add_record_locked(map, object, map->table.n_used);
    if (!number) {
        return NO_MEMORY;
    }
    uint32_t entry = gl_table_add_locked(&map->table, hash, key, stored_value(map, value));
    gl_debug(entry == gl_weak_record_at(number)->data[DATA_ENTRY], map);
    *extra_of(&map->table, entry) = (extra){.order = map->next_order++, .record = number};
    return DONE;
}

static outcome try_set(gc_weakmap *map, const finding *f, void *key, void *value)
{
    outcome result = AGAIN;
    gl_object object;
    lock_both(map);
    if (!gl_heap_find_exact((uintptr_t)(map->kind == GC_WEAK_KEYS ? key : value), &object)) {
        result = NO_OBJECT;
    } else if (is_still_true_locked(map, f)) {
        result = f->entry != GL_NO_ENTRY ? replace_locked(map, f->entry, value, &object)
                                         : add_locked(map, f->hash, key, value, &object);
    }
    unlock_both(map);
    return result;
}

static void renumber_locked(gl_table *t)
{
    for (uint32_t entry = 0; entry < t->n_used; entry++) {
        gl_weak_record_at(extra_of(t, entry)->record)->data[DATA_ENTRY] = entry;
    }
}

/* False: no memory. */
static bool grow(gc_weakmap *map)
{
    gl_lock *lock = gl_table_lock_of(map);
    gl_lock_acquire(lock);
    gl_table fresh = gl_table_like(&map->table);
    uint32_t wanted = gl_table_wanted_locked(&map->table);
    gl_lock_release(lock);
    if (!gl_table_allocate(&fresh, wanted)) {
        return false;
    }
    lock_both(map);
    if (!gl_table_has_room_locked(&map->table) && fresh.capacity > map->table.n_live) {
        gl_table_move_locked(&map->table, &fresh);
        renumber_locked(&map->table);
    }
    unlock_both(map);
    gl_table_release(&fresh);
    return true;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

int gc_weakmap_set(gc_weakmap *map, void *key, void *value)
{
    gl_heap_wake();
    uint32_t hash = gl_keys_hash(&map->keys, key);
    for (unsigned attempt = 0;;) {
        finding f = search(map, hash, key);
        switch (try_set(map, &f, key, value)) {
        case DONE:
            return 0;
        case NO_OBJECT:
            return fail(EINVAL);
        case NO_MEMORY:
            if (!gl_hook_no_memory(sizeof(void *), attempt++, true)) {
                return fail(ENOMEM);
            }
            break;
        case FULL:
            if (!grow(map)) {
                return fail(ENOMEM);
            }
            break;
        case AGAIN:
            break;
        }
    }
}

static outcome try_remove(gc_weakmap *map, const finding *f)
{
    outcome result = AGAIN;
    lock_both(map);
    if (is_still_true_locked(map, f)) {
        gl_weak_remove_locked(extra_of(&map->table, f->entry)->record);
        gl_table_remove_locked(&map->table, f->entry);
        result = DONE;
    }
    unlock_both(map);
    return result;
}

int gc_weakmap_del(gc_weakmap *map, const void *key)
{
    gl_heap_wake();
    uint32_t hash = gl_keys_hash(&map->keys, key);
    finding f;
    do {
        f = search(map, hash, key);
        if (f.entry == GL_NO_ENTRY) {
            return fail(ENOENT);
        }
    } while (try_remove(map, &f) != DONE);
    return 0;
}

/* ---- Every entry ----------------------------------------------------------------------------- */

/* Where a walk has come to. A move of the table renumbers the entries, but keeps their order. */
typedef struct walk {
    uint64_t next_order, end_order;
    uint32_t entry;
    uint32_t version; /* of the table in which `entry` is right */
} walk;

/* The first entry, or hole, that did not come before. */
static uint32_t find_order_locked(const gl_table *t, uint64_t order)
{
    uint32_t low = 0, high = t->n_used;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (extra_of(t, middle)->order < order) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Those that come during the walk are not visited, so that it ends. */
static walk begin_walk(gc_weakmap *map)
{
    gl_lock *lock = gl_table_lock_of(map);
    gl_lock_acquire(lock);
    walk w = {.end_order = map->next_order, .version = map->table.version};
    gl_lock_release(lock);
    return w;
}

static bool next_pair(gc_weakmap *map, walk *w, gl_pair *pair)
{
    const gl_table *t = &map->table;
    bool is_found = false;
    gl_lock *lock = gl_table_lock_of(map);
    gl_lock_acquire(lock);
    if (w->version != t->version) {
        w->entry = find_order_locked(t, w->next_order);
        w->version = t->version;
    }
    while (w->entry < t->n_used && t->hashes[w->entry] == 0) {
        w->entry++;
    }
    if (w->entry < t->n_used && extra_of(t, w->entry)->order < w->end_order) {
        *pair = (gl_pair){t->pairs[w->entry].key, value_at(map, w->entry)};
        w->next_order = extra_of(t, w->entry)->order + 1;
        w->entry++;
        is_found = true;
    }
    gl_lock_release(lock);
    return is_found;
}

int gc_weakmap_foreach(gc_weakmap *map, int (*fn)(void *key, void *value, void *arg), void *arg)
{
    gl_heap_wake();
    gl_pair pair;
    walk w = begin_walk(map);
    int result = 0;
    while (result == 0 && next_pair(map, &w, &pair)) {
        result = fn(pair.key, pair.value, arg);
        __asm__ __volatile__("" : : "m"(pair) : "memory"); /* held during the call */
    }
    return result;
}
