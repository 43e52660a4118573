/* SPDX-License-Identifier: MIT */
/*
 * gleaner/gc.h - allocate, collect, free: the main interface of Gleaner, a conservative tracing
 * garbage collector for C.
 *
 * WHAT IS SCANNED. Objects from gc_malloc() live as long as a pointer to them or to their interior
 * is found in a register, on the stack of a thread, in static data or
 * thread-local storage of a loaded object, in a registered root (gleaner/roots.h), or in another
 * live, scanned object. A pointer one past the end of an object counts as well, except for objects
 * that fill their slot to the last byte (sizes 16, 32, 48 ... 128, and gc_aligned_alloc() of a power
 * of two up to 16 KiB), where it counts only if it is a root and the next slot is not allocated, or
 * if it is in a register.
 *
 *   MEMORY FROM LIBC'S malloc() IS NOT SCANNED in a program that uses libgleaner.so alone. A
 *   pointer that is kept only there does not keep its object alive. To have both in one heap,
 *   link with -lgleaner-malloc (before libc), or start the program with libgleaner-malloc.so in
 *   LD_PRELOAD: then malloc() is ours too, and what it returns is scanned; or register such
 *   memory with gc_add_root(); or allocate it with gc_malloc_uncollectable().
 *
 * COMMON RULES, where a declaration does not say otherwise:
 *   - Calls that return a pointer return NULL and set errno on failure. Calls that return int
 *     return 0, or -1 with errno set.
 *   - Every call initialises the library on first use, from the environment (GLEANER_OPTIONS).
 *   - Every call may be made from any thread at any time. None may be made from a signal handler,
 *     except gc_base, gc_sizeof and the calls that only read a number.
 *   - After fork() the child may go on using every call, also in a threaded program.
 *   - Sizes are in bytes, times in nanoseconds.
 *   - Size 0 gives a pointer of its own, which may be freed. A product that overflows is ENOMEM.
 *   - Out of memory: the collector runs, then the out-of-memory handler is asked, then the call
 *     fails with ENOMEM. The library never aborts for lack of memory.
 */
#ifndef GLEANER_GC_H
#define GLEANER_GC_H

#include <gleaner/api.h>

GC_BEGIN_DECLS

/* ---- Start ---------------------------------------------------------------------------------- */

/* What the library does with memory that the program frees or loses. */
typedef enum gc_mode {
    GC_MODE_DEFAULT = 0, /* as the environment says, else GC_MODE_COLLECT */
    GC_MODE_COLLECT = 1, /* explicit free at full speed; unreachable memory is reclaimed */
    GC_MODE_MALLOC = 2,  /* never collects by itself: a plain allocator */
    GC_MODE_SAFE = 3     /* what is freed is reused only when nothing refers to it any more; to be chosen
                            before the first use */
} gc_mode;

/* What a program can fix at start. A member that is 0 or NULL leaves the default, or what the
 * environment says. Set `size` to sizeof(gc_config). */
typedef struct gc_config {
    size_t size;
    gc_mode mode;
    int percent;               /* as gc_set_percent(); -1 switches automatic collection off */
    size_t trigger_bytes;      /* heap growth that starts the first collection */
    size_t memory_limit_bytes; /* as gc_set_memory_limit() */
    size_t heap_max_bytes;     /* as gc_set_heap_max() */
    const char *options;       /* "key=value:key=value", as in GLEANER_OPTIONS; wins over it */
} gc_config;

/* Starts the library. Optional and idempotent: a later call changes what can be changed and
 * returns 0. `config` may be NULL. Precedence: defaults, environment, `config`, later calls.
 * Fails with EINVAL (bad size, unknown mode, or a bad option when strict=1), ENOMEM. */
int gc_init(const gc_config *config) GC_SYMBOL(gc_init);

/* The version of the running library, "1.2.3". Static storage. */
const char *gc_version(void) GC_SYMBOL(gc_version);

/* ---- Allocation ----------------------------------------------------------------------------- */

/* Returns `size` zero-filled bytes, aligned to 16. Every aligned word of the object is taken for
 * a possible pointer. Fails with ENOMEM. */
void *gc_malloc(size_t size) GC_SYMBOL(gc_malloc) GC_ATTR(malloc, alloc_size(1));

