/* SPDX-License-Identifier: MIT */
/* tests/api/errors.c - a program that wants to hear of its misuse itself. The default, which stops
 * the program, is in tests/death. */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <gleaner/gc.h>

#include "suites.h"

typedef struct heard {
    int n_calls;
    gc_error last;
} heard;

static void hear(const gc_error *error, void *arg)
{
    heard *h = arg;
    h->n_calls++;
    h->last = *error;
    gc_free(gc_malloc(100)); /* may allocate */
}

/* Frees the address and returns what the handler hears. */
static gc_error_code free_wrongly(void *p, heard *h)
{
    int before = h->n_calls;
    errno = 0;
    gc_free(p);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(h->n_calls, before + 1);
    ck_assert_uint_eq(h->last.size, sizeof(gc_error));
    ck_assert_str_eq(h->last.call, "gc_free");
    ck_assert_ptr_eq(h->last.address, p);
    ck_assert_uint_gt(strlen(h->last.why), 5);
    return h->last.code;
}

/* Volatile: the compiler knows gc_free()'s rules as little as the test obeys them. */
static void *volatile opaque;

static void *launder(void *p)
{
    opaque = p;
    return opaque;
}

START_TEST(the_handler_hears_what_is_wrong)
{
    static heard h;
    static long data[4];
    long local[4];
    gc_set_error_handler(hear, &h);
    const size_t sizes[] = {16, 24, 128, 1000, 20000, 30000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *p = gc_malloc(sizes[i]);
        ck_assert_int_eq(free_wrongly(p + 8, &h), GC_ERROR_INTERIOR);
        ck_assert_int_eq(free_wrongly(p + 1, &h), GC_ERROR_INTERIOR);
        ck_assert_int_eq(free_wrongly(p + sizes[i] - 1, &h), GC_ERROR_INTERIOR);
        gc_free(p);
        ck_assert_int_eq(free_wrongly(p, &h), GC_ERROR_DOUBLE_FREE);
        ck_assert_int_eq(free_wrongly(p, &h), GC_ERROR_DOUBLE_FREE);
    }
    ck_assert_int_eq(free_wrongly(launder(data), &h), GC_ERROR_FOREIGN);
    ck_assert_int_eq(free_wrongly(launder(local), &h), GC_ERROR_FOREIGN);
    ck_assert_int_eq(free_wrongly((void *)64, &h), GC_ERROR_WILD);
    ck_assert_int_eq(free_wrongly((void *)UINTPTR_MAX, &h), GC_ERROR_WILD);
}
END_TEST

START_TEST(the_heap_is_whole_after_misuse)
{
    static heard h;
    static void *objects[MANY];
    gc_set_error_handler(hear, &h);
    for (size_t i = 0; i < MANY; i++) {
        objects[i] = gc_malloc(i);
        gc_free((char *)objects[i] + 1);
    }
    for (size_t i = 0; i < MANY; i++) {
        gc_free(objects[i]);
        gc_free(objects[i]);
    }
    ck_assert_int_eq(h.n_calls, 2 * MANY);
    for (size_t i = 0; i < MANY; i++) { /* none is given out twice */
        objects[i] = gc_malloc(sizeof i + i);
        *(size_t *)objects[i] = i;
    }
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_uint_eq(*(size_t *)objects[i], i);
    }
}
END_TEST

START_TEST(realloc_is_watched_too)
{
    static heard h;
    gc_set_error_handler(hear, &h);
    char *p = gc_malloc(100);
    errno = 0;
    ck_assert_ptr_null(gc_realloc(p + 16, 200));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(h.last.code, GC_ERROR_INTERIOR);
    ck_assert_str_eq(h.last.call, "gc_realloc");
    gc_free(p);
    ck_assert_ptr_null(gc_realloc(launder(p), 200));
    ck_assert_int_eq(h.last.code, GC_ERROR_DOUBLE_FREE);
    ck_assert_ptr_null(gc_reallocarray(launder(p), 20, 20));
    ck_assert_str_eq(h.last.call, "gc_reallocarray");
    ck_assert_int_eq(h.n_calls, 3);
}
END_TEST

static jmp_buf out;

static void jump(const gc_error *error, void *arg)
{
    *(gc_error_code *)arg = error->code;
    longjmp(out, 1);
}

START_TEST(the_handler_need_not_return)
{
    static gc_error_code code;
    gc_set_error_handler(jump, &code);
    for (volatile int i = 0; i < 100; i = i + 1) {
        code = 0;
        if (setjmp(out) == 0) {
            char *p = gc_malloc(100);
            gc_free(p + 32);
            ck_abort_msg("not reached");
        }
        ck_assert_int_eq(code, GC_ERROR_INTERIOR);
    }
    gc_collect(); /* no lock was left behind */
}
END_TEST

START_TEST(handlers_replace_each_other)
{
    static heard h;
    ck_assert(gc_set_error_handler(hear, &h) == NULL);
    ck_assert(gc_set_error_handler(jump, NULL) == hear);
    ck_assert(gc_set_error_handler(NULL, NULL) == jump);
    ck_assert(gc_set_error_handler(hear, &h) == NULL);
}
END_TEST

Suite *errors_suite(void)
{
    Suite *suite = suite_create("errors");
    TCase *one = tcase_create("errors");
    tcase_add_test(one, the_handler_hears_what_is_wrong);
    tcase_add_test(one, the_heap_is_whole_after_misuse);
    tcase_add_test(one, realloc_is_watched_too);
    tcase_add_test(one, the_handler_need_not_return);
    tcase_add_test(one, handlers_replace_each_other);
    suite_add_tcase(suite, one);
    return suite;
}
