/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/weak.c - weak references, slots and finalizers in a random graph, against a model.
 *
 * Nodes are linked at random, get and lose weak references, slots (in the model's memory, which is
 * scanned, and in other nodes) and finalizers, are freed, moved by realloc, dropped and found again by their
 * own finalizers. What the model can reach must have all its references and must not be finalized; a
 * reference that is set must lead to the node that it was made for, whole; what was finalized or freed must
 * have no reference left; no finalizer runs twice. At the end everything is dropped, and nearly every
 * finalizer must have run.
 *
 *   weak [--seed=N] [--seeds=COUNT] [--threads=N] [--steps=N] [--fault=early|twice]
 *
 * Each seed runs in a process of its own. A fault makes the program clear a reference, or call a
 * finalizer, behind the model's back: the status must be 1.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/roots.h>
#include <gleaner/weakref.h>

#include "stress.h"

enum { MAX_NODES = 400, N_LINKS = 3, N_REFS = 4, N_ROOTS = 16, MAX_THREADS = 8, NO_NODE = -1 };

typedef enum fault_kind { FAULT_NONE, FAULT_EARLY, FAULT_TWICE } fault_kind;

/* The object itself. */
typedef struct object {
    struct object *links[N_LINKS];
    uint64_t tag;
    void *weak_slot;
    uint64_t padding[2];
} object;

typedef struct model model;

/* What the model knows of it. */
typedef struct node {
    model *owner;
    uint64_t tag;      /* 0: this entry is unused */
    uintptr_t hidden;
    int links[N_LINKS];
    gc_weakref *refs[N_REFS];
    void *slot;        /* a weak slot in memory that is scanned */
    bool has_slot;
    bool has_finalizer, is_finalized, is_gone;
    bool resurrects;
    gc_finalizer *finalizer;
    bool is_reached;
} node;

struct model {
    node nodes[MAX_NODES];
    int roots[N_ROOTS];
    object *real_roots[N_ROOTS];
    uint64_t random, next_tag;
    fault_kind fault;
    size_t n_finalizers, n_finalized;
    pthread_mutex_t lock; /* held by its thread but while that collects; other threads run its finalizers */
};

static size_t below(model *m, size_t n) { return stress_below(&m->random, n); }

static bool is_one_in(model *m, size_t n) { return below(m, n) == 0; }

static object *object_of(const node *n) { return stress_reveal(n->hidden); }

/* ---- What must hold -------------------------------------------------------------------------- */

static void reach(model *m, int i)
{
    static __thread int stack[MAX_NODES * N_LINKS];
    int top = 0;
    stack[top++] = i;
    while (top > 0) {
        node *n = &m->nodes[stack[--top]];
        if (n->is_reached) {
            continue;
        }
        n->is_reached = true;
        for (int k = 0; k < N_LINKS; k++) {
            if (n->links[k] != NO_NODE && !m->nodes[n->links[k]].is_reached) {
                stack[top++] = n->links[k];
            }
        }
    }
}

static void reach_all(model *m)
{
    for (int i = 0; i < MAX_NODES; i++) {
        m->nodes[i].is_reached = false;
    }
    for (int r = 0; r < N_ROOTS; r++) {
        if (m->roots[r] != NO_NODE) {
            reach(m, m->roots[r]);
        }
    }
}

static void check_reached(model *m, const node *n)
{
    const object *o = object_of(n);
    EXPECT(!n->is_gone && o->tag == n->tag);
    for (int k = 0; k < N_LINKS; k++) {
        object *expected = n->links[k] == NO_NODE ? NULL : object_of(&m->nodes[n->links[k]]);
        EXPECT(o->links[k] == expected);
    }
    size_t n_refs = n->has_slot;
    for (int k = 0; k < N_REFS; k++) {
        if (n->refs[k]) {
            EXPECT(gc_weakref_get(n->refs[k]) == o);
            n_refs++;
        }
    }
    EXPECT(!n->has_slot || n->slot == o);
    EXPECT(gc_get_weakref_count(o) >= n_refs); /* slots in other nodes come on top */
}

