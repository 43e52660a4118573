/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/oom.c - memory that runs out, at any request for it.
 *
 *   oom --way=injected     with GLEANER_OPTIONS=fail_every=N or fail_after=N
 *   oom --way=heap_max     under a hard limit, which is lifted and set again
 *   oom --way=rlimit       under RLIMIT_AS, lowered while the program runs, and lifted
 *     [--threads=N] [--fault=write]
 *
 * An allocation that fails returns NULL with ENOMEM; the program goes on; nothing that it holds is
 * lost; and when there is memory again, allocation works again.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "stress.h"

enum { MAX_THREADS = 8, MAX_OBJECTS = 4000, N_ROUNDS = 3 };

static const size_t MIB = 1 << 20;

typedef struct object {
    unsigned char *at;
    size_t bytes;
} object;

/* What one thread holds; the program's own memory, so that the model needs none when there is
 * none. */
typedef struct holder {
    object objects[MAX_OBJECTS];
    size_t n;
    uint64_t random;
    size_t n_failed, n_bytes;
    gc_layout *layout;
} holder;

static holder holders[MAX_THREADS]; /* static data: a root */
static size_t n_threads;
static bool damages;
static size_t n_failed_in_all;

static unsigned char letter(const object *o, size_t i)
{
    return (unsigned char)(o->bytes * 31 + i * 7 + 1);
}

/* The first and last bytes, and some between. */
static size_t next_byte(size_t i)
{
    return i < 32 ? i + 1 : i + 997;
}

static void fill(const object *o)
{
    for (size_t i = 0; i < o->bytes; i = next_byte(i)) {
        o->at[i] = letter(o, i);
    }
}

static bool is_filled(const object *o)
{
    for (size_t i = 0; i < o->bytes; i = next_byte(i)) {
        if (o->at[i] != letter(o, i)) {
            return false;
        }
    }
    return true;
}

static bool are_all_filled(const holder *h)
{
    for (size_t i = 0; i < h->n; i++) {
        if (!is_filled(&h->objects[i]) || gc_base(h->objects[i].at) != h->objects[i].at) {
            return false;
        }
    }
    return true;
}

/* ---- Allocating ------------------------------------------------------------------------------ */

static size_t random_bytes(holder *h)
{
    static const size_t limits[] = {100, 400, 3000, 20000, 300000, 3000000};
    return 8 + stress_below(&h->random, limits[stress_below(&h->random, 6)]);
}

static void *allocate(holder *h, size_t bytes)
{
    switch (stress_below(&h->random, 7)) {
    case 0:
        return gc_malloc_atomic(bytes);
    case 1:
        return gc_malloc_uncollectable(bytes);
    case 2:
        return h->layout ? gc_malloc_typed(bytes, h->layout) : gc_malloc(bytes);
    case 3:
        return gc_calloc(bytes / 8, 8);
    case 4:
        return gc_aligned_alloc(64, bytes);
    case 5:
        return gc_realloc(NULL, bytes);
    default:
        return gc_malloc(bytes);
    }
}

/* One allocation, or a change of size of what is there. False: there was no memory. */
static bool add_one(holder *h)
{
    object o = {NULL, random_bytes(h)};
    o.bytes -= o.bytes % 8;
    errno = 0;
    if (h->n > 0 && stress_below(&h->random, 10) == 0) {
        object *old = &h->objects[stress_below(&h->random, h->n)];
        o.at = gc_realloc(old->at, o.bytes);
        if (!o.at) {
            EXPECT(errno == ENOMEM && is_filled(old)); /* untouched */
            return false;
        }
        *old = o;
    } else {
        o.at = allocate(h, o.bytes);
        if (!o.at) {
            EXPECT(errno == ENOMEM);
            return false;
        }
        h->objects[h->n++] = o;
    }
    fill(&o);
    h->n_bytes += o.bytes;
    return true;
}

/* Until `n_failures` allocations have failed, or enough is there. */
static void add_many(holder *h, size_t n_failures, size_t max_bytes)
{
    h->n_bytes = 0;
    for (size_t n = 0; n < n_failures && h->n < MAX_OBJECTS && h->n_bytes < max_bytes;) {
        if (!add_one(h)) {
            n++;
            h->n_failed++;
        }
    }
    if (damages && h->n > 0) {
        h->objects[h->n / 2].at[0] ^= 1;
    }
}

/* Uncollectable objects must be freed; the others are freed or just forgotten. */
static void drop_from(holder *h, size_t n)
{
    while (h->n > n) {
        object *o = &h->objects[--h->n];
        gc_free(o->at);
        o->at = NULL;
    }
}

