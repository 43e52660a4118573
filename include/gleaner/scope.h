/* SPDX-License-Identifier: MIT */
/*
 * gleaner/scope.h - what belongs to a piece of code: resources that are closed where it ends, phases whose
 * peak is measured and bounded, functions whose memory is shown line by line.
 *
 * The three macros do their work however the code is left: at its end, by break, continue, return or goto,
 * by a C++ exception, by pthread_exit() or cancellation. (In C the last two need -fexceptions in the
 * translation unit, as every clean-up of the compiler's does.) longjmp() passes over all of them: what
 * GC_WITH has opened stays open then; a scope and a profile that were passed over end with the next one
 * around them, or with the thread. exit() closes nothing either, and the report is still right.
 *
 * They are made for C11 and C++17, with gcc or clang. The blocks of GC_WITH and GC_SCOPE are loops of one
 * turn: break and continue leave the block, not a loop around it. The common rules of gleaner/gc.h hold.
 */
#ifndef GLEANER_SCOPE_H
#define GLEANER_SCOPE_H

#include <gleaner/api.h>

GC_BEGIN_DECLS

/* ---- Resources ------------------------------------------------------------------------------- */

/* What GC_WITH keeps of an open resource. Not to be used otherwise. */
typedef struct gc_with_guard {
    intptr_t value;
    void (*close)(void);
    int is_open;
    int has_run;
} gc_with_guard;

/* Calls the function with the value, if it is open. Never fails; what `close` does to errno stays. */
void gc_with_close(gc_with_guard *guard) GC_SYMBOL(gc_with_close) GC_ATTR(nonnull(1));

/* Python's `with`:
 *
 *     GC_WITH (FILE *, file, fopen(path, "r"), fclose) {
 *         ... fgets(line, sizeof line, file) ...
 *     }
 *
 * `open` is evaluated once, and `var`, of `type`, which is a pointer or an integer, has its value in the
 * block. `close` is the name of a function that takes such a value, and returns nothing, a number or a
 * pointer; it is called once when the block is left, with the value that `open` gave, whatever became of
 * `var`. If `open` failed - NULL, or negative - the block is skipped and nothing is closed: what comes
 * behind the block can look at errno. In C++, `close` must not throw. */
