/* SPDX-License-Identifier: MIT */
/* Layouts: what is refused, what is shared, and that a number stays good. */
#include <errno.h>

#include "collect/layout.h"
#include "heap_fixture.h"
#include "os/memory.h"

static int error_of(size_t size, const size_t offsets[], size_t n)
{
    int error = 0;
    return gl_layout_new(size, offsets, n, &error) ? 0 : error;
}

START_TEST(test_what_is_refused)
{
    static const size_t good[] = {0, 8}, odd[] = {4}, outside[] = {16}, far[] = {SIZE_MAX - 7};
    ck_assert_int_eq(error_of(16, good, 2), 0);
    ck_assert_int_eq(error_of(16, NULL, 0), 0);
    ck_assert_int_eq(error_of(0, NULL, 0), EINVAL);
    ck_assert_int_eq(error_of(12, good, 1), EINVAL);
    ck_assert_int_eq(error_of(16, odd, 1), EINVAL);
    ck_assert_int_eq(error_of(16, outside, 1), EINVAL);
    ck_assert_int_eq(error_of(16, far, 1), EINVAL);
    ck_assert_int_eq(error_of(16, NULL, 1), EINVAL);
    ck_assert_int_eq(error_of(16, good, 3), EINVAL); /* more pointers than there is room for */
    ck_assert_int_eq(error_of(SIZE_MAX - 7, good, 2), EINVAL);
}
END_TEST

START_TEST(test_offsets_are_sorted)
{
    static const size_t offsets[] = {40, 8, 24, 8, 0};
    int error;
    const gc_layout *l = gl_layout_new(48, offsets, 5, &error);
    ck_assert_uint_eq(l->size_words, 6);
    ck_assert_uint_eq(l->n_offsets, 4);
    ck_assert_uint_eq(l->offsets_words[0], 0);
    ck_assert_uint_eq(l->offsets_words[1], 1);
    ck_assert_uint_eq(l->offsets_words[2], 3);
    ck_assert_uint_eq(l->offsets_words[3], 5);
}
END_TEST

START_TEST(test_equal_layouts_are_one)
{
    static const size_t a[] = {0, 16}, b[] = {16, 0, 16}, c[] = {0, 8};
    int error;
    const gc_layout *first = gl_layout_new(24, a, 2, &error);
    ck_assert_ptr_eq(gl_layout_new(24, b, 3, &error), first);
    ck_assert_ptr_ne(gl_layout_new(24, c, 2, &error), first);
    ck_assert_ptr_ne(gl_layout_new(32, a, 2, &error), first);
    ck_assert_ptr_ne(gl_layout_new(24, a, 1, &error), first);
}
END_TEST

START_TEST(test_numbers_stay_good)
{
    enum { LAYOUTS = 3000 };
    static const gc_layout *layouts[LAYOUTS];
    int error;
    ck_assert_ptr_null(gl_layout_get(0));
    for (size_t i = 0; i < LAYOUTS; i++) {
        size_t offset = i % 100 * 8;
        layouts[i] = gl_layout_new(8 * (100 + i), &offset, 1, &error);
        ck_assert_ptr_nonnull(layouts[i]);
        ck_assert_uint_ge(layouts[i]->number, 1);
    }
    for (size_t i = 0; i < LAYOUTS; i++) {
        ck_assert_ptr_eq(gl_layout_get(layouts[i]->number), layouts[i]);
        ck_assert_uint_eq(layouts[i]->size_words, 100 + i);
        ck_assert_uint_eq(layouts[i]->offsets_words[0], i % 100);
        ck_assert(i == 0 || layouts[i]->number != layouts[i - 1]->number);
    }
    ck_assert_ptr_null(gl_layout_get(LAYOUTS + 1));
    ck_assert_ptr_null(gl_layout_get(UINT32_MAX));
}
END_TEST

START_TEST(test_without_memory)
{
    static size_t offsets[100000];
    int error = 0, n_made = 0;
    for (size_t i = 0; i < 100000; i++) {
        offsets[i] = i * 8;
    }
    gl_os_inject_commit_failure(1, true);
    while (gl_layout_new(8 * 100001 + 8 * (size_t)n_made, offsets, 100000, &error)) {
        ck_assert_int_lt(++n_made, 100);
    }
    gl_os_inject_commit_failure(0, false);
    ck_assert_int_eq(error, ENOMEM);
    ck_assert_ptr_nonnull(gl_layout_new(8, offsets, 1, &error));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("layout");
    tcase_add_checked_fixture(t, fixture_setup, NULL);
    tcase_add_test(t, test_what_is_refused);
    tcase_add_test(t, test_offsets_are_sorted);
    tcase_add_test(t, test_equal_layouts_are_one);
    tcase_add_test(t, test_numbers_stay_good);
    tcase_add_test(t, test_without_memory);
    return fixture_run(t);
}
