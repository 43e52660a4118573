/* SPDX-License-Identifier: MIT */
/* tests/api/roots.c - what the program tells about its memory, threads and stacks. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>

#include "suites.h"

/* Memory that is no root: excluded, because under the malloc library all memory is. */
static void *map_aside(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    ck_assert_int_eq(gc_exclude_root(p, bytes), 0);
    return p;
}

static uintptr_t hidden[MANY];

static void fill_table(void *arg)
{
    void **table = arg;
    for (size_t i = 0; i < MANY; i++) {
        table[i] = gc_malloc(48);
        hidden[i] = hide(table[i]);
    }
}

START_TEST(registered_ranges_are_scanned)
{
    size_t bytes = MANY * sizeof(void *);
    void **table = map_aside(bytes);
    ck_assert_int_eq(gc_add_root(table, bytes), 0);
    ck_assert_int_eq(gc_add_root(table, bytes), 0);
    call_deep(fill_table, table);
    gc_collect();
    ck_assert_uint_eq(count_alive(hidden, MANY), MANY);
    ck_assert_int_eq(gc_remove_root(table, bytes), 0);
    gc_collect();
    ck_assert_uint_eq(count_alive(hidden, MANY), MANY); /* added twice */
    ck_assert_int_eq(gc_remove_root(table, bytes), 0);
    gc_collect();
    ck_assert_uint_le(count_alive(hidden, MANY), FEW);
    errno = 0;
    ck_assert_int_eq(gc_remove_root(table, bytes), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(wrong_ranges_are_refused)
{
    static void *word;
    int (*const calls[])(void *, size_t) = {gc_add_root, gc_remove_root, gc_exclude_root};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_int_eq(calls[i](NULL, 8), -1);
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_int_eq(calls[i](&word, SIZE_MAX), -1); /* wraps */
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_int_eq(gc_remove_root(&word, 8), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(excluded_ranges_are_not_scanned)
{
    static void *table[MANY];
    call_deep(fill_table, table);
    gc_collect();
    ck_assert_uint_eq(count_alive(hidden, MANY), MANY);
    ck_assert_int_eq(gc_exclude_root(table, sizeof table), 0);
    gc_collect();
    ck_assert_uint_le(count_alive(hidden, MANY), FEW);
    call_deep(fill_table, table);
    ck_assert_int_eq(gc_add_root(table, sizeof table), 0); /* is scanned all the same */
    gc_collect();
    ck_assert_uint_eq(count_alive(hidden, MANY), MANY);
}
END_TEST

/* ---- Pins ------------------------------------------------------------------------------------ */

START_TEST(pinned_objects_stay)
{
    static batch b;
    gc_disable(); /* none goes before it is pinned */
    make_garbage(&b, gc_malloc, 48);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(gc_pin((char *)reveal(b.hidden[i]) + 20), 0); /* from inside, too */
        ck_assert_int_eq(gc_pin(reveal(b.hidden[i])), 0);
    }
    gc_collect();
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(gc_unpin(reveal(b.hidden[i])), 0);
    }
    gc_collect();
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY); /* pinned twice */
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(gc_unpin(reveal(b.hidden[i])), 0);
    }
    gc_collect();
    ck_assert_uint_le(count_alive(b.hidden, MANY), FEW);
}
END_TEST

START_TEST(pins_keep_what_the_object_refers_to)
{
    static uintptr_t object;
    void **table = gc_malloc(MANY * sizeof *table);
    call_deep(fill_table, table);
    object = hide(table);
    ck_assert_int_eq(gc_pin(table), 0);
    table = NULL;
    gc_collect();
    ck_assert_uint_eq(count_alive(hidden, MANY), MANY);
    ck_assert_uint_eq(count_alive(&object, 1), 1);
}
END_TEST

START_TEST(wrong_pins_are_refused)
{
    static char data[16];
    char *p = gc_malloc(16);
    void *const wrong[] = {NULL, data, (void *)16};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_int_eq(gc_pin(wrong[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_int_eq(gc_unpin(p), -1); /* not pinned */
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(gc_pin(p), 0);
    gc_free(p); /* ends the pin with the object */
    p = gc_malloc(16);
    ck_assert_int_eq(gc_unpin(p), -1);
}
END_TEST

/* ---- Threads --------------------------------------------------------------------------------- */

START_TEST(threads_may_register)
{
    ck_assert_int_eq(gc_register_thread(), 0);
    ck_assert_int_eq(gc_register_thread(), 0);
    void *p = gc_malloc(10);
    ck_assert_int_eq(gc_unregister_thread(), 0);
    ck_assert_uint_ge(gc_sizeof(p), 10);
    gc_free(p); /* and all comes again */
    ck_assert_ptr_nonnull(gc_malloc(10));
}
END_TEST

static pthread_barrier_t barrier;

static void *wait_twice(void *arg)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return arg;
}

static void *block_with_table(void *arg)
{
    void *table[MANY]; /* on the stack of a thread that does not answer signals */
    memset(table, 0, sizeof table);
    call_deep(fill_table, table);
    void *result = gc_blocking_call(wait_twice, arg);
    size_t n_alive = count_alive(hidden, MANY);
    gc_keep_alive(table);
    return n_alive == MANY ? result : NULL;
}

START_TEST(blocking_calls_do_not_hold_up_a_collection)
{
    pthread_t thread;
    char token;
    void *result;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, block_with_table, &token), 0);
    pthread_barrier_wait(&barrier);
    gc_collect();
    gc_collect();
    pthread_barrier_wait(&barrier);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, &token);
}
END_TEST

