/* SPDX-License-Identifier: MIT */
/* tests/unit/unit.h - what the unit tests share: running them, and what to know of the build. */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __has_feature
#define UNIT_CLANG_HAS(feature) __has_feature(feature)
#else
#define UNIT_CLANG_HAS(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || UNIT_CLANG_HAS(thread_sanitizer)
enum { UNIT_HAS_TSAN = 1 };
#else
enum { UNIT_HAS_TSAN = 0 };
#endif

#if defined(__SANITIZE_ADDRESS__) || UNIT_CLANG_HAS(address_sanitizer)
enum { UNIT_HAS_ASAN = 1 };
#else
enum { UNIT_HAS_ASAN = 0 };
#endif

static inline void unit_sleep_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

/* The exit status of a child, or 128 and its signal. */
static inline int unit_status_of(pid_t child)
{
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A sequence that is the same in each run (xorshift: Marsaglia 2003). */
static inline uint64_t unit_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static inline TCase *unit_case(Suite *suite, const char *name, double timeout_s)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, timeout_s);
    suite_add_tcase(suite, tests);
    return tests;
}

static inline int unit_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
