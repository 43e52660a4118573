/* SPDX-License-Identifier: MIT */
/* tests/api/suites.h - one suite for each group of calls. */
#ifndef TESTS_API_SUITES_H
#define TESTS_API_SUITES_H

#include "support.h"

Suite *allocation_suite(void);
Suite *realloc_suite(void);
Suite *object_suite(void);
Suite *typed_suite(void);
Suite *collect_suite(void);
Suite *pacing_suite(void);
Suite *refcount_suite(void);
Suite *roots_suite(void);
Suite *limits_suite(void);
Suite *lru_suite(void);
Suite *stats_suite(void);
Suite *callbacks_suite(void);
Suite *errors_suite(void);
Suite *options_suite(void);
Suite *start_suite(void);
Suite *weakmap_suite(void);
Suite *weakref_suite(void);
Suite *finalize_suite(void);
Suite *scope_suite(void);

/* What they run in processes of their own; each list ends with a name NULL. */
extern const child limits_children[];
extern const child stats_children[];
extern const child options_children[];
extern const child start_children[];
extern const child scope_children[];

#endif
