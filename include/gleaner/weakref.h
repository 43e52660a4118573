/* SPDX-License-Identifier: MIT */
/*
 * gleaner/weakref.h - references that do not keep their object alive, and what is done when it goes:
 * weak references, weak slots, weak maps, a bounded cache, finalizers.
 *
 * WHEN AN OBJECT GOES - by gc_free(), by its last gc_release(), or because a collection finds it
 * unreachable - weak references, slots and map entries are cleared first, all of them before anything
 * of the program runs; then finalizers run, then the destructor of a counted object; then the storage
 * is free. What is reachable only from an object that waits for its finalizer counts as unreachable,
 * too: references to it are cleared at the same moment.
 *
 * The objects may come from gc_malloc() and its kin, from gc_rc_malloc(), or from malloc() where that
 * is ours. The common rules of gleaner/gc.h hold. User functions are called with no lock held.
 */
#ifndef GLEANER_WEAKREF_H
#define GLEANER_WEAKREF_H

#include <gleaner/api.h>

GC_BEGIN_DECLS

/* ---- Weak references ------------------------------------------------------------------------- */

/* A collected object itself: one that the program loses is reclaimed, and its callback is not called. */
typedef struct gc_weakref gc_weakref;

/* Called after the reference has been cleared, where finalizers run. `arg` is kept alive. */
typedef void (*gc_weakref_callback)(gc_weakref *ref, void *arg);

/* A new weak reference to the object that starts at `object`; `callback` may be NULL. NULL with EINVAL (no
 * start of an object of ours), ENOMEM. */
gc_weakref *gc_weakref_new(void *object, gc_weakref_callback callback, void *arg)
    GC_SYMBOL(gc_weakref_new);

/* The object, or NULL when it is gone (or `ref` is NULL). The pointer keeps it alive as any other does:
 * a collection at this moment either finds the pointer or has cleared the reference before. A counted
 * object may still fall to zero meanwhile: there gc_weakref_retain() is the safe call. */
void *gc_weakref_get(const gc_weakref *ref) GC_SYMBOL(gc_weakref_get);

/* The same with one count more on a counted object, in one step with the question whether it still
 * lives: the caller releases it. */
void *gc_weakref_retain(gc_weakref *ref) GC_SYMBOL(gc_weakref_retain);

/* Ends a weak reference; its callback is not called any more. NULL: nothing. */
void gc_weakref_free(gc_weakref *ref) GC_SYMBOL(gc_weakref_free);

/* How many weak references, slots and map entries would be cleared if the object went. */
size_t gc_get_weakref_count(const void *object) GC_SYMBOL(gc_get_weakref_count);

/* Sets *slot = object, a pointer that does not keep the object alive wherever the slot is - in static
 * data, on a stack, inside a scanned object -, and is set to NULL when the object goes. A slot inside an
 * object of ours is forgotten when that object goes, or is moved by gc_realloc(); others must be unregistered before their memory
 * does. Registering a slot again changes its object. EINVAL (slot NULL or misaligned, no object of
 * ours), ENOMEM. (Boehm's disappearing links, which must be hidden from the collector by hand.) */
int gc_weak_slot_register(void **slot, void *object) GC_SYMBOL(gc_weak_slot_register);

/* The slot is an ordinary variable again; it keeps its value. ENOENT if it is not registered. */
int gc_weak_slot_unregister(void **slot) GC_SYMBOL(gc_weak_slot_unregister);

/* ---- How keys are compared --------------------------------------------------------------------- */

/* Set `size` to sizeof(gc_hash_ops). Equal keys must have equal hashes. The functions may use the
 * library, but not the map that calls them. */
typedef struct gc_hash_ops {
    size_t size;
    uint64_t (*hash)(const void *key);
    int (*equal)(const void *a, const void *b); /* not 0: equal */
} gc_hash_ops;

/* What the library can do itself: keys that are pointers compared by address (NULL does the same), numbers in
 * the place of pointers, and strings that end in a zero byte. The map refers to a string, and keeps it
 * alive if it comes from our heap; it does not copy it. */
#define GC_HASH_POINTERS ((const gc_hash_ops *)0)
#define GC_HASH_INTEGERS ((const gc_hash_ops *)1)
#define GC_HASH_STRINGS ((const gc_hash_ops *)2)

/* ---- Weak maps --------------------------------------------------------------------------------- */

typedef enum gc_weak_kind {
    GC_WEAK_VALUES = 1, /* an entry goes when its value goes; keys are held */
    GC_WEAK_KEYS = 2    /* an entry goes when its key goes; the map holds a value only as long as its key
                           lives: an entry is an ephemeron, and a value that refers to its own key does
                           not keep it alive (Hayes, "Ephemerons", 1997) */
} gc_weak_kind;

/* A collected object itself: a map that the program loses goes with all that only it held. Any
 * number of threads may use one. */
typedef struct gc_weakmap gc_weakmap;

/* NULL with EINVAL (kind, size of ops), ENOMEM. `ops` may be NULL: GC_HASH_POINTERS. What it points to is
 * copied. */
gc_weakmap *gc_weakmap_new(gc_weak_kind kind, const gc_hash_ops *ops) GC_SYMBOL(gc_weakmap_new);

/* The value, or NULL with ENOENT. Strong, as of gc_weakref_get(). */
void *gc_weakmap_get(gc_weakmap *map, const void *key) GC_SYMBOL(gc_weakmap_get);

/* Enters or replaces. EINVAL: the weak half is no start of an object of ours (or NULL); ENOMEM: nothing is
 * changed. */
int gc_weakmap_set(gc_weakmap *map, void *key, void *value) GC_SYMBOL(gc_weakmap_set);

/* ENOENT if there is no such key. */
int gc_weakmap_del(gc_weakmap *map, const void *key) GC_SYMBOL(gc_weakmap_del);