/* The same for data that holds no pointers: never scanned, and not zero-filled. */
void *gc_malloc_atomic(size_t size) GC_SYMBOL(gc_malloc_atomic) GC_ATTR(malloc, alloc_size(1));

/* Zero-filled and scanned; it is a root itself: only gc_free() ends it. */
void *gc_malloc_uncollectable(size_t size)
    GC_SYMBOL(gc_malloc_uncollectable) GC_ATTR(malloc, alloc_size(1));

/* A description of where the pointers of a type are. Owned by the library, never freed: make one
 * for each type, once. */
typedef struct gc_layout gc_layout;

/* Describes a type of `size` bytes whose `n` pointers stand at `offsets` (bytes, each a multiple
 * of the size of a pointer and below `size`). `size` must be a multiple of the size of a pointer.
 * Equal descriptions may share one layout. Fails with EINVAL, ENOMEM. */
gc_layout *gc_layout_new(size_t size, const size_t offsets[], size_t n) GC_SYMBOL(gc_layout_new);

/* A zero-filled object of which only the pointers of `layout` are scanned; where `size` is
 * larger than the layout, the layout repeats (an array). Fails with EINVAL (no layout), ENOMEM. */
void *gc_malloc_typed(size_t size, const gc_layout *layout)
    GC_SYMBOL(gc_malloc_typed) GC_ATTR(malloc, alloc_size(1));

/* As calloc(): n * size zero-filled bytes, scanned. */
void *gc_calloc(size_t n, size_t size) GC_SYMBOL(gc_calloc) GC_ATTR(malloc, alloc_size(1, 2));

/* As realloc(): changes the size of `p`, moves it if it must, and keeps its kind (scanned,
 * pointer-free, uncollectable, typed). What is added is zero-filled where the kind is. NULL is
 * gc_malloc(size). Size 0 gives an object of size 0: nothing is freed behind your back. On
 * failure `p` is untouched. A pointer that is not the start of a live object goes to the error
 * handler, then EINVAL. */
void *gc_realloc(void *p, size_t size) GC_SYMBOL(gc_realloc) GC_ATTR(alloc_size(2));

/* gc_realloc(p, n * size), ENOMEM on overflow. */
void *gc_reallocarray(void *p, size_t n, size_t size)
    GC_SYMBOL(gc_reallocarray) GC_ATTR(alloc_size(2, 3));

/* As gc_malloc(), aligned to `alignment`, a power of two. Fails with EINVAL, ENOMEM. */
void *gc_aligned_alloc(size_t alignment, size_t size)
    GC_SYMBOL(gc_aligned_alloc) GC_ATTR(malloc, alloc_size(2), alloc_align(1));

/* Copies of a string, in pointer-free memory. */
char *gc_strdup(const char *s) GC_SYMBOL(gc_strdup) GC_ATTR(malloc, nonnull(1));
char *gc_strndup(const char *s, size_t n) GC_SYMBOL(gc_strndup) GC_ATTR(malloc, nonnull(1));

/* As asprintf(), into pointer-free memory: returns the length, or -1 with *out NULL. */
int gc_asprintf(char **out, const char *format, ...)
    GC_SYMBOL(gc_asprintf) GC_ATTR(format(printf, 2, 3), nonnull(1, 2));

/* ---- Freeing -------------------------------------------------------------------------------- */

/* The storage is free now and may be reused at once: the caller knows that no one uses it. Weak
 * references to it are cleared. NULL: nothing happens. Memory from malloc() is accepted where
 * malloc is ours. errno is preserved. A double, interior, foreign, misaligned or wild pointer goes
 * to the error handler (default: one line that names call, address and why, then abort()). */
void gc_free(void *p) GC_SYMBOL(gc_free);

/* What gc_del() does with the reference that it takes away: a counted object (gleaner/refcount.h) loses one
 * count. */
void gc_del_reference(void *p) GC_SYMBOL(gc_del_reference);

/* Python's `del`: drops the reference in the variable and sets it to NULL. An object that is not
 * counted dies at the next collection that finds no other reference. The argument is evaluated
 * once. */
