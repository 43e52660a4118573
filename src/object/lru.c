/* SPDX-License-Identifier: MIT */
/*
 * object/lru.c - the bounded cache: a table, and its entries in a row by when they were used last.
 *
 * The row goes through the table's extras, by numbers of entries. Everything in a cache but what is
 * set at its start is protected by its lock (collect/table_locks.h). The collector sees nothing but
 * objects that refer to each other.
 *
 * For lack of memory all caches are asked at once to give up entries. The list of them does not
 * keep them alive: each is in a node of meta memory, in a weak slot.
 */
#include "object/lru.h"

#include <errno.h>

#include <gleaner/gc.h>
#include <gleaner/weakref.h>

#include "base/check.h"
#include "collect/table_locks.h"
#include "collect/weak_slot.h"
#include "heap/heap.h"
#include "heap/hooks.h"
#include "heap/meta.h"
#include "object/table.h"

/* What the table keeps for each entry. GL_NO_ENTRY ends the row. */
typedef struct link {
    uint32_t newer, older;
    uint64_t bytes; /* of the value, when it was entered */
} link;

typedef struct cache_node cache_node;

struct gc_lru {
    gl_table table;
    uint32_t newest, oldest; /* GL_NO_ENTRY: none */
    gl_keys keys;
    gc_lru_load load; /* NULL: none */
    void *arg;
    cache_node *node;
    uint64_t max_items, max_bytes; /* UINT64_MAX: no bound */
    uint64_t bytes;
    uint64_t hits, misses, evictions;
};

/* ---- The row --------------------------------------------------------------------------------- */

static inline link *link_of(const gc_lru *c, uint32_t entry)
{
    return &((link *)(void *)c->table.extras)[entry];
}

static void unlink_locked(gc_lru *c, uint32_t entry)
{
    const link *l = link_of(c, entry);
    *(l->newer == GL_NO_ENTRY ? &c->newest : &link_of(c, l->newer)->older) = l->older;
    *(l->older == GL_NO_ENTRY ? &c->oldest : &link_of(c, l->older)->newer) = l->newer;
}

static void link_as_newest_locked(gc_lru *c, uint32_t entry)
{
    link *l = link_of(c, entry);
    l->newer = GL_NO_ENTRY;
    l->older = c->newest;
    *(c->newest == GL_NO_ENTRY ? &c->oldest : &link_of(c, c->newest)->newer) = entry;
    c->newest = entry;
}

static inline void use_locked(gc_lru *c, uint32_t entry)
{
    if (c->newest != entry) {
        unlink_locked(c, entry);
        link_as_newest_locked(c, entry);
    }
}

/* ---- Entries --------------------------------------------------------------------------------- */

static void evict_locked(gc_lru *c, uint32_t entry)
{
    c->bytes -= link_of(c, entry)->bytes;
    c->evictions++;
    unlink_locked(c, entry);
    gl_table_remove_locked(&c->table, entry);
}

/* The newest one fits by itself, so it stays. */
static void keep_bounds_locked(gc_lru *c)
{
    while (c->bytes > c->max_bytes || c->table.n_live > c->max_items) {
        evict_locked(c, c->oldest);
    }
}

static void replace_locked(gc_lru *c, uint32_t entry, void *value, uint64_t bytes)
{
    link *l = link_of(c, entry);
    c->bytes += bytes - l->bytes;
    l->bytes = bytes;
    c->table.pairs[entry].value = value;
    use_locked(c, entry);
}

static void add_locked(gc_lru *c, uint32_t hash, void *key, void *value, uint64_t bytes)
{
    uint32_t entry = gl_table_add_locked(&c->table, hash, key, value);
    link_of(c, entry)->bytes = bytes;
    c->bytes += bytes;
    link_as_newest_locked(c, entry);
}

/* Room for one entry more without more memory; if that takes it, the one unused for
 * longest goes. */
static bool try_make_room_locked(gc_lru *c, bool may_evict)
{
    if ((may_evict || c->table.n_live >= c->max_items) && c->table.n_live > 0 &&
        !gl_table_has_room_locked(&c->table)) {
        evict_locked(c, c->oldest);
    }
    return gl_table_has_room_locked(&c->table);
}

/* The lock is held before and after, not meanwhile. False: no memory. */
static bool grow(gc_lru *c, gl_lock *lock)
{
    gl_table fresh = gl_table_like(&c->table);
    uint32_t wanted = gl_table_wanted_locked(&c->table);
    if (wanted > c->max_items) {
        wanted = (uint32_t)c->max_items;
    }
    gl_lock_release(lock);
    bool is_allocated = gl_table_allocate(&fresh, wanted);
    gl_lock_acquire(lock);
    if (is_allocated && !gl_table_has_room_locked(&c->table) &&
        fresh.capacity > c->table.capacity) {
        gl_table_move_locked(&c->table, &fresh);
    }
    gl_lock_release(lock);
    gl_table_release(&fresh);
    gl_lock_acquire(lock);
    return is_allocated;
}

typedef struct entering {
    uint32_t hash;
    void *key, *value;
    uint64_t bytes;
    bool replaces; /* else what is there stays */
} entering;