/* Entries whose objects have not gone. */
size_t gc_weakmap_len(gc_weakmap *map) GC_SYMBOL(gc_weakmap_len);

/* Calls fn for each entry, in the order in which they were entered, until it returns something else than
 * 0, and returns that. Both halves are held during the call. fn may collect and change the map: entries that
 * it removes, or that go meanwhile, are not visited any more; those it adds may be. */
int gc_weakmap_foreach(gc_weakmap *map, int (*fn)(void *key, void *value, void *arg), void *arg)
    GC_SYMBOL(gc_weakmap_foreach);

/* Ends the map at once. NULL: nothing. */
void gc_weakmap_free(gc_weakmap *map) GC_SYMBOL(gc_weakmap_free);

/* ---- A bounded cache --------------------------------------------------------------------------- */

/* Keeps what was used last, up to a number of entries and of bytes; holds keys and values. A collected
 * object itself. Any number of threads may use one. */
typedef struct gc_lru gc_lru;

/* Makes the value of a key that is missing; NULL: there is none. May be called by two threads for the
 * same key at once: the first result stays. */
typedef void *(*gc_lru_load)(const void *key, void *arg);

/* 0 means no bound. The size of an entry is that of its value, by gc_sizeof(), and 0 for what is not in
 * our heap. `load` may be NULL. NULL with EINVAL (size of ops), ENOMEM. As Python's functools.lru_cache,
 * which has no bound in bytes. */
gc_lru *gc_lru_new(size_t max_items, size_t max_bytes, gc_lru_load load, const gc_hash_ops *ops,
                   void *arg) GC_SYMBOL(gc_lru_new);

/* The value, loaded if it is missing; NULL with ENOENT (missing, and no load, or it gave NULL), ENOMEM. The
 * entry is now the one used last. */
void *gc_lru_get(gc_lru *cache, const void *key) GC_SYMBOL(gc_lru_get);

/* Enters or replaces; what exceeds a bound is evicted, those that were not used for longest first. A value
 * that is larger than the bound by itself is not kept. EINVAL (value NULL), ENOMEM. */
int gc_lru_put(gc_lru *cache, void *key, void *value) GC_SYMBOL(gc_lru_put);

/* Drops all entries. The numbers of gc_lru_info() begin anew, too. */
void gc_lru_clear(gc_lru *cache) GC_SYMBOL(gc_lru_clear);

/* Set `size` to sizeof(gc_lru_stats). */
typedef struct gc_lru_stats {
    size_t size;
    uint64_t hits, misses;
    uint64_t evictions; /* because of a bound, or for lack of memory */
    uint64_t items, bytes;
    uint64_t max_items, max_bytes;
} gc_lru_stats;

/* EINVAL: size. */
int gc_lru_info(gc_lru *cache, gc_lru_stats *stats) GC_SYMBOL(gc_lru_info);

/* Ends the cache at once. NULL: nothing. A cache that is merely lost goes at the next collection. */
void gc_lru_free(gc_lru *cache) GC_SYMBOL(gc_lru_free);

/* ---- Finalizers -------------------------------------------------------------------------------- */

/* Names one finalizer, also when it has run: it never becomes invalid, and need not be kept. */
typedef struct gc_finalizer gc_finalizer;

/* `object` is whole, and so is what it refers to. To make it reachable again is allowed. */
typedef void (*gc_finalizer_fn)(void *object, void *arg);

#define GC_FIN_NO_ORDER 0x1u /* without regard to the finalizers of what the object refers to */
#define GC_FIN_ATEXIT 0x2u   /* at the end of the process, too, if it has not run before then */

/* Calls fn(object, arg) once, when the object goes. Of objects that are found unreachable together, those
 * that refer to others are finalized before these; in a cycle the order is not defined. An object may have
 * several finalizers: the last one added runs first. `arg` is kept alive until then; if it leads to
 * the object, that never becomes unreachable. At exit the order is that of creation reversed. NULL
 * with EINVAL (no start of an object of ours, fn NULL, flags), ENOMEM. */
gc_finalizer *gc_finalize(void *object, gc_finalizer_fn fn, void *arg, unsigned flags)
    GC_SYMBOL(gc_finalize);

/* The function will not be called. ENOENT if it was already. */
int gc_finalize_detach(gc_finalizer *finalizer) GC_SYMBOL(gc_finalize_detach);

/* Calls it now, in this thread, and never again. ENOENT as above. */
int gc_finalize_call(gc_finalizer *finalizer) GC_SYMBOL(gc_finalize_call);

/* 1 if it has been neither called nor detached; else 0. */
int gc_finalize_alive(gc_finalizer *finalizer) GC_SYMBOL(gc_finalize_alive);

/* Runs up to `max` of the finalizers, destructors and callbacks that wait (0: all) in this thread, and
 * returns how many. Called from inside one of them: 0. */
size_t gc_run_finalizers(size_t max) GC_SYMBOL(gc_run_finalizers);

/* Who runs what waits after a collection (option `finalizers`). */
typedef enum gc_finalizer_policy {
    GC_FINALIZERS_ALLOCATING = 0, /* a thread in gc_collect() or in an allocating call of gleaner/ (not
                                     malloc(): its callers may hold any lock) */
    GC_FINALIZERS_THREAD = 1,     /* a thread of the library's */
    GC_FINALIZERS_EXPLICIT = 2    /* whoever calls gc_run_finalizers() */
} gc_finalizer_policy;

/* Returns the previous policy, or -1 with EINVAL; EAGAIN: no thread could be started. */
int gc_set_finalizer_policy(gc_finalizer_policy policy) GC_SYMBOL(gc_set_finalizer_policy);

GC_END_DECLS

#endif
