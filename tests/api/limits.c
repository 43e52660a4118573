/* SPDX-License-Identifier: MIT */
/* tests/api/limits.c - memory that ends: limits, handlers, recovery. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>

#include "suites.h"

static const size_t mib = 1 << 20;

/* Objects that stay, in a list, until there is no memory. Returns how many bytes; SIZE_MAX if errno
 * was wrong. (Children must not use the assertions of the tests.) */
static size_t allocate_until_full(size_t size, void ***list, size_t bytes_max)
{
    size_t bytes = 0;
    while (bytes < bytes_max) {
        errno = 0;
        void **p = gc_malloc(size);
        if (!p) {
            return errno == ENOMEM ? bytes : SIZE_MAX;
        }
        memset(p, 1, size);
        *p = *list;
        *list = p;
        bytes += size;
    }
    return bytes;
}

static void free_list(void **list)
{
    while (list) {
        void **next = *list;
        gc_free(list);
        list = next;
    }
}

START_TEST(heap_max_is_hard)
{
    const size_t sizes[] = {64, 5000, 100000, 3000000};
    for (size_t i = is_stressed() ? 2 : 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void **list = NULL;
        gc_set_heap_max(64 * mib);
        ck_assert_uint_eq(gc_set_heap_max(64 * mib), 64 * mib);
        size_t bytes = allocate_until_full(sizes[i], &list, 100 * mib);
        size_t old = gc_set_heap_max(SIZE_MAX); /* first: the checks themselves allocate */
        ck_assert_uint_eq(old, 64 * mib);
        ck_assert_uint_ge(bytes, 40 * mib);
        ck_assert_uint_le(bytes, 64 * mib);
        ck_assert_ptr_nonnull(gc_malloc(sizes[i])); /* the program goes on */
        free_list(list);
    }
}
END_TEST

/* Each size has had a block; together they are the whole heap, and nothing is in them. */
START_TEST(a_full_heap_gives_empty_blocks_of_other_sizes_back)
{
    void **list = NULL;
    gc_collect();
    size_t old = gc_set_heap_max(2 * mib);
    for (size_t size = 16; size < 20000; size += size / 8 / 16 * 16 + 16) {
        allocate_until_full(size, &list, 2 * mib);
        free_list(list);
        list = NULL;
    }
    void *large = gc_malloc(mib);
    gc_set_heap_max(old);
    ck_assert_ptr_nonnull(large);
}
END_TEST

START_TEST(garbage_is_collected_before_an_allocation_fails)
{
    gc_disable(); /* nothing but the failing allocation collects */
    gc_set_heap_max(64 * mib);
    for (int i = 0; i < 1000; i++) {
        ck_assert_ptr_nonnull(gc_malloc(mib / 2));
    }
}
END_TEST

START_TEST(freed_memory_is_there_after_a_failure)
{
    bool small = !is_stressed(); /* there, a hundred thousands of objects take too long */
    gc_set_heap_max(64 * mib);
    for (int i = 0; i < 5; i++) {
        void **list = NULL;
        size_t bytes = allocate_until_full(small && i % 2 ? 200 : 50000, &list, 100 * mib);
        free_list(list); /* first: the check itself allocates */
        ck_assert_uint_ge(bytes, 40 * mib);
        list = NULL;
        gc_collect();
    }
}
END_TEST

/* ---- The handler ----------------------------------------------------------------------------- */

typedef struct oom_state {
    int n_calls;
    size_t wanted_bytes;
    void **reserve; /* to be given up, piece by piece */
    int n_helps;    /* how often it claims to have helped */
} oom_state;

static int give_up_reserve(size_t wanted_bytes, void *arg)
{
    oom_state *state = arg;
    state->n_calls++;
    state->wanted_bytes = wanted_bytes;
    if (state->reserve) {
        void **next = *state->reserve;
        gc_free(state->reserve);
        state->reserve = next;
        return 1;
    }
    return state->n_helps-- > 0;
}

START_TEST(the_handler_may_release_memory)
{
    static oom_state state;
    void **list = NULL;
    for (int i = 0; i < 3; i++) {
        void **piece = gc_malloc_uncollectable(5 * mib);
        *piece = state.reserve;
        state.reserve = piece;
    }
    ck_assert(gc_set_oom_handler(give_up_reserve, &state) == NULL);
    gc_set_heap_max(64 * mib);
    size_t bytes = allocate_until_full(mib, &list, 100 * mib);
    ck_assert_uint_ge(bytes, 55 * mib); /* the reserve, too */
    ck_assert_ptr_null(state.reserve);
    ck_assert_int_eq(state.n_calls, 4); /* three times with success; 0 ends it */
    ck_assert_uint_eq(state.wanted_bytes, mib);
    ck_assert(gc_set_oom_handler(NULL, NULL) == give_up_reserve);
    ck_assert_ptr_null(gc_malloc(100 * mib));
    ck_assert_int_eq(state.n_calls, 4);
}
END_TEST

START_TEST(a_handler_that_lies_is_not_believed_for_ever)
{
    static oom_state state = {.n_helps = 1000000000};
    gc_set_oom_handler(give_up_reserve, &state);
    gc_set_heap_max(64 * mib);
    ck_assert_ptr_null(gc_malloc(100 * mib));
    ck_assert_int_gt(state.n_calls, 1);
    ck_assert_int_le(state.n_calls, 100);
}
END_TEST

/* ---- Soft limit, release --------------------------------------------------------------------- */

