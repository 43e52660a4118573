/* SPDX-License-Identifier: MIT */
/* tests/api/finalize.c - finalizers: when, in what order, by whom, and what they may do. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>
#include <gleaner/roots.h>
#include <gleaner/weakref.h>

#include "suites.h"

typedef struct node {
    struct node *next;
    struct node *other;
    size_t number;
    uintptr_t whole; /* its own address, hidden: a finalizer sees its object as it was */
} node;

static size_t n_run;
static size_t numbers[MANY]; /* in the order of the calls */
static void *saved[MANY];

static void note_run(void *object, void *arg)
{
    const node *n = object;
    ck_assert_uint_eq(n->whole, hide(object));
    ck_assert_ptr_eq(arg, &n_run);
    ck_assert_uint_lt(n_run, MANY);
    numbers[n_run++] = n->number;
}

static node *make_node(size_t number, gc_finalizer_fn fn)
{
    node *n = gc_malloc(sizeof *n);
    n->number = number;
    n->whole = hide(n);
    ck_assert_ptr_nonnull(gc_finalize(n, fn, &n_run, 0));
    return n;
}

static void setup(void)
{
    n_run = 0;
    memset(numbers, 0, sizeof numbers);
    memset(saved, 0, sizeof saved);
}

/* Collects and runs what waits, until nothing is left to be found. */
static void finish(void)
{
    for (int i = 0; i < 3; i++) {
        gc_collect();
        gc_run_finalizers(0);
    }
}

static void make_many(void *arg)
{
    gc_finalizer_fn *fn = arg;
    for (size_t i = 0; i < MANY; i++) {
        make_node(i, *fn);
    }
}

START_TEST(each_is_run_once)
{
    gc_finalizer_fn fn = note_run;
    call_deep(make_many, &fn);
    finish();
    ck_assert_uint_ge(n_run, MOST);
    static bool has_run[MANY];
    for (size_t i = 0; i < n_run; i++) {
        ck_assert(!has_run[numbers[i]]);
        has_run[numbers[i]] = true;
    }
}
END_TEST

START_TEST(none_is_run_while_the_object_is_reachable)
{
    node *n = make_node(7, note_run);
    finish();
    ck_assert_uint_eq(n_run, 0);
    ck_assert_int_eq(gc_is_finalized(n), 0);
    ck_assert_uint_eq(n->number, 7);
}
END_TEST

/* ---- Order ---------------------------------------------------------------------------------- */

static void make_list(void *arg)
{
    (void)arg;
    node *list = NULL;
    for (size_t i = 0; i < MANY; i++) {
        node *n = make_node(MANY - 1 - i, note_run);
        n->next = list;
        list = n;
    }
}

START_TEST(who_refers_to_another_comes_first)
{
    call_deep(make_list, NULL);
    gc_collect();
    gc_run_finalizers(0);
    ck_assert_uint_ge(n_run, MOST); /* in one collection, however long the list */
    for (size_t i = 1; i < n_run; i++) {
        ck_assert_uint_eq(numbers[i], numbers[i - 1] + 1);
    }
}
END_TEST

/* Each node refers to two with larger numbers, far and near. */
static void make_dag(void *arg)
{
    uint64_t random = *(const uint64_t *)arg;
    static node *nodes[MANY];
    for (size_t i = MANY; i-- > 0;) {
        nodes[i] = make_node(i, note_run);
        for (int k = 0; k < 2 && i + 1 < MANY; k++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            node *target = nodes[i + 1 + (random >> 33) % (MANY - i - 1)];
            *(k ? &nodes[i]->other : &nodes[i]->next) = target;
        }
    }
    memset(nodes, 0, sizeof nodes);
}

START_TEST(the_order_holds_in_any_graph_without_cycles)
{
    static size_t place[MANY];
    uint64_t seed = (uint64_t)_i + 1;
    call_deep(make_dag, &seed);
    gc_collect();
    gc_run_finalizers(0);
    ck_assert_uint_ge(n_run, MOST);
    for (size_t i = 0; i < n_run; i++) {
        place[numbers[i]] = i + 1;
    }
    uint64_t random = seed;
    for (size_t i = MANY; i-- > 0;) {
        for (int k = 0; k < 2 && i + 1 < MANY; k++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            size_t target = i + 1 + (random >> 33) % (MANY - i - 1);
            if (place[i] && place[target]) {
                ck_assert_uint_lt(place[i], place[target]);
            }
        }
    }
}
END_TEST