#define gc_del(lvalue)                                     \
    do {                                                   \
        __typeof__(lvalue) *gc_del_slot = &(lvalue);       \
        void *gc_del_old = (void *)(uintptr_t)*gc_del_slot; \
        *gc_del_slot = 0;                                  \
        gc_del_reference(gc_del_old);                      \
    } while (0)

/* ---- Collection ----------------------------------------------------------------------------- */

/* A full collection now, also while automatic collection is disabled. Returns how many objects
 * were found unreachable and reclaimed; their storage may be swept later. Returns 0 with EBUSY
 * from a callback of a collection; with EAGAIN if a thread could not be stopped. */
size_t gc_collect(void) GC_SYMBOL(gc_collect);

/* Collects generation 0 (young), 1 or 2 (all), and returns the number of reclaimed objects, or -1
 * with EINVAL, EBUSY or EAGAIN. The present collector keeps one generation: 0 and 1 look at everything,
 * too, and are counted as what was asked for. */
ssize_t gc_collect_generation(int generation) GC_SYMBOL(gc_collect_generation);

/* Does a piece of collection work of about `budget_ns`; 1 while some remains, 0 when a cycle is
 * finished, -1 with EBUSY. The present collector is not incremental: a call does a whole
 * collection, whatever the budget, and returns 0. */
int gc_collect_step(uint64_t budget_ns) GC_SYMBOL(gc_collect_step);

/* Automatic collection off and on again; calls nest. gc_collect() works all the same. */
void gc_disable(void) GC_SYMBOL(gc_disable);
void gc_enable(void) GC_SYMBOL(gc_enable);
int gc_is_enabled(void) GC_SYMBOL(gc_is_enabled); /* 1 or 0 */

/* Python's gc.get_count(): [0] is allocations minus deallocations since the last collection (0 if
 * negative), [1] and [2] the collections of the generation below since the last of that one. */
void gc_get_count(size_t count[3]) GC_SYMBOL(gc_get_count);

/* Thresholds for these counts, as in Python. [0] = 0 stops automatic collection. After
 * gc_set_threshold() with another value a collection starts when count[0] exceeds it (checked each
 * time a thread fetches a batch of objects, not at every call): of the oldest generation whose count
 * exceeds its threshold. The pacer may ask for a full one before that; without gc_set_threshold() it
 * alone decides, by bytes. */
void gc_get_threshold(size_t threshold[3]) GC_SYMBOL(gc_get_threshold);
void gc_set_threshold(const size_t threshold[3]) GC_SYMBOL(gc_set_threshold);

/* Makes all present objects permanent roots, for instance before a fork, so that no collection
 * gives them up; gc_free() still can. gc_unfreeze() undoes it. The count is of objects. */
void gc_freeze(void) GC_SYMBOL(gc_freeze);
void gc_unfreeze(void) GC_SYMBOL(gc_unfreeze);
size_t gc_get_freeze_count(void) GC_SYMBOL(gc_get_freeze_count);

/* ---- Pacing and limits ---------------------------------------------------------------------- */

/* A collection starts when the heap has grown by `percent` of what survived the last one (default
 * 200), as Go's GOGC; negative: no automatic collection. Returns the previous value. */
int gc_set_percent(int percent) GC_SYMBOL(gc_set_percent);

/* A soft limit on the heap: close to it collections come more often (but never take more than
 * about half of the time), and free memory is given back. SIZE_MAX: none. The default is nine
 * tenths of the cgroup's limit, if there is one. Returns the previous limit. */
size_t gc_set_memory_limit(size_t bytes) GC_SYMBOL(gc_set_memory_limit);

/* A hard limit on the heap: allocation beyond it fails with ENOMEM after a collection. SIZE_MAX:
 * none. Returns the previous limit. */
size_t gc_set_heap_max(size_t bytes) GC_SYMBOL(gc_set_heap_max);

/* Gives free memory back to the system; returns how many bytes. */
size_t gc_release_os_memory(void) GC_SYMBOL(gc_release_os_memory);

/* ---- What happened -------------------------------------------------------------------------- */

