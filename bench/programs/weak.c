/* SPDX-License-Identifier: MIT */
/*
 * What weak references and finalizers cost a full collection: N objects are held by an array, and the
 * time of a collection is measured without and with what is asked for, the median of ROUNDS. Then every
 * second object is dropped, and one collection finds that out.
 *
 *     weak references|slots|finalizers|ephemerons N ROUNDS
 *
 * references: weak references, small objects themselves (libgc: objects with a disappearing link); as many
 * objects of their size are there before. slots: words in pointer-free memory (libgc: disappearing links).
 * ephemerons: a map with weak keys, whose values were held by an array before (libgc has none).
 *
 * added_ms is the difference, dying_ms the collection that finds half of them dead, make_ns what one takes
 * to make, get_ns to follow one in the cache.
 */
#include "collector.h"

#include "bench.h"

#if defined(BENCH_COLLECTOR_GLEANER)
#include <gleaner/weakref.h>
#endif

enum { MAX_ROUNDS = 101, OBJECT_BYTES = 32, REFERENCE_BYTES = 16, IN_CACHE = 1000, GET_ROUNDS = 2000 };

/* In static data: roots. */
static void **objects, **references, **values;
static void **slots; /* not scanned */
static size_t n_objects, n_finalized;

/* ---- What is asked for, by collector --------------------------------------------------------------- */

#if defined(BENCH_COLLECTOR_GLEANER)

static gc_weakmap *map;

static void finalize(void *object, void *arg)
{
    (void)object;
    (void)arg;
    n_finalized++;
}

static void make_reference(size_t i)
{
    references[i] = bench_need(gc_weakref_new(objects[i], NULL, NULL));
}

static void *get_reference(size_t i)
{
    return gc_weakref_get(references[i]);
}

static void make_slot(size_t i)
{
    if (gc_weak_slot_register(&slots[i], objects[i]) != 0)
        bench_die("gc_weak_slot_register failed");
}

static void make_finalizer(size_t i)
{
    bench_need(gc_finalize(objects[i], finalize, NULL, 0));
}

static void make_ephemeron(size_t i)
{
    if (map == NULL)
        map = bench_need(gc_weakmap_new(GC_WEAK_KEYS, NULL));
    if (gc_weakmap_set(map, objects[i], values[i]) != 0)
        bench_die("gc_weakmap_set failed");
    values[i] = NULL;
}

static void run_finalizers(void)
{
    gc_run_finalizers(0);
}

#else

static void finalize(void *object, void *arg)
{
    (void)object;
    (void)arg;
    n_finalized++;
}

static void make_reference(size_t i)
{
    void **reference = collector_new_atomic(REFERENCE_BYTES);

    *reference = objects[i];
    if (GC_general_register_disappearing_link(reference, objects[i]) != GC_SUCCESS)
        bench_die("GC_general_register_disappearing_link failed");
    references[i] = reference;
}

/* What the manual asks for: under the lock, so that no collection comes in between. */
static void *follow(void *reference)
{
    return *(void **)reference;
}

static void *get_reference(size_t i)
{
    return GC_call_with_alloc_lock(follow, references[i]);
}

static void make_slot(size_t i)
{
    slots[i] = objects[i];
    if (GC_general_register_disappearing_link(&slots[i], objects[i]) != GC_SUCCESS)
        bench_die("GC_general_register_disappearing_link failed");
}

static void make_finalizer(size_t i)
{
    GC_register_finalizer(objects[i], finalize, NULL, NULL, NULL);
}

static void make_ephemeron(size_t i)
{
    (void)i;
    bench_die("this collector has no ephemerons");
}

static void run_finalizers(void)
{
    GC_invoke_finalizers();
}

#endif

/* ---- Measuring ---------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double collect_ms(void)
{
    uint64_t start_ns = bench_wall_ns();

    collector_collect();
    return (double)(bench_wall_ns() - start_ns) / 1e6;
}

static double median_ms(size_t rounds)
{
    double ms[MAX_ROUNDS];
    size_t i;

    collector_collect();
    for (i = 0; i < rounds; i++)
        ms[i] = collect_ms();
    qsort(ms, rounds, sizeof *ms, compare);
    return ms[rounds / 2];
}

static double get_ns(void)
{
    size_t n = n_objects < IN_CACHE ? n_objects : IN_CACHE;
    uint64_t start_ns = bench_wall_ns(), sum = 0;
    size_t round, i;

    for (round = 0; round < GET_ROUNDS; round++) {
        for (i = 0; i < n; i++)
            sum += get_reference(i) != NULL;
    }
    bench_check("references", sum);
    return (double)(bench_wall_ns() - start_ns) / (double)(n * GET_ROUNDS);
}

static void make_heap(void)
{
    size_t i;

    objects = bench_need(collector_new(n_objects * sizeof *objects));
    references = bench_need(collector_new(n_objects * sizeof *references));
    values = bench_need(collector_new(n_objects * sizeof *values));
    slots = bench_need(collector_new_atomic(n_objects * sizeof *slots));
    for (i = 0; i < n_objects; i++) {
        objects[i] = bench_need(collector_new(OBJECT_BYTES));
        references[i] = bench_need(collector_new_atomic(REFERENCE_BYTES));
        values[i] = bench_need(collector_new(OBJECT_BYTES));
    }
}

static void drop_half(void)
{
    size_t i;

    for (i = 0; i < n_objects; i += 2)
        objects[i] = NULL;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*make)(size_t);
    } kinds[] = {{"references", make_reference},
                 {"slots", make_slot},
                 {"finalizers", make_finalizer},
                 {"ephemerons", make_ephemeron}};
    size_t rounds = bench_arg(argc, argv, 3, "ROUNDS"), kind = 0, i;
    double before_ms, after_ms;
    uint64_t start_ns;

    n_objects = bench_arg(argc, argv, 2, "N");
    while (kind < 4 && strcmp(argv[1], kinds[kind].name) != 0)
        kind++;
    if (kind == 4 || rounds > MAX_ROUNDS)
        bench_die("usage: weak references|slots|finalizers|ephemerons N ROUNDS (at most 101)");
    collector_init();
    make_heap();
    before_ms = median_ms(rounds);
    start_ns = bench_wall_ns();
    for (i = 0; i < n_objects; i++)
        kinds[kind].make(i);
    bench_metric("make_ns", (double)(bench_wall_ns() - start_ns) / (double)n_objects, "ns");
    after_ms = median_ms(rounds);
    /* Not below nothing: a cost. */
    bench_metric("added_ms", after_ms > before_ms + 0.001 ? after_ms - before_ms : 0.001, "ms");
    bench_metric("collection_ms", after_ms, "ms");
    if (kind == 0)
        bench_metric("get_ns", get_ns(), "ns");
    drop_half();
    bench_metric("dying_ms", collect_ms(), "ms");
    run_finalizers();
    bench_check("finalized", kind == 2 ? n_finalized > n_objects / 2 * 99 / 100 : n_finalized == 0);
    return 0;
}
