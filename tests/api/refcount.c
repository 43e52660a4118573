/* SPDX-License-Identifier: MIT */
/* tests/api/refcount.c - reference counts. Random sequences and threads at work are in tests/stress/counts.c. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/refcount.h>
#include <gleaner/roots.h>

#include "suites.h"

typedef struct node {
    struct node *next;
    struct node *other;
    long value;
} node;

typedef struct cell {
    struct cell *next;
    void *unused;
} cell;

static const size_t sizes[] = {0, 1, 16, 24, 100, 128, 129, 1000, 20000, 30000, 200000};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

/* In static data: kept. */
static void *objects[MANY];
static volatile int n_destroyed;
static void *last_destroyed;

static void note(void *object)
{
    n_destroyed++;
    last_destroyed = object;
}

static void release_links(void *object)
{
    node *n = object;
    note(object);
    gc_release(n->next);
    gc_release(n->other);
}

static void setup(void)
{
    n_destroyed = 0;
    last_destroyed = NULL;
    memset(objects, 0, sizeof objects);
}

/* ---- One thread ------------------------------------------------------------------------------ */

START_TEST(objects_are_zeroed_and_counted)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N_SIZES; i++) {
            char *p = objects[i] = gc_rc_malloc(sizes[i], note);
            ck_assert_ptr_nonnull(p);
            ck_assert(gc_sizeof(p) >= sizes[i] && is_all_zero(p, gc_sizeof(p)));
            ck_assert_int_eq(gc_get_refcount(p), 1);
            ck_assert(gc_is_tracked(p));
            memset(p, 0x5a, gc_sizeof(p));
        }
        for (size_t i = 0; i < N_SIZES; i++) {
            int before = n_destroyed;
            gc_release(objects[i]);
            ck_assert_int_eq(n_destroyed, before + 1);
            ck_assert_ptr_eq(last_destroyed, objects[i]);
            ck_assert_uint_eq(gc_sizeof(objects[i]), 0);
            ck_assert_int_eq(gc_get_refcount(objects[i]), -1);
        }
    }
}
END_TEST

START_TEST(the_last_of_many_references_counts)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        void *p = objects[0] = gc_rc_malloc(sizes[i], note);
        for (int k = 1; k < 100; k++) {
            ck_assert_int_eq(gc_get_refcount(p), k);
            ck_assert_ptr_eq(gc_retain(p), p);
        }
        n_destroyed = 0;
        for (int k = 100; k > 1; k--) {
            ck_assert_int_eq(gc_get_refcount(p), k);
            gc_release(p);
        }
        ck_assert_int_eq(n_destroyed, 0);
        errno = 77;
        gc_release(p);
        ck_assert_int_eq(errno, 77);
        ck_assert_int_eq(n_destroyed, 1);
    }
}
END_TEST

START_TEST(what_is_not_counted_is_left_alone)
{
    static int data;
    void *plain = objects[0] = gc_malloc(100);
    ck_assert_ptr_eq(gc_retain(NULL), NULL);
    ck_assert_ptr_eq(gc_retain(plain), plain);
    gc_release(NULL);
    gc_release(plain);
    gc_release(plain);
    ck_assert_uint_ge(gc_sizeof(plain), 100);
    ck_assert_int_eq(gc_get_refcount(plain), -1);
    ck_assert_int_eq(gc_get_refcount(NULL), -1);
    ck_assert_int_eq(gc_get_refcount(&data), -1);
    ck_assert_int_eq(gc_get_refcount((void *)64), -1);
    char *counted = objects[1] = gc_rc_malloc(100, NULL);
    ck_assert_int_eq(gc_get_refcount(counted + 8), -1);
    ck_assert_int_eq(gc_get_refcount(counted + 16), -1);
    ck_assert_ptr_eq(gc_retain(plain), plain); /* now with tables */
    gc_release(plain);
    ck_assert_int_eq(gc_get_refcount(plain), -1);
    ck_assert_uint_ge(gc_sizeof(plain), 100);
}
END_TEST

