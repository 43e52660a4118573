/* SPDX-License-Identifier: MIT */
/*
 * What becomes of memory from malloc that the program neither frees nor seems to know any more: watched,
 * reclaimed when nothing speaks for it, and left alone once something does. usage: lost CASE
 */
#include <gleaner/gc.h>

#include "expect.h"

#include <malloc.h>
#include <stdint.h>

enum { N = 1000, BYTES = 48, MANY = 10 };

/* Outside the heap, and never a pointer as it stands. */
static uintptr_t hidden[N];
static const uintptr_t KEY = 0x5555555555555555;

static void *seen(int i)
{
    return (void *)(hidden[i] ^ KEY);
}

__attribute__((noinline)) static void hide(int n, size_t bytes)
{
    for (int i = 0; i < n; i++) {
        void *p = malloc(bytes);
        fill(p, bytes, (unsigned)i);
        hidden[i] = (uintptr_t)opaque(p) ^ KEY;
    }
}

/* What has been reclaimed is used by others now. */
static void reuse_memory(size_t bytes)
{
    static void *others[2 * N];
    for (int i = 0; i < 2 * N; i++) {
        others[i] = memset(malloc(bytes), 0xee, bytes);
    }
    for (int i = 0; i < 2 * N; i++) {
        free(others[i]);
    }
    memset(others, 0, sizeof others);
}

__attribute__((noinline)) static int count_whole(int n, size_t bytes)
{
    int whole = 0;
    reuse_memory(bytes);
    for (int i = 0; i < n; i++) {
        whole += is_filled(seen(i), bytes, (unsigned)i);
    }
    return whole;
}

static gc_stats stats(void)
{
    gc_stats s = {.size = sizeof s};
    EXPECT(gc_get_stats(&s) == 0);
    return s;
}

static void collect(int times)
{
    for (int i = 0; i < times; i++) {
        gc_collect();
    }
}

/* Found by the first collection, reclaimed by the third, and counted once. */
static void watched(void)
{
    hide(N, BYTES);
    EXPECT(gc_collect() >= N * 9 / 10);
    EXPECT(stats().condemned_objects >= N * 9 / 10);
    EXPECT(count_whole(N, BYTES) == N);
    EXPECT(gc_collect() < N / 10);
    EXPECT(count_whole(N, BYTES) == N);
    uint64_t before = stats().reclaimed_bytes;
    EXPECT(gc_collect() < N / 10);
    EXPECT(stats().reclaimed_bytes - before >= N * 9 / 10 * BYTES);
    EXPECT(stats().condemned_objects < N / 10);
    EXPECT(stats().hidden_uses == 0);
}

/* A pointer that comes back ends the watch. */
static void found_again(void)
{
    static void *pointers[N];
    hide(N, BYTES);
    collect(2);
    for (int i = 0; i < N; i++) {
        pointers[i] = seen(i);
    }
    collect(1);
    EXPECT(stats().condemned_objects == 0);
    memset(pointers, 0, sizeof pointers);
    collect(2);
    EXPECT(count_whole(N, BYTES) == N);
    EXPECT(stats().hidden_uses == 0);
}

/* One of its kind that is used proves that the program has the others, too. */
static void proved_by(void *(*use)(void *p))
{
    hide(N, BYTES);
    collect(2);
    void *p = use(seen(0));
    EXPECT(stats().hidden_uses == 1);
    collect(MANY);
    EXPECT(count_whole(N, BYTES) >= N - 1); /* the first may have been freed */
    EXPECT(stats().exempt_objects >= N * 9 / 10);
    EXPECT(stats().hidden_uses == 1);
    EXPECT(!stats().keeps_lost);
    free(p);
}

static void *use_free(void *p)
{
    free(p);
    return NULL;
}

static void *use_realloc(void *p)
{
    return realloc(p, BYTES - 1);
}

static void *use_size(void *p)
{
    EXPECT(malloc_usable_size(p) >= BYTES);
    return p;
}

