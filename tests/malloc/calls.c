/* SPDX-License-Identifier: MIT */
/*
 * tests/malloc/calls.c - does a program notice that the world is stopped while it is in a system
 * call?
 *
 *   calls             each call of the tables ends by its own timeout or event, in time, with its
 *                     usual result
 *   calls --bare      the same with the C library's own functions: every row that needs Gleaner's
 *                     must notice
 *   calls --aio       the same for asynchronous input and output, which has a thread of its own
 *   calls --signals   a signal of the program ends the calls, as ever
 *   calls --cancel    a thread in such a call can be cancelled
 *   calls --atomic    signals that a program waits for with a mask: none is lost
 *   calls --idiom     signals that end a blocking read
 *
 * All rows run at the same time, each in a thread, while the main thread collects.
 */
#include "calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "expect.h"

enum {
    N_ROWS_MAX = 100,
    LATE_MS = 400,      /* on a busy machine */
    LONG_MS = 20000,    /* when a signal is to end it */
    N_ROUNDS = 2000     /* of waits for a signal */
};

long timeout_ms = WAIT_MS;
int is_bare;

void require(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "calls: %s fails: %s\n", what, strerror(errno));
        exit(2);
    }
}

void *callee(const char *name, void *usual)
{
    static void *library;
    if (!is_bare) {
        return usual;
    }
    if (!library) {
        library = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    }
    void *found = dlsym(library, name);
    return found ? found : usual;
}

