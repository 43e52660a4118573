/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/mutator.c - a random program against a model of what it does.
 *
 * Threads make objects of all kinds, link them to random graphs (also by interior pointers), change
 * links, drop roots, free, reallocate, hand objects to each other and collect. The model knows of
 * each object that can be reached what must be in it; after each collection, and at the end, all of
 * them are compared. Then everything is dropped, and nearly everything must be reclaimed.
 *
 * The model lies in memory of its own and holds addresses hidden.
 *
 *   mutator [--seed=N] [--seeds=COUNT] [--threads=N] [--steps=N] [--fault=lost|write]
 *
 * Each seed runs in a process of its own, so a seed that failed can be replayed alone. A fault
 * makes the program lie to its model (a link that the collector cannot see, a byte that it did not
 * write): the status must be 1.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "stress.h"

enum {
    MAX_NODES = 1500,
    MAX_LINKS = 6,
    N_ROOTS = 24,
    N_MAILBOXES = 8,
    MAX_THREADS = 16,
    NO_NODE = -1
};

typedef enum object_kind { SCANNED, ATOMIC, UNCOLLECTABLE, TYPED, N_KINDS } object_kind;
typedef enum fault_kind { FAULT_NONE, FAULT_LOST, FAULT_WRITE } fault_kind;

/* What the model knows of an object. Word 0 of it is a tag, then come the links, then a pattern. In
 * typed objects links and numbers alternate. */
typedef struct node {
    uintptr_t hidden; /* 0: this entry is unused */
    size_t bytes;
    uint64_t tag;
    object_kind kind;
    int n_links;
    int links[MAX_LINKS];       /* number of the node, or NO_NODE */
    size_t offsets[MAX_LINKS];  /* of the pointer in the object it leads to */
    bool is_reached;
} node;

typedef struct model {
    node nodes[MAX_NODES];
    int roots[N_ROOTS];
    int queue[MAX_NODES];
    int n_nodes;
    uint64_t random;
    uint64_t next_tag;
    fault_kind fault;
    void **real_roots; /* on the stack of the thread */
} model;

static gc_layout *layout;

static struct {
    pthread_mutex_t lock;
    void *objects[N_MAILBOXES];
    node nodes[N_MAILBOXES]; /* `hidden` is not used here */
} mail = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Contents -------------------------------------------------------------------------------- */

static uint64_t pattern(uint64_t tag, size_t word)
{
    return (tag * UINT64_C(0x9e3779b97f4a7c15) + word * UINT64_C(0x100000001b3)) | 1;
}

/* Which word holds link i. */
static size_t link_word(const node *n, int i)
{
    return n->kind == TYPED ? 1 + 2 * (size_t)i : 1 + (size_t)i;
}

static bool is_link_word(const node *n, size_t word)
{
    if (n->kind == TYPED) {
        return word % 2 == 1 && (int)(word / 2) < n->n_links;
    }
    return word >= 1 && word <= (size_t)n->n_links;
}

static void fill(const node *n, size_t from_word)
{
    uint64_t *at = stress_reveal(n->hidden);
    for (size_t i = from_word; i < n->bytes / 8; i++) {
        if (!is_link_word(n, i)) {
            at[i] = i == 0 ? n->tag : pattern(n->tag, i);
        }
    }
}

