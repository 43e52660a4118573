/* SPDX-License-Identifier: MIT */
/* tests/unit/heap_fixture.c - see heap_fixture.h. */
#include "heap_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/collect.h"
#include "heap/bin.h"
#include "heap/counts.h"
#include "heap/hooks.h"

void fixture_start(const char *options)
{
    ck_assert_int_eq(setenv("GLEANER_OPTIONS", options ? options : "", 1), 0);
    ck_assert_int_eq(unsetenv("GLEANER_MODE"), 0);
    ck_assert(gl_hook_start());
    ck_assert(gl_arena_enable_counts()); /* as before the first counted object */
    gl_collect_disable();
}

void fixture_setup(void)
{
    fixture_start(NULL);
}

void fixture_stop(void)
{
    gl_bin_sweep_all();
    gl_heap_lock_all();
    gl_heap_unlock_inner();
}

void fixture_resume(void)
{
    gl_heap_unlock_outer();
}

size_t fixture_verify(void)
{
    gl_heap_lock_all();
    size_t n = gl_heap_verify();
    gl_heap_unlock_inner();
    gl_heap_unlock_outer();
    return n;
}

/* ---- Forks ---------------------------------------------------------------------------------- */

/* Runs fn(arg) in a child, with its stderr in `message`; returns its status as wait() gives it. */
static int run_forked(void (*fn)(void *), void *arg, char *message, size_t size)
{
    int fds[2], status;
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(fds[1], 2);
        fn(arg);
        _exit(0);
    }
    close(fds[1]);
    size_t length = 0;
    ssize_t n;
    while ((n = read(fds[0], message + length, size - 1 - length)) > 0) {
        length += (size_t)n;
    }
    message[length] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

void fixture_expect_panic(void (*fn)(void *), void *arg, const char *what, const char *text)
{
    char message[4096];
    int status = run_forked(fn, arg, message, sizeof message);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                  "%s: not noticed (status 0x%x, stderr: %s)", what, (unsigned)status, message);
    ck_assert_msg(strstr(message, "gleaner: ") && strstr(message, text),
                  "%s: '%s' is not in the message: %s", what, text, message);
}

void fixture_expect_success(void (*fn)(void *), void *arg, const char *what)
{
    char message[4096];
    int status = run_forked(fn, arg, message, sizeof message);
    ck_assert_msg(status == 0, "%s: status 0x%x: %s", what, (unsigned)status, message);
}

/* ---- Chance --------------------------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea and Flood, 2014). */
uint64_t fixture_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t fixture_below(uint64_t *state, size_t n)
{
    return (size_t)(fixture_random(state) % n);
}

size_t fixture_random_size(uint64_t *state, size_t max)
{
    size_t size = fixture_below(state, (size_t)1 << (4 + fixture_below(state, 16)));
    return size < max ? size : max;
}

/* ---- Contents ------------------------------------------------------------------------------- */

/* Never the same word twice in a row, nor for two keys. */
static uint64_t word_at(uint64_t key, size_t i)
{
    return (key + 1) * UINT64_C(0x9e3779b97f4a7c15) + i * UINT64_C(0x100000001b3);
}

void fixture_fill(void *p, size_t bytes, uint64_t key)
{
    unsigned char *at = p;
    size_t i;
    for (i = 0; i < bytes / 8; i++) {
        uint64_t word = word_at(key, i);
        memcpy(at + i * 8, &word, 8);
    }
    uint64_t word = word_at(key, i);
    memcpy(at + i * 8, &word, bytes % 8);
}

bool fixture_is_filled(const void *p, size_t bytes, uint64_t key)
{
    const unsigned char *at = p;
    uint64_t difference = 0, found;
    size_t i;
    for (i = 0; i < bytes / 8; i++) {
        memcpy(&found, at + i * 8, 8);
        difference |= found ^ word_at(key, i);
    }
    uint64_t word = word_at(key, i);
    return difference == 0 && memcmp(at + i * 8, &word, bytes % 8) == 0;
}

bool fixture_is_zero(const void *p, size_t bytes)
{
    const unsigned char *at = p;
    return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

gl_object fixture_find(const void *p)
{
    gl_object object = {0};
    ck_assert_msg(gl_heap_find((uintptr_t)p, &object), "no object at %p", p);
    return object;
}

int fixture_count_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    int c, n = 0;
    while ((c = fgetc(maps)) != EOF) {
        n += c == '\n';
    }
    fclose(maps);
    return n;
}

int fixture_run(TCase *tests)
{
    return fixture_run_all(&tests, 1);
}

int fixture_run_all(TCase *const cases[], size_t n)
{
    Suite *suite = suite_create("gleaner");
    for (size_t i = 0; i < n; i++) {
        tcase_set_timeout(cases[i], 120);
        suite_add_tcase(suite, cases[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}
