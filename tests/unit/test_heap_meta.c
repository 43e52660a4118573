/* SPDX-License-Identifier: MIT */
/* The library's own memory: zero-filled pieces that do not overlap, reuse, growth, failure. */
#include <string.h>

#include "heap/meta.h"
#include "heap_fixture.h"
#include "os/memory.h"

enum { N_PIECES = 400, N_STEPS = 20000, MAX_PIECE = 40000 };

typedef struct piece {
    void *p;
    size_t bytes;
    uint64_t key;
} piece;

static void check_piece(const piece *x)
{
    ck_assert_msg(fixture_is_filled(x->p, x->bytes, x->key), "a piece of %zu bytes has changed",
                  x->bytes);
}

START_TEST(test_random_pieces)
{
    static piece pieces[N_PIECES];
    uint64_t chance = 1;
    for (uint64_t step = 0; step < N_STEPS; step++) {
        piece *x = &pieces[fixture_below(&chance, N_PIECES)];
        if (x->p) {
            check_piece(x);
            gl_meta_free(x->p, x->bytes);
            x->p = NULL;
            continue;
        }
        x->bytes = 1 + fixture_random_size(&chance, MAX_PIECE);
        x->p = gl_meta_alloc(x->bytes);
        x->key = step;
        ck_assert_ptr_nonnull(x->p);
        ck_assert_uint_eq((uintptr_t)x->p % 64, 0);
        ck_assert_msg(fixture_is_zero(x->p, x->bytes), "not zero-filled: %zu bytes", x->bytes);
        fixture_fill(x->p, x->bytes, x->key);
    }
    for (int i = 0; i < N_PIECES; i++) {
        if (pieces[i].p) {
            check_piece(&pieces[i]);
        }
    }
}
END_TEST

START_TEST(test_pieces_are_reused)
{
    gl_meta_free(gl_meta_alloc(5000), 5000);
    size_t before = gl_meta_bytes();
    for (int i = 0; i < 10000; i++) {
        gl_meta_free(gl_meta_alloc(5000), 5000);
    }
    ck_assert_uint_eq(gl_meta_bytes(), before);
    gl_meta_free(NULL, 100);
}
END_TEST

START_TEST(test_not_in_the_arena)
{
    for (size_t bytes = 1; bytes < 1000000; bytes *= 3) {
        ck_assert(!gl_heap_contains((uintptr_t)gl_meta_alloc(bytes)));
    }
}
END_TEST

START_TEST(test_reserve_keeps_content)
{
    uint32_t *array = NULL;
    size_t capacity = 0;
    for (uint32_t n = 0; n < 100000; n++) {
        void *at = array;
        ck_assert(gl_meta_reserve(&at, &capacity, n + 1, sizeof *array));
        array = at;
        ck_assert_uint_gt(capacity, n);
        array[n] = n * 7;
    }
    for (uint32_t n = 0; n < 100000; n++) {
        ck_assert_uint_eq(array[n], n * 7);
    }
    size_t before = capacity;
    void *at = array;
    ck_assert(gl_meta_reserve(&at, &capacity, 10, sizeof *array));
    ck_assert_ptr_eq(at, array);
    ck_assert_uint_eq(capacity, before);
}
END_TEST

START_TEST(test_failure_changes_nothing)
{
    void *array = NULL;
    size_t capacity = 0;
    ck_assert(gl_meta_reserve(&array, &capacity, 1000, 8));
    fixture_fill(array, 8000, 3);
    void *array_before = array;
    size_t capacity_before = capacity, bytes_before = gl_meta_bytes();
    gl_os_inject_commit_failure(1, true);
    ck_assert_ptr_null(gl_meta_alloc((size_t)4 << 20));
    ck_assert(!gl_meta_reserve(&array, &capacity, 1000000, 8));
    gl_os_inject_commit_failure(0, false);
    ck_assert_ptr_eq(array, array_before);
    ck_assert_uint_eq(capacity, capacity_before);
    ck_assert_uint_eq(gl_meta_bytes(), bytes_before);
    ck_assert(fixture_is_filled(array, 8000, 3));
    ck_assert_ptr_nonnull(gl_meta_alloc((size_t)4 << 20));
    ck_assert_ptr_null(gl_meta_alloc((size_t)1 << 50));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("meta");
    tcase_add_checked_fixture(t, fixture_setup, NULL);
    tcase_add_test(t, test_random_pieces);
    tcase_add_test(t, test_pieces_are_reused);
    tcase_add_test(t, test_not_in_the_arena);
    tcase_add_test(t, test_reserve_keeps_content);
    tcase_add_test(t, test_failure_changes_nothing);
    return fixture_run(t);
}