/* Addresses come again, zeroed, whoever had them. */
START_TEST(storage_is_used_again_at_once)
{
    enum { ROUNDS = 100000, BYTES = 64 };
    gc_stats stats = {.size = sizeof stats};
    for (int i = 0; i < ROUNDS; i++) {
        char *p = gc_rc_malloc(BYTES, i % 2 ? note : NULL);
        ck_assert(p && is_all_zero(p, BYTES));
        memset(p, 0xff, BYTES);
        gc_release(p);
    }
    ck_assert_int_eq(gc_get_stats(&stats), 0);
    ck_assert_uint_lt(stats.live_bytes, 1 << 20);
    ck_assert_int_eq(n_destroyed, ROUNDS / 2);
}
END_TEST

START_TEST(a_graph_goes_with_its_last_reference)
{
    node *shared = gc_rc_malloc(sizeof(node), release_links);
    node *a = gc_rc_malloc(sizeof(node), release_links);
    node *b = gc_rc_malloc(sizeof(node), release_links);
    objects[0] = a;
    objects[1] = b;
    a->next = shared;
    b->next = gc_retain(shared);
    a->other = gc_malloc(10); /* traced: released to no effect */
    gc_release(a);
    ck_assert_int_eq(n_destroyed, 1);
    ck_assert_int_eq(gc_get_refcount(shared), 1);
    gc_release(b);
    ck_assert_int_eq(n_destroyed, 3);
    ck_assert_ptr_eq(last_destroyed, shared);
}
END_TEST

START_TEST(set_and_del_change_counts)
{
    node *a = objects[0] = gc_rc_malloc(sizeof(node), note);
    node *b = objects[1] = gc_rc_malloc(sizeof(node), note);
    static void *slot;
    gc_rc_set(&slot, a);
    ck_assert_int_eq(gc_get_refcount(a), 2);
    gc_rc_set(&slot, a);
    ck_assert_int_eq(gc_get_refcount(a), 2);
    gc_rc_set(&slot, b);
    ck_assert_int_eq(gc_get_refcount(a), 1);
    ck_assert_int_eq(gc_get_refcount(b), 2);
    gc_del(b);
    ck_assert_ptr_null(b);
    gc_rc_set(&slot, NULL);
    ck_assert_int_eq(n_destroyed, 1);
    gc_del(a);
    ck_assert_int_eq(n_destroyed, 2);
    char *plain = gc_malloc(100), *inside = plain + 32, *local = (char *)&a;
    gc_del(inside);
    gc_del(local);
    ck_assert_uint_ge(gc_sizeof(plain), 100);
    gc_del(plain);
}
END_TEST

static void *seen_in_slot, *watched_slot;

static void look_at_slot(void *object)
{
    note(object);
    seen_in_slot = watched_slot;
}

/* The slot may hold the only reference to the new object, through the old one. */
START_TEST(set_is_safe_in_its_order)
{
    void *a = gc_rc_malloc(40, look_at_slot), *b = gc_rc_malloc(40, note);
    gc_rc_set(&watched_slot, a);
    gc_release(a);
    gc_rc_set(&watched_slot, b);
    ck_assert_int_eq(n_destroyed, 1);
    ck_assert_ptr_eq(seen_in_slot, b);
    gc_release(b);
    node *inner = gc_rc_malloc(sizeof(node), note), *outer = gc_rc_malloc(sizeof(node), release_links);
    outer->next = inner;
    gc_rc_set(&watched_slot, outer);
    gc_release(outer);
    n_destroyed = 0;
    gc_rc_set(&watched_slot, outer->next);
    ck_assert_ptr_eq(last_destroyed, outer);
    ck_assert_int_eq(gc_get_refcount(inner), 1);
    gc_rc_set(&watched_slot, NULL);
}
END_TEST

/* ---- Deep structures --------------------------------------------------------------------------- */

enum { LONG_LIST = 10000000, SMALL_STACK = 256 * 1024 };

static void release_next(void *object)
{
    n_destroyed++;
    gc_release(((cell *)object)->next);
}

static void *release_list(void *arg)
{
    gc_release(arg);
    return NULL;
}

