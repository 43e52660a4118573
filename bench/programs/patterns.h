/* SPDX-License-Identifier: MIT */
/*
 * malloc and free in four patterns, for one thread; churn and scale run them.
 *
 * replace  frees a random one of the live objects and allocates another in its place
 * lifo     allocates all live objects and frees them last to first, again and again
 * fifo     a queue of the live objects: frees the oldest, allocates a new one
 * batch    allocates all live objects and frees them first to last, again and again
 *
 * An operation is one malloc and one free. Each object gets a number, which must still be there
 * when it is freed.
 */
#ifndef BENCH_PATTERNS_H
#define BENCH_PATTERNS_H

#include "bench.h"

typedef struct {
    uint64_t *object;
    uint64_t number;
} slot;

/* Two cache lines apart (they are fetched in pairs): threads must not share what they write. */
typedef struct {
    _Alignas(128) slot *slots;
    size_t n_live;
    size_t n_operations;
    uint64_t next_number;
    bench_rng rng;
} worker;

typedef void pattern_function(worker *w);

/* The same work each time it is called with the same arguments. The slots are kept. */
static void worker_init(worker *w, size_t seed, size_t n_live, size_t n_operations)
{
    if (w->slots == NULL)
        w->slots = bench_scratch(n_live * sizeof(slot));
    w->n_live = n_live;
    w->n_operations = n_operations;
    w->next_number = 0;
    w->rng.state = seed;
}

static void slot_fill(worker *w, slot *s)
{
    s->object = bench_need(malloc(bench_random_size(&w->rng)));
    s->number = w->next_number++;
    *s->object = s->number;
}

static void slot_empty(slot *s)
{
    if (*s->object != s->number)
        bench_die("an object changed under its owner");
    free(s->object);
    s->object = NULL;
}

static void replace(worker *w)
{
    size_t i;

    for (i = 0; i < w->n_live; i++)
        slot_fill(w, &w->slots[i]);
    for (i = w->n_live; i < w->n_operations; i++) {
        slot *s = &w->slots[bench_below(&w->rng, w->n_live)];

        slot_empty(s);
        slot_fill(w, s);
    }
    for (i = 0; i < w->n_live; i++)
        slot_empty(&w->slots[i]);
}

static void lifo(worker *w)
{
    size_t n_done, i;

    for (n_done = 0; n_done < w->n_operations; n_done += w->n_live) {
        for (i = 0; i < w->n_live; i++)
            slot_fill(w, &w->slots[i]);
        for (i = w->n_live; i > 0; i--)
            slot_empty(&w->slots[i - 1]);
    }
}

static void batch(worker *w)
{
    size_t n_done, i;

    for (n_done = 0; n_done < w->n_operations; n_done += w->n_live) {
        for (i = 0; i < w->n_live; i++)
            slot_fill(w, &w->slots[i]);
        for (i = 0; i < w->n_live; i++)
            slot_empty(&w->slots[i]);
    }
}

static void fifo(worker *w)
{
    size_t oldest = 0, i;

    for (i = 0; i < w->n_live; i++)
        slot_fill(w, &w->slots[i]);
    for (i = w->n_live; i < w->n_operations; i++) {
        slot_empty(&w->slots[oldest]);
        slot_fill(w, &w->slots[oldest]);
        oldest = oldest + 1 == w->n_live ? 0 : oldest + 1;
    }
    for (i = 0; i < w->n_live; i++)
        slot_empty(&w->slots[i]);
}

static pattern_function *pattern_find(const char *name)
{
    static const struct {
        const char *name;
        pattern_function *run;
    } patterns[] = {{"replace", replace}, {"lifo", lifo}, {"fifo", fifo}, {"batch", batch}};
    size_t i;

    for (i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (strcmp(patterns[i].name, name) == 0)
            return patterns[i].run;
    fprintf(stderr, "error: no pattern is called `%s'\n", name);
    exit(2);
}

#endif
