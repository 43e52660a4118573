/* SPDX-License-Identifier: MIT */
/*
 * tests/traps/signals.c - programs that do with signals what they like, the suspend signal among
 * them: use it, reset all actions, block all signals, take them with signalfd and sigwait.
 */
#include <aio.h>
#include <poll.h>
#include <sys/signalfd.h>

#include "traps.h"

/* The default of the option suspend_signal. */
#define OURS (SIGRTMAX - 4)

enum { N_ROUNDS = 40 };

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fn, arg) == 0);
    return thread;
}

/* ---- Actions ------------------------------------------------------------------------------------ */

static void *reset_all(void *arg)
{
    struct sigaction action = {0};
    action.sa_handler = *(void (**)(int))arg;
    while (!is_over) {
        for (int s = 1; s <= 64; s++)
            sigaction(s, &action, NULL);
    }
    return NULL;
}

/* Resets all actions again and again, while others collect. */
static void with_all_actions(void (*handler)(int))
{
    pthread_t resetting = start(reset_all, &handler);
    pthread_t churning = start(churn, NULL);
    for (int i = 0; i < 10 * N_ROUNDS; i++)
        COLLECT();
    is_over = true;
    pthread_join(resetting, NULL);
    pthread_join(churning, NULL);
}

static void reset_all_actions(void) { with_all_actions(SIG_DFL); }
static void ignore_all_actions(void) { with_all_actions(SIG_IGN); }

static volatile int n_calls, n_queued, value_sum, seen_mask; /* several threads may handle signals */

static void on_signal(int number)
{
    EXPECT(number == OURS);
    __atomic_add_fetch(&n_calls, 1, __ATOMIC_SEQ_CST);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    seen_mask = (sigismember(&mask, SIGUSR1) == 1) | (sigismember(&mask, SIGUSR2) == 1) << 1 |
                (sigismember(&mask, SIGTERM) == 1) << 2;
}

static void on_queued(int number, siginfo_t *info, void *context)
{
    EXPECT(number == OURS && context != NULL);
    if (info->si_code == SI_QUEUE) {
        __atomic_add_fetch(&value_sum, info->si_value.sival_int, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&n_queued, 1, __ATOMIC_SEQ_CST);
    }
}

/* What sigaction() says of an action is what was asked for, and the handler is called as asked. */
static void own_handler(void)
{
    struct sigaction action = {0}, old;
    REQUIRE(sigaction(OURS, NULL, &old) == 0);
    EXPECT(old.sa_handler == SIG_DFL);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaddset(&action.sa_mask, SIGUSR1);
    REQUIRE(sigaction(OURS, &action, NULL) == 0);
    REQUIRE(sigaction(OURS, NULL, &old) == 0);
    EXPECT(old.sa_handler == on_signal && sigismember(&old.sa_mask, SIGUSR1) == 1);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    pthread_t churning = start(churn, NULL);
    for (int i = 1; i <= N_ROUNDS; i++) {
        COLLECT();
        raise(OURS);
        EXPECT(n_calls == i && seen_mask == 3); /* our stops are not among the calls */
    }
    action.sa_flags |= (int)SA_RESETHAND;
    sigaction(OURS, &action, NULL);
    raise(OURS);
    EXPECT(n_calls == N_ROUNDS + 1);
    REQUIRE(sigaction(OURS, NULL, &old) == 0);
    EXPECT(old.sa_handler == SIG_DFL);
    EXPECT(signal(OURS, on_signal) == SIG_DFL);
    EXPECT(signal(OURS, SIG_IGN) == on_signal);
    raise(OURS);
    EXPECT(n_calls == N_ROUNDS + 1);
    COLLECT();
    is_over = true;
    pthread_join(churning, NULL);
}