static void on_small_stack(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, SMALL_STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, fn, arg), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static void *make_and_release_list(void *arg)
{
    size_t n = *(size_t *)arg;
    cell *head = NULL;
    for (size_t i = 0; i < n; i++) {
        cell *made = gc_rc_malloc(i % 1000 ? sizeof(cell) : 30000, release_next);
        made->next = head;
        objects[0] = head = made;
    }
    gc_release(head);
    return NULL;
}

static size_t list_length(void)
{
    return is_stressed() ? 2000 : getenv("GL_SANITIZE") ? LONG_LIST / 20 : LONG_LIST;
}

START_TEST(a_long_list_needs_little_stack)
{
    size_t n = list_length();
    on_small_stack(make_and_release_list, &n);
    ck_assert_uint_eq((size_t)n_destroyed, n);
}
END_TEST

/* The list is its maker's: each node must be taken from it, or was born without an owner. */
START_TEST(a_long_list_may_end_in_another_thread)
{
    size_t n = list_length() / 20;
    cell *head = NULL;
    for (size_t i = 0; i < n; i++) {
        cell *made = gc_rc_malloc(sizeof(cell), release_next);
        made->next = head;
        objects[0] = head = made;
    }
    if (n > 20000) {
        n_destroyed = (int)n - 20000; /* a handshake for each node takes its time */
        for (size_t i = 20000; i < n; i++) {
            head = head->next;
        }
    }
    on_small_stack(release_list, head);
    ck_assert_uint_eq((size_t)n_destroyed, n);
}
END_TEST

static size_t depth, deepest;

static void allocate_and_release(void *object)
{
    node *n = object;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    n_destroyed++;
    ck_assert_ptr_nonnull(gc_malloc(40)); /* may collect while others wait */
    gc_release(n->next);
    gc_release(n->other);
    depth--;
}

/* What waits for its destructor must survive the collections that the destructors cause, though
 * nothing else refers to it. */
START_TEST(what_waits_for_its_destructor_is_not_reclaimed)
{
    enum { N = 2000 };
    node *head = NULL;
    for (int i = 0; i < N; i++) {
        node *n = gc_rc_malloc(sizeof(node), allocate_and_release);
        n->next = head;
        n->other = gc_rc_malloc(sizeof(node), allocate_and_release);
        objects[0] = head = n;
    }
    objects[0] = NULL;
    gc_release(head);
    head = NULL;
    ck_assert_int_eq(n_destroyed, 2 * N);
    ck_assert_uint_gt(deepest, 10);
    ck_assert_uint_lt(deepest, N);
    gc_collect();
    ck_assert_int_eq(n_destroyed, 2 * N);
}
END_TEST

/* ---- With the tracer ---------------------------------------------------------------------------- */

static uintptr_t hidden[MANY];

static void make_cycles(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i++) {
        node *a = gc_rc_malloc(sizeof(node), NULL), *b = gc_rc_malloc(sizeof(node), NULL);
        a->next = b;
        b->next = a;
        gc_retain(a);
        gc_release(a);
        hidden[i] = hide(a);
        ck_assert_int_eq(gc_get_refcount(a), 1);
    }
}

START_TEST(cycles_are_left_to_the_tracer)
{
    call_deep(make_cycles, NULL);
    size_t before = count_alive(hidden, MANY);
    ck_assert(is_stressed() || before == MANY);
    gc_collect();
    ck_assert_uint_le(count_alive(hidden, MANY), FEW);
    for (size_t i = 0; i < MANY; i++) { /* the slots that were swept are whole */
        objects[i] = gc_rc_malloc(sizeof(node), note);
        ck_assert_int_eq(gc_get_refcount(objects[i]), 1);
    }
    for (size_t i = 0; i < MANY; i++) {
        gc_release(objects[i]);
    }
    ck_assert_int_eq(n_destroyed, MANY);
}
END_TEST

static void make_mixed(void *arg)
{
    node *root = arg;
    for (int i = 0; i < MANY; i++) {
        node *counted = gc_rc_malloc(sizeof(node), note), *traced = gc_malloc(sizeof(node));
        counted->next = root->next; /* counted -> traced -> counted ... */
        traced->next = counted;
        traced->value = counted->value = i;
        root->next = traced;
    }
}

