/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/idle.c - threads that wait in the system while the world is stopped again and again.
 *
 *   idle [--fault=signal]
 *
 * The collector stops a waiting thread by a signal whose handler has SA_RESTART. So:
 *   - calls that the kernel restarts (read, write, wait, futexes and what the C library makes of
 *     them) must not show that anything happened;
 *   - calls that it never restarts (nanosleep, poll, select, epoll_wait ...: signal(7) has the
 *     list) may fail with EINTR, as in any program that has signals, and must have done nothing
 *     then: the time that is left is right, no byte and no event is lost. How often that was is
 *     printed.
 *
 * The fault is a signal of the program's own without SA_RESTART: then the first kind is
 * interrupted.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "stress.h"

enum { WAIT_MS = 400, WRITE_BYTES = 300000 };

typedef struct waiter {
    const char *name;
    void (*wait)(struct waiter *w);
    bool is_restarted; /* must never see EINTR */
    bool takes_time;   /* WAIT_MS, no less and not much more */
    int fds[2];        /* a pipe of its own */
    unsigned n_interrupted;
    uint64_t took_ns;
    pthread_t thread;
} waiter;

static atomic_int n_waiting;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore, never;
static bool is_signalled; /* under `mutex` */

static struct timespec time_in(clockid_t clock, long ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static long ms_since(uint64_t start_ns)
{
    return (long)((stress_now_ns() - start_ns) / 1000000);
}

/* ---- Calls that are restarted ---------------------------------------------------------------- */

static void in_read(waiter *w)
{
    char byte = 0;
    ssize_t n = read(w->fds[0], &byte, 1);
    w->n_interrupted += n < 0 && errno == EINTR;
    EXPECT(n == 1 && byte == 'x');
}

/* More than the pipe takes: it waits in the middle, and no byte may be lost or doubled. */
static void in_write(waiter *w)
{
    static unsigned char bytes[WRITE_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i % 251);
    }
    for (size_t n_done = 0; n_done < sizeof bytes;) {
        /* A part may have been written when the signal comes: then the call says how much. */
        ssize_t n = write(w->fds[1], bytes + n_done, sizeof bytes - n_done);
        w->n_interrupted += n < 0 && errno == EINTR;
        if (!EXPECT(n > 0)) {
            return;
        }
        n_done += (size_t)n;
    }
}

static void in_mutex(waiter *w)
{
    (void)w;
    EXPECT(pthread_mutex_lock(&held) == 0);
    EXPECT(pthread_mutex_unlock(&held) == 0);
}

static void in_condition(waiter *w)
{
    (void)w;
    pthread_mutex_lock(&mutex);
    while (!is_signalled) {
        EXPECT(pthread_cond_wait(&condition, &mutex) == 0);
    }
    pthread_mutex_unlock(&mutex);
}

static void in_timed_condition(waiter *w)
{
    static pthread_cond_t nobody = PTHREAD_COND_INITIALIZER;
    static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    struct timespec end = time_in(CLOCK_REALTIME, WAIT_MS);
    int error = 0;
    (void)w;
    pthread_mutex_lock(&own);
    while (error == 0) {
        error = pthread_cond_timedwait(&nobody, &own, &end);
    }
    pthread_mutex_unlock(&own);
    EXPECT(error == ETIMEDOUT); /* EINTR is no result of this call */
}

static void in_semaphore(waiter *w)
{
    int result = sem_wait(&semaphore);
    w->n_interrupted += result != 0 && errno == EINTR;
    EXPECT(result == 0);
}