typedef struct gc_generation_stats {
    uint64_t collections;
    uint64_t collected;     /* objects reclaimed */
    uint64_t uncollectable; /* unreachable objects that were kept (GC_DEBUG_SAVEALL) */
    uint64_t candidates;    /* objects that existed when the collections began */
    uint64_t duration_ns;   /* from start to end, all together */
} gc_generation_stats;

/* Filled by gc_get_stats(). Set `size` to sizeof(gc_stats) first. */
typedef struct gc_stats {
    size_t size;
    gc_generation_stats generations[3]; /* by what was asked for; those that the pacer starts are full, [2] */
    uint64_t live_bytes;          /* in objects that are allocated now, by slot size */
    uint64_t live_objects;        /* in mode `safe` with those in quarantine */
    uint64_t heap_bytes;          /* blocks that hold objects, whole */
    uint64_t quarantined_bytes;   /* freed and held back */
    uint64_t retained_free_bytes; /* free blocks that still have memory behind them */
    uint64_t returned_bytes;      /* given back to the system since the start */
    uint64_t metadata_bytes;      /* the library's own tables, as mapped */
    uint64_t rss_bytes;           /* of the whole process; 0 where /proc is missing */
    uint64_t allocated_bytes;     /* handed to allocation caches since the start */
    uint64_t reclaimed_bytes;     /* found unreachable since the start */
    uint64_t pause_count;
    uint64_t pause_total_ns;
    uint64_t pause_max_ns;
    uint64_t pause_p50_ns; /* from a histogram: within 12.5% */
    uint64_t pause_p99_ns;
    uint64_t skipped; /* collections given up because a thread did not stop */
    uint64_t condemned_objects; /* from malloc, never freed, and not reached by the last collections: kept
                                   for now (gleaner(7), LOST MEMORY) */
    uint64_t condemned_bytes;
    uint64_t exempt_objects;    /* the same, but kept for good */
    uint64_t exempt_bytes;
    uint64_t hidden_uses;       /* frees and the like of condemned objects since the start: the program
                                   hides pointers */
    uint64_t keeps_lost;        /* 1: nothing that malloc gave and nobody freed is reclaimed any more */
} gc_stats;

/* Fills at most stats->size bytes. Fails with EINVAL if that is smaller than the member itself. */
int gc_get_stats(gc_stats *stats) GC_SYMBOL(gc_get_stats) GC_ATTR(nonnull(1));

typedef enum gc_phase { GC_PHASE_START = 0, GC_PHASE_STOP = 1 } gc_phase;

typedef enum gc_reason {
    GC_REASON_EXPLICIT = 0,     /* gc_collect() and its kin */
    GC_REASON_HEAP_GROWTH = 1,  /* the pacer */
    GC_REASON_THRESHOLD = 2,    /* gc_set_threshold() */
    GC_REASON_MEMORY_LIMIT = 3, /* close to the soft limit */
    GC_REASON_NO_MEMORY = 4,    /* an allocation would have failed */
    GC_REASON_STRESS = 5,       /* option stress_every */
    GC_REASON_QUARANTINE = 6    /* mode `safe`: as much has been freed as may wait */
} gc_reason;

/* One start or stop of a collection. Valid during the call of the callback only. */
typedef struct gc_event {
    size_t size;
    gc_phase phase;
    int generation;
    gc_reason reason;
    uint64_t sequence;        /* of this collection, from 1 */
    uint64_t collected;       /* objects reclaimed; the members from here are 0 at the start */
    uint64_t uncollectable;
    uint64_t reclaimed_bytes;
    uint64_t live_bytes;
    uint64_t pause_ns;        /* how long the world was stopped */
    uint64_t duration_ns;
} gc_event;

typedef void (*gc_callback)(const gc_event *event, void *arg);

/* Calls `callback` at the start and stop of each collection, in the thread that collects, while
 * the other threads run; it may allocate, but a collection from inside fails with EBUSY. Returns
 * an id > 0, or -1 with EINVAL (NULL), ENOMEM. */
int gc_add_callback(gc_callback callback, void *arg) GC_SYMBOL(gc_add_callback);

/* 0, or -1 with ENOENT. A call that is under way in another thread may still finish. */
int gc_remove_callback(int id) GC_SYMBOL(gc_remove_callback);

