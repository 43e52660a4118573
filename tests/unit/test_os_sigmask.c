/* SPDX-License-Identifier: MIT */
/* os/sigmask.c and os/sigwait.c: the suspend signal can be neither blocked nor taken by accident;
 * all else is as in glibc. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "os/threads_internal.h"
#include "base/atomic.h"
#include "unit.h"

/* The mask as the kernel has it. */
static uint64_t kernel_mask(void)
{
    uint64_t mask = 0;
    ck_assert_int_eq(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8), 0);
    return mask;
}

static uint64_t bit(int signal_number) { return (uint64_t)1 << (signal_number - 1); }

/* The call by our own name makes the linker take our object, also where a sanitizer's library
 * offers pthread_sigmask first. */
static void init_threads(void)
{
    gl_threads_init(0);
    ck_assert_int_eq(gl_threads_sigmask(SIG_BLOCK, NULL, NULL), 0);
    sigset_t none;
    sigemptyset(&none);
    struct timespec at_once = {0};
    ck_assert_int_eq(gl_threads_sigwait(&none, NULL, &at_once), -EAGAIN);
}

START_TEST(a_full_mask_leaves_our_signal_open)
{
    int ours = gl_threads_signal();
    ck_assert_int_eq(ours, SIGRTMAX - 4);
    sigset_t all, old;
    sigfillset(&all);
    for (int how = SIG_BLOCK; how <= SIG_SETMASK; how += SIG_SETMASK - SIG_BLOCK) {
        ck_assert_int_eq(pthread_sigmask(how, &all, NULL), 0);
        uint64_t mask = kernel_mask();
        ck_assert_uint_eq(mask & bit(ours), 0);
        ck_assert_uint_eq(mask & (bit(32) | bit(33)), 0);
        ck_assert_uint_eq(mask | bit(ours) | bit(32) | bit(33) | bit(SIGKILL) | bit(SIGSTOP),
                          UINT64_MAX);
        ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &old), 0);
        ck_assert(!sigismember(&old, ours));
        ck_assert(sigismember(&old, SIGUSR1));
        sigemptyset(&old);
        ck_assert_int_eq(sigprocmask(SIG_SETMASK, &old, NULL), 0);
        ck_assert_uint_eq(kernel_mask(), 0);
    }
}
END_TEST

/* Both handlers block everything: a thread that stands takes neither signal once more. */
START_TEST(handlers_block_both_signals)
{
    int signals[] = {gl_threads_signal(), gl_threads_second_signal()};
    for (int i = 0; i < 2; i++) {
        uint64_t action[8] = {0}; /* handler, flags, code that returns, mask */
        ck_assert_int_gt(signals[i], 0);
        ck_assert_int_eq(syscall(SYS_rt_sigaction, signals[i], NULL, action, 8), 0);
        ck_assert_uint_eq(action[3] | bit(SIGKILL) | bit(SIGSTOP), UINT64_MAX);
    }
}
END_TEST

START_TEST(sigprocmask_does_the_same)
{
    sigset_t all;
    sigfillset(&all);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &all, NULL), 0);
    ck_assert_uint_eq(kernel_mask() & bit(gl_threads_signal()), 0);
    ck_assert_uint_ne(kernel_mask() & bit(SIGUSR2), 0);
}
END_TEST

START_TEST(what_was_inherited_can_be_undone)
{
    uint64_t inherited = bit(gl_threads_signal()) | bit(SIGUSR1);
    ck_assert_int_eq(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &inherited, NULL, 8), 0);
    sigset_t all, old;
    sigfillset(&all);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &all, &old), 0);
    ck_assert(sigismember(&old, gl_threads_signal()));
    ck_assert(sigismember(&old, SIGUSR1));
    ck_assert_uint_eq(kernel_mask(), 0);
}
END_TEST

START_TEST(the_callers_set_is_not_written)
{
    sigset_t all, copy;
    memset(&all, 0xff, sizeof all);
    copy = all;
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
    ck_assert_int_eq(memcmp(&all, &copy, sizeof all), 0);
}
END_TEST

