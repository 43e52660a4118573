/* SPDX-License-Identifier: MIT */
/* tests/api/allocation.c - getting memory, and giving it back. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <gleaner/gc.h>

#include "suites.h"

/* Sizes of every class, of large objects, and beside each border. */
static size_t next_size(size_t size)
{
    return size < 300 ? size + 1 : size + size / 7;
}

enum { SIZE_END = 3 * 1024 * 1024 };

START_TEST(gc_malloc_gives_zeroed_memory)
{
    for (size_t size = 0; size < SIZE_END; size = next_size(size)) {
        for (int round = 0; round < 3; round++) {
            char *p = gc_malloc(size);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % 16, 0);
            ck_assert_uint_ge(gc_sizeof(p), size);
            ck_assert_msg(is_all_zero(p, gc_sizeof(p)), "size %zu", size);
            memset(p, 0xff, gc_sizeof(p)); /* the next round gets it, likely */
            gc_free(p);
        }
    }
}
END_TEST

START_TEST(other_zeroed_kinds_are_zeroed)
{
    for (size_t size = 1; size < SIZE_END; size = next_size(size) + size / 2) {
        for (int round = 0; round < 2; round++) {
            char *p[] = {gc_calloc(1, size), gc_malloc_uncollectable(size),
                         gc_aligned_alloc(64, size), gc_realloc(NULL, size)};
            for (size_t i = 0; i < sizeof p / sizeof p[0]; i++) {
                ck_assert_ptr_nonnull(p[i]);
                ck_assert_msg(is_all_zero(p[i], gc_sizeof(p[i])), "kind %zu, size %zu", i, size);
                memset(p[i], 0xff, gc_sizeof(p[i]));
                gc_free(p[i]);
            }
        }
    }
}
END_TEST

START_TEST(size_zero_gives_pointers_of_their_own)
{
    void *p[] = {
        gc_malloc(0),     gc_malloc(0),     gc_malloc_atomic(0),    gc_malloc_uncollectable(0),
        gc_calloc(0, 16), gc_calloc(16, 0), gc_aligned_alloc(64, 0)};
    enum { N = sizeof p / sizeof p[0] };
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_nonnull(p[i]);
        for (int j = 0; j < i; j++) {
            ck_assert_ptr_ne(p[i], p[j]);
        }
    }
    for (int i = 0; i < N; i++) {
        gc_free(p[i]);
    }
}
END_TEST

START_TEST(objects_do_not_overlap)
{
    static unsigned char *at[MANY];
    for (size_t i = 0; i < MANY; i++) {
        at[i] = gc_malloc(1 + i * 3);
        memset(at[i], (int)(i % 251), 1 + i * 3);
    }
    for (size_t i = 0; i < MANY; i++) {
        size_t j = 0;
        while (j < 1 + i * 3 && at[i][j] == i % 251) {
            j++;
        }
        ck_assert_uint_eq(j, 1 + i * 3);
        gc_free(at[i]);
    }
}
END_TEST

/* Volatile, or the compiler warns that it knows better. */
static volatile size_t huge = (size_t)PTRDIFF_MAX + 1;
static volatile size_t half = SIZE_MAX / 2;

START_TEST(too_much_is_enomem)
{
    void *none[] = {gc_malloc(huge),
                    gc_malloc_atomic(huge),
                    gc_malloc_uncollectable(huge),
                    gc_aligned_alloc(64, huge),
                    gc_calloc(1, huge),
                    gc_malloc(huge + half)};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        ck_assert_ptr_null(none[i]);
    }
    errno = 0;
    ck_assert_ptr_null(gc_malloc(huge));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(gc_calloc(half, 3)); /* the product overflows to something small */
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_nonnull(gc_malloc(100));
}
END_TEST

START_TEST(aligned_alloc_aligns)
{
    for (size_t alignment = 1; alignment <= 1024 * 1024; alignment *= 2) {
        for (size_t size = 0; size <= 100000; size = size * 3 + 10) {
            void *p = gc_aligned_alloc(alignment, size);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t)p % alignment, 0);
            ck_assert_uint_ge(gc_sizeof(p), size);
            gc_free(p);
        }
    }
    const size_t wrong[] = {0, 3, 24, 100};
    for (size_t i = 0; i < 4; i++) {
        volatile size_t alignment = wrong[i];
        errno = 0;
        ck_assert_ptr_null(gc_aligned_alloc(alignment, 100));
        ck_assert_int_eq(errno, EINVAL);
    }
}
END_TEST

START_TEST(strings_are_copied)
{
    char *copy = gc_strdup("hello");
    ck_assert_str_eq(copy, "hello");
    ck_assert_int_eq(gc_is_tracked(copy), 0);
    ck_assert_str_eq(gc_strdup(""), "");
    ck_assert_str_eq(gc_strndup("hello", 3), "hel");
    ck_assert_str_eq(gc_strndup("hello", 30), "hello");
    ck_assert_str_eq(gc_strndup("hello", 0), "");
    const char unterminated[3] = {'a', 'b', 'c'};
    ck_assert_str_eq(gc_strndup(unterminated, 3), "abc");
}
END_TEST