#define GC_WITH(type, var, open, close)                                                             \
    for (int gc_with_turn_##var = 1; gc_with_turn_##var;)                                           \
        for (type var = (open); gc_with_turn_##var;)                                                \
            for (GC_ATTR(cleanup(gc_with_close)) gc_with_guard gc_with_guard_##var =                \
                     {(intptr_t)(var),                                                              \
                      (gc_with_turn_##var = 0, (void)sizeof((void)(close)(var), 0),                 \
                       (void (*)(void))(close)),                                                    \
                      GC_WITH_IS_OPEN(var), 0};                                                     \
                 gc_with_guard_##var.is_open && !gc_with_guard_##var.has_run;                       \
                 gc_with_guard_##var.has_run = 1)

/* 5 is what the compilers say of pointers. */
#define GC_WITH_IS_OPEN(var) \
    (__builtin_classify_type(var) == 5 ? (intptr_t)(var) != 0 : (intptr_t)(var) >= 0)

/* ---- Phases ---------------------------------------------------------------------------------- */

/* Which run of a scope a block is. Not to be used otherwise. */
typedef struct gc_scope_guard {
    uint64_t serial;
    int has_run;
} gc_scope_guard;

/* Begin and end of a run. The first returns 1: the block runs, also where memory is too short to measure it. */
int gc_scope_open(gc_scope_guard *guard, const char *name, size_t limit_bytes) GC_SYMBOL(gc_scope_open)
    GC_ATTR(nonnull(1));
void gc_scope_close(gc_scope_guard *guard) GC_SYMBOL(gc_scope_close) GC_ATTR(nonnull(1));

/* A phase of the program that is measured, and bounded if `limit_bytes` is not 0:
 *
 *     GC_SCOPE ("triangles", 64 << 20) {
 *         ...
 *     }
 *
 * While a bounded scope is open, collections come so often that the heap grows by no more than the limit
 * beyond what was in use when it began: as far as live data allows, and where that comes close, by up to an
 * eighth of what is live beyond it. Of several open ones the tightest bound counts. Where automatic
 * collection is off (gc_disable(), mode `malloc`, percent 0), nothing is bounded. `name` is copied; all
 * blocks with equal names are one scope. Scopes of one thread nest; any number of threads may have them open,
 * also the same one. The heap is one: what other threads allocate meanwhile counts, too. */
#define GC_SCOPE(name, limit_bytes) GC_SCOPE_AS(__COUNTER__, name, limit_bytes)
#define GC_SCOPE_AS(number, name, limit_bytes) GC_SCOPE_WITH(gc_scope_guard_, number, name, limit_bytes)
#define GC_SCOPE_WITH(prefix, number, name, limit_bytes)                                            \
    for (GC_ATTR(cleanup(gc_scope_close)) gc_scope_guard prefix##number = {0, 0};                   \
         !prefix##number.has_run && gc_scope_open(&prefix##number, name, limit_bytes);              \
         prefix##number.has_run = 1)

/* What a scope has done. Set `size` to sizeof(gc_scope_stats) first. Bytes in use count all objects of the
 * heap, the free slots that threads hold to allocate from, and in mode `safe` what is in quarantine. */
typedef struct gc_scope_stats {
    size_t size;
    const char *name;        /* owned by the library, for ever */
    uint64_t entered;        /* how often it began */
    uint64_t open;           /* how often it is open now */
    uint64_t entry_bytes;    /* in use when the last run that has ended began, */
    uint64_t exit_bytes;     /* when it ended, */
    uint64_t peak_bytes;     /* and the most in between */
    uint64_t max_peak_bytes; /* the most in any run that has ended */
    uint64_t max_growth_bytes; /* the most that a run rose above its own start */
    uint64_t collections;    /* while it was open, all runs together */
    uint64_t duration_ns;    /* inside, all runs together */
} gc_scope_stats;

/* Fills at most out->size bytes. 0; -1 with EINVAL (`size` smaller than itself), ENOENT (no scope of this
 * name has been entered). */
int gc_get_scope(const char *name, gc_scope_stats *out) GC_SYMBOL(gc_get_scope) GC_ATTR(nonnull(1, 2));

/* Calls fn(stats, arg) for each scope in the order of their first use, until it returns other than 0, with no
 * lock held. Returns how many calls there were. */
size_t gc_scope_each(int (*fn)(const gc_scope_stats *stats, void *arg), void *arg)
    GC_SYMBOL(gc_scope_each) GC_ATTR(nonnull(1));

/* ---- Functions line by line ------------------------------------------------------------------ */

/* The place of a GC_PROFILE, and one call of its function. Not to be used otherwise. */
typedef struct gc_profile_site {
    const char *file, *function;
    int line;
    void *record;
} gc_profile_site;

typedef struct gc_profile_guard {
    uint64_t serial;
} gc_profile_guard;

void gc_profile_enter(gc_profile_guard *guard, gc_profile_site *site) GC_SYMBOL(gc_profile_enter)
    GC_ATTR(nonnull(1, 2));
void gc_profile_leave(gc_profile_guard *guard) GC_SYMBOL(gc_profile_leave) GC_ATTR(nonnull(1));

/* memory_profiler's @profile: as the first statement of a function,
 *
 *     void load(void)
 *     {
 *         GC_PROFILE();
 *         ...
 *
 * attributes what the calling thread allocates and frees, in this function and in all that it calls, to the
 * line of this function that was being executed; so does a collection that this thread makes meanwhile with
 * what it reclaims. Of recursive calls, and of profiled functions that call each other, each has its own
 * share: the caller sees what the callee has changed when that returns. Lines need debug information (-g);
 * without it the report shows addresses. While no profiled function is active in a thread, the thread pays
 * nothing; inside, an allocation or a free costs two microseconds or three, and a tenth for each frame in
 * between. */
#define GC_PROFILE()                                                                            \
    static gc_profile_site gc_profile_site_here = {__FILE__, __func__, __LINE__, 0};            \
    GC_ATTR(cleanup(gc_profile_leave)) gc_profile_guard gc_profile_guard_here = {0};            \
    gc_profile_enter(&gc_profile_guard_here, &gc_profile_site_here)

/* Writes what has been profiled so far, a table for each function, as memory_profiler prints it. Mem usage:
 * bytes in objects when the function began, and then what the line left behind, the most of all times.
 * Increment: the sum of what the line added and took away. Occurrences: its allocations, frees, calls of
 * gc_collect() and of profiled functions that did any of that; in the first line, the calls of the function.
 * The same is written at exit to the file of the option profile_file, or to stderr. Functions that are still active count as far as they
 * have come. 0, also if nothing was profiled; -1 with EIO (`fd` cannot be written to), ENOMEM. May take
 * some tenths of a second, for debug information is read with libdw, which is loaded then. */
int gc_profile_report(int fd) GC_SYMBOL(gc_profile_report);

/* Forgets what has been profiled. Functions that are active go on from zero. */
void gc_profile_reset(void) GC_SYMBOL(gc_profile_reset);

GC_END_DECLS

#endif
