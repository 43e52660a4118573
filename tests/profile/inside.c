/* SPDX-License-Identifier: MIT */
/*
 * tests/profile/inside.c - what is not seen from outside: that a thread is observed in profiled functions and
 * nowhere else, and that nothing is left of it when it ends.
 */
#include <check.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include <gleaner/gc.h>
#include <gleaner/scope.h>

#include "heap/cache.h"

#define NOINLINE __attribute__((noinline))

static jmp_buf back;
static __thread jmp_buf own_back;
static void *volatile kept;

static NOINLINE void allocate(void)
{
    kept = gc_malloc(100);
}

static NOINLINE void profiled(bool jumps)
{
    GC_PROFILE();
    ck_assert(gl_cache_is_observed());
    allocate();
    ck_assert(gl_cache_is_observed());
    if (jumps) {
        longjmp(back, 1);
    }
}

static NOINLINE void profiled_outside(void)
{
    GC_PROFILE();
    profiled(false);
    ck_assert(gl_cache_is_observed());
}

static void *see_unobserved(void *unused)
{
    allocate();
    ck_assert(!gl_cache_is_observed());
    return unused;
}

START_TEST(observed_inside_only)
{
    ck_assert(!gl_cache_is_observed());
    profiled(false);
    ck_assert(!gl_cache_is_observed());
    profiled_outside();
    ck_assert(!gl_cache_is_observed());
    GC_PROFILE();
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, see_unobserved, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* The next allocation finds out. */
START_TEST(not_after_a_jump)
{
    if (setjmp(back) == 0) {
        profiled(true);
    }
    ck_assert(gl_cache_is_observed());
    allocate();
    ck_assert(!gl_cache_is_observed());
}
END_TEST

static NOINLINE void jump_over_both(void)
{
    GC_PROFILE();
    GC_SCOPE ("jumped over", 1 << 20) {
        allocate();
        longjmp(own_back, 1);
    }
}

static void *leave_runs_behind(void *unused)
{
    if (setjmp(own_back) == 0) {
        jump_over_both();
    }
    ck_assert(gl_cache_is_observed());
    return unused;
}

START_TEST(nothing_is_left_of_a_thread)
{
    allocate();
    size_t n_caches = gl_cache_count_caches();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, leave_runs_behind, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
    gc_scope_stats s = {.size = sizeof s};
    ck_assert_int_eq(gc_get_scope("jumped over", &s), 0);
    ck_assert_uint_eq(s.entered, 20);
    ck_assert_uint_eq(s.open, 0);
    ck_assert_uint_eq(gl_cache_count_caches(), n_caches);
}
END_TEST

int main(void)
{
    setenv("GLEANER_PROFILE_FILE", "/dev/null", 1);
    Suite *suite = suite_create("inside");
    TCase *t = tcase_create("observed");
    tcase_add_test(t, observed_inside_only);
    tcase_add_test(t, not_after_a_jump);
    tcase_add_test(t, nothing_is_left_of_a_thread);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