START_TEST(counted_and_traced_objects_share_a_graph)
{
    node *root = objects[0] = gc_malloc(sizeof(node));
    call_deep(make_mixed, root);
    gc_collect();
    gc_collect();
    ck_assert_int_eq(n_destroyed, 0);
    int n = 0;
    for (node *traced = root->next; traced; traced = traced->next->next, n++) {
        ck_assert_int_eq(gc_get_refcount(traced->next), 1);
        ck_assert_int_eq(traced->value, traced->next->value);
    }
    ck_assert_int_eq(n, MANY);
}
END_TEST

/* ---- Destructors ------------------------------------------------------------------------------ */

static long count_inside;

static void count_itself(void *object)
{
    note(object);
    count_inside = gc_get_refcount(object);
    for (int i = 0; i < 10; i++) {
        gc_retain(object);
    }
    for (int i = 0; i < 10; i++) {
        gc_release(object);
    }
    gc_free(gc_malloc(100));
    gc_release(gc_rc_malloc(40, NULL));
}

START_TEST(a_destructor_may_count_its_object)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        void *p = objects[0] = gc_rc_malloc(sizes[i], count_itself);
        gc_release(p);
        ck_assert_uint_eq((size_t)n_destroyed, i + 1);
        ck_assert_int_eq(count_inside, 0);
        ck_assert_uint_eq(gc_sizeof(p), 0);
    }
}
END_TEST

static void save(void *object)
{
    note(object);
    objects[1] = gc_retain(object);
}

START_TEST(an_object_may_be_saved_once)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        void *p = objects[0] = gc_rc_malloc(sizes[i], save);
        setup();
        gc_release(p);
        ck_assert_int_eq(n_destroyed, 1);
        ck_assert_ptr_eq(objects[1], p);
        ck_assert_int_eq(gc_get_refcount(p), 1);
        ck_assert_int_eq(gc_is_finalized(p), 1);
        gc_retain(p);
        gc_release(p);
        gc_release(p);
        ck_assert_int_eq(n_destroyed, 1);
        ck_assert_uint_eq(gc_sizeof(p), 0);
        ck_assert_int_eq(gc_is_finalized(p), 0);
    }
}
END_TEST

static jmp_buf way_out;

static void jump(void *object)
{
    note(object);
    longjmp(way_out, 1);
}

__attribute__((noinline)) static void release_deep(void *p, int frames)
{
    volatile char frame[512];
    frame[0] = (char)frames;
    if (frames > 0) {
        release_deep(p, frames - 1);
    } else {
        gc_release(p);
    }
    frame[1] = frame[0];
}

/* Whatever the jumps have left behind, deep structures still go at once, and on little stack. */
START_TEST(a_destructor_may_jump_away)
{
    for (volatile int i = 0; i < 200; i++) {
        if (!setjmp(way_out)) {
            void *p = objects[i % 7] = gc_rc_malloc(i % 2 ? 40 : 30000, jump);
            release_deep(p, i % 50);
            ck_abort_msg("came back");
        }
        ck_assert_int_eq(n_destroyed, i + 1);
    }
    for (int frames = 0; frames < 60; frames++) {
        cell *head = NULL;
        n_destroyed = 0;
        for (int i = 0; i < 3000; i++) {
            cell *made = gc_rc_malloc(sizeof(cell), release_next);
            made->next = head;
            objects[0] = head = made;
        }
        release_deep(head, frames);
        ck_assert_int_eq(n_destroyed, 3000);
    }
}
END_TEST

START_TEST(free_runs_the_destructor_once)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        void *p = objects[0] = gc_rc_malloc(sizes[i], note);
        for (size_t k = 0; k < i; k++) {
            gc_retain(p);
        }
        setup();
        gc_free(p);
        ck_assert_int_eq(n_destroyed, 1);
        ck_assert_uint_eq(gc_sizeof(p), 0);
    }
    gc_free(gc_rc_malloc(40, NULL));
    node *a = gc_rc_malloc(sizeof(node), release_links);
    a->next = gc_rc_malloc(sizeof(node), note);
    setup();
    gc_free(a);
    ck_assert_int_eq(n_destroyed, 2);
}
END_TEST