static void make_cycles(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i += 2) {
        node *a = make_node(i, note_run), *b = make_node(i + 1, note_run);
        a->next = b;
        b->next = a;
    }
}

START_TEST(cycles_are_finalized_too)
{
    call_deep(make_cycles, NULL);
    finish();
    ck_assert_uint_ge(n_run, MOST);
}
END_TEST

START_TEST(of_several_the_newest_runs_first)
{
    node *n = make_node(0, note_run);
    for (size_t i = 1; i <= 3; i++) {
        ck_assert_ptr_nonnull(gc_finalize(n, note_run, &n_run, 0));
    }
    n->number = 5;
    gc_free(n);
    ck_assert_uint_eq(n_run, 4);
}
END_TEST

/* ---- Resurrection --------------------------------------------------------------------------- */

static void save(void *object, void *arg)
{
    const node *n = object;
    (void)arg;
    ck_assert_uint_eq(n->whole, hide(object));
    saved[n->number] = object;
    n_run++;
}

START_TEST(an_object_can_be_made_reachable_again)
{
    gc_finalizer_fn fn = save;
    call_deep(make_many, &fn);
    finish();
    ck_assert_uint_ge(n_run, MOST);
    size_t n_saved = n_run;
    for (size_t i = 0; i < MANY; i++) {
        if (saved[i]) {
            ck_assert_uint_eq(((node *)saved[i])->whole, hide(saved[i]));
            ck_assert_int_eq(gc_is_finalized(saved[i]), 1);
        }
    }
    finish();
    ck_assert_uint_eq(n_run, n_saved);
    static uintptr_t hidden[MANY];
    for (size_t i = 0; i < MANY; i++) {
        hidden[i] = hide(saved[i]);
    }
    memset(saved, 0, sizeof saved);
    finish();
    ck_assert_uint_le(count_alive(hidden, MANY), FEW);
    ck_assert_uint_eq(n_run, n_saved); /* once only */
}
END_TEST

static gc_weakref *weak_to_saved;

static void make_saved_with_ref(void *arg)
{
    (void)arg;
    weak_to_saved = gc_weakref_new(make_node(0, save), NULL, NULL);
}

START_TEST(weak_references_are_cleared_before_and_stay_so)
{
    gc_finalizer_fn fn = save;
    call_deep(make_many, &fn); /* company, so that one object does not decide */
    call_deep(make_saved_with_ref, NULL);
    memset(saved, 0, sizeof saved);
    finish();
    if (saved[0]) {
        ck_assert_ptr_null(gc_weakref_get(weak_to_saved));
    }
    ck_assert_uint_ge(n_run, MOST);
}
END_TEST

/* ---- Ended by the program ------------------------------------------------------------------- */

START_TEST(gc_free_runs_it_at_once)
{
    node *n = make_node(3, note_run);
    gc_free(n);
    ck_assert_uint_eq(n_run, 1);
    ck_assert_uint_eq(numbers[0], 3);
    finish();
    ck_assert_uint_eq(n_run, 1);
}
END_TEST

static gc_error_code last_error;

static void note_error(const gc_error *error, void *arg)
{
    (void)arg;
    last_error = error->code;
}

static void free_itself(void *object, void *arg)
{
    (void)arg;
    n_run++;
    gc_free(object);
}

START_TEST(a_finalizer_that_frees_what_is_being_freed_is_an_error)
{
    gc_set_error_handler(note_error, NULL);
    last_error = (gc_error_code)0;
    void *object = gc_malloc(64);
    gc_finalize(object, free_itself, NULL, 0);
    gc_free(object);
    ck_assert_uint_eq(n_run, 1);
    ck_assert_int_eq(last_error, GC_ERROR_DOUBLE_FREE);
    gc_set_error_handler(NULL, NULL);
}
END_TEST

static void free_next(void *object, void *arg)
{
    node *n = object;
    note_run(object, arg);
    if (n->next) {
        gc_free(n->next);
        n->next = NULL;
    }
}

static void make_owners(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i += 2) {
        make_node(i, free_next)->next = make_node(i + 1, note_run);
    }
}