static void in_waitpid(waiter *w)
{
    pid_t child = fork();
    if (child == 0) {
        stress_sleep_us(WAIT_MS * 1000);
        _exit(7);
    }
    int status = 0;
    pid_t found = waitpid(child, &status, 0);
    w->n_interrupted += found < 0 && errno == EINTR;
    EXPECT(found == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void *end_later(void *arg)
{
    stress_sleep_us(WAIT_MS * 1000);
    return arg;
}

static void in_join(waiter *w)
{
    pthread_t thread;
    void *result = NULL;
    REQUIRE(pthread_create(&thread, NULL, end_later, w) == 0);
    EXPECT(pthread_join(thread, &result) == 0 && result == w);
}

static void in_absolute_sleep(waiter *w)
{
    struct timespec end = time_in(CLOCK_MONOTONIC, WAIT_MS);
    int error;
    while ((error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL)) == EINTR) {
        w->n_interrupted++;
    }
    EXPECT(error == 0);
}

/* ---- Calls that are not ---------------------------------------------------------------------- */

static void in_nanosleep(waiter *w)
{
    struct timespec left = {0, WAIT_MS * 1000000};
    while (nanosleep(&left, &left) != 0) {
        if (!EXPECT(errno == EINTR && left.tv_sec == 0 && left.tv_nsec <= WAIT_MS * 1000000)) {
            return;
        }
        w->n_interrupted++;
    }
}

/* Nothing comes: 0 only when the time is over. */
static void in_poll(waiter *w)
{
    uint64_t start = stress_now_ns();
    struct pollfd fd = {.fd = w->fds[0], .events = POLLIN};
    for (;;) {
        long left = WAIT_MS - ms_since(start);
        int n = poll(&fd, 1, left > 0 ? (int)left : 0);
        if (n == 0) {
            EXPECT(ms_since(start) >= WAIT_MS - 1 && fd.revents == 0);
            return;
        }
        if (!EXPECT(n == -1 && errno == EINTR)) {
            return;
        }
        w->n_interrupted++;
    }
}

/* Something comes, and must be found, however often the call was interrupted. */
static void in_select(waiter *w)
{
    for (;;) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(w->fds[0], &set);
        int n = select(w->fds[0] + 1, &set, NULL, NULL, NULL);
        if (n == 1) {
            char byte = 0;
            EXPECT(FD_ISSET(w->fds[0], &set) && read(w->fds[0], &byte, 1) == 1 && byte == 'x');
            return;
        }
        if (!EXPECT(n == -1 && errno == EINTR)) {
            return;
        }
        w->n_interrupted++;
    }
}

static void in_epoll(waiter *w)
{
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.u64 = 77}};
    REQUIRE(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, w->fds[0], &event) == 0);
    for (;;) {
        event.data.u64 = 0;
        int n = epoll_wait(epoll, &event, 1, -1);
        if (n == 1) {
            EXPECT(event.data.u64 == 77 && (event.events & EPOLLIN) != 0);
            break;
        }
        if (!EXPECT(n == -1 && errno == EINTR)) {
            break;
        }
        w->n_interrupted++;
    }
    close(epoll);
}

static void in_timed_semaphore(waiter *w)
{
    struct timespec end = time_in(CLOCK_REALTIME, WAIT_MS);
    while (sem_timedwait(&never, &end) != 0 && errno == EINTR) {
        w->n_interrupted++;
    }
    EXPECT(errno == ETIMEDOUT);
}

static waiter waiters[] = {
    {.name = "read", .wait = in_read, .is_restarted = true},
    {.name = "write", .wait = in_write, .is_restarted = true},
    {.name = "pthread_mutex_lock", .wait = in_mutex, .is_restarted = true},
    {.name = "pthread_cond_wait", .wait = in_condition, .is_restarted = true},
    {.name = "pthread_cond_timedwait", .wait = in_timed_condition, .is_restarted = true,
     .takes_time = true},
    {.name = "sem_wait", .wait = in_semaphore, .is_restarted = true},
    {.name = "waitpid", .wait = in_waitpid, .is_restarted = true},
    {.name = "pthread_join", .wait = in_join, .is_restarted = true, .takes_time = true},
    {.name = "clock_nanosleep", .wait = in_absolute_sleep, .takes_time = true},
    {.name = "nanosleep", .wait = in_nanosleep, .takes_time = true},
    {.name = "poll", .wait = in_poll, .takes_time = true},
    {.name = "select", .wait = in_select},
    {.name = "epoll_wait", .wait = in_epoll},
    {.name = "sem_timedwait", .wait = in_timed_semaphore, .takes_time = true},
};