START_TEST(realloc_keeps_count_and_destructor)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t k = 0; k < N_SIZES; k++) {
            char *p = gc_rc_malloc(sizes[i] + 1, note);
            p[0] = 'x';
            gc_retain(p);
            char *q = objects[0] = gc_realloc(p, sizes[k] + 1);
            ck_assert_ptr_nonnull(q);
            ck_assert_int_eq(q[0], 'x');
            ck_assert_int_eq(gc_get_refcount(q), 2);
            gc_release(q);
            setup();
            gc_release(q);
            ck_assert_int_eq(n_destroyed, 1);
            ck_assert_ptr_eq(last_destroyed, q);
        }
    }
}
END_TEST

/* Many destructors: each object calls its own. */
static int which;

#define DESTRUCTOR(n)                 \
    static void destructor_##n(void *p) \
    {                                 \
        (void)p;                      \
        which = n;                    \
    }
DESTRUCTOR(0) DESTRUCTOR(1) DESTRUCTOR(2) DESTRUCTOR(3) DESTRUCTOR(4) DESTRUCTOR(5) DESTRUCTOR(6)

START_TEST(each_object_has_its_own_destructor)
{
    const gc_destructor all[] = {destructor_0, destructor_1, destructor_2, destructor_3,
                                 destructor_4, destructor_5, destructor_6};
    for (int i = 0; i < MANY; i++) {
        objects[i] = gc_rc_malloc(16, all[i % 7]);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        gc_release(objects[i]);
        ck_assert_int_eq(which, i % 7);
    }
}
END_TEST

/* ---- Errors ----------------------------------------------------------------------------------- */

typedef struct heard {
    int n_calls;
    gc_error last;
} heard;

static void hear(const gc_error *error, void *arg)
{
    heard *h = arg;
    h->n_calls++;
    h->last = *error;
}

static void *volatile opaque;

static void expect_error(heard *h, int n_calls, gc_error_code code, const char *call, const void *p)
{
    ck_assert_int_eq(h->n_calls, n_calls);
    ck_assert_int_eq(h->last.code, code);
    ck_assert_str_eq(h->last.call, call);
    ck_assert_ptr_eq(h->last.address, p);
}

START_TEST(misuse_goes_to_the_handler)
{
    static heard h;
    static long data[4];
    int n = 0;
    gc_set_error_handler(hear, &h);
    for (size_t i = 0; i < N_SIZES; i++) {
        char *p = objects[0] = gc_rc_malloc(sizes[i], note);
        if (sizes[i] > 16) {
            errno = 0;
            ck_assert_ptr_null(gc_retain(p + 16));
            ck_assert_int_eq(errno, EINVAL);
            expect_error(&h, ++n, GC_ERROR_INTERIOR, "gc_retain", p + 16);
            gc_release(p + 8);
            expect_error(&h, ++n, GC_ERROR_INTERIOR, "gc_release", p + 8);
        }
        gc_release(p);
        gc_release(p);
        expect_error(&h, ++n, GC_ERROR_OVER_RELEASE, "gc_release", p);
        errno = 0;
        ck_assert_ptr_null(gc_retain(p));
        ck_assert_int_eq(errno, EINVAL);
        expect_error(&h, ++n, GC_ERROR_USE_AFTER_RELEASE, "gc_retain", p);
        gc_free(p);
        expect_error(&h, ++n, GC_ERROR_DOUBLE_FREE, "gc_free", p);
    }
    opaque = data;
    gc_release(opaque);
    expect_error(&h, ++n, GC_ERROR_FOREIGN, "gc_release", data);
    ck_assert_ptr_null(gc_retain((void *)64));
    expect_error(&h, ++n, GC_ERROR_WILD, "gc_retain", (void *)64);
    ck_assert_int_eq(n_destroyed, N_SIZES);
}
END_TEST

static void release_too_often(void *object)
{
    note(object);
    gc_retain(object);
    gc_release(object);
    gc_release(object);
}