/* A node that nobody reaches may still be there; if a reference to it is set, it is whole. */
static void check_unreached(const node *n)
{
    for (int k = 0; k < N_REFS; k++) {
        const object *o = n->refs[k] ? gc_weakref_get(n->refs[k]) : NULL;
        EXPECT(!o || (o == object_of(n) && o->tag == n->tag));
        EXPECT(!o || !(n->is_gone || (n->is_finalized && !n->resurrects)));
    }
    EXPECT(!n->has_slot || n->slot == NULL || ((object *)n->slot)->tag == n->tag);
}

static void check_all(model *m)
{
    reach_all(m);
    for (int i = 0; i < MAX_NODES; i++) {
        const node *n = &m->nodes[i];
        if (n->tag && n->is_reached) {
            check_reached(m, n);
        } else if (n->tag) {
            check_unreached(n);
        }
    }
}

/* ---- Finalizers ------------------------------------------------------------------------------ */

static void make_root(model *m, int i)
{
    size_t r = below(m, N_ROOTS);
    m->roots[r] = i;
    m->real_roots[r] = object_of(&m->nodes[i]);
}

/* References were cleared before; who comes back begins without any, and without links: what they lead to
 * may be another node by now. */
static void finalize(void *p, void *arg)
{
    node *n = arg;
    object *o = p;
    model *m = n->owner;
    pthread_mutex_lock(&m->lock);
    EXPECT(n->has_finalizer && !n->is_finalized);
    EXPECT(o == object_of(n) && o->tag == n->tag);
    n->is_finalized = true;
    m->n_finalized++;
    for (int k = 0; k < N_REFS; k++) {
        EXPECT(!n->refs[k] || gc_weakref_get(n->refs[k]) == NULL);
    }
    gc_keep_alive(gc_malloc(16 + below(m, 100)));
    EXPECT(!n->has_slot || n->slot == NULL);
    n->has_slot = false;
    if (n->resurrects && !n->is_gone) {
        for (int k = 0; k < N_LINKS; k++) {
            n->links[k] = NO_NODE;
            o->links[k] = NULL;
        }
        make_root(m, (int)(n - m->nodes));
    }
    memset(n->refs, 0, sizeof n->refs);
    pthread_mutex_unlock(&m->lock);
}

