/* SPDX-License-Identifier: MIT */
/* tests/api/collect.c - what a collection takes, and what it leaves. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>

#include "suites.h"

/* ---- What goes ------------------------------------------------------------------------------- */

START_TEST(the_unreachable_goes)
{
    static batch b;
    const size_t sizes[] = {16, 100, 1000, 20000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        gc_disable(); /* the test itself allocates */
        make_garbage(&b, gc_malloc, sizes[i]);
        ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY);
        ck_assert_uint_ge(gc_collect(), MOST);
        gc_enable();
        ck_assert_uint_le(count_alive(b.hidden, MANY), FEW);
    }
}
END_TEST

START_TEST(the_unreachable_goes_in_every_kind)
{
    static batch b;
    make_garbage(&b, gc_malloc_atomic, 50);
    gc_collect();
    ck_assert_uint_le(count_alive(b.hidden, MANY), FEW);
    make_garbage(&b, gc_malloc_uncollectable, 50);
    gc_collect();
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY); /* but this one waits for gc_free() */
    for (size_t i = 0; i < MANY; i++) {
        gc_free(reveal(b.hidden[i]));
    }
    ck_assert_uint_eq(count_alive(b.hidden, MANY), 0);
}
END_TEST

typedef struct node {
    struct node *next;
    struct node *previous;
    size_t number;
} node;

static struct {
    node *first;
    uintptr_t hidden[MANY];
} ring;

static void make_rings(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i += 2) { /* of two nodes each */
        node *a = gc_malloc(sizeof *a), *b = gc_malloc(sizeof *b);
        a->next = a->previous = b;
        b->next = b->previous = a;
        ring.hidden[i] = hide(a);
        ring.hidden[i + 1] = hide(b);
    }
}

START_TEST(cycles_go)
{
    call_deep(make_rings, NULL);
    gc_collect();
    ck_assert_uint_le(count_alive(ring.hidden, MANY), FEW);
}
END_TEST

/* ---- What stays ------------------------------------------------------------------------------ */

static void make_list(void *arg)
{
    node **first = arg;
    for (size_t i = 0; i < MANY; i++) {
        node *n = gc_malloc(sizeof *n);
        n->number = i;
        n->next = *first;
        *first = n;
        ring.hidden[i] = hide(n);
    }
}

static void check_list(const node *n)
{
    for (size_t i = MANY; i-- > 0; n = n->next) {
        ck_assert_uint_eq(n->number, i);
    }
    ck_assert_ptr_null(n);
}

static void churn(void)
{
    static batch b;
    for (int i = 0; i < 5; i++) {
        make_garbage(&b, gc_malloc, sizeof(node)); /* would overwrite what is wrongly free */
        gc_collect();
    }
}

/* Each kind of root is the only one that leads to a list. */
static node *in_data = (node *)16, *in_bss;
static __thread node *in_tls;

START_TEST(static_data_is_a_root)
{
    in_data = NULL;
    call_deep(make_list, &in_data);
    churn();
    check_list(in_data);
    call_deep(make_list, &in_bss);
    churn();
    check_list(in_bss);
    in_bss = in_data = NULL;
    gc_collect();
    ck_assert_uint_le(count_alive(ring.hidden, MANY), FEW); /* the second list */
}
END_TEST

START_TEST(thread_local_storage_is_a_root)
{
    call_deep(make_list, &in_tls);
    churn();
    check_list(in_tls);
}
END_TEST

START_TEST(the_stack_is_a_root)
{
    node *in_frame = NULL;
    call_deep(make_list, &in_frame);
    churn();
    check_list(in_frame);
}
END_TEST

START_TEST(uncollectable_objects_are_roots)
{
    static uintptr_t hidden;
    node **p = gc_malloc_uncollectable(100000);
    call_deep(make_list, p + 7000);
    hidden = hide(p);
    p = NULL;
    churn();
    check_list(((node **)reveal(hidden))[7000]);
}
END_TEST