static void free_itself(void *object)
{
    note(object);
    gc_free(object);
}

START_TEST(a_destructor_cannot_end_its_object_twice)
{
    static heard h;
    gc_set_error_handler(hear, &h);
    void *p = objects[0] = gc_rc_malloc(40, release_too_often);
    gc_release(p);
    expect_error(&h, 1, GC_ERROR_OVER_RELEASE, "gc_release", p);
    ck_assert_int_eq(n_destroyed, 1);
    ck_assert_uint_eq(gc_sizeof(p), 0);
    p = objects[0] = gc_rc_malloc(40, free_itself);
    gc_release(p);
    expect_error(&h, 2, GC_ERROR_DOUBLE_FREE, "gc_free", p);
    ck_assert_int_eq(n_destroyed, 2);
    ck_assert_uint_eq(gc_sizeof(p), 0);
}
END_TEST

static void over_release(void *unused)
{
    (void)unused;
    void *p = gc_rc_malloc(40, NULL);
    gc_release(p);
    gc_release(p);
}

static void retain_late(void *unused)
{
    (void)unused;
    void *p = gc_rc_malloc(40, NULL);
    gc_release(p);
    gc_retain(p);
}

START_TEST(misuse_stops_the_program)
{
    outcome o;
    run_forked(over_release, NULL, &o);
    ck_assert_contains(o.err, "released too often");
    run_forked(retain_late, NULL, &o);
    ck_assert_contains(o.err, "use after release");
    ck_assert_int_ne(o.signal, 0);
}
END_TEST

/* ---- Threads ---------------------------------------------------------------------------------- */

static void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static pthread_t destroyed_by;

static void note_thread(void *object)
{
    note(object);
    destroyed_by = pthread_self();
}

static void *release_and_look(void *p)
{
    gc_release(p);
    return NULL;
}

static void *release_last_here(void *p)
{
    int before = n_destroyed;
    gc_release(p);
    ck_assert_int_eq(n_destroyed, before + 1);
    ck_assert(pthread_equal(destroyed_by, pthread_self()));
    ck_assert_uint_eq(gc_sizeof(p), 0);
    return NULL;
}

/* More often than it takes for a type to be handed over. */
START_TEST(the_last_release_frees_at_once_wherever_it_is)
{
    for (int i = 0; i < 50; i++) {
        void *p = objects[0] = gc_rc_malloc(sizes[(size_t)i % N_SIZES], note_thread);
        gc_retain(p);
        in_thread(release_and_look, p);
        ck_assert_int_eq(gc_get_refcount(p), 1);
        ck_assert_int_eq(n_destroyed, i);
        if (i % 3 == 0) {
            gc_retain(p); /* goes on counting what is not its own any more */
            gc_release(p);
        }
        if (i % 2) {
            in_thread(release_last_here, p);
        } else {
            release_last_here(p);
        }
    }
}
END_TEST

static void *retain_many(void *p)
{
    for (int i = 0; i < 1000; i++) {
        ck_assert_ptr_eq(gc_retain(p), p);
    }
    for (int i = 0; i < 500; i++) {
        gc_release(p);
    }
    return NULL;
}

START_TEST(counts_of_several_threads_add_up)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        void *p = objects[0] = gc_rc_malloc(sizes[i], note);
        in_thread(retain_many, p);
        ck_assert_int_eq(gc_get_refcount(p), 501);
        gc_retain(p);
        gc_release(p);
        gc_release(p); /* the owner's own count is 0 */
        ck_assert_int_eq(gc_get_refcount(p), 500);
        for (int k = 0; k < 499; k++) {
            gc_release(p);
        }
        in_thread(retain_many, p);
        ck_assert_int_eq(gc_get_refcount(p), 501);
        setup();
        for (int k = 0; k < 501; k++) {
            ck_assert_int_eq(n_destroyed, 0);
            gc_release(p);
        }
        ck_assert_int_eq(n_destroyed, 1);
    }
}
END_TEST

static void *volatile contended; /* both threads are at it; NULL: not yet */
static volatile int n_passed;

