/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/threads.c - threads that come and go while collections run.
 *
 *   threads [--threads=N] [--short=N] [--starts=N] [--fault=hide]
 *
 * Each of N threads has the only pointers to its objects in one place: its stack, thread-local
 * storage, thread-specific data, or malloc'ed memory (where malloc is ours). It waits until the
 * world has been collected at least twice, looks at its objects, and ends; another takes its
 * place. Then thousands of threads that live only shortly. In the end the memory must be what it
 * was. The fault hides the pointers from the collector while it runs.
 *
 * First of all, in N processes, several threads make the first call to the library at the same
 * moment.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "stress.h"

enum { MAX_THREADS = 256, N_OBJECTS = 40, N_KEYS = 64, N_GENERATIONS = 4 };

typedef enum home { ON_STACK, IN_TLS, IN_LOW_KEY, IN_HIGH_KEY, IN_MALLOC, N_HOMES } home;

static pthread_key_t keys[N_KEYS];
static bool is_malloc_ours, hides;
static atomic_uint n_collections;
static atomic_int is_over;
static __thread uint64_t **tls_list;

/* ---- Lists ----------------------------------------------------------------------------------- */

/* A list of objects of various sizes: word 0 leads to the next, word 1 and the last are a
 * number. */
static uint64_t **make_list(uint64_t number)
{
    uint64_t **list = NULL;
    for (uint64_t i = 0; i < N_OBJECTS; i++) {
        size_t words = 3 + i * 7 % 50;
        uint64_t **p = gc_malloc(words * 8);
        if (!EXPECT(p != NULL)) {
            break;
        }
        p[0] = (uint64_t *)list;
        ((uint64_t *)p)[1] = ((uint64_t *)p)[words - 1] = number + i;
        list = p;
    }
    return list;
}

static bool is_list_intact(uint64_t **list, uint64_t number)
{
    uint64_t i = N_OBJECTS;
    for (uint64_t **p = list; p != NULL; p = (uint64_t **)p[0]) {
        i--;
        size_t words = 3 + i * 7 % 50;
        if (i >= N_OBJECTS || gc_base(p) != p || ((uint64_t *)p)[1] != number + i ||
            ((uint64_t *)p)[words - 1] != number + i) {
            return false;
        }
    }
    return i == 0;
}

/* ---- A thread -------------------------------------------------------------------------------- */

typedef struct task {
    uint64_t number;
    home home;
    bool is_intact;
    uint64_t **volatile *block; /* IN_MALLOC */
} task;

static uint64_t **masked(uint64_t **list)
{
    return hides ? (uint64_t **)stress_hide(list) : list;
}

static void settle(void *arg)
{
    task *t = arg;
    uint64_t **list = masked(make_list(t->number));
    if (t->home == IN_TLS) {
        tls_list = list;
    } else if (t->home == IN_MALLOC) {
        t->block[3] = list;
    } else {
        pthread_setspecific(keys[t->home == IN_LOW_KEY ? 5 : N_KEYS - 5], list);
    }
}

static uint64_t **find_list(const task *t)
{
    if (t->home == IN_TLS) {
        return tls_list;
    }
    return t->home == IN_MALLOC
               ? t->block[3]
               : pthread_getspecific(keys[t->home == IN_LOW_KEY ? 5 : N_KEYS - 5]);
}

static void wait_for_collections(void)
{
    unsigned start = atomic_load(&n_collections);
    while (atomic_load(&n_collections) - start < 2 && !atomic_load(&is_over)) {
        usleep(200);
    }
}

static void *run_thread(void *arg)
{
    task *t = arg;
    if (t->home == ON_STACK) {
        uint64_t **volatile list = masked(make_list(t->number));
        wait_for_collections();
        t->is_intact = is_list_intact(masked(list), t->number);
        return NULL;
    }
    uint64_t **volatile *block = NULL;
    if (t->home == IN_MALLOC) {
        block = calloc(8, sizeof *block);
        t->block = block;
    }
    stress_deep(settle, t);
    wait_for_collections();
    t->is_intact = is_list_intact(masked(find_list(t)), t->number);
    free((void *)(uintptr_t)block);
    return NULL;
}

/* ---- Phases ---------------------------------------------------------------------------------- */

static void *collect_for_ever(void *unused)
{
    while (!atomic_load(&is_over)) {
        gc_collect();
        atomic_fetch_add(&n_collections, 1);
        usleep(300);
    }
    return unused;
}

static home next_home(size_t i)
{
    home where = (home)(i % N_HOMES);
    bool needs_malloc = where == IN_MALLOC || where == IN_HIGH_KEY;
    return needs_malloc && !is_malloc_ours ? ON_STACK : where;
}

