/* SPDX-License-Identifier: MIT */
/* base/lock.h: exclusion, waiting and waking, ranks, and the reset in the child of a fork. */
#include "base/lock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/atomic.h"
#include "base/check.h"
#include "unit.h"

enum { THREADS = 4, ROUNDS = 50000 };

static gl_lock lock = GL_LOCK_INIT(GL_RANK_ARENA);
static long protected_counter; /* by `lock`, and by nothing else */

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        gl_lock_acquire(&lock);
        protected_counter++;
        gl_lock_release(&lock);
    }
    return NULL;
}

START_TEST(one_thread_at_a_time)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(protected_counter, THREADS * ROUNDS);
    ck_assert(!gl_lock_is_held(&lock));
}
END_TEST

static volatile gl_word stage;

static void *acquire_and_tell(void *arg)
{
    (void)arg;
    gl_store_release(&stage, 1);
    gl_lock_acquire(&lock);
    gl_store_release(&stage, 2);
    gl_lock_release(&lock);
    return NULL;
}

START_TEST(who_waits_sleeps_and_is_woken)
{
    gl_lock_acquire(&lock);
    ck_assert(gl_lock_is_held(&lock));
    ck_assert(!gl_lock_try(&lock));
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, acquire_and_tell, NULL), 0);
    while (gl_load_acquire(&stage) != 1)
        unit_sleep_us(1000);
    unit_sleep_us(50000);
    ck_assert_uint_eq(gl_load_acquire(&stage), 1);
    struct timespec cpu_before, cpu_after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
    unit_sleep_us(200000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
    long used_us = (cpu_after.tv_sec - cpu_before.tv_sec) * 1000000 +
                   (cpu_after.tv_nsec - cpu_before.tv_nsec) / 1000;
    ck_assert_int_lt(used_us, 100000); /* it sleeps, it does not spin */
    gl_lock_release(&lock);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(gl_load_acquire(&stage), 2);
    ck_assert(gl_lock_try(&lock));
    gl_lock_release(&lock);
}
END_TEST

START_TEST(errno_is_kept)
{
    volatile uint32_t word = 5;
    errno = 4711;
    gl_futex_wait(&word, 6, 0);       /* another value: EAGAIN */
    gl_futex_wait(&word, 5, 1000000); /* ETIMEDOUT */
    gl_futex_wake(&word, 1);
    gl_lock_acquire(&lock);
    gl_lock_release(&lock);
    ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(wait_ends_after_its_time)
{
    volatile uint32_t word = 5;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    gl_futex_wait(&word, 5, 20000000);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    ck_assert_int_ge(ms, 19);
}
END_TEST

START_TEST(reset_frees_what_another_thread_held)
{
    gl_lock_acquire(&lock);
    pid_t child = fork();
    if (child == 0) {
        gl_lock_reset(&lock);
        bool is_free = !gl_lock_is_held(&lock);
        gl_lock_acquire(&lock);
        gl_lock_release(&lock);
        _exit(is_free ? 0 : 1);
    }
    ck_assert_int_eq(unit_status_of(child), 0);
    gl_lock_release(&lock);
}
END_TEST

START_TEST(release_of_a_free_lock_ends_the_program)
{
    gl_lock_release(&lock);
}
END_TEST

static gl_lock lower = GL_LOCK_INIT(GL_RANK_COLLECT);

START_TEST(wrong_order_ends_the_program_if_checked)
{
    gl_lock_acquire(&lock);
    gl_lock_acquire(&lower);
    gl_lock_release(&lower);
    gl_lock_release(&lock);
    if (GL_CHECK_LEVEL < 2)
        raise(SIGABRT); /* unchecked in this build: as expected */
}
END_TEST

START_TEST(right_order_and_equal_ranks_are_fine)
{
    gl_lock same = GL_LOCK_INIT(GL_RANK_ARENA);
    for (int i = 0; i < 3; i++) {
        gl_lock_acquire(&lower);
        gl_lock_acquire(&lock);
        gl_lock_acquire(&same);
        gl_lock_release(&same);
        gl_lock_release(&lock);
        gl_lock_release(&lower);
    }
    ck_assert(!gl_lock_is_held(&lock));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/lock");
    TCase *tests = unit_case(suite, "lock", 30);
    tcase_add_test(tests, one_thread_at_a_time);
    tcase_add_test(tests, who_waits_sleeps_and_is_woken);
    tcase_add_test(tests, errno_is_kept);
    tcase_add_test(tests, wait_ends_after_its_time);
    tcase_add_test(tests, reset_frees_what_another_thread_held);
    tcase_add_test_raise_signal(tests, release_of_a_free_lock_ends_the_program, SIGABRT);
    tcase_add_test_raise_signal(tests, wrong_order_ends_the_program_if_checked, SIGABRT);
    tcase_add_test(tests, right_order_and_equal_ranks_are_fine);
    return unit_run(suite);
}
