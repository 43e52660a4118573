/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/signals.c - signals a thousand times in a second, while threads allocate and
 * collect.
 *
 *   signals [--ms=N] [--fault=clobber]
 *
 * The handlers do not allocate: they count, use vector registers and their stack, change errno and
 * put it back, ask gc_base() and gc_sizeof() (which are allowed there), and one of them runs on an
 * alternate stack. What the threads hold must stay whole, and every signal must arrive.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "stress.h"

enum { N_THREADS = 3, N_SENT_MAX = 100000, LIST_LENGTH = 100, ALTERNATE_BYTES = 65536 };
enum { TICKS = 50, ROUNDS_MAX = 30 };

typedef struct cell {
    struct cell *next;
    uint64_t number;
} cell;

static atomic_int is_over;
static atomic_uint n_alarms, n_profiles, n_users, n_wrong;
static void *known; /* an object that stays */
static bool clobbers;
static cell *lists[N_THREADS];

static void answer(atomic_uint *counter)
{
    int saved = errno;
    volatile double numbers[16];
    for (int i = 0; i < 16; i++) {
        numbers[i] = i * 1.5;
    }
    double sum = 0;
    for (int i = 0; i < 16; i++) {
        sum += numbers[i];
    }
    if (gc_base((char *)known + 10) != known || gc_sizeof(known) < 100 || sum < 179 || sum > 181) {
        atomic_fetch_add(&n_wrong, 1);
    }
    atomic_fetch_add(counter, 1);
    if (clobbers && lists[0]) {
        lists[0]->number++;
    }
    errno = saved;
}

static void on_alarm(int signal)
{
    (void)signal;
    answer(&n_alarms);
}

static void on_profile(int signal)
{
    (void)signal;
    answer(&n_profiles);
}

static void on_user(int signal)
{
    (void)signal;
    answer(&n_users);
}

static void install(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    REQUIRE(sigaction(signal, &action, NULL) == 0);
}

static void *churn(void *arg)
{
    size_t which = (uintptr_t)arg;
    stack_t stack = {.ss_sp = malloc(ALTERNATE_BYTES), .ss_size = ALTERNATE_BYTES};
    REQUIRE(stack.ss_sp != NULL && sigaltstack(&stack, NULL) == 0);
    for (uint64_t round = 0; !atomic_load(&is_over); round++) {
        lists[which] = NULL;
        for (uint64_t i = 0; i < LIST_LENGTH; i++) {
            cell *c = gc_malloc(sizeof *c + i % 7 * 32);
            void *p = gc_malloc_atomic(10 + i * 9);
            REQUIRE(c != NULL && p != NULL);
            *c = (cell){lists[which], round + i};
            lists[which] = c;
            errno = 0;
            gc_free(p);
            EXPECT(errno == 0);
        }
        if (round % 20 == which) {
            gc_collect();
        }
        uint64_t i = LIST_LENGTH;
        for (const cell *c = lists[which]; c; c = c->next) {
            i--;
            if (!EXPECT(c->number == round + i)) {
                return NULL;
            }
        }
        EXPECT(i == 0);
    }
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    free(stack.ss_sp);
    return NULL;
}

/* Queued signals: each must arrive, also those that come while the world is stopped. */
static unsigned send_to_threads(const pthread_t *threads, uint64_t until_ns)
{
    unsigned n_sent = 0;
    while (stress_now_ns() < until_ns && n_sent < N_SENT_MAX) {
        union sigval value = {.sival_int = 0};
        if (pthread_sigqueue(threads[n_sent % N_THREADS], SIGRTMIN + 3, value) == 0) {
            n_sent++;
        }
        usleep(700);
    }
    return n_sent;
}

static void stop_timers(void)
{
    struct itimerval none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &none, NULL);
    setitimer(ITIMER_PROF, &none, NULL);
}

int main(int argc, char **argv)
{
    uint64_t duration_ns = stress_number(argc, argv, "ms", 1500) * 1000000;
    pthread_t threads[N_THREADS];
    clobbers = strcmp(stress_argument(argc, argv, "fault", "none"), "clobber") == 0;
    known = gc_malloc(100);
    install(SIGALRM, on_alarm, SA_RESTART);
    install(SIGPROF, on_profile, SA_RESTART | SA_ONSTACK);
    install(SIGRTMIN + 3, on_user, SA_ONSTACK);
    for (size_t i = 0; i < N_THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, churn, (void *)i) == 0);
    }
    struct itimerval every_ms = {{0, 1000}, {0, 1000}};
    REQUIRE(setitimer(ITIMER_REAL, &every_ms, NULL) == 0);
    REQUIRE(setitimer(ITIMER_PROF, &every_ms, NULL) == 0);
    /* Longer where others have the processors: the second timer counts our own time. */
    unsigned n_sent = 0;
    for (int i = 0; i == 0 || (i < ROUNDS_MAX && (n_alarms <= TICKS || n_profiles <= TICKS)); i++) {
        n_sent += send_to_threads(threads, stress_now_ns() + duration_ns);
    }
    stop_timers();
    usleep(100000); /* for the last ones to arrive */
    atomic_store(&is_over, 1);
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    gc_stats stats = {.size = sizeof stats};
    EXPECT(gc_get_stats(&stats) == 0 && stats.generations[2].collections > 0 && stats.skipped == 0);
    EXPECT(n_wrong == 0);
    EXPECT(n_users == n_sent && n_sent > 0);
    EXPECT(n_alarms > TICKS && n_profiles > TICKS);
    printf("signals: %u alarms, %u profiling, %u of %u queued; %llu collections\n", n_alarms,
           n_profiles, n_users, n_sent, (unsigned long long)stats.generations[2].collections);
    return stress_status();
}