/* sigqueue() with values, and a timer, while collections run. */
static void own_queue(void)
{
    struct sigaction action = {0};
    action.sa_sigaction = on_queued;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    REQUIRE(sigaction(OURS, &action, NULL) == 0);
    pthread_t churning = start(churn, NULL);
    for (int i = 1; i <= N_ROUNDS; i++) {
        union sigval value = {.sival_int = i};
        REQUIRE(sigqueue(getpid(), OURS, value) == 0);
        COLLECT();
    }
    uint64_t end = now_ms() + 5000;
    while (n_queued < N_ROUNDS && now_ms() < end)
        sleep_ms(1);
    EXPECT(n_queued == N_ROUNDS && value_sum == N_ROUNDS * (N_ROUNDS + 1) / 2);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = OURS};
    timer_t timer;
    action.sa_sigaction = NULL;
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    REQUIRE(sigaction(OURS, &action, NULL) == 0);
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec period = {{0, 1000000}, {0, 1000000}};
    REQUIRE(timer_settime(timer, 0, &period, NULL) == 0);
    end = now_ms() + 5000;
    while (n_calls < 20 && now_ms() < end)
        COLLECT();
    EXPECT(n_calls >= 20);
    timer_delete(timer);
    is_over = true;
    pthread_join(churning, NULL);
}

static int raise_ours(void)
{
    raise(OURS);
    return 0;
}

static int raise_ours_ignored(void)
{
    signal(OURS, SIG_IGN);
    raise(OURS);
    signal(OURS, SIG_DFL);
    return 7;
}

/* By default a real-time signal ends the process. */
static void default_action(void)
{
    int status = status_of_child(raise_ours);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == OURS);
    status = status_of_child(raise_ours_ignored);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* A handler without SA_RESTART interrupts a system call. */
static void *read_once(void *pipe_end)
{
    char byte;
    ssize_t n = read(*(int *)pipe_end, &byte, 1);
    EXPECT(n == -1 && errno == EINTR);
    is_over = true;
    return NULL;
}

static void own_interruption(void)
{
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    REQUIRE(sigaction(OURS, &action, NULL) == 0);
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pthread_t reading = start(read_once, ends);
    while (!is_over) {
        sleep_ms(1);
        pthread_kill(reading, OURS);
    }
    pthread_join(reading, NULL);
    EXPECT(n_calls > 0);
}

/* ---- Masks ---------------------------------------------------------------------------------------- */

static void block_by_pthread(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void block_by_process(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

static void *block_and_wait(void *block)
{
    ((void (*)(void))(uintptr_t)block)();
    cell *kept = make_list(11);
    while (!is_over) {
        free(malloc(100));
        EXPECT(is_list_whole(kept, 11));
    }
    return NULL;
}

static void with_blocked_thread(void (*block)(void))
{
    pthread_t blocked = start(block_and_wait, (void *)(uintptr_t)block);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    is_over = true;
    pthread_join(blocked, NULL);
}

static void pthread_sigmask_of_all(void) { with_blocked_thread(block_by_pthread); }
static void sigprocmask_of_all(void) { with_blocked_thread(block_by_process); }

/* A handler that runs for long and has asked for all signals to be blocked meanwhile. */
static void run_for_long(int number)
{
    (void)number;
    while (!is_over) {
    }
}

static void *handle_for_long(void *unused)
{
    (void)unused;
    struct sigaction action = {0};
    action.sa_handler = run_for_long;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return NULL;
}

static void full_mask_of_handler(void)
{
    pthread_t handling = start(handle_for_long, NULL);
    sleep_ms(20);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    is_over = true;
    pthread_join(handling, NULL);
}

/* A thread that is born with every signal blocked. */
static void full_mask_of_attribute(void)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setsigmask_np(&attributes, &all) == 0);
    sigset_t told;
    EXPECT(pthread_attr_getsigmask_np(&attributes, &told) == 0);
    EXPECT(sigismember(&told, SIGUSR1) == 1);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, &attributes, churn, NULL) == 0);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    is_over = true;
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* Threads of the C library's own, which block every signal: that of timers, and those of aio. */
static volatile int n_ticks;

static void tick(union sigval value)
{
    free(make_list(3));
    __atomic_add_fetch(&n_ticks, value.sival_int, __ATOMIC_SEQ_CST);
}

static void timer_thread(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tick};
    event.sigev_value.sival_int = 1;
    timer_t timer;
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec period = {{0, 2000000}, {0, 2000000}};
    REQUIRE(timer_settime(timer, 0, &period, NULL) == 0);
    uint64_t end = now_ms() + 5000;
    while (n_ticks < 20 && now_ms() < end)
        COLLECT();
    EXPECT(n_ticks >= 20);
    timer_delete(timer);
}