/* The child waits in the queue when its parent frees it. */
START_TEST(a_finalizer_may_free_what_waits_for_its_own)
{
    call_deep(make_owners, NULL);
    finish();
    ck_assert_uint_ge(n_run, MOST);
    for (size_t i = 0; i + 1 < n_run; i += 2) {
        ck_assert_uint_eq(numbers[i + 1], numbers[i] + 1);
    }
}
END_TEST

static void free_itself_after_loss(void *object, void *arg)
{
    note_run(object, arg);
    gc_free(object);
}

START_TEST(a_finalizer_may_free_an_object_that_was_lost)
{
    gc_finalizer_fn fn = free_itself_after_loss;
    call_deep(make_many, &fn);
    finish();
    ck_assert_uint_ge(n_run, MOST);
}
END_TEST

START_TEST(detach_call_alive)
{
    node *n = make_node(1, note_run);
    gc_finalizer *f = gc_finalize(n, note_run, &n_run, 0);
    gc_finalizer *g = gc_finalize(n, note_run, &n_run, GC_FIN_NO_ORDER);
    ck_assert_ptr_ne(f, g);
    ck_assert_int_eq(gc_finalize_alive(f), 1);
    ck_assert_int_eq(gc_finalize_detach(f), 0);
    ck_assert_int_eq(gc_finalize_alive(f), 0);
    errno = 0;
    ck_assert_int_eq(gc_finalize_detach(f), -1);
    ck_assert_int_eq(errno, ENOENT);
    errno = 0;
    ck_assert_int_eq(gc_finalize_call(f), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(gc_finalize_call(g), 0);
    ck_assert_uint_eq(n_run, 1);
    ck_assert_int_eq(gc_is_finalized(n), 1);
    ck_assert_int_eq(gc_finalize_alive(g), 0);
    ck_assert_int_eq(gc_finalize_call(g), -1);
    gc_free(n);
    ck_assert_uint_eq(n_run, 2); /* that of make_node() */
    ck_assert_int_eq(gc_finalize_alive(NULL), 0);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    char *object = gc_malloc(64);
    errno = 0;
    ck_assert_ptr_null(gc_finalize(object, NULL, NULL, 0));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(gc_finalize(object, note_run, NULL, 0x80));
    ck_assert_int_eq(errno, EINVAL);
    void *const wrong[] = {NULL, object + 16, &object};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_ptr_null(gc_finalize(wrong[i], note_run, NULL, 0));
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_int_eq(gc_set_finalizer_policy((gc_finalizer_policy)9), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(realloc_takes_it_along)
{
    node *n = make_node(1, note_run);
    n = gc_realloc(n, 100000);
    ck_assert_ptr_nonnull(n);
    finish();
    ck_assert_uint_eq(n_run, 0);
    n->whole = hide(n);
    gc_free(n);
    ck_assert_uint_eq(n_run, 1);
}
END_TEST

/* ---- What finalizers may do ----------------------------------------------------------------- */

static void work(void *object, void *arg)
{
    note_run(object, arg);
    for (int i = 0; i < 100; i++) {
        gc_free(gc_malloc(48));
        saved[i] = gc_malloc(200);
    }
    if (n_run % 50 == 0) {
        gc_collect();
        ck_assert_uint_eq(gc_run_finalizers(0), 0); /* from inside one */
    }
}

START_TEST(one_may_allocate_free_and_collect)
{
    gc_finalizer_fn fn = work;
    call_deep(make_many, &fn);
    finish();
    ck_assert_uint_ge(n_run, MOST);
}
END_TEST

static jmp_buf way_out;

static void jump(void *object, void *arg)
{
    note_run(object, arg);
    if (n_run % 3 == 0) {
        longjmp(way_out, 1);
    }
}

START_TEST(one_may_leave_by_longjmp)
{
    gc_finalizer_fn fn = jump;
    volatile int n_jumps = 0;
    call_deep(make_many, &fn);
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT);
    gc_collect();
    while (setjmp(way_out) != 0) {
        n_jumps++;
    }
    gc_run_finalizers(0);
    ck_assert_uint_ge(n_run, MOST);
    ck_assert_int_eq(n_jumps, (int)(n_run / 3));
    gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING);
}
END_TEST

static pthread_mutex_t forever = PTHREAD_MUTEX_INITIALIZER;
static int n_stuck;

static void stay(void *object, void *arg)
{
    note_run(object, arg); /* the first one in the other thread, which has told by n_stuck */
    if (n_run == 1) {
        __atomic_store_n(&n_stuck, 1, __ATOMIC_RELEASE);
        pthread_mutex_lock(&forever);
        pthread_mutex_unlock(&forever);
        __atomic_store_n(&n_stuck, 0, __ATOMIC_RELEASE);
    }
}

static void *run_all(void *arg)
{
    (void)arg;
    gc_run_finalizers(0);
    return NULL;
}

START_TEST(one_that_does_not_return_holds_up_its_own_thread_only)
{
    gc_finalizer_fn fn = stay;
    pthread_t thread;
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT);
    call_deep(make_many, &fn);
    gc_collect();
    pthread_mutex_lock(&forever);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_all, NULL), 0);
    while (!__atomic_load_n(&n_stuck, __ATOMIC_ACQUIRE)) {
        usleep(1000);
    }
    gc_collect();
    gc_run_finalizers(0);
    ck_assert_uint_ge(n_run, MOST);
    ck_assert_int_eq(__atomic_load_n(&n_stuck, __ATOMIC_ACQUIRE), 1);
    pthread_mutex_unlock(&forever);
    pthread_join(thread, NULL);
    gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING);
}
END_TEST