static void *release_what_is_passed(void *unused)
{
    (void)unused;
    for (int i = 0; i < MANY; i++) {
        void *p;
        while ((p = __atomic_exchange_n(&contended, NULL, __ATOMIC_ACQ_REL)) == NULL) {
        }
        gc_release(p);
        __atomic_add_fetch(&n_passed, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* The owner counts in its fast path while another thread takes the object away from it, to release a count that
 * it was given. Each object has a block of its own, and all are made before: or they were taken away
 * together, or born un-owned. */
START_TEST(an_owner_counts_while_others_release)
{
    pthread_t thread;
    for (int i = 0; i < MANY; i++) {
        objects[i] = gc_rc_malloc(30000, note);
        gc_retain(objects[i]);
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, release_what_is_passed, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        void *p = objects[i];
        __atomic_store_n(&contended, p, __ATOMIC_RELEASE);
        while (__atomic_load_n(&n_passed, __ATOMIC_ACQUIRE) == i) {
            for (int k = 0; k < 50; k++) {
                gc_retain(p);
            }
            for (int k = 0; k < 50; k++) {
                gc_release(p);
            }
        }
        ck_assert_int_eq(gc_get_refcount(p), 1);
    }
    pthread_join(thread, NULL);
    for (int i = 0; i < MANY; i++) {
        gc_release(objects[i]);
        ck_assert_int_eq(n_destroyed, i + 1);
    }
}
END_TEST

static void *make_objects(void *unused)
{
    (void)unused;
    for (int i = 0; i < MANY; i++) {
        objects[i] = gc_rc_malloc(24, note);
    }
    return NULL;
}

START_TEST(objects_outlive_their_thread)
{
    for (int round = 0; round < 5; round++) {
        in_thread(make_objects, NULL);
        n_destroyed = 0;
        for (int i = 0; i < MANY; i++) {
            gc_retain(objects[i]);
            ck_assert_int_eq(gc_get_refcount(objects[i]), 2);
            gc_release(objects[i]);
            gc_release(objects[i]);
            ck_assert_int_eq(n_destroyed, i + 1);
        }
    }
}
END_TEST

static void fork_and_count(void *unused)
{
    (void)unused;
    for (int i = 0; i < MANY; i++) {
        gc_release(objects[i]);
    }
    ck_assert_int_eq(n_destroyed, MANY);
    make_objects(NULL);
    for (int i = 0; i < MANY; i++) {
        gc_release(objects[i]);
    }
    ck_assert_int_eq(n_destroyed, 2 * MANY);
}

static volatile int is_over;

static void *count_on(void *p)
{
    while (!is_over) {
        gc_retain(p);
        gc_release(p);
        gc_release(gc_rc_malloc(40, NULL));
    }
    return NULL;
}

/* Of a thread that is gone in the child, and was in the middle of counting. */
START_TEST(a_child_goes_on_counting)
{
    outcome o;
    pthread_t thread;
    void *p = gc_rc_malloc(40, NULL);
    in_thread(make_objects, NULL);
    pthread_create(&thread, NULL, count_on, p);
    for (int i = 0; i < 20; i++) {
        run_forked(fork_and_count, NULL, &o);
        ck_assert_exited(&o, 0);
    }
    is_over = 1;
    pthread_join(thread, NULL);
    ck_assert_int_eq(gc_get_refcount(p), 1);
    for (int i = 0; i < MANY; i++) {
        gc_release(objects[i]);
    }
    make_objects(NULL);
    n_destroyed = 0;
    run_forked(fork_and_count, NULL, &o);
    ck_assert_exited(&o, 0);
    gc_release(p);
}
END_TEST

/* A filter that kills the process for the call by which threads are made to pass a barrier. */
static void confine(void)
{
    static struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof rules[0], rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(77);
    }
}

static void release_confined(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        objects[i] = gc_rc_malloc(i % 2 ? 40 : 30000, note_thread);
    }
    confine();
    for (int i = 0; i < 20; i++) {
        in_thread(release_last_here, objects[i]);
    }
    ck_assert_int_eq(n_destroyed, 20);
}

START_TEST(objects_change_hands_under_a_filter)
{
    outcome o;
    run_forked(release_confined, NULL, &o);
    if (o.exit_status != 77) { /* this kernel has no filters */
        ck_assert_exited(&o, 0);
    }
}
END_TEST

/* ---- Memory ----------------------------------------------------------------------------------- */

START_TEST(no_memory_is_no_accident)
{
    errno = 0;
    static volatile size_t too_much = SIZE_MAX / 2 + 1;
    ck_assert_ptr_null(gc_rc_malloc(too_much, note));
    ck_assert_int_eq(errno, ENOMEM);
    gc_set_heap_max(16 << 20);
    size_t n = 0;
    cell *head = NULL;
    for (cell *made; (made = gc_rc_malloc(1000, release_next)) != NULL; n++) {
        made->next = head;
        objects[0] = head = made;
    }
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_gt(n, 1000);
    gc_release(head);
    ck_assert_uint_eq((size_t)n_destroyed, n);
    ck_assert_ptr_nonnull(gc_rc_malloc(1000, note));
}
END_TEST

static void *blocked(void *p)
{
    ck_assert_ptr_eq(gc_retain(p), p);
    gc_release(p);
    gc_release(p);
    return NULL;
}

START_TEST(counting_ends_a_blocking_region)
{
    void *p = objects[0] = gc_rc_malloc(40, note);
    gc_blocking_call(blocked, p);
    ck_assert_int_eq(n_destroyed, 1);
    p = objects[0] = gc_rc_malloc(40, note);
    gc_release(p);
    ck_assert_int_eq(n_destroyed, 2);
}
END_TEST

static TCase *rules_case(void)
{
    TCase *tc = tcase_create("rules");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, objects_are_zeroed_and_counted);
    tcase_add_test(tc, the_last_of_many_references_counts);
    tcase_add_test(tc, what_is_not_counted_is_left_alone);
    tcase_add_test(tc, storage_is_used_again_at_once);
    tcase_add_test(tc, a_graph_goes_with_its_last_reference);
    tcase_add_test(tc, set_and_del_change_counts);
    tcase_add_test(tc, set_is_safe_in_its_order);
    tcase_add_test(tc, a_long_list_needs_little_stack);
    tcase_add_test(tc, what_waits_for_its_destructor_is_not_reclaimed);
    tcase_add_test(tc, cycles_are_left_to_the_tracer);
    tcase_add_test(tc, counted_and_traced_objects_share_a_graph);
    tcase_add_test(tc, realloc_keeps_count_and_destructor);
    tcase_add_test(tc, each_object_has_its_own_destructor);
    tcase_add_test(tc, no_memory_is_no_accident);
    tcase_add_test(tc, counting_ends_a_blocking_region);
    return tc;
}

