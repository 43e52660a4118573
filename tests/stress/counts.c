/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/counts.c - reference counts against a model, and in the hands of several threads.
 *
 * GRAPH. Nodes are made with and without a destructor, small and large, retained, released, linked (by
 * gc_rc_set(), so that each link is a count), moved by realloc and freed. After each step the counts are those of the
 * model, and an object is destroyed exactly when the model says so. All live nodes are in an array that
 * is scanned, so the tracer finds each of them: what it does with the rest is not the question here.
 *
 * THREADS. Slots hold one count each. Threads take objects out of slots (with a count of their own), exchange
 * them, pass them on in queues without counting, and drop them. Each object must be destroyed once, be whole
 * until then, and be gone when all slots are empty and all threads have ended.
 *
 *   counts [--seed=N] [--seeds=COUNT] [--threads=N] [--steps=N] [--collect=0] [--fault=lost|twice]
 *
 * collect=0: the threads do not collect, for ThreadSanitizer does not know that the world is stopped.
 *
 * A fault makes the program forget a release, or count a destruction twice, behind the model's back: the
 * status must be 1.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/refcount.h>

#include "stress.h"

enum { MAX_NODES = 300, N_LINKS = 3, MAX_THREADS = 8, N_SLOTS = 64, N_HELD = 16, NO_NODE = -1 };

typedef enum fault_kind { FAULT_NONE, FAULT_LOST, FAULT_TWICE } fault_kind;

static const size_t sizes[] = {48, 48, 48, 64, 128, 200, 1000, 20000, 70000};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static uint64_t first_seed, n_steps;
static bool may_collect;
static fault_kind fault;

static bool is_hit(uint64_t *random, size_t one_in) { return stress_below(random, one_in) == 0; }

/* ---- Graph ------------------------------------------------------------------------------------ */

typedef struct object {
    struct object *links[N_LINKS];
    int number; /* of the node */
    int filler;
    uint64_t tag;
} object;

typedef struct node {
    long count; /* 0: there is no such object */
    int links[N_LINKS];
    uint64_t tag;
    bool has_destructor;
} node;

static node nodes[MAX_NODES];
static object *live[MAX_NODES]; /* scanned */
static uint64_t next_tag = 1;
static size_t n_destroyed, n_expected;

/* The model releases the links when the destructor does; so they are compared in between, too. */
static void destroy(void *p)
{
    object *o = p;
    node *n = &nodes[o->number];
    EXPECT(live[o->number] == o && n->tag == o->tag && n->count == 0 && n->has_destructor);
    EXPECT(gc_get_refcount(o) == 0);
    n_destroyed++;
    n->has_destructor = false;
    for (int i = 0; i < N_LINKS; i++) {
        gc_release(o->links[i]);
    }
}

/* What becomes of a node when its count falls to zero, and of those that only it referred to. */
static void model_release(int number)
{
    if (number == NO_NODE || --nodes[number].count > 0) {
        return;
    }
    n_expected += nodes[number].has_destructor;
    for (int i = 0; nodes[number].has_destructor && i < N_LINKS; i++) {
        int link = nodes[number].links[i];
        nodes[number].links[i] = NO_NODE;
        model_release(link);
    }
}

static int find_node(uint64_t *random, bool is_live)
{
    size_t start = stress_below(random, MAX_NODES);
    for (size_t i = 0; i < MAX_NODES; i++) {
        size_t number = (start + i) % MAX_NODES;
        if ((nodes[number].count > 0) == is_live && (is_live || !live[number])) {
            return (int)number;
        }
    }
    return NO_NODE;
}

static void make_node(uint64_t *random)
{
    int number = find_node(random, false);
    if (number == NO_NODE) {
        return;
    }
    bool has_destructor = !is_hit(random, 5);
    object *o = gc_rc_malloc(sizes[stress_below(random, N_SIZES)], has_destructor ? destroy : NULL);
    if (!o) {
        EXPECT(errno == ENOMEM);
        return;
    }
    for (int i = 0; i < N_LINKS; i++) {
        EXPECT(o->links[i] == NULL);
        nodes[number].links[i] = NO_NODE;
    }
    o->number = number;
    o->tag = nodes[number].tag = next_tag++;
    nodes[number].count = 1;
    nodes[number].has_destructor = has_destructor;
    live[number] = o;
}