/* ---- Counted objects ------------------------------------------------------------------------ */

typedef struct counted {
    struct counted *other;
    struct counted *next;
    uintptr_t whole;
    size_t number;
} counted;

static size_t n_destroyed;
static bool is_destroyed[MANY];

static void destroy(void *object)
{
    counted *c = object;
    ck_assert_uint_eq(c->whole, hide(object));
    ck_assert(!is_destroyed[c->number]);
    is_destroyed[c->number] = true;
    numbers[n_destroyed++ % MANY] = c->number;
    gc_release(c->other);
    gc_release(c->next);
}

static counted *make_counted(size_t number)
{
    counted *c = gc_rc_malloc(sizeof *c, destroy);
    c->whole = hide(c);
    c->number = number;
    return c;
}

static void setup_counted(void)
{
    setup();
    n_destroyed = 0;
    memset(is_destroyed, 0, sizeof is_destroyed);
}

static void make_counted_cycles(void *arg)
{
    const size_t *n_lost = arg;
    for (size_t i = 0; i < MANY; i += 2) {
        counted *a = make_counted(i), *b = make_counted(i + 1);
        a->other = gc_retain(b);
        b->other = gc_retain(a);
        for (size_t k = 0; k < *n_lost; k++) {
            gc_retain(a);
        }
        gc_release(a);
        gc_release(b);
    }
}

START_TEST(the_tracer_destroys_cycles_once)
{
    size_t n_lost = (size_t)_i;
    gc_disable();
    call_deep(make_counted_cycles, &n_lost);
    ck_assert_uint_eq(n_destroyed, 0);
    ck_assert_uint_ge(gc_collect(), MOST);
    gc_run_finalizers(0);
    ck_assert_uint_ge(n_destroyed, MOST);
    size_t n = n_destroyed;
    gc_collect();
    gc_run_finalizers(0);
    ck_assert_uint_le(n_destroyed - n, FEW);
    gc_enable();
}
END_TEST

static void *volatile holder; /* of an object that is not counted; volatile, for it is never read */

/* Counted and traced objects in turn, one list. */
static void make_mixed_list(void *arg)
{
    (void)arg;
    void *list = NULL;
    for (size_t i = 0; i < MANY; i++) {
        counted *c = make_counted(MANY - 1 - i);
        void **plain = gc_malloc(2 * sizeof *plain);
        c->whole = hide(c);
        plain[0] = c;
        memcpy(plain + 1, &list, sizeof list);
        list = plain;
    }
    holder = list;
}

START_TEST(what_only_a_traced_object_holds_is_destroyed_by_the_tracer)
{
    call_deep(make_mixed_list, NULL);
    finish();
    ck_assert_uint_eq(n_destroyed, 0);
    holder = NULL;
    finish();
    ck_assert_uint_ge(n_destroyed, MOST);
}
END_TEST

