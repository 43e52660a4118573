/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/forks.c - a storm of forks in a program whose threads allocate and collect.
 *
 *   forks [--forks=N] [--fault=damage]
 *
 * Each child finds the objects of its parent as they were, collects, allocates, starts threads that
 * collect too, reclaims what it drops, and may fork itself. The forking thread is not always the
 * first one; and what threads held that do not exist in the child may be reclaimed there, no more.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "stress.h"

enum { N_LISTS = 50, LIST_LENGTH = 30, N_THREADS = 4, N_DROPPED = 400 };

typedef struct cell {
    struct cell *next;
    uint64_t number;
    char *text; /* pointer-free */
} cell;

static cell *lists[N_LISTS];
static atomic_int is_over;
static bool is_damaged;

static cell *make_list(uint64_t number)
{
    cell *list = NULL;
    for (uint64_t i = 0; i < LIST_LENGTH; i++) {
        cell *c = gc_malloc(sizeof *c + i * 16);
        char *text = gc_malloc_atomic(40);
        REQUIRE(c != NULL && text != NULL);
        snprintf(text, 40, "%llu", (unsigned long long)(number + i));
        *c = (cell){list, number + i, text};
        list = c;
    }
    return list;
}

static bool is_intact(const cell *list, uint64_t number)
{
    uint64_t i = LIST_LENGTH;
    for (const cell *c = list; c; c = c->next) {
        i--;
        if (i >= LIST_LENGTH || gc_base(c) != c || c->number != number + i ||
            gc_sizeof(c->text) < 40 || strtoull(c->text, NULL, 10) != number + i) {
            return false;
        }
    }
    return i == 0;
}

static bool are_all_intact(void)
{
    bool is_good = true;
    for (uint64_t i = 0; i < N_LISTS; i++) {
        is_good = is_good && is_intact(lists[i], i << 20);
    }
    return is_good;
}

static void *churn(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    while (!atomic_load(&is_over)) {
        uint64_t number = stress_random(&random) & 0xffffffff;
        cell *list = make_list(number);
        if (stress_below(&random, 50) == 0) {
            gc_collect();
        }
        EXPECT(is_intact(list, number));
    }
    return NULL;
}

static void *churn_a_little(void *arg)
{
    for (uint64_t i = 0; i < 20; i++) {
        cell *list = make_list(i);
        if (i % 10 == 9) {
            gc_collect();
        }
        EXPECT(is_intact(list, i));
    }
    return arg;
}

static void drop(void *arg)
{
    uintptr_t *hidden = arg;
    for (int i = 0; i < N_DROPPED; i++) {
        hidden[i] = stress_hide(gc_malloc(64));
    }
}

/* The child's own collections do reclaim. */
static void expect_reclaimed(void)
{
    static uintptr_t hidden[N_DROPPED];
    int n_left = 0;
    gc_disable();
    stress_deep(drop, hidden);
    gc_collect();
    gc_enable();
    for (int i = 0; i < N_DROPPED; i++) {
        n_left += gc_sizeof(stress_reveal(hidden[i])) != 0;
    }
    EXPECT(n_left <= N_DROPPED / 20);
}

static int in_child(int number)
{
    EXPECT(are_all_intact());
    if (number % 2 == 0) {
        gc_collect();
    }
    if (is_damaged) {
        lists[7] = lists[7]->next;
    }
    churn_a_little(NULL);
    EXPECT(are_all_intact());
    expect_reclaimed();
    if (number % 4 == 1) {
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            REQUIRE(pthread_create(&threads[i], NULL, churn_a_little, NULL) == 0);
        }
        gc_collect();
        for (int i = 0; i < 2; i++) {
            REQUIRE(pthread_join(threads[i], NULL) == 0);
        }
    }
    if (number % 8 == 3) {
        pid_t child = fork();
        if (child == 0) {
            gc_collect();
            EXPECT(are_all_intact());
            _exit(stress_status());
        }
        int status = 1;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
    }
    gc_collect();
    EXPECT(are_all_intact());
    gc_stats stats = {.size = sizeof stats};
    EXPECT(gc_get_stats(&stats) == 0 && stats.skipped == 0);
    return stress_status();
}

static void *fork_and_wait(void *arg)
{
    int number = (int)(intptr_t)arg;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        _exit(in_child(number));
    }
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    return NULL;
}

int main(int argc, char **argv)
{
    int n_forks = (int)stress_number(argc, argv, "forks", 100);
    is_damaged = strcmp(stress_argument(argc, argv, "fault", "none"), "damage") == 0;
    pthread_t threads[N_THREADS];
    for (uint64_t i = 0; i < N_LISTS; i++) {
        lists[i] = make_list(i << 20);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    }
    for (int i = 0; i < n_forks; i++) {
        if (i % 3 == 0) { /* two threads fork at once */
            pthread_t other;
            REQUIRE(pthread_create(&other, NULL, fork_and_wait, (void *)(intptr_t)i) == 0);
            fork_and_wait((void *)(intptr_t)(i + 1));
            pthread_join(other, NULL);
        } else {
            fork_and_wait((void *)(intptr_t)i);
        }
        EXPECT(are_all_intact());
    }
    atomic_store(&is_over, 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    gc_collect();
    EXPECT(are_all_intact());
    return stress_status();
}
