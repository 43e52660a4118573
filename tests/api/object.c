/* SPDX-License-Identifier: MIT */
/* tests/api/object.c - questions about an object. */
#include <errno.h>
#include <stdlib.h>

#include <gleaner/gc.h>

#include "suites.h"

static const size_t sizes[] = {16, 24, 100, 128, 1000, 5000, 20000, 100000, 3000000};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

START_TEST(base_finds_the_start_from_inside)
{
    for (int i = 0; i < N_SIZES; i++) {
        char *p = gc_malloc(sizes[i]);
        ck_assert_ptr_eq(gc_base(p), p);
        ck_assert_ptr_eq(gc_base(p + 1), p);
        ck_assert_ptr_eq(gc_base(p + sizes[i] / 2), p);
        ck_assert_ptr_eq(gc_base(p + sizes[i] - 1), p);
        gc_free(p);
    }
}
END_TEST

START_TEST(sizeof_wants_the_start)
{
    for (int i = 0; i < N_SIZES; i++) {
        char *p = gc_malloc(sizes[i]);
        ck_assert_uint_ge(gc_sizeof(p), sizes[i]);
        ck_assert_uint_le(gc_sizeof(p), sizes[i] + sizes[i] / 4 + 16);
        ck_assert_uint_eq(gc_sizeof(p + 8), 0);
        gc_free(p);
    }
}
END_TEST

START_TEST(what_is_not_ours_has_no_answers)
{
    static char data[100];
    char local[100];
    const void *const others[] = {NULL,
                                  data,
                                  local,
                                  (const void *)&base_finds_the_start_from_inside,
                                  (const void *)16,
                                  (const void *)UINTPTR_MAX};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_ptr_null(gc_base(others[i]));
        ck_assert_uint_eq(gc_sizeof(others[i]), 0);
        ck_assert_int_eq(gc_is_tracked(others[i]), 0);
        ck_assert_int_eq(gc_is_finalized(others[i]), 0);
        errno = 0;
        ck_assert_int_eq(gc_get_generation(others[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
}
END_TEST

START_TEST(tracked_is_what_is_scanned)
{
    ck_assert_int_eq(gc_is_tracked(gc_malloc(100)), 1);
    ck_assert_int_eq(gc_is_tracked(gc_malloc_uncollectable(100)), 1);
    ck_assert_int_eq(gc_is_tracked(gc_malloc_atomic(100)), 0);
    ck_assert_int_eq(gc_is_tracked(gc_malloc_atomic(1000000)), 0);
    char *p = gc_malloc(100);
    ck_assert_int_eq(gc_is_tracked(p + 16), 0);
    gc_free(p);
    ck_assert_int_eq(gc_is_tracked(p), 0);
}
END_TEST

START_TEST(generation_says_frozen)
{
    for (int i = 0; i < N_SIZES; i++) {
        char *p = gc_malloc(sizes[i]);
        ck_assert_int_eq(gc_get_generation(p), 0);
        gc_freeze();
        ck_assert_int_eq(gc_get_generation(p), 3);
        gc_unfreeze();
        ck_assert_int_eq(gc_get_generation(p), 0);
        ck_assert_int_eq(gc_is_finalized(p), 0);
        gc_free(p);
        ck_assert_int_eq(gc_get_generation(p), -1);
    }
}
END_TEST

START_TEST(malloc_shares_the_heap_if_it_is_ours)
{
    char *volatile p = malloc(100);
    if (is_malloc_ours()) {
        ck_assert_ptr_eq(gc_base(p + 50), p);
        ck_assert_int_eq(gc_is_tracked(p), 1);
        gc_free(p);
        char *volatile q = gc_malloc(100);
        free(q);
        ck_assert_ptr_null(gc_base(q));
    } else {
        ck_assert_ptr_null(gc_base(p));
        free(p);
    }
}
END_TEST

Suite *object_suite(void)
{
    Suite *suite = suite_create("object");
    TCase *one = tcase_create("object");
    tcase_add_test(one, base_finds_the_start_from_inside);
    tcase_add_test(one, sizeof_wants_the_start);
    tcase_add_test(one, what_is_not_ours_has_no_answers);
    tcase_add_test(one, tracked_is_what_is_scanned);
    tcase_add_test(one, generation_says_frozen);
    tcase_add_test(one, malloc_shares_the_heap_if_it_is_ours);
    suite_add_tcase(suite, one);
    return suite;
}