/* A ring of counted objects holds a chain of others. */
static void make_chain_behind_a_cycle(void *arg)
{
    (void)arg;
    counted *a = make_counted(0), *b = make_counted(1);
    a->other = gc_retain(b);
    b->other = gc_retain(a);
    counted *last = b;
    for (size_t i = 2; i < MANY; i++) {
        counted *c = make_counted(i);
        last->next = c;
        last = c;
    }
    gc_release(a);
    gc_release(b);
}

START_TEST(a_chain_behind_a_cycle_is_destroyed_in_order)
{
    gc_disable();
    call_deep(make_chain_behind_a_cycle, NULL);
    gc_collect();
    gc_run_finalizers(0);
    if (n_destroyed == 0) {
        return; /* something looks like the address of an object of the cycle */
    }
    ck_assert_uint_eq(n_destroyed, MANY);
    for (size_t i = 3; i < MANY; i++) {
        ck_assert_uint_eq(numbers[i], numbers[i - 1] + 1);
    }
    gc_enable();
}
END_TEST

static gc_weakref *counted_refs[MANY];

static void make_counted_refs(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i++) {
        saved[i] = make_counted(i);
        counted_refs[i] = gc_weakref_new(saved[i], NULL, NULL);
    }
}

START_TEST(a_release_to_zero_clears_weak_references)
{
    make_counted_refs(NULL);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(gc_weakref_get(counted_refs[i]), saved[i]);
        ck_assert_ptr_eq(gc_weakref_retain(counted_refs[i]), saved[i]);
        ck_assert_int_eq(gc_get_refcount(saved[i]), 2);
        gc_release(saved[i]);
        ck_assert_ptr_eq(gc_weakref_get(counted_refs[i]), saved[i]);
        gc_release(saved[i]);
        ck_assert_ptr_null(gc_weakref_get(counted_refs[i]));
        ck_assert_ptr_null(gc_weakref_retain(counted_refs[i]));
        ck_assert_uint_eq(n_destroyed, i + 1);
    }
    ck_assert_ptr_null(gc_weakref_retain(NULL));
}
END_TEST

static void see_it_whole(void *object, void *arg)
{
    ck_assert_uint_eq(((counted *)object)->whole, hide(object));
    ck_assert_uint_eq(n_destroyed, 0);
    ++*(size_t *)arg;
}

START_TEST(finalizers_run_before_the_destructor)
{
    counted *c = make_counted(1);
    ck_assert_ptr_nonnull(gc_finalize(c, see_it_whole, &n_run, 0));
    gc_release(c);
    ck_assert_uint_eq(n_run, 1);
    ck_assert_uint_eq(n_destroyed, 1);
}
END_TEST

/* Both were found unreachable, so the counted object waits in the queue for its destructor. */
static void free_first(void *object, void *arg)
{
    (void)arg;
    size_t n = n_destroyed;
    gc_free(*(void **)object);
    ck_assert_uint_eq(n_destroyed, n + 1);
    n_run++;
}

static void make_owners_of_counted(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i++) {
        void **owner = gc_malloc(4 * sizeof *owner);
        counted *c = make_counted(i);
        owner[0] = c;
        gc_finalize(owner, free_first, NULL, 0);
    }
}

START_TEST(gc_free_destroys_what_waits_for_its_destructor)
{
    call_deep(make_owners_of_counted, NULL);
    finish();
    ck_assert_uint_ge(n_run, MOST);
    ck_assert_uint_ge(n_destroyed, MOST);
}
END_TEST

enum { N_RACES = 20000 };
static gc_weakref *raced;

static void *retain_while_it_lives(void *arg)
{
    size_t *n_got = arg;
    for (;;) {
        gc_weakref *ref = __atomic_load_n(&raced, __ATOMIC_ACQUIRE);
        if (!ref) {
            return NULL;
        }
        counted *c = gc_weakref_retain(ref);
        if (c) {
            ck_assert_uint_eq(c->whole, hide(c));
            ck_assert_int_ge(gc_get_refcount(c), 1);
            ++*n_got;
            gc_release(c);
        }
    }
}

static void destroy_raced(void *object)
{
    counted *c = object;
    ck_assert_uint_eq(c->whole, hide(c));
    c->whole = 0;
    __atomic_add_fetch(&n_destroyed, 1, __ATOMIC_RELAXED);
}