/* What is in the cache for the key afterwards, or what would be if it could be kept. NULL: no
 * memory. */
static void *enter(gc_lru *c, const entering *e)
{
    gl_lock *lock = gl_table_lock_of(c);
    void *result = e->value;
    bool is_memory_short = false;
    gl_lock_acquire(lock);
    for (;;) {
        uint32_t entry = gl_table_find_locked(&c->table, &c->keys, e->hash, e->key, lock);
        if (entry != GL_NO_ENTRY && !e->replaces) {
            use_locked(c, entry);
            result = c->table.pairs[entry].value;
            break;
        }
        if (e->bytes > c->max_bytes) {
            if (entry != GL_NO_ENTRY) {
                evict_locked(c, entry);
            }
            break;
        }
        if (entry != GL_NO_ENTRY) {
            replace_locked(c, entry, e->value, e->bytes);
            keep_bounds_locked(c);
            break;
        }
        if (try_make_room_locked(c, is_memory_short)) {
            add_locked(c, e->hash, e->key, e->value, e->bytes);
            keep_bounds_locked(c);
            break;
        }
        if (is_memory_short) {
            result = NULL;
            break;
        }
        is_memory_short = !grow(c, lock);
    }
    gl_lock_release(lock);
    if (!result) {
        errno = ENOMEM;
    }
    return result;
}

static uint64_t bytes_of(const void *value)
{
    gl_object object;
    return gl_heap_find_exact((uintptr_t)value, &object) ? object.bytes : 0;
}

/* ---- Getting and putting --------------------------------------------------------------------- */

/* NULL: not there. */
static void *look_up(gc_lru *c, uint32_t hash, const void *key)
{
    gl_lock *lock = gl_table_lock_of(c);
    void *value = NULL;
    gl_lock_acquire(lock);
    uint32_t entry = gl_table_find_locked(&c->table, &c->keys, hash, key, lock);
    if (entry != GL_NO_ENTRY) {
        value = c->table.pairs[entry].value;
        use_locked(c, entry);
        c->hits++;
    } else {
        c->misses++;
    }
    gl_lock_release(lock);
    return value;
}

void *gc_lru_get(gc_lru *cache, const void *key)
{
    gl_heap_wake();
    uint32_t hash = gl_keys_hash(&cache->keys, key);
    void *value = look_up(cache, hash, key);
    if (GL_LIKELY(value != NULL)) {
        return value;
    }
    value = cache->load ? cache->load(key, cache->arg) : NULL;
    if (!value) {
        errno = ENOENT;
        return NULL;
    }
    const entering e = {.hash = hash,
                        .key = (void *)(uintptr_t)key,
                        .value = value,
                        .bytes = bytes_of(value),
                        .replaces = false};
    return enter(cache, &e);
}

int gc_lru_put(gc_lru *cache, void *key, void *value)
{
    if (!value) {
        errno = EINVAL;
        return -1;
    }
    gl_heap_wake();
    const entering e = {.hash = gl_keys_hash(&cache->keys, key),
                        .key = key,
                        .value = value,
                        .bytes = bytes_of(value),
                        .replaces = true};
    return enter(cache, &e) ? 0 : -1;
}

/* Takes the table away; the caller releases it. */
static gl_table empty_locked(gc_lru *c)
{
    gl_table old = c->table;
    c->table = gl_table_like(&old);
    c->newest = c->oldest = GL_NO_ENTRY;
    c->bytes = 0;
    return old;
}

void gc_lru_clear(gc_lru *cache)
{
    gl_heap_wake();
    gl_lock *lock = gl_table_lock_of(cache);
    gl_lock_acquire(lock);
    gl_table old = empty_locked(cache);
    cache->hits = cache->misses = cache->evictions = 0;
    gl_lock_release(lock);
    gl_table_release(&old);
}

static uint64_t bound_or_zero(uint64_t bound)
{
    return bound == UINT64_MAX ? 0 : bound;
}

int gc_lru_info(gc_lru *cache, gc_lru_stats *stats)
{
    if (stats->size != sizeof *stats) {
        errno = EINVAL;
        return -1;
    }
    gl_heap_wake();
    gl_lock *lock = gl_table_lock_of(cache);
    gl_lock_acquire(lock);
    *stats = (gc_lru_stats){.size = sizeof *stats,
                            .hits = cache->hits,
                            .misses = cache->misses,
                            .evictions = cache->evictions,
                            .items = cache->table.n_live,
                            .bytes = cache->bytes,
                            .max_items = bound_or_zero(cache->max_items),
                            .max_bytes = bound_or_zero(cache->max_bytes)};
    gl_lock_release(lock);
    return 0;
}

/* ---- All caches ------------------------------------------------------------------------------ */

typedef enum node_state {
    NODE_FREE,
    NODE_TAKEN, /* a thread is about to list a cache here */
    NODE_LISTED
} node_state;

struct cache_node {
    void *cache; /* a weak slot; NULL in a listed node: the program has lost the cache */
    cache_node *next;
    node_state state;
};

