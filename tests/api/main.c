/* SPDX-License-Identifier: MIT */
/*
 * tests/api/main.c - the public interface, group by group. Each test is a process of its own.
 * CK_RUN_SUITE=collect runs one group, CK_RUN_CASE one case.
 */
#include <stdlib.h>

#include "suites.h"
#include "support.h"

int main(int argc, char **argv)
{
    const child *const children[] = {limits_children, stats_children, options_children,
                                     start_children, scope_children, NULL};
    run_as_child(argc, argv, children);
    SRunner *runner = srunner_create(allocation_suite());
    srunner_add_suite(runner, realloc_suite());
    srunner_add_suite(runner, object_suite());
    srunner_add_suite(runner, typed_suite());
    srunner_add_suite(runner, collect_suite());
    srunner_add_suite(runner, pacing_suite());
    srunner_add_suite(runner, refcount_suite());
    srunner_add_suite(runner, roots_suite());
    srunner_add_suite(runner, limits_suite());
    srunner_add_suite(runner, lru_suite());
    srunner_add_suite(runner, stats_suite());
    srunner_add_suite(runner, callbacks_suite());
    srunner_add_suite(runner, errors_suite());
    srunner_add_suite(runner, options_suite());
    srunner_add_suite(runner, start_suite());
    srunner_add_suite(runner, weakref_suite());
    srunner_add_suite(runner, weakmap_suite());
    srunner_add_suite(runner, finalize_suite());
    srunner_add_suite(runner, scope_suite());
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