START_TEST(retain_through_a_weak_reference_races_with_the_last_release)
{
    pthread_t thread;
    size_t n_got = 0;
    counted *c = gc_rc_malloc(sizeof *c, destroy_raced);
    c->whole = hide(c);
    raced = gc_weakref_new(c, NULL, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, retain_while_it_lives, &n_got), 0);
    for (size_t i = 1; i < N_RACES; i++) {
        counted *next = gc_rc_malloc(sizeof *next, destroy_raced);
        next->whole = hide(next);
        __atomic_store_n(&raced, gc_weakref_new(next, NULL, NULL), __ATOMIC_RELEASE);
        gc_release(c);
        c = next;
    }
    gc_release(c);
    __atomic_store_n(&raced, NULL, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(__atomic_load_n(&n_destroyed, __ATOMIC_RELAXED), N_RACES);
}
END_TEST

/* ---- Who runs them -------------------------------------------------------------------------- */

START_TEST(nobody_runs_them_if_that_is_the_policy)
{
    gc_finalizer_fn fn = note_run;
    ck_assert_int_eq(gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT), GC_FINALIZERS_ALLOCATING);
    call_deep(make_many, &fn);
    gc_collect();
    gc_free(gc_malloc(100));
    gc_collect();
    ck_assert_uint_eq(n_run, 0);
    ck_assert_uint_eq(gc_run_finalizers(10), 10);
    ck_assert_uint_eq(n_run, 10);
    size_t n_more = gc_run_finalizers(0);
    ck_assert_uint_ge(n_more + 10, MOST);
    ck_assert_uint_eq(n_run, n_more + 10);
    ck_assert_uint_eq(gc_run_finalizers(0), 0);
    ck_assert_int_eq(gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING), GC_FINALIZERS_EXPLICIT);
}
END_TEST

static pthread_t runner;
static size_t n_elsewhere;

static void note_thread(void *object, void *arg)
{
    (void)object;
    (void)arg;
    n_elsewhere += !pthread_equal(pthread_self(), runner);
    __atomic_add_fetch(&n_run, 1, __ATOMIC_RELEASE);
}

START_TEST(a_thread_of_the_librarys_runs_them)
{
    gc_finalizer_fn fn = note_thread;
    runner = pthread_self();
    n_elsewhere = 0;
    ck_assert_int_ge(gc_set_finalizer_policy(GC_FINALIZERS_THREAD), 0);
    call_deep(make_many, &fn);
    gc_collect();
    for (int i = 0; i < 5000 && __atomic_load_n(&n_run, __ATOMIC_ACQUIRE) < MOST; i++) {
        usleep(1000);
    }
    ck_assert_uint_ge(__atomic_load_n(&n_run, __ATOMIC_ACQUIRE), MOST);
    ck_assert_uint_ge(n_elsewhere, MOST);
    gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING);
}
END_TEST

START_TEST(an_allocating_thread_runs_them)
{
    gc_finalizer_fn fn = note_run;
    call_deep(make_many, &fn);
    for (int i = 0; i < 3000000 && n_run < MOST; i++) {
        gc_malloc(64);
    }
    ck_assert_uint_ge(n_run, MOST);
}
END_TEST

/* ---- Exit and fork -------------------------------------------------------------------------- */

static void write_number(void *object, void *arg)
{
    char text[2] = {(char)('0' + ((node *)object)->number), '\n'};
    (void)arg;
    ck_assert_int_eq(write(STDOUT_FILENO, text, sizeof text), (int)sizeof text);
}

static void leave_some_for_exit(void)
{
    static node *kept[5];
    for (size_t i = 0; i < 5; i++) {
        kept[i] = gc_malloc(sizeof *kept[i]);
        kept[i]->number = i;
        gc_finalize(kept[i], write_number, NULL, i == 2 ? 0 : GC_FIN_ATEXIT);
    }
    gc_free(kept[1]); /* run now, and not again */
}

static void exit_with_finalizers(void *arg)
{
    (void)arg;
    leave_some_for_exit();
    exit(0);
}

START_TEST(at_exit_those_that_ask_for_it_run_newest_first)
{
    outcome o;
    run_forked(exit_with_finalizers, NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.out, "1\n4\n3\n0\n");
}
END_TEST