START_TEST(errors_are_reported_in_two_ways)
{
    sigset_t none;
    sigemptyset(&none);
    errno = 4711;
    ck_assert_int_eq(pthread_sigmask(99, &none, NULL), EINVAL);
    ck_assert_int_eq(errno, 4711);
    ck_assert_int_eq(pthread_sigmask(99, NULL, NULL), 0); /* without a set the first is not read */
    ck_assert_int_eq(sigprocmask(99, &none, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(init_opens_what_a_parent_blocked)
{
    int ours = SIGRTMAX - 3;
    uint64_t inherited = bit(ours) | bit(SIGUSR1);
    ck_assert_int_eq(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &inherited, NULL, 8), 0);
    gl_threads_init(ours);
    ck_assert_int_eq(gl_threads_signal(), ours);
    ck_assert_uint_eq(kernel_mask(), bit(SIGUSR1));
    gl_threads_init(SIGUSR2); /* once */
    ck_assert_int_eq(gl_threads_signal(), ours);
}
END_TEST

/* --- Waiting for signals ------------------------------------------------------------------------- */

static volatile gl_word is_waiting;

static void *wait_for_any(void *arg)
{
    (void)arg;
    sigset_t all;
    sigfillset(&all);
    int got = -1;
    gl_store_release(&is_waiting, 1);
    int error = sigwait(&all, &got);
    return (void *)(intptr_t)(error ? -error : got);
}

/* True if the world could be stopped each time. */
static bool stop_some_times(void)
{
    bool is_stopped = true;
    for (int i = 0; i < 50 && is_stopped; i++) {
        is_stopped = gl_threads_stop(1000000000);
        if (is_stopped)
            gl_threads_resume();
    }
    return is_stopped;
}

START_TEST(a_thread_that_waits_for_every_signal_gets_the_programs_only)
{
    sigset_t all;
    sigfillset(&all);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_any, NULL), 0);
    while (!gl_load_acquire(&is_waiting))
        unit_sleep_us(1000);
    unit_sleep_us(20000);
    ck_assert(stop_some_times());
    ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);
    void *got;
    pthread_join(thread, &got);
    ck_assert_int_eq((intptr_t)got, SIGUSR2);
}
END_TEST

static void *wait_for_some_time(void *arg)
{
    (void)arg;
    sigset_t all;
    sigfillset(&all);
    struct timespec time = {0, 300000000};
    gl_store_release(&is_waiting, 1);
    int r = sigtimedwait(&all, NULL, &time);
    return (void *)(intptr_t)(r == -1 ? errno : -r);
}

START_TEST(a_wait_with_a_time_ends_in_time_and_not_before)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_some_time, NULL), 0);
    while (!gl_load_acquire(&is_waiting))
        unit_sleep_us(1000);
    ck_assert(stop_some_times());
    void *error;
    pthread_join(thread, &error);
    ck_assert_int_eq((intptr_t)error, EAGAIN);
}
END_TEST

START_TEST(a_wait_can_be_cancelled)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_any, NULL), 0);
    while (!gl_load_acquire(&is_waiting))
        unit_sleep_us(1000);
    unit_sleep_us(20000);
    ck_assert_int_eq(pthread_cancel(thread), 0);
    void *result;
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, PTHREAD_CANCELED);
}
END_TEST

START_TEST(information_comes_with_the_signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    siginfo_t info;
    ck_assert_int_eq(sigwaitinfo(&set, &info), SIGUSR1);
    ck_assert_int_eq(info.si_signo, SIGUSR1);
    ck_assert_int_eq(info.si_pid, getpid());
    ck_assert_int_eq(info.si_code, SI_USER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("os/sigmask");
    TCase *tests = unit_case(suite, "masks", 10);
    tcase_add_checked_fixture(tests, init_threads, NULL);
    tcase_add_test(tests, a_full_mask_leaves_our_signal_open);
    tcase_add_test(tests, handlers_block_both_signals);
    tcase_add_test(tests, sigprocmask_does_the_same);
    tcase_add_test(tests, what_was_inherited_can_be_undone);
    tcase_add_test(tests, the_callers_set_is_not_written);
    tcase_add_test(tests, errors_are_reported_in_two_ways);
    TCase *waits = unit_case(suite, "waits", 20);
    tcase_add_checked_fixture(waits, init_threads, NULL);
    tcase_add_test(waits, a_thread_that_waits_for_every_signal_gets_the_programs_only);
    tcase_add_test(waits, a_wait_with_a_time_ends_in_time_and_not_before);
    tcase_add_test(waits, a_wait_can_be_cancelled);
    tcase_add_test(waits, information_comes_with_the_signal);
    TCase *start = unit_case(suite, "start", 10);
    tcase_add_test(start, init_opens_what_a_parent_blocked);
    return unit_run(suite);
}
