/* SPDX-License-Identifier: MIT */
/*
 * A short tour of Gleaner: allocate without freeing, free by hand, collect, and look at the
 * counts. Build it with: cc tour.c $(pkg-config --cflags --libs gleaner)
 *
 * Each step checks the counts that it prints; the status is 1 if one is not as described. A
 * conservative collector may take a stray word for a pointer, so a few objects may stay.
 */
#include <gleaner/gc.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CYCLES = 100000, STRINGS = 20000, ROUNDS = 4000, STRAY = 50 };

struct person {
    const char *name;
    struct person *friend;
};

static struct person *everybody; /* static data is a root: what it leads to stays */

static gc_stats stats_now(void)
{
    gc_stats stats = {.size = sizeof stats};
    if (gc_get_stats(&stats) != 0) {
        perror("gc_get_stats");
        exit(1);
    }
    return stats;
}

static void *checked(void *p)
{
    if (!p) {
        perror("out of memory");
        exit(1);
    }
    return p;
}

static void expect(int condition, const char *what)
{
    if (!condition) {
        printf("  NOT AS EXPECTED: %s\n", what);
        exit(1);
    }
}

/* Two objects that point at each other: counting references would never free them. */
static void make_cycle(void)
{
    struct person *a = checked(gc_malloc(sizeof *a));
    struct person *b = checked(gc_malloc(sizeof *b));
    a->friend = b;
    b->friend = a;
}

/* A list that starts in static data; the names hold no pointers, so they are never scanned. */
static void make_everybody(void)
{
    for (int i = 0; i < STRINGS; i++) {
        struct person *one = checked(gc_malloc(sizeof *one));
        char name[32];
        snprintf(name, sizeof name, "person %d", i);
        one->name = checked(gc_strdup(name));
        one->friend = everybody;
        everybody = one;
    }
}

static void step_collect(void)
{
    puts("gc_malloc, and no free:");
    for (int i = 0; i < CYCLES; i++) {
        make_cycle();
    }
    make_everybody();
    uint64_t before = stats_now().live_objects;
    uint64_t automatic = stats_now().generations[2].collected;
    size_t reclaimed = gc_collect();
    uint64_t after = stats_now().live_objects;
    printf("  made %d objects in cycles and %d that static data leads to\n", 2 * CYCLES,
           2 * STRINGS);
    printf("  live before gc_collect: %llu (%llu were reclaimed on the way)\n",
           (unsigned long long)before, (unsigned long long)automatic);
    printf("  gc_collect reclaimed %zu, live now: %llu\n", reclaimed, (unsigned long long)after);
    expect(automatic + reclaimed >= 2 * CYCLES - STRAY, "nearly all cycles are gone");
    expect(after >= 2 * STRINGS, "what static data leads to is still there");
}

static void step_walk(void)
{
    int intact = 0, i = STRINGS;
    for (struct person *one = everybody; one; one = one->friend) {
        char name[32];
        snprintf(name, sizeof name, "person %d", --i);
        intact += strcmp(one->name, name) == 0;
    }
    printf("  walked the list: %d of %d names intact\n", intact, STRINGS);
    expect(intact == STRINGS, "the list survived the collection");
}

static void step_free(void)
{
    puts("gc_free:");
    uint64_t before = stats_now().live_objects;
    while (everybody) {
        struct person *next = everybody->friend;
        gc_free((void *)(uintptr_t)everybody->name);
        gc_free(everybody);
        everybody = next;
    }
    uint64_t after = stats_now().live_objects;
    printf("  live before: %llu, after freeing the list by hand: %llu\n",
           (unsigned long long)before, (unsigned long long)after);
    expect(before - after == 2 * STRINGS, "gc_free frees at once, exactly what it was given");
    printf("  gc_collect finds %zu more\n", gc_collect());
}

static void step_bounded(void)
{
    puts("a loop that never frees:");
    uint64_t collections = stats_now().generations[2].collections;
    uint64_t allocated = stats_now().allocated_bytes;
    uint64_t largest = 0;
    for (int i = 0; i < ROUNDS; i++) {
        for (int j = 0; j < 1000; j++) {
            memset(checked(gc_malloc_atomic(100)), i, 100);
        }
        uint64_t heap = stats_now().heap_bytes;
        largest = heap > largest ? heap : largest;
    }
    collections = stats_now().generations[2].collections - collections;
    allocated = stats_now().allocated_bytes - allocated;
    printf("  %.0f MB allocated, largest heap %.1f MB, %llu collections, longest pause %.2f ms\n",
           (double)allocated / 1e6, (double)largest / 1e6, (unsigned long long)collections,
           (double)stats_now().pause_max_ns / 1e6);
    expect(collections > 0 && largest < allocated / 4, "the heap stays small");
}

int main(void)
{
    if (gc_init(NULL) != 0) {
        perror("gc_init");
        return 1;
    }
    printf("Gleaner %s\n", gc_version());
    step_collect();
    step_walk();
    step_free();
    step_bounded();
    return 0;
}
