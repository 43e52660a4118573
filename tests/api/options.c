/* SPDX-License-Identifier: MIT */
/* tests/api/options.c - what is read from the environment and from gc_init(), and what wins. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gleaner/gc.h>

#include "suites.h"

/* ---- Children -------------------------------------------------------------------------------- */

static void print_percent(void)
{
    printf("%d\n", gc_set_percent(100));
}

static void print_heap_max(void)
{
    printf("%zu\n", gc_set_heap_max(SIZE_MAX));
}

static void print_memory_limit(void)
{
    printf("%zu\n", gc_set_memory_limit(SIZE_MAX));
}

static void use_heap(void)
{
    printf("%s\n", gc_malloc(10) ? "object" : "null");
}

static void print_init(void)
{
    errno = 0;
    int result = gc_init(NULL);
    printf("%d %s\n", result, errno == EINVAL ? "EINVAL" : "-");
}

static void config_percent(void)
{
    gc_config config = {.size = sizeof config, .percent = 70};
    printf("%d\n", gc_init(&config));
    print_percent();
}

static void config_percent_and_options(void)
{
    gc_config config = {.size = sizeof config, .percent = 70, .options = "percent=80:heap_max=1g"};
    printf("%d\n", gc_init(&config));
    print_percent();
    print_heap_max();
}

static void config_bad_option(void)
{
    gc_config config = {.size = sizeof config, .options = "percnt=80:percent=x:percent=90"};
    errno = 0;
    int result = gc_init(&config);
    printf("%d %s\n", result, errno == EINVAL ? "EINVAL" : "-");
    print_percent();
}

const child options_children[] = {
    {"print_percent", print_percent},
    {"print_heap_max", print_heap_max},
    {"print_memory_limit", print_memory_limit},
    {"use_heap", use_heap},
    {"print_init", print_init},
    {"config_percent", config_percent},
    {"config_percent_and_options", config_percent_and_options},
    {"config_bad_option", config_bad_option},
    {NULL, NULL},
};