/* ---- Ways ------------------------------------------------------------------------------------ */

static void *fill_and_drop(void *arg)
{
    holder *h = arg;
    static const size_t offsets[] = {0};
    h->layout = gc_layout_new(16, offsets, 1);
    for (int round = 0; round < N_ROUNDS; round++) {
        add_many(h, 20, 20 * MIB);
        EXPECT(are_all_filled(h));
        gc_collect();
        EXPECT(are_all_filled(h));
        drop_from(h, h->n / 2);
    }
    drop_from(h, 0);
    return NULL;
}

static void in_threads(void *(*fn)(void *))
{
    pthread_t threads[MAX_THREADS];
    size_t n = 0;
    while (n + 1 < n_threads && pthread_create(&threads[n], NULL, fn, &holders[n + 1]) == 0) {
        n++; /* without memory there may be no thread; then there are fewer */
    }
    fn(&holders[0]);
    for (size_t i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void run_injected(void)
{
    in_threads(fill_and_drop);
}

/* All that was dropped can be had again, as often as one likes. */
static void *fill_to_limit(void *arg)
{
    holder *h = arg;
    for (int round = 0; round < N_ROUNDS; round++) {
        add_many(h, 5, SIZE_MAX);
        EXPECT(h->n_failed > 0 || h->n == MAX_OBJECTS);
        EXPECT(are_all_filled(h)); /* with others at it, there may be none */
        drop_from(h, h->n / 4);
        EXPECT(are_all_filled(h));
    }
    drop_from(h, 0);
    return NULL;
}

static void expect_memory(size_t bytes)
{
    unsigned char *p = gc_malloc(bytes);
    if (EXPECT(p != NULL)) {
        p[0] = p[bytes - 1] = 1;
        gc_free(p);
    }
}

static size_t failures(void)
{
    size_t n = 0;
    for (size_t i = 0; i < n_threads; i++) {
        n += holders[i].n_failed;
        holders[i].n_failed = 0;
    }
    n_failed_in_all += n;
    return n;
}

static void run_heap_max(void)
{
    for (int round = 0; round < 3; round++) {
        gc_set_heap_max(24 * MIB);
        in_threads(fill_to_limit);
        EXPECT(failures() > 0);
        EXPECT(gc_malloc(64 * MIB) == NULL && errno == ENOMEM);
        gc_set_heap_max(SIZE_MAX);
        expect_memory(64 * MIB);
    }
}

static size_t address_space_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    REQUIRE(file != NULL && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void set_limit(rlim_t bytes)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* The limit comes down on a program that has objects, also to less than it has. */
static void run_rlimit(void)
{
    static const size_t rooms[] = {0, 1, 6, 40};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        drop_from(&holders[0], 0);
        add_many(&holders[0], 1, 10 * MIB);
        EXPECT(holders[0].n > 0);
        gc_release_os_memory();
        set_limit(address_space_bytes() + rooms[i] * MIB);
        in_threads(fill_to_limit);
        EXPECT(failures() > 0);
        add_many(&holders[0], 5, 10 * MIB);
        gc_collect(); /* with no memory at all for the collector */
        EXPECT(are_all_filled(&holders[0]));
        set_limit(RLIM_INFINITY);
        expect_memory(64 * MIB);
        EXPECT(are_all_filled(&holders[0]));
    }
    set_limit(MIB); /* far less than is in use already */
    errno = 0;
    EXPECT(gc_malloc(4096 * MIB) == NULL && errno == ENOMEM); /* more than any free run has by now */
    gc_collect();
    set_limit(RLIM_INFINITY);
    expect_memory(100 * MIB);
    drop_from(&holders[0], 0);
}

int main(int argc, char **argv)
{
    const char *way = stress_argument(argc, argv, "way", "heap_max");
    n_threads = stress_number(argc, argv, "threads", 1);
    damages = strcmp(stress_argument(argc, argv, "fault", "none"), "write") == 0;
    REQUIRE(n_threads >= 1 && n_threads <= MAX_THREADS);
    for (size_t i = 0; i < MAX_THREADS; i++) {
        holders[i].random = stress_number(argc, argv, "seed", 1) + i;
    }
    if (strcmp(way, "injected") == 0) {
        run_injected();
    } else if (strcmp(way, "heap_max") == 0) {
        run_heap_max();
    } else {
        run_rlimit();
    }
    failures();
    printf("oom: %s: %zu allocations failed\n", way, n_failed_in_all);
    return stress_status();
}