static void finalize_in_child(void *arg)
{
    gc_finalizer_fn fn = note_thread;
    (void)arg;
    n_run = 0;
    call_deep(make_many, &fn);
    gc_collect();
    for (int i = 0; i < 5000 && __atomic_load_n(&n_run, __ATOMIC_ACQUIRE) < MOST; i++) {
        usleep(1000);
    }
    _exit(__atomic_load_n(&n_run, __ATOMIC_ACQUIRE) >= MOST ? 0 : 1);
}

START_TEST(the_child_of_a_fork_has_a_thread_of_its_own)
{
    outcome o;
    if (HAS_TSAN) {
        return;
    }
    runner = pthread_self();
    ck_assert_int_ge(gc_set_finalizer_policy(GC_FINALIZERS_THREAD), 0);
    run_forked(finalize_in_child, NULL, &o);
    ck_assert_exited(&o, 0);
    gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING);
}
END_TEST

START_TEST(the_numbers_of_gc_collect_count_an_object_once)
{
    gc_finalizer_fn fn = note_run;
    gc_disable();
    gc_collect();
    gc_set_finalizer_policy(GC_FINALIZERS_EXPLICIT);
    call_deep(make_many, &fn);
    size_t n_found = gc_collect();
    ck_assert_uint_ge(n_found, MOST);
    ck_assert_uint_eq(gc_collect(), 0); /* they wait, and live */
    gc_run_finalizers(0);
    ck_assert_uint_le(gc_collect(), FEW);
    gc_set_finalizer_policy(GC_FINALIZERS_ALLOCATING);
    gc_enable();
}
END_TEST

Suite *finalize_suite(void)
{
    Suite *suite = suite_create("finalizers");
    TCase *tests = tcase_create("finalizers");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, each_is_run_once);
    tcase_add_test(tests, none_is_run_while_the_object_is_reachable);
    tcase_add_test(tests, who_refers_to_another_comes_first);
    tcase_add_loop_test(tests, the_order_holds_in_any_graph_without_cycles, 0, 5);
    tcase_add_test(tests, cycles_are_finalized_too);
    tcase_add_test(tests, of_several_the_newest_runs_first);
    tcase_add_test(tests, an_object_can_be_made_reachable_again);
    tcase_add_test(tests, weak_references_are_cleared_before_and_stay_so);
    tcase_add_test(tests, gc_free_runs_it_at_once);
    tcase_add_test(tests, a_finalizer_that_frees_what_is_being_freed_is_an_error);
    tcase_add_test(tests, a_finalizer_may_free_what_waits_for_its_own);
    tcase_add_test(tests, a_finalizer_may_free_an_object_that_was_lost);
    tcase_add_test(tests, detach_call_alive);
    tcase_add_test(tests, wrong_arguments_are_refused);
    tcase_add_test(tests, realloc_takes_it_along);
    tcase_add_test(tests, one_may_allocate_free_and_collect);
    tcase_add_test(tests, one_may_leave_by_longjmp);
    tcase_add_test(tests, one_that_does_not_return_holds_up_its_own_thread_only);
    TCase *counts = tcase_create("counted objects");
    tcase_add_checked_fixture(counts, setup_counted, NULL);
    tcase_set_timeout(counts, 240);
    tcase_add_loop_test(counts, the_tracer_destroys_cycles_once, 0, 3);
    tcase_add_test(counts, what_only_a_traced_object_holds_is_destroyed_by_the_tracer);
    tcase_add_test(counts, a_chain_behind_a_cycle_is_destroyed_in_order);
    tcase_add_test(counts, a_release_to_zero_clears_weak_references);
    tcase_add_test(counts, finalizers_run_before_the_destructor);
    tcase_add_test(counts, gc_free_destroys_what_waits_for_its_destructor);
    tcase_add_test(counts, retain_through_a_weak_reference_races_with_the_last_release);
    suite_add_tcase(suite, counts);
    tcase_add_test(tests, nobody_runs_them_if_that_is_the_policy);
    tcase_add_test(tests, a_thread_of_the_librarys_runs_them);
    tcase_add_test(tests, an_allocating_thread_runs_them);
    tcase_add_test(tests, at_exit_those_that_ask_for_it_run_newest_first);
    tcase_add_test(tests, the_child_of_a_fork_has_a_thread_of_its_own);
    tcase_add_test(tests, the_numbers_of_gc_collect_count_an_object_once);
    suite_add_tcase(suite, tests);
    return suite;
}
