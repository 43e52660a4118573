/* SPDX-License-Identifier: MIT */
/*
 * A bounded cache around an expensive function: Python's functools.lru_cache, with a bound in
 * bytes, too, and a cache that gives way when memory becomes scarce.
 *
 *     cc lru.c support.c $(pkg-config --cflags --libs gleaner)
 *
 * libc's malloc(), whose memory is not scanned here, serves stdout alone; the cache holds keys and
 * values in the collected heap.
 */
#include "support.h"

#include <gleaner/weakref.h>

#include <string.h>

static const char help[] = "usage: lru [CALLS]\n"
                           "Calls an expensive function CALLS times (default 20000) through a "
                           "cache of 4 MB, then takes the\n"
                           "memory away from the cache.\n";

enum { N_KEYS = 4000, CACHE_BYTES = 4000000, RESULT_BYTES = 2048 };

/* The lengths of the walks 3n + 1 that begin at a number and those after it: of no use,
 * but slow. */
struct result {
    uint64_t number;
    uint16_t lengths[RESULT_BYTES / 2 - 4];
};

static size_t n_calls; /* of the function itself */

static uint16_t walk_length(uint64_t n)
{
    unsigned length = 0;
    for (; n > 1; n = n % 2 ? 3 * n + 1 : n / 2) {
        length++;
    }
    return (uint16_t)length;
}

/* The expensive function, as the cache calls it for a key that is missing. Keys are numbers in the
 * place of pointers (GC_HASH_INTEGERS). A result holds no pointers. */
static void *compute(const void *key, void *arg)
{
    struct result *result = gc_malloc_atomic(sizeof *result);
    (void)arg;
    if (!result) {
        return NULL;
    }
    n_calls++;
    result->number = (uintptr_t)key;
    for (size_t i = 0; i < sizeof result->lengths / sizeof result->lengths[0]; i++) {
        result->lengths[i] = walk_length(result->number + i);
    }
    return result;
}

static gc_lru_stats info(gc_lru *cache)
{
    gc_lru_stats stats = {.size = sizeof stats};
    if (gc_lru_info(cache, &stats) != 0) {
        die("gc_lru_info failed");
    }
    return stats;
}

static void show(const char *when, gc_lru *cache)
{
    gc_lru_stats s = info(cache);
    printf("%-28s %7llu hits %6llu misses %6llu evictions; %5llu entries, %9llu bytes\n", when,
           (unsigned long long)s.hits, (unsigned long long)s.misses,
           (unsigned long long)s.evictions, (unsigned long long)s.items,
           (unsigned long long)s.bytes);
    expect(s.bytes <= CACHE_BYTES, "the cache keeps to its bound");
}

/* Some numbers are asked for more often than others, as with most things. The same sequence in
 * every run. */
static uintptr_t next_key(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    double share = (double)(*random >> 11) / 9007199254740992.0;
    return 1 + (uintptr_t)(share * share * share * N_KEYS);
}

static const struct result *cached(gc_lru *cache, uintptr_t number)
{
    const struct result *result = checked(gc_lru_get(cache, (const void *)number));
    expect(result->number == number && result->lengths[3] == walk_length(number + 3),
           "the result for %zu is right", (size_t)number);
    return result;
}

int main(int argc, char **argv)
{
    size_t n = count_argument(argc, argv, help, 20000, 5000, 10000000);
    gc_lru *cache = checked(gc_lru_new(0, CACHE_BYTES, compute, GC_HASH_INTEGERS, NULL));
    uint64_t random = 1;

    cached(cache, 42);
    const struct result *first = cached(cache, 42);
    expect(n_calls == 1 && first == cached(cache, 42), "the second call is a hit");
    show("one key, three times:", cache);

    for (size_t i = 0; i < n; i++) {
        cached(cache, next_key(&random));
    }
    show("many keys:", cache);
    gc_lru_stats full = info(cache);
    printf("the function itself ran %zu times for %zu calls\n", n_calls, n + 3);
    expect(full.hits + full.misses == n + 3 && full.misses == n_calls, "every call counts once");
    expect(full.evictions > 0 && full.hits > full.misses, "the cache is too small, and still good");

    /* Memory becomes scarce: the limit is below what the cache alone takes. It gives entries up,
     * those that were not used for longest first; they are computed again when they are asked for.
     */
    size_t limit = gc_set_memory_limit(CACHE_BYTES / 2);
    for (int i = 0; i < 3; i++) {
        gc_collect();
    }
    show("under a limit of 2 MB:", cache);
    gc_lru_stats scarce = info(cache);
    expect(scarce.evictions > full.evictions && scarce.bytes < full.bytes,
           "the cache gives entries up under the limit");
    gc_set_memory_limit(limit);
    cached(cache, 42);
    show("and afterwards:", cache);
    return finish();
}