static void aio_thread(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    char byte = 0;
    struct aiocb *request = calloc(1, sizeof *request);
    request->aio_fildes = ends[0];
    request->aio_buf = &byte;
    request->aio_nbytes = 1;
    REQUIRE(aio_read(request) == 0);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    EXPECT(aio_error(request) == EINPROGRESS);
    EXPECT(write(ends[1], "x", 1) == 1);
    uint64_t end = now_ms() + 5000;
    while (aio_error(request) == EINPROGRESS && now_ms() < end)
        sleep_ms(1);
    EXPECT(aio_error(request) == 0 && aio_return(request) == 1 && byte == 'x');
    free(request);
}

/* The mask that a system call waits with. */
static void *wait_with_full_mask(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    (void)unused;
    struct timespec long_time = {1000, 0};
    struct pollfd none = {.fd = -1};
    while (!is_over) {
        ppoll(&none, 1, &long_time, &all);
    }
    return NULL;
}

static void full_mask_of_call(void)
{
    start(wait_with_full_mask, NULL);
    sleep_ms(10);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    _exit(traps_status()); /* nothing may have woken it */
}

/* ---- Waiting for signals -------------------------------------------------------------------------- */

static volatile int n_taken, n_foreign;

static void take(int number)
{
    n_taken++;
    if (number != SIGUSR1)
        n_foreign++;
}

static void *wait_by_sigwait(void *unused)
{
    (void)unused;
    sigset_t all;
    sigfillset(&all);
    while (!is_over) {
        int number = 0;
        EXPECT(sigwait(&all, &number) == 0);
        take(number);
    }
    return NULL;
}

static void *wait_by_sigwaitinfo(void *unused)
{
    (void)unused;
    sigset_t all;
    sigfillset(&all);
    while (!is_over) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number > 0)
            take(number);
        else
            EXPECT(errno == EINTR);
    }
    return NULL;
}

static void *wait_by_signalfd(void *unused)
{
    (void)unused;
    sigset_t all;
    sigfillset(&all);
    int fd = signalfd(-1, &all, SFD_CLOEXEC);
    REQUIRE(fd >= 0);
    while (!is_over) {
        struct signalfd_siginfo info;
        ssize_t n = read(fd, &info, sizeof info);
        if (n == sizeof info)
            take((int)info.ssi_signo);
        else
            EXPECT(n < 0 && errno == EINTR);
    }
    close(fd);
    return NULL;
}

/* A thread that waits for every signal gets those that are sent, and no other. */
static void with_waiting_thread(void *(*wait_for_all)(void *))
{
    block_by_pthread(); /* inherited: SIGUSR1 must wait for the one who takes it */
    pthread_t waiting = start(wait_for_all, NULL);
    for (int i = 1; i <= N_ROUNDS; i++) {
        COLLECT();
        is_over = i == N_ROUNDS;
        pthread_kill(waiting, SIGUSR1);
        uint64_t end = now_ms() + 5000;
        while (n_taken < i && now_ms() < end)
            sched_yield();
    }
    pthread_join(waiting, NULL);
    EXPECT(n_taken == N_ROUNDS && n_foreign == 0);
}

static void sigwait_for_all(void) { with_waiting_thread(wait_by_sigwait); }
static void sigwaitinfo_for_all(void) { with_waiting_thread(wait_by_sigwaitinfo); }
static void signalfd_for_all(void) { with_waiting_thread(wait_by_signalfd); }

static const traps_case cases[] = {
    {"reset_all_actions", reset_all_actions},
    {"ignore_all_actions", ignore_all_actions},
    {"own_handler", own_handler},
    {"own_queue", own_queue},
    {"own_interruption", own_interruption},
    {"default_action", default_action},
    {"pthread_sigmask_of_all", pthread_sigmask_of_all},
    {"sigprocmask_of_all", sigprocmask_of_all},
    {"full_mask_of_handler", full_mask_of_handler},
    {"full_mask_of_attribute", full_mask_of_attribute},
    {"timer_thread", timer_thread},
    {"aio_thread", aio_thread},
    {"full_mask_of_call", full_mask_of_call},
    {"sigwait_for_all", sigwait_for_all},
    {"sigwaitinfo_for_all", sigwaitinfo_for_all},
    {"signalfd_for_all", signalfd_for_all},
    {NULL, NULL},
};

int main(int argc, char **argv) { return traps_main(argc, argv, cases); }
