/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/heap_fixture.h - what the unit tests of src/heap and src/collect share.
 *
 * Check runs each test in a process of its own, so each begins with a library that has not started
 * yet. Automatic collection is off: a test collects when it says so.
 */
#ifndef TESTS_UNIT_HEAP_FIXTURE_H
#define TESTS_UNIT_HEAP_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <check.h>

#include "heap/heap.h"

/* Starts the library with these options and nothing else from the environment. NULL: defaults. */
void fixture_start(const char *options);

/* fixture_start(NULL), as a function for tcase_add_checked_fixture(). */
void fixture_setup(void);

/* Takes the state in which the collector works: every block swept, every lock held, and the inner
 * ones let go again. The process must have one thread. */
void fixture_stop(void);
void fixture_resume(void);

/* Walks the heap; returns the number of objects. */
size_t fixture_verify(void);

/* Expects that fn(arg), in a fork, is stopped by a panic whose message contains `text`. */
void fixture_expect_panic(void (*fn)(void *arg), void *arg, const char *what, const char *text);

/* Expects that fn(arg), in a fork, returns. */
void fixture_expect_success(void (*fn)(void *arg), void *arg, const char *what);

/* A sequence that is the same in each run. */
uint64_t fixture_random(uint64_t *state);
size_t fixture_below(uint64_t *state, size_t n);

/* A request size as programs make them: mostly small, sometimes large, at most `max`. */
size_t fixture_random_size(uint64_t *state, size_t max);

/* Fills memory with bytes that tell this key, and checks that they are all there. */
void fixture_fill(void *p, size_t bytes, uint64_t key);
bool fixture_is_filled(const void *p, size_t bytes, uint64_t key);
bool fixture_is_zero(const void *p, size_t bytes);

/* Mappings of this process. */
int fixture_count_mappings(void);

gl_object fixture_find(const void *p); /* the test fails if there is none */

/* Runs the one test case, or all of several; returns the status for main(). */
int fixture_run(TCase *tests);
int fixture_run_all(TCase *const cases[], size_t n);

#endif