static void come_and_go(size_t n_threads)
{
    static pthread_t threads[MAX_THREADS];
    static task tasks[MAX_THREADS];
    for (size_t i = 0; i < n_threads * N_GENERATIONS; i++) {
        size_t slot = i % n_threads;
        if (i >= n_threads) {
            pthread_join(threads[slot], NULL);
            EXPECT(tasks[slot].is_intact);
        }
        tasks[slot] = (task){.number = i << 16 | 1, .home = next_home(i)};
        REQUIRE(pthread_create(&threads[slot], NULL, run_thread, &tasks[slot]) == 0);
    }
    for (size_t i = 0; i < n_threads; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(tasks[i].is_intact);
    }
}

static void *run_shortly(void *arg)
{
    uint64_t **list = make_list((uintptr_t)arg);
    return (void *)(uintptr_t)is_list_intact(list, (uintptr_t)arg);
}

/* Joined and detached ones; at most some at once. */
static void come_shortly(size_t n)
{
    enum { N_AT_ONCE = 16 };
    pthread_t threads[N_AT_ONCE];
    for (size_t i = 0; i < n; i += N_AT_ONCE) {
        for (size_t j = 0; j < N_AT_ONCE; j++) {
            REQUIRE(pthread_create(&threads[j], NULL, run_shortly, (void *)(i << 16 | 1)) == 0);
        }
        for (size_t j = 0; j < N_AT_ONCE; j++) {
            void *is_intact = NULL;
            if (j % 4 == 3) {
                pthread_detach(threads[j]);
            } else {
                pthread_join(threads[j], &is_intact);
                EXPECT(is_intact != NULL);
            }
        }
    }
    usleep(50000); /* for the last detached ones */
}

/* ---- The first call -------------------------------------------------------------------------- */

static pthread_barrier_t at_once;

static void *call_first(void *arg)
{
    pthread_barrier_wait(&at_once);
    uint64_t **list = make_list((uintptr_t)arg);
    gc_collect();
    EXPECT(is_list_intact(list, (uintptr_t)arg));
    return NULL;
}

static int start_in_threads(void)
{
    enum { N_AT_ONCE = 8 };
    pthread_t threads[N_AT_ONCE];
    REQUIRE(pthread_barrier_init(&at_once, NULL, N_AT_ONCE) == 0);
    for (size_t i = 0; i < N_AT_ONCE; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, call_first, (void *)(i << 16)) == 0);
    }
    for (size_t i = 0; i < N_AT_ONCE; i++) {
        pthread_join(threads[i], NULL);
    }
    gc_stats stats = {.size = sizeof stats};
    EXPECT(gc_get_stats(&stats) == 0 && stats.generations[2].collections >= N_AT_ONCE);
    EXPECT(stats.skipped == 0);
    return stress_status();
}

static void start_often(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(start_in_threads());
        }
        int status = 1;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
}

static gc_stats stats_now(void)
{
    gc_stats stats = {.size = sizeof stats};
    stress_clear_stack();
    gc_collect();
    EXPECT(gc_get_stats(&stats) == 0);
    return stats;
}

int main(int argc, char **argv)
{
    size_t n_threads = stress_number(argc, argv, "threads", 64);
    size_t n_short = stress_number(argc, argv, "short", 3000);
    pthread_t collector;
    hides = strcmp(stress_argument(argc, argv, "fault", "none"), "hide") == 0;
    REQUIRE(n_threads >= 1 && n_threads <= MAX_THREADS);
    start_often(stress_number(argc, argv, "starts", 0)); /* before the first call here */
    is_malloc_ours = stress_is_malloc_ours();
    for (size_t i = 0; i < N_KEYS; i++) {
        REQUIRE(pthread_key_create(&keys[i], NULL) == 0);
    }
    REQUIRE(pthread_create(&collector, NULL, collect_for_ever, NULL) == 0);
    come_and_go(n_threads);
    come_shortly(n_short / 10);
    gc_stats before = stats_now();
    come_shortly(n_short);
    gc_stats after = stats_now();
    atomic_store(&is_over, 1);
    pthread_join(collector, NULL);
    EXPECT(after.metadata_bytes <= before.metadata_bytes + 4u * 1024 * 1024);
    EXPECT(after.heap_bytes <= before.heap_bytes + 16u * 1024 * 1024);
    EXPECT(after.live_objects <= before.live_objects + 20 * N_OBJECTS);
    EXPECT(after.skipped == 0);
    printf("threads: %u collections, %.1f MiB heap, %.1f MiB tables\n", atomic_load(&n_collections),
           (double)after.heap_bytes / 1048576, (double)after.metadata_bytes / 1048576);
    return stress_status();
}