/* Other sizes are still reclaimed; after the fourth size nothing is. */
static void proved_for_sizes(void)
{
    static const size_t sizes[] = {24, 200, 1000, 100000};
    for (int i = 0; i < 4; i++) {
        hide(1, sizes[i]);
        collect(1);
        EXPECT(stats().keeps_lost == 0);
        free(seen(0));
    }
    EXPECT(stats().hidden_uses == 4);
    EXPECT(stats().keeps_lost == 1);
    hide(N, BYTES);
    collect(MANY);
    EXPECT(count_whole(N, BYTES) == N);
}

/* Not hidden, only unusual: in packed structures, also inside the heap, and one past the end. */
static void unusual_places(void)
{
    static char packed[N * 12];
    char *in_heap = malloc(N * 12);
    char **ends = malloc(N * sizeof *ends);
    hide(N, BYTES);
    for (int i = 0; i < N; i++) {
        void *p = seen(i);
        char *end = (char *)p + BYTES;
        memcpy(packed + i * 12 + 4, &p, i % 3 == 0 ? sizeof p : 0);
        memcpy(in_heap + i * 12 + 4, &p, i % 3 == 1 ? sizeof p : 0);
        ends[i] = i % 3 == 2 ? end : NULL;
    }
    collect(MANY);
    EXPECT(count_whole(N, BYTES) == N);
    EXPECT(stats().hidden_uses == 0);
    opaque(packed);
    opaque(in_heap);
    opaque(ends);
}

/* Lost objects that refer to each other in groups of eight, among some that live: the search must not find them by what a lost one
 * refers to, nor by that one's neighbours. */
__attribute__((noinline)) static void lose_a_web(void **kept)
{
    void ***all = malloc(4 * N * sizeof *all);
    for (int i = 0; i < 4 * N; i++) {
        all[i] = malloc(BYTES);
    }
    for (int i = 0; i < 4 * N; i++) {
        for (int j = 0; j < BYTES / (int)sizeof **all; j++) {
            all[i][j] = i % 64 ? all[i / 8 * 8 + (i + j * 3) % 8] : NULL;
        }
        kept[i / 64] = i % 64 ? kept[i / 64] : all[i];
    }
    memset(all, 0, 4 * N * sizeof *all);
    free(all);
}

static void web(void)
{
    static void *kept[4 * N / 64 + 1];
    lose_a_web(kept);
    uint64_t before = stats().reclaimed_bytes;
    collect(6);
    EXPECT(stats().reclaimed_bytes - before >= 3 * N * BYTES);
    opaque(kept);
}

/* The option hiders names a library that is loaded. */
static void named_library(void)
{
    hide(N, BYTES);
    collect(MANY);
    EXPECT(stats().keeps_lost == 1);
    EXPECT(count_whole(N, BYTES) == N);
}

/* lost_collections=1: at once, as if it were memory from gc_malloc(). */
static void at_once(void)
{
    hide(N, BYTES);
    uint64_t before = stats().reclaimed_bytes;
    collect(1);
    EXPECT(stats().reclaimed_bytes - before >= N * 9 / 10 * BYTES);
}

/* Without a call of ours: 200 MiB of it, with a handful of MiB at any time. */
static void flat(void)
{
    for (int i = 0; i < 200 * 1024; i++) {
        opaque(memset(malloc(1000), 1, 1000));
    }
    EXPECT(stats().heap_bytes < 12u << 20);
    EXPECT(stats().generations[2].collections > 20);
}

int main(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";
    if (strcmp(name, "watched") == 0) {
        watched();
    } else if (strcmp(name, "found_again") == 0) {
        found_again();
    } else if (strcmp(name, "free") == 0) {
        proved_by(use_free);
    } else if (strcmp(name, "realloc") == 0) {
        proved_by(use_realloc);
    } else if (strcmp(name, "size") == 0) {
        proved_by(use_size);
    } else if (strcmp(name, "sizes") == 0) {
        proved_for_sizes();
    } else if (strcmp(name, "unusual") == 0) {
        unusual_places();
    } else if (strcmp(name, "library") == 0) {
        named_library();
    } else if (strcmp(name, "at_once") == 0) {
        at_once();
    } else if (strcmp(name, "web") == 0) {
        web();
    } else if (strcmp(name, "flat") == 0) {
        flat();
    }
    return expect_status();
}