/* Runs a child with one or two variables (NULL: not there). */
static void run(const char *name, const char *first, const char *second, outcome *o)
{
    const char *const variables[] = {first ? first : second, first ? second : NULL, NULL};
    run_child(name, variables, o);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void check_prints(const char *name, const char *first, const char *second, const char *out)
{
    outcome o;
    run(name, first, second, &o);
    ck_assert_exited(&o, 0);
    ck_assert_msg(strcmp(o.out, out) == 0, "%s, %s: printed '%s', wanted '%s'", first ? first : "-",
                  second ? second : "-", o.out, out);
    ck_assert_str_eq(o.err, "");
}

/* What a child prints that is told nothing. */
static void print_default(const char *name, char *out, size_t size)
{
    outcome o;
    run(name, NULL, NULL, &o);
    ck_assert_exited(&o, 0);
    snprintf(out, size, "%.90s", o.out);
}

START_TEST(values_are_read)
{
    char percent[100];
    print_default("print_percent", percent, sizeof percent);
    ck_assert_int_ge(atoi(percent), 1);
    check_prints("print_percent", "GLEANER_PERCENT=55", NULL, "55\n");
    check_prints("print_percent", "GLEANER_OPTIONS=percent=55", NULL, "55\n");
    check_prints("print_percent", "GLEANER_OPTIONS=gctrace=0:percent=55:strict=1", NULL, "55\n");
    check_prints("print_percent", "GLEANER_OPTIONS=:percent=54::percent=55:", NULL, "55\n");
    check_prints("print_percent", "GLEANER_OPTIONS=", NULL, percent);
    check_prints("print_heap_max", "GLEANER_HEAP_MAX=123456789", NULL, "123456789\n");
    check_prints("print_heap_max", "GLEANER_HEAP_MAX=640k", NULL, "655360\n");
    check_prints("print_heap_max", "GLEANER_HEAP_MAX=64M", NULL, "67108864\n");
    check_prints("print_heap_max", "GLEANER_HEAP_MAX=3g", NULL, "3221225472\n");
    check_prints("print_memory_limit", "GLEANER_MEMORY_LIMIT=3g", NULL, "3221225472\n");
    check_prints("use_heap", "GLEANER_MODE=collect", NULL, "object\n");
    check_prints("use_heap", "GLEANER_MODE=malloc", NULL, "object\n");
}
END_TEST

START_TEST(what_wins)
{
    check_prints("print_percent", "GLEANER_PERCENT=60", "GLEANER_OPTIONS=percent=50", "60\n");
    check_prints("print_percent", "GLEANER_OPTIONS=percent=50", "GLEANER_PERCENT=60", "60\n");
    check_prints("config_percent", "GLEANER_OPTIONS=percent=50", "GLEANER_PERCENT=60", "0\n70\n");
    check_prints("config_percent_and_options", "GLEANER_PERCENT=60", "GLEANER_HEAP_MAX=2g",
                 "0\n80\n1073741824\n");
    check_prints("config_percent", NULL, NULL, "0\n70\n");
}
END_TEST

START_TEST(variables_of_the_command_are_no_options)
{
    check_prints("use_heap", "GLEANER_LIBRARY=x", "GLEANER_PRELOAD=y", "object\n");
    check_prints("use_heap", "GLEANER_CFLAGS=x", "GLEANER_LIBS=y", "object\n");
    check_prints("use_heap", "GLEANER=x", "GLEANERX=y", "object\n");
}
END_TEST

/* ---- Faults ---------------------------------------------------------------------------------- */

/* The program goes on, and stderr is one line that contains all of `parts`. */
static void check_warns(const char *first, const char *second, const char *const parts[])
{
    outcome o;
    run("use_heap", first, second, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.out, "object\n");
    ck_assert_msg(strncmp(o.err, "gleaner: warning: ", 18) == 0, "%s", o.err);
    ck_assert_ptr_eq(strchr(o.err, '\n'), o.err + strlen(o.err) - 1);
    for (; *parts; parts++) {
        ck_assert_contains(o.err, *parts);
    }
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

START_TEST(unknown_keys_are_named_with_the_near_ones)
{
    check_warns("GLEANER_OPTIONS=triger_bytes=1m", NULL,
                LIST("GLEANER_OPTIONS: 'triger_bytes': no such option; near: trigger_bytes\n"));
    check_warns("GLEANER_TRIGER_BYTES=1m", NULL,
                LIST("GLEANER_TRIGER_BYTES: no such option; near: GLEANER_TRIGGER_BYTES\n"));
    check_warns("GLEANER_OPTIONS=limit=1m", NULL, LIST("near: memory_limit\n"));
    check_warns("GLEANER_OPTIONS=fail=1", NULL, LIST("near: fail_every fail_after\n"));
    check_warns("GLEANER_OPTIONS=GCTRACE=0", NULL, LIST("'GCTRACE'", "near: gctrace\n"));
    check_warns("GLEANER_gctrace=0", NULL, LIST("GLEANER_gctrace", "near: GLEANER_GCTRACE\n"));
    check_warns("GLEANER_OPTIONS=qqqqq=1", NULL, LIST("'qqqqq'", "there are: mode percent"));
    check_warns("GLEANER_OPTIONS=xyzzy", NULL, LIST("'xyzzy': no such option"));
    check_warns("GLEANER_=1", NULL, LIST("no such option"));
}
END_TEST

START_TEST(bad_values_are_named_with_the_reason)
{
    check_warns("GLEANER_PERCENT=abc", NULL, LIST("GLEANER_PERCENT: 'abc' is not a number\n"));
    check_warns("GLEANER_OPTIONS=percent=", NULL, LIST("percent: '' is not a number\n"));
    check_warns("GLEANER_OPTIONS=percent", NULL, LIST("percent has no value"));
    check_warns("GLEANER_PERCENT", NULL, LIST("GLEANER_PERCENT has no value"));
    check_warns("GLEANER_PERCENT=100001", NULL, LIST("'100001' is out of range: 0 to 100000\n"));
    check_warns("GLEANER_PERCENT=-1", NULL, LIST("'-1' is not a number\n"));
    check_warns("GLEANER_PERCENT=12k", NULL, LIST("'12k' is not a number\n"));
    check_warns("GLEANER_HEAP_MAX=12q", NULL, LIST("'12q' is not a number of bytes"));
    check_warns("GLEANER_HEAP_MAX=k", NULL, LIST("'k' is not a number of bytes"));
    check_warns("GLEANER_HEAP_MAX=0", NULL, LIST("'0' is out of range: 1 to "));
    check_warns("GLEANER_HEAP_MAX=18446744073709551616", NULL, LIST("is out of range"));
    check_warns("GLEANER_HEAP_MAX=18446744073709551615k", NULL, LIST("is out of range"));
    check_warns("GLEANER_GCTRACE=yes", NULL, LIST("GLEANER_GCTRACE: 'yes' is neither 0 nor 1\n"));
    check_warns(
        "GLEANER_MODE=colect", NULL,
        LIST("GLEANER_MODE: 'colect' is no value of this option; there are: collect malloc"));
    check_warns("GLEANER_ROOTS=all", NULL, LIST("there are: auto images process\n"));
}
END_TEST

START_TEST(odd_values_make_no_odd_lines)
{
    char variable[2000];
    snprintf(variable, sizeof variable, "GLEANER_TRACE_FILE=%0300d", 0);
    check_warns(variable, NULL, LIST("is longer than 255 bytes\n"));
    snprintf(variable, sizeof variable, "GLEANER_OPTIONS=%01900d=1", 0);
    check_warns(variable, NULL, LIST("000...': no such option"));
    check_warns("GLEANER_PERCENT=1\n2\033[1m", NULL, LIST("'1?2?[1m' is not a number\n"));
}
END_TEST

START_TEST(a_bad_value_leaves_the_others_alone)
{
    outcome o;
    run("print_percent", "GLEANER_OPTIONS=percent=40:percent=x:nonsense=1:heap_max=?", NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.out, "40\n");
    ck_assert_contains(o.err, "'x'");
    ck_assert_contains(o.err, "'nonsense'");
    ck_assert_contains(o.err, "'?'");
}
END_TEST

/* ---- Errors ---------------------------------------------------------------------------------- */

/* Where malloc is ours the library starts before main(): then there is no gc_init() to fail. */
static void check_init_fails(const char *first, const char *second, const char *part)
{
    outcome o;
    run("print_init", first, second, &o);
    if (is_malloc_ours()) {
        ck_assert_exited(&o, 125);
        ck_assert_str_eq(o.out, "");
    } else {
        ck_assert_exited(&o, 0);
        ck_assert_str_eq(o.out, "-1 EINVAL\n");
    }
    ck_assert_contains(o.err, part);
    run("use_heap", first, second, &o); /* a first call that is not gc_init() */
    ck_assert_exited(&o, 125);
    ck_assert_contains(o.err, part);
}

START_TEST(strict_makes_faults_errors)
{
    check_init_fails("GLEANER_STRICT=1", "GLEANER_OPTIONS=triger_bytes=1m", "strict=1");
    check_init_fails("GLEANER_OPTIONS=percent=x:strict=1", NULL, "percent: 'x' is not a number");
    check_prints("print_init", "GLEANER_STRICT=1", "GLEANER_OPTIONS=trigger_bytes=1m", "0 -\n");
    check_prints("config_percent", "GLEANER_STRICT=1", NULL, "0\n70\n");
}
END_TEST

START_TEST(modes_to_come_are_errors)
{
    const char *const wanted[] = {"GLEANER_MODE=leaks", "GLEANER_OPTIONS=mode=leaks"};
    for (int i = 0; i < 2; i++) {
        check_init_fails(wanted[i], NULL, "is not available in this version");
        check_init_fails(wanted[i], NULL, "gleaner: error: ");
    }
}
END_TEST

START_TEST(faults_in_gc_init)
{
    outcome o;
    char unchanged[100], expected[120];
    print_default("print_percent", unchanged, sizeof unchanged);
    snprintf(expected, sizeof expected, "-1 EINVAL\n%s", unchanged);
    run("config_bad_option", NULL, NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.out, "0 -\n90\n");
    ck_assert_contains(o.err, "gleaner: warning: gc_init: 'percnt': no such option; near: percent");
    ck_assert_contains(o.err, "gleaner: warning: gc_init: percent: 'x' is not a number");
    run("config_bad_option", "GLEANER_STRICT=1", NULL, &o);
    ck_assert_exited(&o, 0);
    ck_assert_str_eq(o.out, expected);
    ck_assert_contains(o.err, "strict=1");
}
END_TEST

START_TEST(init_checks_its_structure)
{
    gc_config config = {.size = sizeof config};
    ck_assert_int_eq(gc_init(&config), 0);
    ck_assert_int_eq(gc_init(&config), 0); /* again */
    ck_assert_int_eq(gc_init(NULL), 0);
    const size_t wrong_sizes[] = {0, sizeof(size_t), sizeof config + 8};
    for (int i = 0; i < 3; i++) {
        config.size = wrong_sizes[i];
        errno = 0;
        ck_assert_int_eq(gc_init(&config), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    config.size = sizeof config;
    config.mode = (gc_mode)3;
    errno = 0;
    ck_assert_int_eq(gc_init(&config), -1);
    ck_assert_int_eq(errno, EINVAL);
    config.mode = GC_MODE_DEFAULT;
    config.percent = 1000000;
    ck_assert_int_eq(gc_init(&config), -1);
}
END_TEST

START_TEST(init_may_change_what_runs)
{
    ck_assert_ptr_nonnull(gc_malloc(10));
    gc_config config = {.size = sizeof config,
                        .percent = 222,
                        .heap_max_bytes = 1 << 30,
                        .memory_limit_bytes = 1 << 29};
    ck_assert_int_eq(gc_init(&config), 0);
    ck_assert_uint_eq(gc_set_heap_max(SIZE_MAX), 1 << 30);
    ck_assert_uint_eq(gc_set_memory_limit(SIZE_MAX), 1 << 29);
    ck_assert_int_eq(gc_set_percent(333), 222);
    gc_config other = {.size = sizeof other, .heap_max_bytes = 1 << 28};
    ck_assert_int_eq(gc_init(&other), 0); /* leaves alone what it does not name */
    ck_assert_int_eq(gc_set_percent(100), 333);
}
END_TEST

Suite *options_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *one = tcase_create("options");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, values_are_read);
    tcase_add_test(one, what_wins);
    tcase_add_test(one, variables_of_the_command_are_no_options);
    tcase_add_test(one, unknown_keys_are_named_with_the_near_ones);
    tcase_add_test(one, bad_values_are_named_with_the_reason);
    tcase_add_test(one, odd_values_make_no_odd_lines);
    tcase_add_test(one, a_bad_value_leaves_the_others_alone);
    tcase_add_test(one, strict_makes_faults_errors);
    tcase_add_test(one, modes_to_come_are_errors);
    tcase_add_test(one, faults_in_gc_init);
    tcase_add_test(one, init_checks_its_structure);
    tcase_add_test(one, init_may_change_what_runs);
    suite_add_tcase(suite, one);
    return suite;
}