static void link_nodes(uint64_t *random, int from)
{
    int to = is_hit(random, 4) ? NO_NODE : find_node(random, true);
    size_t i = stress_below(random, N_LINKS);
    if (!nodes[from].has_destructor || to == from) {
        return; /* nobody would release the link */
    }
    int old = nodes[from].links[i];
    if (to != NO_NODE) {
        nodes[to].count++;
    }
    nodes[from].links[i] = to;
    model_release(old);
    gc_rc_set((void **)&live[from]->links[i], to == NO_NODE ? NULL : live[to]);
}

/* gc_free() while others still refer to the node would leave them with nothing: so those without. */
static void free_node(int number)
{
    if (nodes[number].count != 1) {
        return;
    }
    object *o = live[number];
    for (int i = 0; i < MAX_NODES; i++) {
        for (int k = 0; nodes[i].count > 0 && k < N_LINKS; k++) {
            if (nodes[i].links[k] == number) {
                return;
            }
        }
    }
    model_release(number);
    gc_free(o);
}

static void move_node(uint64_t *random, int number)
{
    for (int i = 0; i < MAX_NODES; i++) {
        for (int k = 0; nodes[i].count > 0 && k < N_LINKS; k++) {
            if (nodes[i].links[k] == number) {
                return; /* the link would have to be put right */
            }
        }
    }
    object *moved = gc_realloc(live[number], sizes[stress_below(random, N_SIZES)]);
    if (moved) {
        live[number] = moved;
    }
}

static void step(uint64_t *random)
{
    int number = find_node(random, true);
    size_t what = stress_below(random, 100);
    if (number == NO_NODE || what < 25) {
        make_node(random);
    } else if (what < 40) {
        nodes[number].count++;
        EXPECT(gc_retain(live[number]) == live[number]);
    } else if (what < 75) {
        if (fault != FAULT_LOST || !is_hit(random, 50)) {
            /* Links count, too: only what was retained or made may be released. */
            long links = 0;
            for (int i = 0; i < MAX_NODES; i++) {
                for (int k = 0; nodes[i].count > 0 && k < N_LINKS; k++) {
                    links += nodes[i].links[k] == number;
                }
            }
            if (nodes[number].count > links) {
                object *o = live[number];
                model_release(number);
                gc_release(o);
            }
        } else {
            model_release(number);
        }
    } else if (what < 92) {
        link_nodes(random, number);
    } else if (what < 95) {
        free_node(number);
    } else if (what < 98) {
        move_node(random, number);
    } else if (what < 99) {
        gc_collect();
    }
}

static void compare(void)
{
    EXPECT(n_destroyed == n_expected);
    for (int i = 0; i < MAX_NODES; i++) {
        if (nodes[i].count > 0) {
            EXPECT(gc_get_refcount(live[i]) == nodes[i].count);
            EXPECT(live[i]->tag == nodes[i].tag && live[i]->number == i);
        } else if (live[i]) {
            EXPECT(!nodes[i].has_destructor || fault);
            live[i] = NULL;
        }
    }
}

static void run_graph(uint64_t seed)
{
    uint64_t random = seed;
    for (uint64_t i = 0; i < n_steps && stress_n_faults < STRESS_FAULTS_SHOWN; i++) {
        step(&random);
        n_destroyed += fault == FAULT_TWICE && i == n_steps / 2;
        compare();
    }
}

/* ---- Threads ---------------------------------------------------------------------------------- */

typedef struct item {
    uint64_t magic;
    uint64_t n_ends;
    struct item *inner; /* counted */
    uint64_t padding;
} item;

#define ALIVE UINT64_C(0x600d0b1ec7)
#define ENDED UINT64_C(0xdeadbeef)

typedef struct slot {
    pthread_mutex_t lock;
    item *item; /* with a count */
} slot;

static slot slots[N_SLOTS];
static volatile size_t n_made, n_ended;

static void end_item(void *p)
{
    item *o = p;
    EXPECT(o->magic == ALIVE && o->n_ends == 0);
    o->magic = ENDED;
    o->n_ends++;
    gc_release(o->inner);
    __atomic_add_fetch(&n_ended, 1, __ATOMIC_RELAXED);
}

/* Other destructors make other types: they are handed over, or not. */
static void end_local(void *p) { end_item(p); }
static void end_both(void *p) { end_item(p); }

static item *make_item(uint64_t *random, gc_destructor destructor, bool has_inner)
{
    item *o = gc_rc_malloc(is_hit(random, 200) ? 50000 : sizeof *o, destructor);
    if (!o) {
        return NULL;
    }
    o->magic = ALIVE;
    __atomic_add_fetch(&n_made, 1, __ATOMIC_RELAXED);
    if (has_inner) {
        o->inner = make_item(random, end_both, false);
    }
    return o;
}