/* gc_ calls from inside a blocking call wait for the collection that is under way. What they return
 * is not seen on the stack, so these objects need no reference. */
static void *allocate_inside(void *arg)
{
    size_t *n_wrong = arg;
    static size_t *objects[MANY];
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < MANY; i++) {
            objects[i] = gc_malloc_uncollectable(16 + i % 100);
            *objects[i] = i;
        }
        for (size_t i = 0; i < MANY; i++) {
            objects[i] = gc_realloc(objects[i], 16 + i % 200);
            *n_wrong += *objects[i] != i || gc_sizeof(objects[i]) < 16;
            gc_free(objects[i]);
        }
        if (round % 50 == 0) {
            gc_collect();
            gc_freeze();
            gc_unfreeze();
        }
    }
    return NULL;
}

static void *allocate_in_blocking_call(void *arg)
{
    gc_blocking_call(allocate_inside, arg);
    pthread_barrier_wait(&barrier);
    return NULL;
}

START_TEST(blocking_calls_may_use_the_heap)
{
    static size_t n_wrong;
    pthread_t thread;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, allocate_in_blocking_call, &n_wrong), 0);
    for (int i = 0; i < 50; i++) {
        gc_collect();
    }
    pthread_barrier_wait(&barrier);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(n_wrong, 0);
}
END_TEST

/* ---- Stacks ---------------------------------------------------------------------------------- */

enum { STACK_BYTES = 256 * 1024 };

static struct {
    ucontext_t main, coroutine;
    gc_stack *stack;
    size_t n_alive;
} co;

static void run_coroutine(void)
{
    void *table[MANY];
    memset(table, 0, sizeof table);
    call_deep(fill_table, table);
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main); /* meanwhile the main stack collects */
    co.n_alive = count_alive(hidden, MANY);
    gc_keep_alive(table);
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
}

static void enter_coroutine(void)
{
    ck_assert_int_eq(gc_stack_switch(NULL, co.stack), 0);
    swapcontext(&co.main, &co.coroutine);
}

START_TEST(the_stacks_of_coroutines_are_scanned)
{
    char *low = map_aside(STACK_BYTES);
    co.stack = gc_stack_register(low, STACK_BYTES);
    ck_assert_ptr_nonnull(co.stack);
    ck_assert_int_eq(getcontext(&co.coroutine), 0);
    co.coroutine.uc_stack.ss_sp = low;
    co.coroutine.uc_stack.ss_size = STACK_BYTES;
    co.coroutine.uc_link = NULL;
    makecontext(&co.coroutine, run_coroutine, 0);
    enter_coroutine();
    gc_collect();
    ck_assert_uint_eq(count_alive(hidden, MANY), MANY);
    enter_coroutine();
    ck_assert_uint_eq(co.n_alive, MANY);
    ck_assert_int_eq(gc_stack_unregister(co.stack), 0);
    gc_collect();
    ck_assert_uint_le(count_alive(hidden, MANY), FEW);
    errno = 0;
    ck_assert_int_eq(gc_stack_unregister(co.stack), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void collect_in_coroutine(void)
{
    void *table[MANY];
    memset(table, 0, sizeof table);
    call_deep(fill_table, table);
    gc_collect(); /* on this stack */
    co.n_alive = count_alive(hidden, MANY);
    gc_keep_alive(table);
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
}

START_TEST(a_collection_may_run_on_a_coroutine)
{
    static batch b;
    char *low = map_aside(STACK_BYTES);
    void *on_main_stack[MANY];
    memset(on_main_stack, 0, sizeof on_main_stack);
    call_deep(fill_table, on_main_stack);
    memcpy(b.hidden, hidden, sizeof hidden);
    co.stack = gc_stack_register(low, STACK_BYTES);
    ck_assert_int_eq(getcontext(&co.coroutine), 0);
    co.coroutine.uc_stack.ss_sp = low;
    co.coroutine.uc_stack.ss_size = STACK_BYTES;
    makecontext(&co.coroutine, collect_in_coroutine, 0);
    enter_coroutine();
    ck_assert_uint_eq(co.n_alive, MANY);
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY);
    gc_keep_alive(on_main_stack);
}
END_TEST

START_TEST(wrong_stacks_are_refused)
{
    char *low = map_aside(STACK_BYTES);
    errno = 0;
    ck_assert_ptr_null(gc_stack_register(NULL, 100));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(gc_stack_register(low, 0));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(gc_stack_unregister(NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    gc_stack *stack = gc_stack_register(low, STACK_BYTES);
    errno = 0;
    ck_assert_int_eq(gc_stack_switch(stack, NULL), -1); /* we are not on it */
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

Suite *roots_suite(void)
{
    Suite *suite = suite_create("roots");
    TCase *one = tcase_create("roots");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, registered_ranges_are_scanned);
    tcase_add_test(one, wrong_ranges_are_refused);
    tcase_add_test(one, excluded_ranges_are_not_scanned);
    tcase_add_test(one, pinned_objects_stay);
    tcase_add_test(one, pins_keep_what_the_object_refers_to);
    tcase_add_test(one, wrong_pins_are_refused);
    tcase_add_test(one, threads_may_register);
    tcase_add_test(one, blocking_calls_do_not_hold_up_a_collection);
    tcase_add_test(one, blocking_calls_may_use_the_heap);
    tcase_add_test(one, the_stacks_of_coroutines_are_scanned);
    tcase_add_test(one, a_collection_may_run_on_a_coroutine);
    tcase_add_test(one, wrong_stacks_are_refused);
    suite_add_tcase(suite, one);
    return suite;
}