static bool is_zero(const void *p, size_t from, size_t to)
{
    const unsigned char *at = p;
    for (size_t i = from; i < to; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    return true;
}

static void *address_of_link(const model *m, const node *n, int i)
{
    const node *target = &m->nodes[n->links[i]];
    return (char *)stress_reveal(target->hidden) + n->offsets[i];
}

static bool is_as_modelled(const model *m, const node *n)
{
    const uint64_t *at = stress_reveal(n->hidden);
    if (gc_base(at) != at || gc_sizeof(at) < n->bytes) {
        return false;
    }
    for (size_t i = 0; i < n->bytes / 8; i++) {
        if (!is_link_word(n, i) && at[i] != (i == 0 ? n->tag : pattern(n->tag, i))) {
            return false;
        }
    }
    for (int i = 0; i < n->n_links; i++) {
        uint64_t wanted = n->links[i] == NO_NODE ? 0 : (uintptr_t)address_of_link(m, n, i);
        if (m->fault != FAULT_LOST && at[link_word(n, i)] != wanted) {
            return false;
        }
    }
    return true;
}

/* ---- The model ------------------------------------------------------------------------------- */

/* Finds what can be reached, and forgets the rest. */
static void prune(model *m)
{
    int n = 0;
    for (int i = 0; i < MAX_NODES; i++) {
        node *at = &m->nodes[i];
        at->is_reached = at->hidden && at->kind == UNCOLLECTABLE;
        if (at->is_reached) {
            m->queue[n++] = i;
        }
    }
    for (int i = 0; i < N_ROOTS; i++) {
        if (m->roots[i] != NO_NODE && !m->nodes[m->roots[i]].is_reached) {
            m->nodes[m->roots[i]].is_reached = true;
            m->queue[n++] = m->roots[i];
        }
    }
    for (int next = 0; next < n; next++) {
        const node *at = &m->nodes[m->queue[next]];
        for (int i = 0; i < at->n_links; i++) {
            if (at->links[i] != NO_NODE && !m->nodes[at->links[i]].is_reached) {
                m->nodes[at->links[i]].is_reached = true;
                m->queue[n++] = at->links[i];
            }
        }
    }
    for (int i = 0; i < MAX_NODES; i++) {
        if (!m->nodes[i].is_reached) {
            m->nodes[i].hidden = 0;
        }
    }
    m->n_nodes = n;
}

static void verify(void *arg)
{
    model *m = arg;
    prune(m);
    for (int i = 0; i < MAX_NODES; i++) {
        if (m->nodes[i].hidden && !EXPECT(is_as_modelled(m, &m->nodes[i]))) {
            fprintf(stderr, "node %d, kind %d, %zu bytes, tag %#llx\n", i, m->nodes[i].kind,
                    m->nodes[i].bytes, (unsigned long long)m->nodes[i].tag);
            return;
        }
    }
}

/* A node that can be reached: from a root some links on. */
static int pick(model *m)
{
    int at = m->roots[stress_below(&m->random, N_ROOTS)];
    for (size_t steps = stress_below(&m->random, 8); at != NO_NODE && steps > 0; steps--) {
        const node *n = &m->nodes[at];
        if (n->n_links == 0) {
            break;
        }
        int next = n->links[stress_below(&m->random, (size_t)n->n_links)];
        if (next == NO_NODE) {
            break;
        }
        at = next;
    }
    return at;
}

static int unused_node(model *m)
{
    if (m->n_nodes >= MAX_NODES - 1) {
        prune(m);
    }
    size_t start = stress_below(&m->random, MAX_NODES);
    for (size_t i = 0; i < MAX_NODES; i++) {
        int at = (int)((start + i) % MAX_NODES);
        if (m->nodes[at].hidden == 0) {
            return at;
        }
    }
    return NO_NODE;
}

static void set_root(model *m, size_t i, int number)
{
    m->roots[i] = number;
    m->real_roots[i] = number == NO_NODE ? NULL : stress_reveal(m->nodes[number].hidden);
}

/* ---- What it does ---------------------------------------------------------------------------- */

static size_t random_bytes(model *m)
{
    size_t sort = stress_below(&m->random, 100);
    if (sort == 0) {
        return 8 * (3000 + stress_below(&m->random, 30000)); /* large: up to 264 KB */
    }
    if (sort < 8) {
        return 8 * (64 + stress_below(&m->random, 2600));
    }
    return 8 * (1 + stress_below(&m->random, 40));
}

static void *allocate(object_kind kind, size_t bytes)
{
    switch (kind) {
    case ATOMIC:
        return gc_malloc_atomic(bytes);
    case UNCOLLECTABLE:
        return gc_malloc_uncollectable(bytes);
    case TYPED:
        return gc_malloc_typed(bytes, layout);
    default:
        return gc_malloc(bytes);
    }
}

static int links_in(object_kind kind, size_t bytes)
{
    size_t words = bytes / 8 - 1;
    if (kind == ATOMIC) {
        return 0;
    }
    words = kind == TYPED ? (words + 1) / 2 : words;
    return words < MAX_LINKS ? (int)words : MAX_LINKS;
}

static void do_allocate(model *m)
{
    static const object_kind kinds[] = {SCANNED, SCANNED, SCANNED, SCANNED, ATOMIC,
                                 ATOMIC,  TYPED,   TYPED,   UNCOLLECTABLE};
    int number = unused_node(m);
    if (number == NO_NODE) {
        return;
    }
    node *n = &m->nodes[number];
    n->kind = kinds[stress_below(&m->random, sizeof kinds / sizeof *kinds)];
    n->bytes = random_bytes(m);
    if (n->kind == TYPED) {
        n->bytes += n->bytes % 16; /* whole pairs of a number and a link */
    }
    n->n_links = links_in(n->kind, n->bytes);
    n->tag = m->next_tag++ << 1 | 1;
    void *p = allocate(n->kind, n->bytes);
    REQUIRE(p != NULL && (uintptr_t)p % 16 == 0);
    EXPECT(n->kind == ATOMIC || is_zero(p, 0, n->bytes));
    n->hidden = stress_hide(p);
    fill(n, 0);
    for (int i = 0; i < n->n_links; i++) {
        n->links[i] = NO_NODE;
    }
    m->n_nodes++;
    set_root(m, stress_below(&m->random, N_ROOTS), number);
    gc_keep_alive(p); /* till here: `hidden` does not count */
}

static void do_link(model *m)
{
    int from = pick(m), to = pick(m);
    if (from == NO_NODE || to == NO_NODE || m->nodes[from].n_links == 0) {
        return;
    }
    node *n = &m->nodes[from];
    const node *target = &m->nodes[to];
    int i = (int)stress_below(&m->random, (size_t)n->n_links);
    size_t offset = 0;
    if (stress_below(&m->random, 3) == 0) { /* inside; one past the end where that counts */
        offset = stress_below(&m->random, target->bytes + (target->bytes > 128));
    }
    n->links[i] = to;
    n->offsets[i] = offset;
    uintptr_t *word = (uintptr_t *)stress_reveal(n->hidden) + link_word(n, i);
    *word = (uintptr_t)stress_reveal(target->hidden) + offset;
    if (m->fault == FAULT_LOST) {
        *word = ~*word;
    }
}

static void do_unlink(model *m)
{
    int from = pick(m);
    if (from != NO_NODE && m->nodes[from].n_links > 0) {
        node *n = &m->nodes[from];
        int i = (int)stress_below(&m->random, (size_t)n->n_links);
        n->links[i] = NO_NODE;
        ((uintptr_t *)stress_reveal(n->hidden))[link_word(n, i)] = 0;
    }
}

/* Makes all that refers to the node refer to where it is now, or to nothing. */
static void redirect(model *m, int number, bool is_gone)
{
    for (int i = 0; i < MAX_NODES; i++) {
        node *n = &m->nodes[i];
        for (int j = 0; n->hidden && j < n->n_links; j++) {
            if (n->links[j] != number) {
                continue;
            }
            uintptr_t *word = (uintptr_t *)stress_reveal(n->hidden) + link_word(n, j);
            n->links[j] = is_gone ? NO_NODE : number;
            n->offsets[j] = 0;
            *word = is_gone ? 0 : (uintptr_t)stress_reveal(m->nodes[number].hidden);
        }
    }
    for (size_t i = 0; i < N_ROOTS; i++) {
        if (m->roots[i] == number) {
            set_root(m, i, is_gone ? NO_NODE : number);
        }
    }
}

static int pick_uncollectable(model *m)
{
    for (int i = 0; i < MAX_NODES; i++) {
        if (m->nodes[i].hidden && m->nodes[i].kind == UNCOLLECTABLE) {
            return i;
        }
    }
    return NO_NODE;
}

static void do_free(model *m)
{
    int number = stress_below(&m->random, 2) ? pick(m) : pick_uncollectable(m);
    if (number == NO_NODE) {
        return;
    }
    prune(m);
    void *p = stress_reveal(m->nodes[number].hidden);
    EXPECT(is_as_modelled(m, &m->nodes[number]));
    redirect(m, number, true);
    m->nodes[number].hidden = 0;
    m->n_nodes--;
    gc_free(p);
}

static void do_reallocate(model *m)
{
    int number = pick(m);
    if (number == NO_NODE) {
        return;
    }
    prune(m);
    node *n = &m->nodes[number];
    size_t bytes = random_bytes(m), old_bytes = n->bytes;
    size_t least = 8 + 8 * (n->n_links > 0 ? link_word(n, n->n_links - 1) : 0);
    bytes = bytes < least ? least : bytes;
    bytes += n->kind == TYPED ? bytes % 16 : 0;
    void *p = gc_realloc(stress_reveal(n->hidden), bytes);
    REQUIRE(p != NULL);
    EXPECT(n->kind == ATOMIC || bytes <= old_bytes || is_zero(p, old_bytes, bytes));
    n->hidden = stress_hide(p);
    n->bytes = bytes;
    if (bytes > old_bytes) {
        fill(n, old_bytes / 8);
    }
    redirect(m, number, false);
    gc_keep_alive(p);
    EXPECT(is_as_modelled(m, n));
}

/* An object without links goes to another thread, which will check and perhaps free it. */
static void do_send(model *m)
{
    do_allocate(m);
    size_t root = stress_below(&m->random, N_ROOTS);
    int number = m->roots[root];
    if (number == NO_NODE || m->nodes[number].kind == UNCOLLECTABLE) {
        return;
    }
    prune(m);
    node n = m->nodes[number];
    void *p = stress_reveal(n.hidden);
    for (int i = 0; i < n.n_links; i++) {
        n.links[i] = NO_NODE;
        ((uintptr_t *)stress_reveal(n.hidden))[link_word(&n, i)] = 0;
    }
    redirect(m, number, true);
    size_t box = stress_below(&m->random, N_MAILBOXES);
    pthread_mutex_lock(&mail.lock);
    if (mail.objects[box] == NULL) {
        mail.objects[box] = p;
        mail.nodes[box] = n;
        mail.nodes[box].hidden = 0;
    }
    pthread_mutex_unlock(&mail.lock);
    gc_keep_alive(p);
    m->nodes[number].hidden = 0;
    m->n_nodes--;
}

static void do_receive(model *m)
{
    int number = unused_node(m);
    size_t box = stress_below(&m->random, N_MAILBOXES);
    if (number == NO_NODE) {
        return;
    }
    pthread_mutex_lock(&mail.lock);
    void *p = mail.objects[box];
    mail.objects[box] = NULL;
    node n = mail.nodes[box];
    pthread_mutex_unlock(&mail.lock);
    if (p != NULL) {
        n.hidden = stress_hide(p);
        m->nodes[number] = n;
        m->n_nodes++;
        EXPECT(is_as_modelled(m, &n));
        set_root(m, stress_below(&m->random, N_ROOTS), number);
        gc_keep_alive(p);
    }
}

/* A byte that the model does not know of. */
static void do_damage(model *m)
{
    int number = pick(m);
    if (number != NO_NODE) {
        *(unsigned char *)stress_reveal(m->nodes[number].hidden) ^= 0x10;
    }
}

typedef struct step {
    model *model;
    size_t number;
} step;

static void do_step(void *arg)
{
    step *s = arg;
    model *m = s->model;
    size_t what = stress_below(&m->random, 100);
    if (what < 45) {
        do_allocate(m);
    } else if (what < 70) {
        do_link(m);
    } else if (what < 76) {
        do_unlink(m);
    } else if (what < 82) {
        set_root(m, stress_below(&m->random, N_ROOTS), NO_NODE);
    } else if (what < 87) {
        do_free(m);
    } else if (what < 91) {
        do_reallocate(m);
    } else if (what < 94) {
        do_send(m);
    } else if (what < 97) {
        do_receive(m);
    } else if (m->fault == FAULT_WRITE && s->number > 100) {
        do_damage(m);
    }
    if (s->number % 64 == 63) {
        gc_collect();
        verify(m);
    }
}

/* ---- Runs ------------------------------------------------------------------------------------ */

typedef struct task {
    uint64_t seed;
    uint64_t n_steps;
    fault_kind fault;
    model *model;
} task;

static void *run_thread(void *arg)
{
    task *t = arg;
    void *volatile real_roots[N_ROOTS] = {NULL};
    model *m = t->model;
    m->real_roots = (void **)(uintptr_t)real_roots;
    m->random = t->seed;
    m->next_tag = t->seed << 20;
    m->fault = t->fault;
    for (size_t i = 0; i < N_ROOTS; i++) {
        m->roots[i] = NO_NODE;
    }
    for (size_t i = 0; i < t->n_steps && stress_n_faults == 0; i++) {
        step s = {m, i};
        stress_deep(do_step, &s);
    }
    gc_collect();
    stress_deep(verify, m);
    for (int i = 0; i < MAX_NODES; i++) { /* what only gc_free() ends */
        if (m->nodes[i].hidden && m->nodes[i].kind == UNCOLLECTABLE) {
            gc_free(stress_reveal(m->nodes[i].hidden));
        }
    }
    for (size_t i = 0; i < N_ROOTS; i++) {
        real_roots[i] = NULL;
    }
    return NULL;
}

static model *new_model(void)
{
    void *p = mmap(NULL, sizeof(model), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    return p;
}

/* Everything was dropped: what is left are words that look like pointers. */
static void expect_empty_heap(uint64_t before)
{
    gc_stats stats = {.size = sizeof stats};
    memset(mail.objects, 0, sizeof mail.objects);
    stress_clear_stack();
    gc_collect();
    EXPECT(gc_get_stats(&stats) == 0);
    EXPECT(stats.live_objects <= before + 100);
    EXPECT(stats.generations[2].collections > 0 && stats.skipped == 0);
}

static int run_seed(uint64_t seed, size_t n_threads, uint64_t n_steps, fault_kind fault)
{
    pthread_t threads[MAX_THREADS];
    task tasks[MAX_THREADS];
    static const size_t offsets[] = {8};
    REQUIRE(gc_init(NULL) == 0);
    layout = gc_layout_new(16, offsets, 1);
    REQUIRE(layout != NULL);
    gc_stats stats = {.size = sizeof stats};
    gc_get_stats(&stats);
    for (size_t i = 0; i < n_threads; i++) {
        tasks[i] = (task){seed * MAX_THREADS + i, n_steps, fault, new_model()};
        if (n_threads > 1) {
            REQUIRE(pthread_create(&threads[i], NULL, run_thread, &tasks[i]) == 0);
        }
    }
    if (n_threads == 1) {
        run_thread(&tasks[0]);
    }
    for (size_t i = 0; n_threads > 1 && i < n_threads; i++) {
        pthread_join(threads[i], NULL);
    }
    if (stress_n_faults == 0) {
        expect_empty_heap(stats.live_objects);
    }
    return stress_status();
}

int main(int argc, char **argv)
{
    uint64_t seed = stress_number(argc, argv, "seed", 1);
    uint64_t n_seeds = stress_number(argc, argv, "seeds", 1);
    uint64_t n_threads = stress_number(argc, argv, "threads", 1);
    uint64_t n_steps = stress_number(argc, argv, "steps", 1500);
    const char *fault_name = stress_argument(argc, argv, "fault", "none");
    fault_kind fault = strcmp(fault_name, "lost") == 0    ? FAULT_LOST
                  : strcmp(fault_name, "write") == 0 ? FAULT_WRITE
                                                     : FAULT_NONE;
    if (n_threads < 1 || n_threads > MAX_THREADS || n_seeds < 1) {
        fprintf(stderr, "mutator: bad arguments\n");
        return 2;
    }
    for (uint64_t end = seed + n_seeds; seed < end; seed++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(run_seed(seed, (size_t)n_threads, n_steps, fault));
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            const char *options = getenv("GLEANER_OPTIONS");
            fprintf(stderr, "mutator: status %#x; replay: GLEANER_OPTIONS='%s' mutator --seed=%llu "
                            "--threads=%llu --steps=%llu\n",
                    (unsigned)status, options ? options : "", (unsigned long long)seed,
                    (unsigned long long)n_threads, (unsigned long long)n_steps);
            return 1;
        }
    }
    return 0;
}
