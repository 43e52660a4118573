/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/roots.c - is every place seen where a program may keep a pointer? See roots.h.
 *
 *   roots [--module=PATH] [--trials=N] [--only=NAME] [--fault=lose|keep]
 *
 * A fault erases the pointer when it should stay, or leaves it when it should go: status 1.
 */
#include "roots.h"

#include <unistd.h>

#include <gleaner/roots.h>

enum { OBJECT_BYTES = 264, CHILD_BYTES = 520, STRAY = 4 /* one in four may be kept by chance */ };

static const uint64_t OBJECT_TAG = UINT64_C(0xa5a5000000000001);
static const uint64_t CHILD_TAG = UINT64_C(0xc3c3000000000001);

const char *module_path;
volatile int trial_ready, trial_go;

/* ---- The object ------------------------------------------------------------------------------ */

static void make_object(void *arg)
{
    trial *t = arg;
    uint64_t **p = gc_malloc(OBJECT_BYTES);
    uint64_t *child = gc_malloc(CHILD_BYTES);
    REQUIRE(p != NULL && child != NULL);
    child[0] = child[CHILD_BYTES / 8 - 1] = CHILD_TAG;
    p[1] = child;
    *(uint64_t *)p = OBJECT_TAG;
    t->hidden = stress_hide(p);
}

static void look(void *arg)
{
    trial *t = arg;
    uint64_t **p = stress_reveal(t->hidden);
    t->is_alive = gc_base(p) == p && gc_sizeof(p) >= OBJECT_BYTES && *(uint64_t *)p == OBJECT_TAG &&
                  gc_sizeof(p[1]) >= CHILD_BYTES && p[1][0] == CHILD_TAG &&
                  p[1][CHILD_BYTES / 8 - 1] == CHILD_TAG;
}

void collect_and_look(trial *t)
{
    stress_clear_stack();
    gc_collect();
    stress_deep(look, t);
}

static void invert(uintptr_t *word, uintptr_t mask)
{
#if defined(__x86_64__)
    __asm__ __volatile__("xorq %1, (%0)" : : "r"(word), "r"(mask) : "memory");
#else
    *(volatile uintptr_t *)word ^= mask;
    stress_clear_stack();
#endif
}

void put_interior(const trial *t, void *word, ptrdiff_t distance)
{
    uintptr_t hidden = t->hidden - (uintptr_t)distance; /* ~(p + d) is ~p - d */
    memcpy(word, &hidden, sizeof hidden);
    invert(word, ~(uintptr_t)0);
    invert(word, t->erase);
}

void put(const trial *t, void *word)
{
    put_interior(t, word, 0);
}

/* ---- Threads --------------------------------------------------------------------------------- */

void rest(void)
{
    __atomic_store_n(&trial_ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&trial_go, __ATOMIC_ACQUIRE)) {
        usleep(500);
    }
}

void try_in_thread(trial *t, void *(*fn)(void *), const pthread_attr_t *attributes)
{
    pthread_t thread;
    trial_ready = trial_go = 0;
    REQUIRE(pthread_create(&thread, attributes, fn, t) == 0);
    while (!__atomic_load_n(&trial_ready, __ATOMIC_ACQUIRE)) {
        usleep(100);
    }
    collect_and_look(t);
    __atomic_store_n(&trial_go, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
}

/* ---- Trials ---------------------------------------------------------------------------------- */

typedef struct settings {
    size_t n_trials;
    const char *only;
    bool loses, keeps; /* faults */
    bool is_malloc_ours;
} settings;

static bool is_possible(const settings *s, unsigned needs)
{
#if defined(__x86_64__)
    return ((needs & NEEDS_MALLOC) == 0 || s->is_malloc_ours) &&
           ((needs & NEEDS_MODULE) == 0 || module_path != NULL) &&
           ((needs & NEEDS_AVX2) == 0 || __builtin_cpu_supports("avx2")) &&
           ((needs & NEEDS_AVX512) == 0 || __builtin_cpu_supports("avx512f"));
#else
    return ((needs & NEEDS_MALLOC) == 0 || s->is_malloc_ours) &&
           ((needs & NEEDS_MODULE) == 0 || module_path != NULL) &&
           (needs & (NEEDS_X86_64 | NEEDS_AVX2 | NEEDS_AVX512)) == 0;
#endif
}

static size_t count_alive(const settings *s, const place *where, bool is_erased)
{
    size_t n_alive = 0;
    for (size_t i = 0; i < s->n_trials; i++) {
        trial t = {0, is_erased ? ~(uintptr_t)0 : 0, false};
        stress_deep(make_object, &t);
        where->try_it(&t);
        n_alive += t.is_alive;
    }
    return n_alive;
}

static void try_place(const settings *s, const place *where)
{
    size_t n = s->n_trials;
    size_t n_alive = count_alive(s, where, s->loses);
    bool must_live = (where->needs & IS_NO_ROOT) == 0;
    if ((where->needs & IS_GAP_LINKED) && !s->is_malloc_ours) {
        printf("roots: %s: a known gap of libgleaner alone; lost %zu of %zu\n", where->name,
               n - n_alive, n);
    } else if (!EXPECT(must_live ? n_alive == n : n_alive <= n / STRAY)) {
        fprintf(stderr, "roots: %s: %zu of %zu objects are left, all should be %s\n", where->name,
                n_alive, n, must_live ? "there" : "gone");
    }
    n_alive = count_alive(s, where, !s->keeps);
    if (!EXPECT(n_alive <= n / STRAY)) {
        fprintf(stderr, "roots: %s: without the pointer %zu of %zu objects are left\n", where->name,
                n_alive, n);
    }
}

int main(int argc, char **argv)
{
    const place *const lists[] = {memory_places, thread_places, register_places, stack_places,
                                  kernel_places};
    const char *fault = stress_argument(argc, argv, "fault", "none");
    settings s = {.n_trials = stress_number(argc, argv, "trials", 8),
                  .only = stress_argument(argc, argv, "only", NULL),
                  .loses = strcmp(fault, "lose") == 0,
                  .keeps = strcmp(fault, "keep") == 0};
    size_t n_tried = 0, n_impossible = 0;
    module_path = stress_argument(argc, argv, "module", NULL);
    s.is_malloc_ours = stress_is_malloc_ours();
    gc_disable();
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const place *where = lists[i]; where->name; where++) {
            if (s.only && strcmp(s.only, where->name) != 0) {
                continue;
            }
            if (!is_possible(&s, where->needs)) {
                n_impossible++;
                continue;
            }
            try_place(&s, where);
            n_tried++;
        }
    }
    printf("roots: %zu places tried, %zu not possible here, %d faults\n", n_tried, n_impossible,
           stress_n_faults);
    return stress_status();
}