/* Debug flags, as in Python. STATS: one line per collection on stderr. COLLECTABLE and
 * UNCOLLECTABLE: a line for each unreachable object that is reclaimed, or kept. SAVEALL: objects
 * found unreachable are kept and put on the garbage list. LEAK: the last three. */
#define GC_DEBUG_STATS 0x01u
#define GC_DEBUG_COLLECTABLE 0x02u
#define GC_DEBUG_UNCOLLECTABLE 0x04u
#define GC_DEBUG_SAVEALL 0x20u
#define GC_DEBUG_LEAK (GC_DEBUG_COLLECTABLE | GC_DEBUG_UNCOLLECTABLE | GC_DEBUG_SAVEALL)

void gc_set_debug(unsigned flags) GC_SYMBOL(gc_set_debug);
unsigned gc_get_debug(void) GC_SYMBOL(gc_get_debug);

/* Copies up to `n` entries of the garbage list to `out` (NULL with n 0 is allowed) and returns how
 * many there are. The list keeps its objects alive until gc_clear_garbage(). */
size_t gc_get_garbage(void **out, size_t n) GC_SYMBOL(gc_get_garbage);
void gc_clear_garbage(void) GC_SYMBOL(gc_clear_garbage);

/* ---- Errors --------------------------------------------------------------------------------- */

typedef enum gc_error_code {
    GC_ERROR_DOUBLE_FREE = 1,   /* the start of an object that is not allocated any more */
    GC_ERROR_INTERIOR = 2,      /* inside an object */
    GC_ERROR_MISALIGNED = 3,    /* in the heap, but no object can begin there */
    GC_ERROR_FOREIGN = 4,       /* mapped memory that is not ours: stack, static data, others' */
    GC_ERROR_WILD = 5,          /* not mapped at all, or a part of the heap without objects */
    GC_ERROR_OVER_RELEASE = 6,  /* a count fell below zero */
    GC_ERROR_CORRUPTION = 7,    /* the heap contradicts itself */
    GC_ERROR_USE_AFTER_RELEASE = 8 /* retained when the last reference was gone already */
} gc_error_code;

typedef struct gc_error {
    size_t size;
    gc_error_code code;
    const char *call;    /* "gc_free" */
    const void *address; /* as it was passed */
    const char *why;     /* one clause in plain words, static storage */
} gc_error;

typedef void (*gc_error_handler)(const gc_error *error, void *arg);

/* Called, with no lock held, when a call is misused; if it returns, the call does nothing more and
 * fails (errno EINVAL). May allocate, may not return (longjmp). NULL restores the default: a line
 * on stderr, then abort(). Returns the previous handler, NULL for the default. */
gc_error_handler gc_set_error_handler(gc_error_handler handler, void *arg)
    GC_SYMBOL(gc_set_error_handler);

typedef int (*gc_oom_handler)(size_t wanted_bytes, void *arg);

/* Called, with no lock held, when an allocation finds no memory even after a collection. Non-zero:
 * something was released, try again; 0: let the call fail. NULL: none. Returns the previous
 * handler. */
gc_oom_handler gc_set_oom_handler(gc_oom_handler handler, void *arg) GC_SYMBOL(gc_set_oom_handler);

/* ---- Questions about an object -------------------------------------------------------------- */

/* The start of the allocated object that contains the address, or NULL. */
void *gc_base(const void *p) GC_SYMBOL(gc_base);

/* The usable bytes of the object that starts at `p` (not less than were asked for); 0 if `p` is
 * not the start of an allocated object. As Python's sys.getsizeof(). */
size_t gc_sizeof(const void *p) GC_SYMBOL(gc_sizeof);

/* 1 if `p` is the start of an allocated object that the collector scans, else 0. */
int gc_is_tracked(const void *p) GC_SYMBOL(gc_is_tracked);

/* 1 if a finalizer of the object at `p` has run (gleaner/weakref.h), else 0. */
int gc_is_finalized(const void *p) GC_SYMBOL(gc_is_finalized);

/* The generation of the object at `p`, 0 to 2, or 3 if frozen; -1 with EINVAL if it is no object.
 * The present collector keeps one generation, 0. */
int gc_get_generation(const void *p) GC_SYMBOL(gc_get_generation);

GC_END_DECLS

#endif