/* The slot's count goes to the caller, the caller's to the slot: nothing is counted. */
static item *exchange(size_t i, item *o)
{
    pthread_mutex_lock(&slots[i].lock);
    item *old = slots[i].item;
    slots[i].item = o;
    pthread_mutex_unlock(&slots[i].lock);
    return old;
}

static item *borrow(size_t i)
{
    pthread_mutex_lock(&slots[i].lock);
    item *o = gc_retain(slots[i].item);
    pthread_mutex_unlock(&slots[i].lock);
    return o;
}

static void work_once(uint64_t *random, item **held)
{
    item **place = &held[stress_below(random, N_HELD)];
    size_t i = stress_below(random, N_SLOTS);
    gc_release(*place);
    *place = NULL;
    switch (stress_below(random, 6)) {
    case 0:
        *place = make_item(random, end_local, is_hit(random, 2));
        for (int k = 0; *place && k < 20; k++) {
            gc_retain(*place);
        }
        for (int k = 0; *place && k < 20; k++) {
            gc_release(*place);
        }
        break;
    case 1:
        *place = exchange(i, make_item(random, is_hit(random, 8) ? end_both : end_item, true));
        break;
    case 2:
        *place = exchange(i, NULL);
        break;
    default:
        *place = borrow(i);
        break;
    }
    if (*place) {
        EXPECT((*place)->magic == ALIVE);
        EXPECT(gc_get_refcount(*place) >= 1);
        EXPECT(!(*place)->inner || (*place)->inner->magic == ALIVE);
    }
}

/* A thread that ends in between leaves its objects to the others. */
static void *work(void *seed)
{
    uint64_t random = (uint64_t)(uintptr_t)seed;
    item *held[N_HELD] = {NULL};
    for (uint64_t i = 0; i < n_steps; i++) {
        work_once(&random, held);
        if (is_hit(&random, 2000) && may_collect) {
            gc_collect();
        }
    }
    for (size_t i = 0; i < N_HELD; i++) {
        gc_release(held[i]);
    }
    return NULL;
}

static void run_threads(uint64_t seed, size_t n_threads)
{
    enum { ROUNDS = 4 };
    pthread_t threads[MAX_THREADS];
    for (size_t i = 0; i < N_SLOTS; i++) {
        pthread_mutex_init(&slots[i].lock, NULL);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t t = 0; t < n_threads; t++) {
            uintptr_t own = (uintptr_t)(seed * 1000 + round * MAX_THREADS + t);
            REQUIRE(pthread_create(&threads[t], NULL, work, (void *)own) == 0);
        }
        for (size_t t = 0; t < n_threads; t++) {
            REQUIRE(pthread_join(threads[t], NULL) == 0);
        }
    }
    for (size_t i = 0; i < N_SLOTS; i++) {
        gc_release(exchange(i, NULL));
    }
    n_ended += fault == FAULT_TWICE;
    EXPECT(n_made > 0 && n_ended == n_made - (fault == FAULT_LOST));
}

/* ---- Seeds ------------------------------------------------------------------------------------ */

/* In a process of its own, so that a crash is the seed's. */
static bool is_seed_good(uint64_t seed, size_t n_threads)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        if (n_threads > 1) {
            run_threads(seed, n_threads);
        } else {
            run_graph(seed);
        }
        _exit(stress_status());
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static fault_kind fault_named(const char *name)
{
    return strcmp(name, "lost") == 0 ? FAULT_LOST : strcmp(name, "twice") == 0 ? FAULT_TWICE : FAULT_NONE;
}

int main(int argc, char **argv)
{
    uint64_t n_seeds = stress_number(argc, argv, "seeds", 1);
    size_t n_threads = stress_number(argc, argv, "threads", 1);
    first_seed = stress_number(argc, argv, "seed", 1);
    n_steps = stress_number(argc, argv, "steps", n_threads > 1 ? 20000 : 3000);
    may_collect = stress_number(argc, argv, "collect", 1) != 0;
    fault = fault_named(stress_argument(argc, argv, "fault", ""));
    n_threads = n_threads < MAX_THREADS ? n_threads : MAX_THREADS;
    for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
        if (!EXPECT(is_seed_good(seed, n_threads))) {
            fprintf(stderr, "counts: replay with --seed=%llu --threads=%zu --steps=%llu\n",
                    (unsigned long long)seed, n_threads, (unsigned long long)n_steps);
        }
    }
    return stress_status();
}