START_TEST(the_soft_limit_makes_collections_come_earlier)
{
    gc_stats stats = {.size = sizeof stats};
    gc_config config = {.size = sizeof config, .trigger_bytes = (size_t)1 << 40};
    ck_assert_int_eq(gc_init(&config), 0);
    size_t previous = gc_set_memory_limit(32 * mib);
    ck_assert_uint_gt(previous, 32 * mib);
    ck_assert_uint_eq(gc_set_memory_limit(32 * mib), 32 * mib);
    for (size_t i = 0; i < 300 * mib / 10000; i++) {
        gc_keep_alive(gc_malloc(10000));
    }
    ck_assert_int_eq(gc_get_stats(&stats), 0);
    ck_assert_uint_ge(stats.generations[2].collections, 5);
    ck_assert_uint_le(stats.heap_bytes, 64 * mib);
    ck_assert_ptr_nonnull(gc_malloc(64 * mib)); /* but it is soft */
}
END_TEST

START_TEST(free_memory_goes_back_to_the_system)
{
    gc_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    void **list = NULL;
    allocate_until_full(is_stressed() ? 20000 : 1000, &list, 64 * mib);
    free_list(list);
    gc_release_os_memory();
    ck_assert_int_eq(gc_get_stats(&before), 0);
    list = NULL;
    allocate_until_full(is_stressed() ? 20000 : 1000, &list, 64 * mib);
    free_list(list);
    gc_release_os_memory();
    size_t more = gc_release_os_memory(); /* at once: the checks themselves may allocate */
    ck_assert_int_eq(gc_get_stats(&after), 0);
    ck_assert_uint_ge(after.returned_bytes, before.returned_bytes + 50 * mib);
    ck_assert_uint_le(after.retained_free_bytes, 2 * mib);
    ck_assert_uint_le(after.rss_bytes, before.rss_bytes + 16 * mib);
    ck_assert_uint_eq(more, 0); /* the first call gave all */
    ck_assert_ptr_nonnull(gc_malloc(64 * mib));
}
END_TEST

/* ---- Refusals of the system ------------------------------------------------------------------ */

static void fill_under_rlimit(void)
{
    void **list = NULL;
    struct rlimit limit = {400 * mib, 400 * mib};
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        perror("setrlimit");
        exit(3);
    }
    size_t bytes = allocate_until_full(10000, &list, 500 * mib);
    printf("%zu\n", bytes / mib);
    free_list(list);
    list = NULL;
    printf("%zu\n", allocate_until_full(70000, &list, 500 * mib) / mib);
}

START_TEST(a_limit_on_address_space_is_enomem)
{
    outcome o;
    size_t first = 0, second = 0;
    run_child("fill_under_rlimit", NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_int_eq(sscanf(o.out, "%zu %zu", &first, &second), 2);
    ck_assert_uint_ge(first, 200);
    ck_assert_uint_le(first, 400);
    ck_assert_uint_ge(second, 150); /* memory in small objects serves larger ones */
}
END_TEST

/* Allocates, frees and collects while requests to the system fail; checks what it gets. */
static void survive(void)
{
    size_t n_failed = 0;
    void **list = NULL;
    for (size_t i = 0; i < 2000; i++) {
        size_t size = 16 + (i * 7919) % (i % 50 == 0 ? 300000 : 3000);
        void **p = gc_malloc(size);
        if (!p) {
            n_failed++;
            free_list(list);
            list = NULL;
            continue;
        }
        for (size_t j = 0; j < size / sizeof *p; j++) {
            if (p[j]) {
                exit(3); /* not zeroed */
            }
        }
        *p = list;
        list = p;
    }
    gc_collect();
    printf("%zu\n", n_failed);
}

START_TEST(a_system_that_refuses_at_any_point_is_survived)
{
    outcome o;
    const char *const keys[] = {"GLEANER_FAIL_EVERY", "GLEANER_FAIL_AFTER"};
    for (int n = 2; n <= 30; n++) {
        for (int k = 0; k < 2; k++) {
            char variable[64];
            snprintf(variable, sizeof variable, "%s=%d", keys[k], n);
            if (is_malloc_ours() && k == 1 && n < 25) {
                continue; /* such a process cannot even start */
            }
            run_child("survive", (const char *const[]){variable, NULL}, &o);
            ck_assert_exited(&o, 0);
        }
    }
}
END_TEST

const child limits_children[] = {
    {"fill_under_rlimit", fill_under_rlimit},
    {"survive", survive},
    {NULL, NULL},
};

Suite *limits_suite(void)
{
    Suite *suite = suite_create("limits");
    TCase *one = tcase_create("limits");
    tcase_set_timeout(one, 120);
    tcase_add_test(one, heap_max_is_hard);
    tcase_add_test(one, a_full_heap_gives_empty_blocks_of_other_sizes_back);
    tcase_add_test(one, garbage_is_collected_before_an_allocation_fails);
    tcase_add_test(one, freed_memory_is_there_after_a_failure);
    tcase_add_test(one, the_handler_may_release_memory);
    tcase_add_test(one, a_handler_that_lies_is_not_believed_for_ever);
    tcase_add_test(one, the_soft_limit_makes_collections_come_earlier);
    tcase_add_test(one, free_memory_goes_back_to_the_system);
    tcase_add_test(one, a_limit_on_address_space_is_enomem);
    tcase_add_test(one, a_system_that_refuses_at_any_point_is_survived);
    suite_add_tcase(suite, one);
    return suite;
}