START_TEST(interior_pointers_count)
{
    static char *inside[MANY];
    const size_t sizes[] = {32, 1000, 20000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < 100; j++) {
            char *p = gc_malloc(sizes[i]);
            memset(p, 'x', sizes[i]);
            inside[j] = p + sizes[i] * (j + 1) / 101;
        }
        churn();
        for (size_t j = 0; j < 100; j++) {
            char *p = inside[j] - sizes[i] * (j + 1) / 101;
            ck_assert_ptr_eq(gc_base(p), p);
            ck_assert_int_eq(p[0], 'x');
            ck_assert_int_eq(p[sizes[i] - 1], 'x');
        }
    }
}
END_TEST

/* C allows such a pointer, and a loop that runs to the end may have no other. Up to 128 bytes,
 * where objects lie side by side, the address may also be the start of a neighbour, and then counts
 * for that one only; so every second object is freed, and pointers to others are left out. */
START_TEST(one_past_the_end_counts)
{
    enum { N = 100 };
    static char *past[N];
    static uintptr_t start[N];
    const size_t sizes[] = {1,   16,  24,   32,   64,    112,   128,
                            129, 256, 1024, 4096, 20000, 65536, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t n = 0, n_alive = 0;
        gc_disable(); /* no object goes before the pointers are in place */
        for (size_t j = 0; j < N; j++) {
            char *p = gc_malloc(sizes[i]);
            past[j] = p + sizes[i];
            start[j] = hide(p);
        }
        for (size_t j = 0; j < N; j += 2) {
            gc_free(reveal(start[j]));
            past[j] = NULL;
        }
        for (size_t j = 1; j < N; j += 2) {
            void *owner = gc_base(past[j]);
            if (!owner || owner == reveal(start[j])) {
                start[n++] = start[j];
            }
        }
        gc_keep_alive(past); /* they are in memory now */
        gc_collect();
        gc_enable();
        n_alive = count_alive(start, n);
        ck_assert_msg(n_alive == n, "size %zu: %zu of %zu", sizes[i], n_alive, n);
        ck_assert_uint_ge(n, 20);
    }
}
END_TEST

START_TEST(objects_without_pointers_are_not_scanned)
{
    static void **table;
    static uintptr_t hidden[MANY];
    table = gc_malloc_atomic(MANY * sizeof *table);
    memset(table, 0, MANY * sizeof *table);
    static batch b;
    make_garbage(&b, gc_malloc, 64);
    for (size_t i = 0; i < MANY; i++) {
        table[i] = reveal(b.hidden[i]);
        hidden[i] = b.hidden[i];
    }
    gc_collect();
    ck_assert_uint_le(count_alive(hidden, MANY), FEW);
}
END_TEST

/* ---- Threads and processes ------------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *hold_list(void *arg)
{
    node *in_frame = NULL;
    (void)arg;
    call_deep(make_list, &in_frame);
    pthread_barrier_wait(&barrier); /* the list is there */
    pthread_barrier_wait(&barrier); /* the main thread has collected */
    check_list(in_frame);
    return NULL;
}

START_TEST(the_stacks_of_other_threads_are_roots)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold_list, NULL), 0);
    pthread_barrier_wait(&barrier);
    churn();
    pthread_barrier_wait(&barrier);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    gc_collect();
    ck_assert_uint_le(count_alive(ring.hidden, MANY), FEW); /* the stack is gone */
}
END_TEST

enum { N_THREADS = 4, N_ROUNDS = 30 };

/* Makes a list, has other threads collect meanwhile, finds it whole. */
static void *allocate_and_check(void *arg)
{
    for (int round = 0; round < N_ROUNDS; round++) {
        node *first = NULL;
        for (size_t i = 0; i < MANY; i++) {
            node *n = gc_malloc(sizeof *n);
            n->number = i;
            n->next = first;
            first = n;
        }
        if (round % 10 == 0) {
            gc_collect();
        }
        for (size_t i = MANY; i-- > 0; first = first->next) {
            if (first->number != i) {
                return arg; /* the checks of the library are not for threads */
            }
        }
    }
    return NULL;
}