struct timespec after_ms(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* EXPECT() for a check that says more itself when it fails. */
static bool is_met(bool condition)
{
    expect_n_checks++;
    expect_n_faults += !condition;
    return condition;
}

/* ---- The rows at work ------------------------------------------------------------------------ */

typedef struct work {
    const row *row;
    attempt attempt;
    pthread_t thread;
    uint64_t begun_ms;
    unsigned n_signals; /* that its thread has handled */
    bool has_begun, is_done;
} work;

static work works[N_ROWS_MAX];
static size_t n_works;
static __thread work *my_work;

static void on_signal(int signal)
{
    (void)signal;
    if (my_work) {
        my_work->n_signals++;
    }
}

static void install(int signal, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    REQUIRE(sigaction(signal, &action, NULL) == 0);
}

static void *do_work(void *arg)
{
    work *w = arg;
    my_work = w;
    w->begun_ms = now_ms();
    __atomic_store_n(&w->has_begun, true, __ATOMIC_RELEASE);
    w->row->call(&w->attempt);
    w->attempt.error = errno;
    w->attempt.ended_ms = now_ms() - w->begun_ms;
    __atomic_store_n(&w->is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void add_rows(const row *rows, bool is_wanted(const row *))
{
    for (; rows->name; rows++) {
        if (!is_wanted(rows)) {
            continue;
        }
        work *w = &works[n_works++];
        w->row = rows;
        if (rows->set_up) {
            rows->set_up(&w->attempt);
        }
    }
}

static void begin_all(void)
{
    for (size_t i = 0; i < n_works; i++) {
        REQUIRE(pthread_create(&works[i].thread, NULL, do_work, &works[i]) == 0);
    }
    for (size_t i = 0; i < n_works; i++) {
        while (!__atomic_load_n(&works[i].has_begun, __ATOMIC_ACQUIRE)) {
            usleep(100);
        }
    }
}

static void join_all(void)
{
    for (size_t i = 0; i < n_works; i++) {
        pthread_join(works[i].thread, NULL);
    }
}

static bool are_all_done(void)
{
    for (size_t i = 0; i < n_works; i++) {
        if (!__atomic_load_n(&works[i].is_done, __ATOMIC_ACQUIRE)) {
            return false;
        }
    }
    return true;
}

static volatile bool is_over;

/* Until the others are done: some hundred collections in a second. */
static void *collect(void *arg)
{
    struct timespec pause = {0, 1000000};
    while (!is_over) {
        if (gleaner_gc_collect) {
            gleaner_gc_collect();
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return arg;
}

/* ---- Each by its own timeout or event -------------------------------------------------------- */

static void *make_event(void *arg)
{
    work *w = arg;
    usleep(WAIT_MS * 1000);
    if (w->row->flags & ENDS_BY_SIGNAL) {
        while (!__atomic_load_n(&w->is_done, __ATOMIC_ACQUIRE)) {
            pthread_kill(w->thread, SIGUSR1);
            usleep(50000);
        }
    } else {
        w->row->event(&w->attempt);
    }
    return NULL;
}

static bool is_as_expected(const work *w)
{
    const attempt *a = &w->attempt;
    bool is_right = a->result == w->row->result && (a->result != -1 || a->error == w->row->error);
    bool is_in_time = a->ended_ms + 1 >= WAIT_MS && a->ended_ms <= WAIT_MS + LATE_MS;
    if (strcmp(w->row->name, "sleep") == 0) {
        is_in_time = a->ended_ms + 1 >= 1000 && a->ended_ms <= 1000 + LATE_MS;
    }
    return is_right && (is_in_time || w->row->flags & WHOLE);
}

static bool is_any(const row *r)
{
    (void)r;
    return true;
}

static bool needs_wrapper(const row *r) { return (r->flags & BY_KERNEL) == 0; }

static void say(const work *w, const char *what)
{
    fprintf(stderr, "calls: %s %s: result %ld, error %s, after %d ms, %u signals\n", w->row->name,
            what, w->attempt.result, strerror(w->attempt.error), (int)w->attempt.ended_ms,
            w->n_signals);
}

static void try_all(void)
{
    pthread_t makers[N_ROWS_MAX];
    begin_all();
    for (size_t i = 0; i < n_works; i++) {
        bool has_event = works[i].row->event || works[i].row->flags & ENDS_BY_SIGNAL;
        makers[i] = 0;
        REQUIRE(!has_event || pthread_create(&makers[i], NULL, make_event, &works[i]) == 0);
    }
    join_all();
    for (size_t i = 0; i < n_works; i++) {
        /* A bare call that was cut leaves the other side with data that nobody takes or gives. */
        if (makers[i] && !(is_bare && works[i].row->flags & WHOLE)) {
            pthread_join(makers[i], NULL);
        }
    }
    for (size_t i = 0; i < n_works; i++) {
        if (!is_met(is_as_expected(&works[i]) != is_bare)) {
            say(&works[i], is_bare ? "does not notice without Gleaner's function" : "has noticed");
        }
    }
}

/* ---- A signal of the program ----------------------------------------------------------------- */

static bool can_be_ended(const row *r)
{
    return (r->flags & (BY_KERNEL | WHOLE)) == 0;
}

/* One signal can fall into the moment before a call begins, so each gets several. */
static void try_signals(int flags)
{
    timeout_ms = LONG_MS;
    n_works = 0;
    memset(works, 0, sizeof works);
    install(SIGUSR1, flags);
    add_rows(waiting_rows, can_be_ended);
    add_rows(moving_rows, can_be_ended);
    begin_all();
    uint64_t last_ms = now_ms() + LONG_MS / 2;
    usleep(50000);
    while (!are_all_done() && now_ms() < last_ms) {
        for (size_t i = 0; i < n_works; i++) {
            if (!__atomic_load_n(&works[i].is_done, __ATOMIC_ACQUIRE)) {
                pthread_kill(works[i].thread, SIGUSR1);
            }
        }
        usleep(50000);
    }
    EXPECT(are_all_done());
    join_all();
    for (size_t i = 0; i < n_works; i++) {
        const work *w = &works[i];
        /* clock_nanosleep returns the error. */
        bool has_ended = (w->attempt.result == -1 && w->attempt.error == EINTR) ||
                         w->attempt.result == EINTR;
        if (!is_met(has_ended && w->n_signals > 0 && w->attempt.ended_ms < LONG_MS / 2)) {
            say(w, "was not ended by a signal");
        }
    }
}

/* ---- Cancellation ---------------------------------------------------------------------------- */

static bool can_be_cancelled(const row *r)
{
    return (r->flags & (NO_POINT | WHOLE)) == 0;
}

static void try_cancellation(void)
{
    timeout_ms = LONG_MS;
    add_rows(waiting_rows, can_be_cancelled);
    add_rows(moving_rows, can_be_cancelled);
    begin_all();
    usleep(100000);
    for (size_t i = 0; i < n_works; i++) {
        pthread_cancel(works[i].thread);
    }
    for (size_t i = 0; i < n_works; i++) {
        void *result = NULL;
        pthread_join(works[i].thread, &result);
        if (!is_met(result == PTHREAD_CANCELED)) {
            say(&works[i], "was not cancelled");
        }
        if (strcmp(works[i].row->name, "waitpid") == 0) {
            works[i].row->event(&works[i].attempt);
        }
    }
}

/* ---- Waits with a mask ----------------------------------------------------------------------- */

typedef struct waiter {
    const char *name;
    int (*wait)(const sigset_t *mask);
    unsigned n_lost, n_late;
    pthread_t thread;
} waiter;

static __thread volatile unsigned n_alarms;

static void on_alarm(int signal)
{
    (void)signal;
    n_alarms++;
}

static int wait_ppoll(const sigset_t *mask) { return ppoll(NULL, 0, NULL, mask); }
static int wait_pselect(const sigset_t *mask) { return pselect(0, NULL, NULL, NULL, NULL, mask); }
static int wait_sigsuspend(const sigset_t *mask) { return sigsuspend(mask); }
static int wait_epoll(const sigset_t *mask)
{
    static __thread int epoll = -1;
    struct epoll_event event;
    if (epoll < 0) {
        epoll = epoll_create1(0);
    }
    return epoll_pwait(epoll, &event, 1, -1, mask);
}

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static timer_t timer_for_this_thread(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    return timer;
}

/* Every alarm ends one wait; a lost one would leave the thread waiting for ever. */
static void *wait_for_alarms(void *arg)
{
    waiter *w = arg;
    sigset_t alarm, before;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, &before);
    timer_t timer = timer_for_this_thread();
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        struct itimerspec once = {{0, 0}, {0, 20000 + i % 100 * 3000}};
        timer_settime(timer, 0, &once, NULL);
        int r = w->wait(&before);
        w->n_lost += r != -1 || errno != EINTR || n_alarms != i + 1;
    }
    timer_delete(timer);
    return NULL;
}

static void try_atomic(void)
{
    waiter waiters[] = {{"ppoll", wait_ppoll, 0, 0, 0},
                        {"pselect", wait_pselect, 0, 0, 0},
                        {"sigsuspend", wait_sigsuspend, 0, 0, 0},
                        {"epoll_pwait", wait_epoll, 0, 0, 0}};
    enum { N_WAITERS = sizeof waiters / sizeof *waiters };
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    for (size_t i = 0; i < N_WAITERS; i++) {
        pthread_create(&waiters[i].thread, NULL, wait_for_alarms, &waiters[i]);
    }
    for (size_t i = 0; i < N_WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        if (!is_met(waiters[i].n_lost == 0)) {
            fprintf(stderr, "calls: %s: %u of %d waits went wrong\n", waiters[i].name,
                    waiters[i].n_lost, N_ROUNDS);
        }
    }
}

/* ---- alarm() before a blocking read ---------------------------------------------------------- */

/* The handler does not ask for SA_RESTART, so the read ends. A second alarm, much later, ends a read
 * that the first one has missed because it came a moment before the call: that happens without any
 * collector, too, but it is rare. */
static void *read_until_alarm(void *arg)
{
    waiter *w = arg;
    int fds[2];
    char byte;
    REQUIRE(pipe(fds) == 0);
    timer_t timer = timer_for_this_thread();
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        struct itimerspec twice = {{0, 30000000}, {0, 200000 + i % 100 * 3000}};
        struct itimerspec never = {{0, 0}, {0, 0}};
        n_alarms = 0;
        timer_settime(timer, 0, &twice, NULL);
        ssize_t r = read(fds[0], &byte, 1);
        timer_settime(timer, 0, &never, NULL);
        w->n_lost += r != -1 || errno != EINTR;
        w->n_late += n_alarms > 1;
    }
    timer_delete(timer);
    return NULL;
}

static void try_idiom(void)
{
    waiter w = {"read", NULL, 0, 0, 0};
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    pthread_create(&w.thread, NULL, read_until_alarm, &w);
    pthread_join(w.thread, NULL);
    if (!is_met(w.n_lost == 0 && w.n_late <= N_ROUNDS / 100)) {
        fprintf(stderr, "calls: read: %u went wrong, %u of %d were ended late\n", w.n_lost, w.n_late,
                N_ROUNDS);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    struct rlimit files = {4096, 4096};
    pthread_t collector;
    is_bare = strcmp(what, "--bare") == 0;
    setrlimit(RLIMIT_NOFILE, &files);
    install(SIGUSR1, 0);
    REQUIRE(pthread_create(&collector, NULL, collect, NULL) == 0);
    if (strcmp(what, "--signals") == 0) {
        try_signals(0);
        try_signals(SA_RESTART);
    } else if (strcmp(what, "--cancel") == 0) {
        try_cancellation();
    } else if (strcmp(what, "--atomic") == 0) {
        try_atomic();
    } else if (strcmp(what, "--idiom") == 0) {
        try_idiom();
    } else if (strcmp(what, "--aio") == 0) {
        add_rows(helped_rows, is_any);
        try_all();
    } else {
        add_rows(waiting_rows, is_bare ? needs_wrapper : is_any);
        add_rows(moving_rows, is_bare ? needs_wrapper : is_any);
        try_all();
    }
    is_over = true;
    pthread_join(collector, NULL);
    return expect_status();
}
