/* SPDX-License-Identifier: MIT */
/* tests/api/typed.c - objects that say where their pointers are. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <gleaner/gc.h>

#include "suites.h"

typedef struct node {
    struct node *next;
    uintptr_t number; /* may look like a pointer; is none */
    char *name;
    uintptr_t filler;
} node;

static const size_t node_pointers[] = {offsetof(node, next), offsetof(node, name)};

START_TEST(layouts_are_checked)
{
    gc_layout *layout = gc_layout_new(sizeof(node), node_pointers, 2);
    ck_assert_ptr_nonnull(layout);
    ck_assert_ptr_nonnull(gc_layout_new(sizeof(node), NULL, 0)); /* no pointers at all */
    const struct {
        size_t size;
        size_t offset;
    } wrong[] = {
        {0, 0},                           /* of no size */
        {sizeof(node) + 1, 0},            /* not whole words */
        {sizeof(node), 4},                /* between two words */
        {sizeof(node), sizeof(node)},     /* outside */
        {sizeof(node), sizeof(node) * 8}, /* far outside */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        errno = 0;
        ck_assert_ptr_null(gc_layout_new(wrong[i].size, &wrong[i].offset, 1));
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_ptr_null(gc_malloc_typed(sizeof(node), NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(typed_objects_are_zeroed_and_tracked)
{
    gc_layout *layout = gc_layout_new(sizeof(node), node_pointers, 2);
    for (size_t n = 1; n < 50000; n *= 3) {
        for (int round = 0; round < 2; round++) {
            char *p = gc_malloc_typed(n * sizeof(node), layout);
            ck_assert_ptr_nonnull(p);
            ck_assert_int_eq(gc_is_tracked(p), 1);
            ck_assert(is_all_zero(p, gc_sizeof(p)));
            memset(p, 0xff, gc_sizeof(p));
            gc_free(p);
        }
    }
}
END_TEST

enum { N_NODES = 10 * MANY };

static struct {
    node *list;                  /* the only reference to the nodes */
    uintptr_t strings[N_NODES];  /* hidden: named by a pointer field */
    uintptr_t numbered[N_NODES]; /* hidden: whose address is in the number */
} typed;

/* A list of arrays of `n_in_array` nodes: each node names a string, and has the address of another
 * object as its number. */
static void make_list(void *arg)
{
    size_t n_in_array = *(size_t *)arg;
    gc_layout *layout = gc_layout_new(sizeof(node), node_pointers, 2);
    for (size_t i = 0; i < N_NODES; i += n_in_array) {
        node *array = gc_malloc_typed(n_in_array * sizeof(node), layout);
        for (size_t j = 0; j < n_in_array; j++) {
            array[j].name = gc_strdup("name");
            array[j].number = (uintptr_t)gc_malloc(40);
            typed.strings[i + j] = hide(array[j].name);
            typed.numbered[i + j] = hide((void *)array[j].number);
        }
        array[n_in_array - 1].next = typed.list;
        typed.list = array;
    }
}

/* A stale word on the stack may keep one list from its middle to its end, but not each of three. */
static void check_only_pointers_count(size_t n_in_array)
{
    enum { LISTS = 3 };
    int n_kept = 0;
    for (int i = 0; i < LISTS; i++) {
        call_deep(make_list, &n_in_array);
        gc_collect();
        ck_assert_uint_eq(count_alive(typed.strings, N_NODES), N_NODES);
        ck_assert_uint_lt(count_alive(typed.numbered, N_NODES), N_NODES / 20);
        typed.list = NULL;
        gc_collect();
        n_kept += count_alive(typed.strings, N_NODES) >= N_NODES / 20;
    }
    ck_assert_int_le(n_kept, 1);
}

START_TEST(only_the_pointers_of_the_layout_count)
{
    check_only_pointers_count(1);
}
END_TEST

START_TEST(the_layout_repeats_in_arrays)
{
    check_only_pointers_count(10);
    check_only_pointers_count(5000); /* large objects */
}
END_TEST

static void grow_node(void *arg)
{
    (void)arg;
    gc_layout *layout = gc_layout_new(sizeof(node), node_pointers, 2);
    typed.list = gc_malloc_typed(sizeof(node), layout);
    typed.list = gc_realloc(typed.list, N_NODES * sizeof(node));
    for (size_t i = 0; i < N_NODES; i++) {
        typed.list[i].name = gc_strdup("name");
        typed.list[i].number = (uintptr_t)gc_malloc(40);
        typed.strings[i] = hide(typed.list[i].name);
        typed.numbered[i] = hide((void *)typed.list[i].number);
    }
}

START_TEST(realloc_keeps_the_layout)
{
    call_deep(grow_node, NULL);
    gc_collect();
    ck_assert_uint_eq(count_alive(typed.strings, N_NODES), N_NODES);
    ck_assert_uint_lt(count_alive(typed.numbered, N_NODES), N_NODES / 20);
}
END_TEST

Suite *typed_suite(void)
{
    Suite *suite = suite_create("typed");
    TCase *one = tcase_create("typed");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, layouts_are_checked);
    tcase_add_test(one, typed_objects_are_zeroed_and_tracked);
    tcase_add_test(one, only_the_pointers_of_the_layout_count);
    tcase_add_test(one, the_layout_repeats_in_arrays);
    tcase_add_test(one, realloc_keeps_the_layout);
    suite_add_tcase(suite, one);
    return suite;
}