/* Nodes are reused, and stay. The list is whole after each single store, so the child of a fork
 * just resets the lock. */
static struct {
    gl_lock lock;
    cache_node *first;
} all = {.lock = GL_LOCK_INIT(GL_RANK_API)};

void gl_lru_after_fork_child(void)
{
    gl_lock_reset(&all.lock);
}

static cache_node *find_free_locked(void)
{
    for (cache_node *node = all.first; node; node = node->next) {
        if (node->state == NODE_FREE || (node->state == NODE_LISTED && !node->cache)) {
            return node;
        }
    }
    return NULL;
}

static cache_node *take_node(void)
{
    gl_lock_acquire(&all.lock);
    cache_node *node = find_free_locked();
    if (!node) {
        node = gl_meta_alloc(sizeof *node);
        if (node) {
            node->next = all.first;
            all.first = node;
        }
    }
    if (node) {
        node->state = NODE_TAKEN;
    }
    gl_lock_release(&all.lock);
    return node;
}

static void set_state(cache_node *node, node_state state)
{
    gl_lock_acquire(&all.lock);
    node->state = state;
    gl_lock_release(&all.lock);
}

/* False: no memory. */
static bool try_list(gc_lru *c)
{
    c->node = take_node();
    if (!c->node) {
        return false;
    }
    bool is_listed = gl_weak_slot_register(&c->node->cache, c) == 0;
    set_state(c->node, is_listed ? NODE_LISTED : NODE_FREE);
    return is_listed;
}

static bool list_cache(gc_lru *c)
{
    for (unsigned attempt = 0; !try_list(c); attempt++) {
        if (!gl_hook_no_memory(sizeof *c, attempt, true)) {
            return false;
        }
    }
    return true;
}

static void delist_cache(gc_lru *c)
{
    gl_weak_slot_unregister(&c->node->cache);
    c->node->cache = NULL;
    set_state(c->node, NODE_FREE);
}

/* ---- Giving up ------------------------------------------------------------------------------- */

/* Evicts half, those unused for longest first. A cache that is empty then gives its table up, too,
 * which the caller releases. The cache's lock is not held for all entries at once; that of the list
 * is, so that nobody frees the cache meanwhile. */
static uint64_t evict_half_listed(gc_lru *c, gl_table *old)
{
    enum { AT_ONCE = 1000 };
    gl_lock *lock = gl_table_lock_of(c);
    uint64_t n_evicted = 0;
    gl_lock_acquire(lock);
    uint64_t n = ((uint64_t)c->table.n_live + 1) / 2;
    while (n_evicted < n && c->oldest != GL_NO_ENTRY) {
        evict_locked(c, c->oldest);
        if (++n_evicted % AT_ONCE == 0) {
            gl_lock_release(lock);
            gl_lock_acquire(lock);
        }
    }
    if (c->oldest == GL_NO_ENTRY) {
        *old = empty_locked(c);
    }
    gl_lock_release(lock);
    return n_evicted;
}

uint64_t gl_lru_give_up_half(void)
{
    uint64_t n_evicted = 0;
    gl_lock_acquire(&all.lock);
    for (cache_node *node = all.first; node; node = node->next) {
        gc_lru *c = node->state == NODE_LISTED ? node->cache : NULL;
        gl_table old = {0};
        if (c) {
            n_evicted += evict_half_listed(c, &old);
        }
        gl_lock_release(&all.lock); /* nodes stay */
        gl_table_release(&old);
        gl_lock_acquire(&all.lock);
    }
    gl_lock_release(&all.lock);
    return n_evicted;
}

/* ---- A cache --------------------------------------------------------------------------------- */

gc_lru *gc_lru_new(size_t max_items, size_t max_bytes, gc_lru_load load, const gc_hash_ops *ops,
                   void *arg)
{
    gl_keys keys;
    if (!gl_keys_init(&keys, ops)) {
        errno = EINVAL;
        return NULL;
    }
    gc_lru *c = gl_heap_alloc(sizeof *c, GL_KIND_SCANNED, true);
    if (!c) {
        return NULL;
    }
    *c = (gc_lru){.table = {.pair_kind = GL_KIND_SCANNED,
                            .extra_bytes = sizeof(link),
                            .reuses_holes = true},
                  .newest = GL_NO_ENTRY,
                  .oldest = GL_NO_ENTRY,
                  .keys = keys,
                  .load = load,
                  .arg = arg,
                  .max_items = max_items ? max_items : UINT64_MAX,
                  .max_bytes = max_bytes ? max_bytes : UINT64_MAX};
    if (!list_cache(c)) {
        gl_heap_free(c, "gc_lru_new");
        errno = ENOMEM;
        return NULL;
    }
    return c;
}

void gc_lru_free(gc_lru *cache)
{
    gl_object object;
    if (!cache) {
        return;
    }
    gl_heap_wake();
    if (!gl_heap_find_exact((uintptr_t)cache, &object)) {
        gl_hook_misuse("gc_lru_free", cache);
        errno = EINVAL;
        return;
    }
    delist_cache(cache);
    gc_lru_clear(cache);
    gl_heap_free(cache, "gc_lru_free");
}
