/* SPDX-License-Identifier: MIT */
/*
 * tests/traps/traps.h - what the programs of this folder share: cases with a name, collections on
 * demand, and a list that a collection must not damage.
 *
 *   PROGRAM --list      the names of its cases
 *   PROGRAM CASE        runs one; the status is 0 if all was as expected
 *
 * The programs know nothing of Gleaner but the names below, which are absent under glibc alone: so
 * each case runs with glibc's malloc first, to see that what it expects is right.
 */
#ifndef GL_TESTS_TRAPS_TRAPS_H
#define GL_TESTS_TRAPS_TRAPS_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <gleaner/gc.h>

#pragma weak gc_collect
#pragma weak gc_get_stats

static int traps_n_faults, traps_n_checks;

/* write(), for a case may have made stdio useless. */
__attribute__((unused)) static bool traps_expect(bool is_true, const char *what, const char *file,
                                                 int line)
{
    __atomic_add_fetch(&traps_n_checks, 1, __ATOMIC_RELAXED);
    if (!is_true && __atomic_add_fetch(&traps_n_faults, 1, __ATOMIC_RELAXED) < 9) {
        char text[300];
        int n = snprintf(text, sizeof text, "%s:%d: %s\n", file, line, what);
        ssize_t written = write(2, text, n < (int)sizeof text ? (size_t)n : sizeof text);
        (void)written;
    }
    return is_true;
}

/* Notes a fault if the condition does not hold; its value. */
#define EXPECT(condition) traps_expect((condition), #condition, __FILE__, __LINE__)

/* Without this the rest makes no sense. */
#define REQUIRE(condition)      \
    do {                        \
        if (!EXPECT(condition)) \
            _exit(3);           \
    } while (0)

/* The status of a program; one that checks nothing fails. */
__attribute__((unused)) static int traps_status(void)
{
    return traps_n_faults != 0 || traps_n_checks == 0;
}

/* ---- Collections ------------------------------------------------------------------------------- */

/* How many have been done, and given up. */
__attribute__((unused)) static uint64_t traps_n_done(void)
{
    gc_stats stats = {.size = sizeof stats};
    return gc_get_stats != NULL && gc_get_stats(&stats) == 0 ? stats.generations[2].collections : 0;
}

__attribute__((unused)) static uint64_t traps_n_skipped(void)
{
    gc_stats stats = {.size = sizeof stats};
    return gc_get_stats != NULL && gc_get_stats(&stats) == 0 ? stats.skipped : 0;
}

/* One collection, which must not be given up. */
#define COLLECT()                                       \
    do {                                                \
        if (gc_collect != NULL) {                       \
            uint64_t traps_before = traps_n_skipped();  \
            gc_collect();                               \
            EXPECT(traps_n_skipped() == traps_before);  \
        }                                               \
    } while (0)

/* One that may be. */
__attribute__((unused)) static void try_collect(void)
{
    if (gc_collect != NULL)
        gc_collect();
}

/* ---- What must stay whole ------------------------------------------------------------------------ */

typedef struct cell {
    struct cell *next;
    uintptr_t number;
    char text[40];
} cell;

enum { LIST_LENGTH = 50 };

__attribute__((unused)) static cell *make_list(uintptr_t number)
{
    cell *list = NULL;
    for (uintptr_t i = 0; i < LIST_LENGTH; i++) {
        cell *c = malloc(sizeof *c);
        if (c == NULL)
            return NULL;
        c->next = list;
        c->number = number + i;
        list = c;
    }
    return list;
}

__attribute__((unused)) static bool is_list_whole(const cell *list, uintptr_t number)
{
    uintptr_t n = 0;
    for (const cell *c = list; c; c = c->next, n++) {
        if (c->number != number + LIST_LENGTH - 1 - n)
            return false;
    }
    return n == LIST_LENGTH;
}

__attribute__((unused)) static void free_list(cell *list)
{
    while (list) {
        cell *next = list->next;
        free(list);
        list = next;
    }
}

/* Takes what a collection may have reclaimed by mistake, so that the damage shows. */
__attribute__((unused)) static void overwrite_free_memory(void)
{
    enum { N = 2000 };
    static void *volatile taken[N];
    for (int i = 0; i < N; i++) {
        taken[i] = malloc(sizeof(cell));
        if (taken[i] != NULL)
            memset(taken[i], 0x5a, sizeof(cell));
    }
    for (int i = 0; i < N; i++)
        free(taken[i]);
}

/* ---- Others --------------------------------------------------------------------------------------- */

__attribute__((unused)) static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* At least this long, whatever interrupts. */
__attribute__((unused)) static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) != 0) {
    }
}

/* The wait status of a child that runs the function and leaves with its result. */
__attribute__((unused)) static int status_of_child(int (*fn)(void))
{
    pid_t child = fork();
    if (child == 0)
        _exit(fn());
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* A thread that allocates, keeps lists and drops some, until it is told to end. */
static volatile bool is_over;
static volatile int n_churning;

__attribute__((unused)) static void *churn(void *arg)
{
    uintptr_t number = (uintptr_t)arg * 1000 + 1;
    cell *kept = make_list(number);
    __atomic_add_fetch(&n_churning, 1, __ATOMIC_SEQ_CST);
    while (!is_over) {
        cell *dropped = make_list(7);
        EXPECT(dropped != NULL && is_list_whole(dropped, 7));
        if (number % 2 != 0)
            free_list(dropped);
        EXPECT(is_list_whole(kept, number));
    }
    EXPECT(is_list_whole(kept, number));
    free_list(kept);
    return NULL;
}

typedef struct traps_case {
    const char *name;
    void (*fn)(void);
} traps_case;

enum { TRAPS_NO_CASE = 2 };

/* The main program: `cases` ends with a name that is NULL. */
__attribute__((unused)) static int traps_main(int argc, char **argv, const traps_case *cases)
{
    if (argc != 2)
        return TRAPS_NO_CASE;
    for (const traps_case *c = cases; c->name; c++) {
        if (strcmp(argv[1], "--list") == 0)
            puts(c->name);
        else if (strcmp(argv[1], c->name) == 0) {
            c->fn();
            return traps_status();
        }
    }
    return strcmp(argv[1], "--list") == 0 ? 0 : TRAPS_NO_CASE;
}

#endif