/* From inside a finalizer of its own the lock would be held once more; there are no such calls. */
static void collect(model *m)
{
    pthread_mutex_unlock(&m->lock);
    gc_collect();
    gc_run_finalizers(0);
    pthread_mutex_lock(&m->lock);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static int pick(model *m)
{
    reach_all(m);
    int first = (int)below(m, MAX_NODES);
    for (int i = 0; i < MAX_NODES; i++) {
        int at = (first + i) % MAX_NODES;
        if (m->nodes[at].tag && m->nodes[at].is_reached) {
            return at;
        }
    }
    return NO_NODE;
}

/* An entry may be used again when nothing of its node can come back. */
static int free_entry(model *m)
{
    reach_all(m);
    for (int i = 0; i < MAX_NODES; i++) {
        node *n = &m->nodes[i];
        bool is_done = n->is_gone || (!n->is_reached && (n->is_finalized || !n->has_finalizer));
        if (n->tag == 0 || is_done) {
            (void)gc_weak_slot_unregister(&n->slot);
            return i;
        }
    }
    return NO_NODE;
}

static void set_link(model *m, node *n, size_t k, int target)
{
    n->links[k] = target;
    object_of(n)->links[k] = target == NO_NODE ? NULL : object_of(&m->nodes[target]);
}

static void make(model *m)
{
    int i = free_entry(m);
    if (i == NO_NODE) {
        return;
    }
    node *n = &m->nodes[i];
    *n = (node){.owner = m, .tag = ++m->next_tag};
    object *volatile o = gc_malloc(sizeof(object)); /* until it is a root, only this holds it */
    n->hidden = stress_hide(o);
    o->tag = n->tag;
    for (size_t k = 0; k < N_LINKS; k++) {
        set_link(m, n, k, is_one_in(m, 2) ? pick(m) : NO_NODE);
    }
    if (is_one_in(m, 3)) {
        n->has_finalizer = true;
        n->resurrects = is_one_in(m, 5);
        n->finalizer = gc_finalize(o, finalize, n, is_one_in(m, 4) ? GC_FIN_NO_ORDER : 0);
        m->n_finalizers++;
    }
    make_root(m, i);
}

static void add_ref(model *m, node *n)
{
    size_t k = below(m, N_REFS);
    if (n->refs[k]) {
        gc_weakref_free(n->refs[k]);
    }
    n->refs[k] = gc_weakref_new(object_of(n), NULL, NULL);
    EXPECT(n->refs[k] != NULL);
}

static void toggle_slot(node *n)
{
    if (n->has_slot) {
        (void)gc_weak_slot_unregister(&n->slot);
        n->slot = NULL;
    } else {
        EXPECT(gc_weak_slot_register(&n->slot, object_of(n)) == 0);
    }
    n->has_slot = !n->has_slot;
}

static void point_slot(model *m, node *n)
{
    int target = pick(m);
    EXPECT(gc_weak_slot_register(&object_of(n)->weak_slot, object_of(&m->nodes[target])) == 0);
}

/* Every link to it goes first. Other threads collect meanwhile: volatile, so that the stack holds the object,
 * and its address is not worked out anew when nothing refers to it any more. */
static void free_node(model *m, int i)
{
    node *n = &m->nodes[i];
    object *volatile o = object_of(n);
    for (int j = 0; j < MAX_NODES; j++) {
        for (size_t k = 0; k < N_LINKS; k++) {
            if (m->nodes[j].tag && m->nodes[j].is_reached && m->nodes[j].links[k] == i) {
                set_link(m, &m->nodes[j], k, NO_NODE);
            } else if (m->nodes[j].links[k] == i) {
                m->nodes[j].links[k] = NO_NODE; /* unreachable, or to be: never looked at */
            }
        }
    }
    for (int r = 0; r < N_ROOTS; r++) {
        if (m->roots[r] == i) {
            m->roots[r] = NO_NODE;
            m->real_roots[r] = NULL;
        }
    }
    n->is_gone = true;
    bool is_to_run = n->has_finalizer && !n->is_finalized;
    gc_free(o);
    EXPECT(!is_to_run || n->is_finalized);
    EXPECT(!n->has_slot || n->slot == NULL);
    check_unreached(n);
}

/* Links to it must follow. */
static void move_node(model *m, int i)
{
    node *n = &m->nodes[i];
    object *volatile o = gc_realloc(object_of(n), sizeof(object) + below(m, 2000));
    n->hidden = stress_hide(o);
    for (int j = 0; j < MAX_NODES; j++) {
        for (size_t k = 0; k < N_LINKS; k++) {
            if (m->nodes[j].tag && m->nodes[j].is_reached && m->nodes[j].links[k] == i) {
                set_link(m, &m->nodes[j], k, i);
            }
        }
    }
    for (int r = 0; r < N_ROOTS; r++) {
        if (m->roots[r] == i) {
            m->real_roots[r] = o;
        }
    }
}

static void step(model *m)
{
    int i = pick(m);
    size_t what = i == NO_NODE ? 0 : below(m, 40);
    if (what < 14) {
        make(m);
    } else if (what < 20) {
        add_ref(m, &m->nodes[i]);
    } else if (what < 23) {
        toggle_slot(&m->nodes[i]);
    } else if (what < 25) {
        point_slot(m, &m->nodes[i]);
    } else if (what < 30) {
        set_link(m, &m->nodes[i], below(m, N_LINKS), is_one_in(m, 4) ? NO_NODE : pick(m));
    } else if (what < 34) {
        size_t r = below(m, N_ROOTS);
        m->roots[r] = NO_NODE;
        m->real_roots[r] = NULL;
    } else if (what < 36) {
        free_node(m, i);
    } else if (what < 38) {
        move_node(m, i);
    } else if (what == 38 && m->nodes[i].has_finalizer && !m->nodes[i].is_finalized) {
        m->nodes[i].has_finalizer = false;
        m->n_finalizers--;
        EXPECT(gc_finalize_detach(m->nodes[i].finalizer) == 0);
    } else {
        collect(m);
    }
}

static void seed_fault(model *m)
{
    int i = pick(m);
    if (i == NO_NODE) {
        return;
    }
    node *n = &m->nodes[i];
    if (m->fault == FAULT_EARLY) {
        add_ref(m, n);
        for (int k = 0; k < N_REFS; k++) {
            if (n->refs[k]) {
                memset((void *)n->refs[k], 0, sizeof(void *));
            }
        }
    } else if (m->fault == FAULT_TWICE) {
        n->has_finalizer = true;
        finalize(object_of(n), n);
        finalize(object_of(n), n);
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void drop_all(model *m)
{
    for (int r = 0; r < N_ROOTS; r++) {
        m->roots[r] = NO_NODE;
        m->real_roots[r] = NULL;
    }
}

typedef struct run {
    model *m;
    size_t n_steps;
} run;

/* A conservative collector may keep a few, and what they refer to. */
static void *work(void *arg)
{
    run *r = arg;
    model *m = r->m;
    pthread_mutex_lock(&m->lock);
    drop_all(m);
    for (size_t s = 0; s < r->n_steps; s++) {
        step(m);
        if (s % 16 == 0) {
            check_all(m);
        }
        if (m->fault != FAULT_NONE && s == r->n_steps / 2) {
            seed_fault(m);
            check_all(m);
        }
    }
    for (int i = 0; i < 4; i++) {
        drop_all(m);
        stress_clear_stack();
        collect(m);
        check_all(m);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static model *new_model(uint64_t seed, fault_kind fault)
{
    model *m = gc_malloc_uncollectable(sizeof *m);
    pthread_mutexattr_t recursive; /* gc_free() runs finalizers in its caller */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m->lock, &recursive);
    m->random = seed;
    m->fault = fault;
    return m;
}

static void run_seed(uint64_t seed, size_t n_threads, size_t n_steps, fault_kind fault)
{
    pthread_t threads[MAX_THREADS];
    static run runs[MAX_THREADS];
    size_t n_finalizers = 0, n_finalized = 0;
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT);
    for (size_t t = 0; t < n_threads; t++) {
        runs[t] = (run){new_model(seed * MAX_THREADS + t, fault), n_steps};
    }
    for (size_t t = 0; t < n_threads; t++) {
        REQUIRE(pthread_create(&threads[t], NULL, work, &runs[t]) == 0);
    }
    for (size_t t = 0; t < n_threads; t++) {
        REQUIRE(pthread_join(threads[t], NULL) == 0);
    }
    gc_collect();
    gc_run_finalizers(0);
    for (size_t t = 0; t < n_threads; t++) {
        n_finalizers += runs[t].m->n_finalizers;
        n_finalized += runs[t].m->n_finalized;
    }
    EXPECT(n_finalized <= n_finalizers);
    EXPECT(n_finalized + MAX_NODES / 4 * n_threads >= n_finalizers);
}

/* In a process of its own, so that a crash is the seed's. */
static bool is_seed_good(uint64_t seed, size_t n_threads, size_t n_steps, fault_kind fault)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        stress_n_faults = stress_n_checks = 0; /* those of the seeds before are not its own */
        run_seed(seed, n_threads, n_steps, fault);
        _exit(stress_status());
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static fault_kind fault_named(const char *name)
{
    return strcmp(name, "early") == 0   ? FAULT_EARLY
           : strcmp(name, "twice") == 0 ? FAULT_TWICE
                                        : FAULT_NONE;
}

int main(int argc, char **argv)
{
    uint64_t first = stress_number(argc, argv, "seed", 1);
    uint64_t n_seeds = stress_number(argc, argv, "seeds", 1);
    size_t n_threads = stress_number(argc, argv, "threads", 1);
    size_t n_steps = stress_number(argc, argv, "steps", 3000);
    fault_kind fault = fault_named(stress_argument(argc, argv, "fault", ""));
    n_threads = n_threads < MAX_THREADS ? n_threads : MAX_THREADS;
    for (uint64_t seed = first; seed < first + n_seeds; seed++) {
        if (!EXPECT(is_seed_good(seed, n_threads, n_steps, fault))) {
            fprintf(stderr, "weak: replay with --seed=%llu --threads=%zu --steps=%zu\n",
                    (unsigned long long)seed, n_threads, n_steps);
        }
    }
    return stress_status();
}