START_TEST(threads_allocate_while_others_collect)
{
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate_and_check, threads + N_THREADS),
                         0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        void *result;
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_null(result);
    }
}
END_TEST

START_TEST(the_child_of_a_fork_goes_on)
{
    node *in_frame = NULL;
    static batch b;
    call_deep(make_list, &in_frame);
    pid_t pid = fork();
    if (pid == 0) {
        make_garbage(&b, gc_malloc, 100);
        gc_collect();
        _exit(count_alive(b.hidden, MANY) <= FEW && in_frame->number == MANY - 1 &&
                      count_alive(ring.hidden, MANY) == MANY
                  ? 0
                  : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    churn();
    check_list(in_frame);
}
END_TEST

/* ---- The calls ------------------------------------------------------------------------------- */

START_TEST(generations_and_steps)
{
    static batch b;
    for (int generation = 0; generation <= 2; generation++) {
        make_garbage(&b, gc_malloc, 48);
        ck_assert_int_ge(gc_collect_generation(generation), 0);
    }
    ck_assert_uint_le(count_alive(b.hidden, MANY), FEW);
    errno = 0;
    ck_assert_int_eq(gc_collect_generation(3), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(gc_collect_generation(-1), -1);
    ck_assert_int_eq(errno, EINVAL);
    make_garbage(&b, gc_malloc, 48);
    while (gc_collect_step(1000000) == 1) {
    }
    ck_assert_uint_le(count_alive(b.hidden, MANY), FEW);
}
END_TEST

START_TEST(frozen_objects_stay)
{
    static batch b;
    gc_collect();
    make_garbage(&b, gc_malloc, 48);
    gc_freeze();
    ck_assert_uint_ge(gc_get_freeze_count(), MANY);
    gc_collect();
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY);
    gc_free(reveal(b.hidden[0])); /* gc_free() still can */
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY - 1);
    gc_unfreeze();
    ck_assert_uint_eq(gc_get_freeze_count(), 0);
    gc_collect();
    ck_assert_uint_le(count_alive(b.hidden, MANY), FEW);
}
END_TEST

START_TEST(frozen_objects_are_roots)
{
    static uintptr_t hidden;
    node **cell = gc_malloc(sizeof *cell);
    call_deep(make_list, cell);
    gc_freeze();
    hidden = hide(cell);
    cell = NULL;
    /* A new object that only a frozen one knows. */
    node *last = gc_malloc(sizeof *last);
    last->number = 4711;
    ((node *)reveal(ring.hidden[0]))->previous = last;
    last = NULL;
    churn();
    check_list(*(node **)reveal(hidden));
    ck_assert_uint_eq(((node *)reveal(ring.hidden[0]))->previous->number, 4711);
}
END_TEST

Suite *collect_suite(void)
{
    Suite *suite = suite_create("collect");
    TCase *goes = tcase_create("goes");
    tcase_add_test(goes, the_unreachable_goes);
    tcase_add_test(goes, the_unreachable_goes_in_every_kind);
    tcase_add_test(goes, cycles_go);
    tcase_add_test(goes, objects_without_pointers_are_not_scanned);
    TCase *stays = tcase_create("stays");
    tcase_add_test(stays, static_data_is_a_root);
    tcase_add_test(stays, thread_local_storage_is_a_root);
    tcase_add_test(stays, the_stack_is_a_root);
    tcase_add_test(stays, uncollectable_objects_are_roots);
    tcase_add_test(stays, interior_pointers_count);
    tcase_add_test(stays, one_past_the_end_counts);
    TCase *processes = tcase_create("processes");
    tcase_add_test(processes, the_stacks_of_other_threads_are_roots);
    tcase_add_test(processes, threads_allocate_while_others_collect);
    tcase_add_test(processes, the_child_of_a_fork_goes_on);
    TCase *calls = tcase_create("calls");
    tcase_add_test(calls, generations_and_steps);
    tcase_add_test(calls, frozen_objects_stay);
    tcase_add_test(calls, frozen_objects_are_roots);
    TCase *const all[] = {goes, stays, processes, calls};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    return suite;
}