static TCase *ends_case(void)
{
    TCase *tc = tcase_create("ends");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_destructor_may_count_its_object);
    tcase_add_test(tc, an_object_may_be_saved_once);
    tcase_add_test(tc, a_destructor_may_jump_away);
    tcase_add_test(tc, free_runs_the_destructor_once);
    tcase_add_test(tc, misuse_goes_to_the_handler);
    tcase_add_test(tc, a_destructor_cannot_end_its_object_twice);
    tcase_add_test(tc, misuse_stops_the_program);
    return tc;
}

static TCase *threads_case(void)
{
    TCase *tc = tcase_create("threads");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, a_long_list_may_end_in_another_thread);
    tcase_add_test(tc, the_last_release_frees_at_once_wherever_it_is);
    tcase_add_test(tc, counts_of_several_threads_add_up);
    tcase_add_test(tc, an_owner_counts_while_others_release);
    tcase_add_test(tc, objects_outlive_their_thread);
    tcase_add_test(tc, a_child_goes_on_counting);
    tcase_add_test(tc, objects_change_hands_under_a_filter);
    return tc;
}

Suite *refcount_suite(void)
{
    Suite *suite = suite_create("refcount");
    suite_add_tcase(suite, rules_case());
    suite_add_tcase(suite, ends_case());
    suite_add_tcase(suite, threads_case());
    return suite;
}