START_TEST(asprintf_prints)
{
    char *s;
    ck_assert_int_eq(gc_asprintf(&s, "%d and %s", 42, "more"), 11);
    ck_assert_str_eq(s, "42 and more");
    ck_assert_int_eq(gc_is_tracked(s), 0);
    ck_assert_int_eq(gc_asprintf(&s, "%s", ""), 0);
    ck_assert_str_eq(s, "");
    for (int width = 250; width < 260; width++) { /* around what fits at first */
        ck_assert_int_eq(gc_asprintf(&s, "%*d!", width, 7), width + 1);
        ck_assert_uint_eq(strlen(s), (size_t)width + 1);
        ck_assert_str_eq(s + width - 1, "7!");
    }
    ck_assert_int_eq(gc_asprintf(&s, "%100000d", 1), 100000);
    ck_assert_uint_eq(strlen(s), 100000);
    ck_assert_int_eq(gc_asprintf(&s, "%ls", L"\x7fffffff"), -1); /* no such character */
    ck_assert_ptr_null(s);
}
END_TEST

/* ---- Freeing --------------------------------------------------------------------------------- */

START_TEST(free_ends_an_object)
{
    size_t sizes[] = {1, 100, 5000, 20000, 30000, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *p = gc_malloc(sizes[i]);
        ck_assert_ptr_eq(gc_base(p), p);
        gc_free(p);
        ck_assert_ptr_null(gc_base(p));
        ck_assert_uint_eq(gc_sizeof(p), 0);
    }
    gc_free(NULL);
}
END_TEST

START_TEST(free_preserves_errno)
{
    for (size_t size = 1; size < SIZE_END; size = size * 4) {
        void *p = gc_malloc(size);
        errno = 12345;
        gc_free(p);
        ck_assert_int_eq(errno, 12345);
    }
}
END_TEST

START_TEST(freed_memory_is_used_again)
{
    gc_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    gc_free(gc_malloc(1000));
    ck_assert_int_eq(gc_get_stats(&before), 0);
    gc_disable(); /* so that nothing but gc_free() can do it */
    for (int i = 0; i < 1000000; i++) {
        gc_free(gc_malloc(1000));
    }
    ck_assert_int_eq(gc_get_stats(&after), 0);
    ck_assert_uint_lt(after.heap_bytes, before.heap_bytes + (4u << 20));
}
END_TEST

static void *free_all(void *arg)
{
    void **objects = arg;
    for (size_t i = 0; i < MANY; i++) {
        gc_free(objects[i]);
    }
    return NULL;
}

START_TEST(any_thread_may_free)
{
    static void *objects[MANY];
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < MANY; i++) {
            objects[i] = gc_malloc(i % 300);
        }
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, free_all, objects), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        for (size_t i = 0; i < MANY; i++) {
            ck_assert_uint_eq(gc_sizeof(objects[i]), 0);
        }
    }
}
END_TEST

START_TEST(del_drops_the_reference)
{
    char *object = gc_malloc(10), *other = object;
    char **cursor = &object;
    gc_del(*cursor++);
    ck_assert_ptr_null(object);
    ck_assert_ptr_eq(cursor, &object + 1);   /* evaluated once */
    ck_assert_uint_ge(gc_sizeof(other), 10); /* there is still a reference */
    gc_del(object);                          /* nothing to drop */
}
END_TEST

Suite *allocation_suite(void)
{
    Suite *suite = suite_create("allocation");
    TCase *allocate = tcase_create("allocate");
    tcase_set_timeout(allocate, 60);
    tcase_add_test(allocate, gc_malloc_gives_zeroed_memory);
    tcase_add_test(allocate, other_zeroed_kinds_are_zeroed);
    tcase_add_test(allocate, size_zero_gives_pointers_of_their_own);
    tcase_add_test(allocate, objects_do_not_overlap);
    tcase_add_test(allocate, too_much_is_enomem);
    tcase_add_test(allocate, aligned_alloc_aligns);
    tcase_add_test(allocate, strings_are_copied);
    tcase_add_test(allocate, asprintf_prints);
    suite_add_tcase(suite, allocate);
    TCase *free_case = tcase_create("free");
    tcase_set_timeout(free_case, 60);
    tcase_add_test(free_case, free_ends_an_object);
    tcase_add_test(free_case, free_preserves_errno);
    tcase_add_test(free_case, freed_memory_is_used_again);
    tcase_add_test(free_case, any_thread_may_free);
    tcase_add_test(free_case, del_drops_the_reference);
    suite_add_tcase(suite, free_case);
    return suite;
}
