/* SPDX-License-Identifier: MIT */
/* tests/api/realloc.c - objects that change their size. */
#include <errno.h>
#include <string.h>

#include <gleaner/gc.h>

#include "suites.h"

/* The content of byte i of the test pattern: never 0. */
static char pattern(size_t i)
{
    return (char)(1 + i % 100);
}

static void fill(char *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        p[i] = pattern(i);
    }
}

/* One assertion for all bytes: each is a message through a pipe. */
static void check_content(const char *p, size_t n_filled, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] == (i < n_filled ? pattern(i) : 0)) {
        i++;
    }
    ck_assert_msg(i == n, "byte %zu of %zu (%zu filled)", i, n, n_filled);
}

START_TEST(growing_keeps_content_and_adds_zeros)
{
    size_t size = 1;
    char *p = gc_malloc(size);
    fill(p, 0, size);
    while (size < 4 * 1024 * 1024) {
        size_t larger = size + 1 + size / 3;
        p = gc_realloc(p, larger);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_ge(gc_sizeof(p), larger);
        check_content(p, size, larger);
        fill(p, size, larger);
        size = larger;
    }
    gc_free(p);
}
END_TEST

START_TEST(what_is_cut_off_comes_back_as_zeros)
{
    const size_t sizes[] = {16, 100, 1000, 10000, 21000, 100000, 1000000};
    enum { N = sizeof sizes / sizeof sizes[0] };
    for (int i = 0; i < N; i++) {
        for (int j = 0; j <= i; j++) {
            size_t large = sizes[i], small = sizes[j] - sizes[j] / 4;
            char *p = gc_malloc(large);
            fill(p, 0, large);
            p = gc_realloc(p, small);
            check_content(p, small, small);
            p = gc_realloc(p, large);
            check_content(p, small, large);
            gc_free(p);
        }
    }
}
END_TEST

START_TEST(shrinking_gives_memory_back)
{
    char *p = gc_malloc(64 * 1024 * 1024);
    p = gc_realloc(p, 1000);
    ck_assert_uint_ge(gc_sizeof(p), 1000);
    ck_assert_uint_lt(gc_sizeof(p), 2000);
}
END_TEST

static void *realloc_uncollectable(size_t size)
{
    return gc_realloc(gc_malloc_uncollectable(size / 10), size);
}

START_TEST(the_kind_is_kept)
{
    for (size_t size = 100; size <= 1000000; size *= 10) {
        ck_assert_int_eq(gc_is_tracked(gc_realloc(gc_malloc_atomic(10), size)), 0);
        ck_assert_int_eq(gc_is_tracked(gc_realloc(gc_malloc(10), size)), 1);
    }
    static batch b;
    make_garbage(&b, realloc_uncollectable, 400);
    gc_collect();
    ck_assert_uint_eq(count_alive(b.hidden, MANY), MANY);
}
END_TEST

START_TEST(null_and_zero)
{
    char *p = gc_realloc(NULL, 100);
    ck_assert_uint_ge(gc_sizeof(p), 100);
    ck_assert_int_eq(gc_is_tracked(p), 1);
    p = gc_realloc(p, 0); /* an object of size 0: nothing is freed */
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_eq(gc_base(p), p);
    gc_free(p);
    ck_assert_ptr_nonnull(gc_realloc(NULL, 0));
}
END_TEST

START_TEST(failure_leaves_the_object_alone)
{
    volatile size_t huge = (size_t)PTRDIFF_MAX + 1;
    for (size_t size = 100; size <= 1000000; size *= 10) {
        char *p = gc_malloc(size);
        fill(p, 0, size);
        errno = 0;
        ck_assert_ptr_null(gc_realloc(p, huge));
        ck_assert_int_eq(errno, ENOMEM);
        errno = 0;
        ck_assert_ptr_null(gc_reallocarray(p, huge, 16));
        ck_assert_int_eq(errno, ENOMEM);
        check_content(p, size, size);
        gc_free(p);
    }
}
END_TEST

START_TEST(reallocarray_multiplies)
{
    char *p = gc_reallocarray(NULL, 10, 30);
    ck_assert_uint_ge(gc_sizeof(p), 300);
    fill(p, 0, 300);
    p = gc_reallocarray(p, 20, 30);
    check_content(p, 300, 600);
}
END_TEST

Suite *realloc_suite(void)
{
    Suite *suite = suite_create("realloc");
    TCase *one = tcase_create("realloc");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, growing_keeps_content_and_adds_zeros);
    tcase_add_test(one, what_is_cut_off_comes_back_as_zeros);
    tcase_add_test(one, shrinking_gives_memory_back);
    tcase_add_test(one, the_kind_is_kept);
    tcase_add_test(one, null_and_zero);
    tcase_add_test(one, failure_leaves_the_object_alone);
    tcase_add_test(one, reallocarray_multiplies);
    suite_add_tcase(suite, one);
    return suite;
}