enum { N_WAITERS = sizeof waiters / sizeof *waiters };

/* ---- The program ----------------------------------------------------------------------------- */

static void *run_waiter(void *arg)
{
    waiter *w = arg;
    atomic_fetch_add(&n_waiting, 1);
    uint64_t start = stress_now_ns();
    w->wait(w);
    w->took_ns = stress_now_ns() - start;
    return NULL;
}

static void start_waiters(void)
{
    REQUIRE(sem_init(&semaphore, 0, 0) == 0 && sem_init(&never, 0, 0) == 0);
    pthread_mutex_lock(&held);
    for (size_t i = 0; i < N_WAITERS; i++) {
        REQUIRE(pipe(waiters[i].fds) == 0);
        REQUIRE(pthread_create(&waiters[i].thread, NULL, run_waiter, &waiters[i]) == 0);
    }
    while (atomic_load(&n_waiting) < N_WAITERS) {
        usleep(100);
    }
}

static void read_all(int fd)
{
    size_t i = 0;
    unsigned char bytes[4096];
    while (i < WRITE_BYTES) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (!EXPECT(n > 0)) {
            return;
        }
        for (ssize_t j = 0; j < n; j++, i++) {
            if (bytes[j] != i % 251) {
                EXPECT(bytes[j] == i % 251);
                return;
            }
        }
        if (i % 5 == 0) {
            gc_collect();
        }
    }
}

static void release_waiters(void)
{
    for (size_t i = 0; i < N_WAITERS; i++) {
        bool wants_byte = waiters[i].wait == in_read || waiters[i].wait == in_select ||
                          waiters[i].wait == in_epoll;
        EXPECT(!wants_byte || write(waiters[i].fds[1], "x", 1) == 1);
        if (waiters[i].wait == in_write) {
            read_all(waiters[i].fds[0]);
        }
    }
    pthread_mutex_unlock(&held);
    sem_post(&semaphore);
    pthread_mutex_lock(&mutex);
    is_signalled = true;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
}

static void on_signal(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    bool is_faulty = strcmp(stress_argument(argc, argv, "fault", "none"), "signal") == 0;
    struct sigaction action = {.sa_handler = on_signal};
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    start_waiters();
    uint64_t start = stress_now_ns();
    while (ms_since(start) < WAIT_MS * 3 / 2) {
        gc_collect();
        usleep(1000);
        if (is_faulty && ms_since(start) < WAIT_MS / 2) {
            pthread_kill(waiters[0].thread, SIGUSR1);
        }
    }
    release_waiters();
    gc_stats stats = {.size = sizeof stats};
    EXPECT(gc_get_stats(&stats) == 0 && stats.generations[2].collections > 20);
    EXPECT(stats.skipped == 0);
    printf("idle: %llu collections", (unsigned long long)stats.generations[2].collections);
    for (size_t i = 0; i < N_WAITERS; i++) {
        waiter *w = &waiters[i];
        pthread_join(w->thread, NULL);
        EXPECT(!w->is_restarted || w->n_interrupted == 0);
        EXPECT(!w->takes_time || (w->took_ns >= (WAIT_MS - 2) * UINT64_C(1000000) &&
                                  w->took_ns < WAIT_MS * UINT64_C(20000000)));
        if (w->n_interrupted > 0) {
            printf(", EINTR from %s %u times", w->name, w->n_interrupted);
        }
        close(w->fds[0]);
        close(w->fds[1]);
    }
    printf("\n");
    return stress_status();
}
