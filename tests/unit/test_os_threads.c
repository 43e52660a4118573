/* SPDX-License-Identifier: MIT */
/* os/threads.h: ids, the registry, blocking regions, and the child of a fork. */
#include "os/threads_internal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "os/system.h"
#include "os/tasks.h"
#include "unit.h"

#define SECOND_NS ((uint64_t)1000000000)

static volatile gl_word is_over, n_started, counter;

static void init_threads(void)
{
    gl_threads_init(0);
    ck_assert_int_eq(gl_threads_sigmask(SIG_BLOCK, NULL, NULL), 0); /* take our object, please */
}

static void wait_until(volatile gl_word *word, size_t value)
{
    while (gl_load_acquire(word) < value)
        unit_sleep_us(500);
}

static const gl_stopped_thread *find_stopped(int tid)
{
    const gl_stopped_thread *t = gl_threads_stopped();
    while (t && t->tid != tid)
        t = t->next;
    return t;
}

static void *get_tid(void *pointer)
{
    *(uintptr_t *)pointer = gl_threads_pointer();
    return (void *)(intptr_t)gl_threads_tid();
}

START_TEST(ids_are_the_kernels)
{
    ck_assert_int_eq(gl_threads_tid(), getpid());
    pthread_t thread;
    uintptr_t pointer = 0;
    void *tid;
    ck_assert_int_eq(pthread_create(&thread, NULL, get_tid, &pointer), 0);
    pthread_join(thread, &tid);
    ck_assert_int_gt((intptr_t)tid, 0);
    ck_assert_int_ne((intptr_t)tid, getpid());
    ck_assert_uint_eq(gl_threads_pointer(), (uintptr_t)pthread_self()); /* as in glibc */
    ck_assert_uint_ne(pointer, gl_threads_pointer());
}
END_TEST

static void *sleep_until_over(void *arg)
{
    (void)arg;
    gl_threads_register();
    gl_add_full(&n_started, 1);
    while (!gl_load_acquire(&is_over))
        unit_sleep_us(1000);
    return NULL;
}

START_TEST(threads_are_counted)
{
    pthread_t threads[5];
    ck_assert_int_eq(pthread_create(&threads[0], NULL, sleep_until_over, NULL), 0);
    size_t before = gl_threads_count() - 1; /* a sanitizer may have one of its own by now */
    for (int i = 1; i < 5; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sleep_until_over, NULL), 0);
    ck_assert_uint_eq(gl_threads_count(), before + 5);
    gl_store_release(&is_over, 1);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    while (gl_threads_count() != before)
        unit_sleep_us(1000);
}
END_TEST

/* --- The registry -------------------------------------------------------------------------------- */

static void count_in_use(gl_slot *slot, void *n)
{
    *(size_t *)n += gl_slot_state_of(gl_load32_acquire(&slot->word)) != GL_SLOT_FREE;
}

static size_t n_slots_in_use(void)
{
    size_t n = 0;
    gl_slots_each(count_in_use, &n);
    return n;
}

static void *register_and_leave_it(void *arg)
{
    (void)arg;
    gl_threads_register();
    return NULL;
}

START_TEST(slots_of_dead_threads_are_used_again)
{
    for (int i = 0; i < 1000; i++) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, register_and_leave_it, NULL), 0);
        pthread_join(thread, NULL);
    }
    ck_assert_uint_le(n_slots_in_use(), 64 + 8);
}
END_TEST

START_TEST(many_threads_are_registered_at_once)
{
    enum { N = 400 };
    static pthread_t threads[N];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(pthread_create(&threads[i], &attributes, sleep_until_over, NULL), 0);
    wait_until(&n_started, N);
    ck_assert_uint_eq(n_slots_in_use(), N);
    gl_store_release(&is_over, 1);
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(register_and_unregister)
{
    ck_assert_uint_eq(n_slots_in_use(), 0);
    gl_threads_unregister(); /* nothing to do */
    gl_threads_register();
    gl_threads_register();
    ck_assert_uint_eq(n_slots_in_use(), 1);
    gl_threads_unregister();
    gl_threads_unregister();
    ck_assert_uint_eq(n_slots_in_use(), 0);
}
END_TEST

/* --- Blocking regions ---------------------------------------------------------------------------- */

static int wake_up[2]; /* a pipe */

typedef struct visit {
    volatile gl_word tid, local, result, error;
} visit;

static void *read_one(void *arg)
{
    visit *v = arg;
    char c;
    gl_store_release(&v->tid, (size_t)gl_threads_tid());
    errno = 0;
    ssize_t n = read(wake_up[0], &c, 1);
    gl_store_relaxed(&v->error, (size_t)errno);
    return (void *)n;
}

static void *read_in_region(void *arg)
{
    visit *v = arg;
    uintptr_t local = 0;
    gl_store_relaxed(&v->local, (uintptr_t)&local);
    gl_store_relaxed(&v->result, (size_t)gl_threads_blocking(read_one, v));
    gl_add_full(&counter, 1);
    return NULL;
}

START_TEST(thread_in_a_region_is_not_disturbed)
{
    ck_assert_int_eq(pipe(wake_up), 0);
    visit v = {0};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, read_in_region, &v), 0);
    wait_until(&v.tid, 1);
    unit_sleep_us(20000);
    uintptr_t sp = 0, pointer = 0;
    bool is_stopped = true;
    for (int i = 0; i < 100 && is_stopped; i++) {
        is_stopped = gl_threads_stop(SECOND_NS);
        if (!is_stopped)
            break;
        const gl_stopped_thread *t = find_stopped((int)gl_load_acquire(&v.tid));
        sp = t ? t->stack_pointer : 0;
        pointer = t ? t->thread_pointer : 0;
        gl_threads_resume();
    }
    ck_assert(is_stopped);
    ck_assert_uint_ne(sp, 0);
    ck_assert_uint_lt(sp, gl_load_relaxed(&v.local)); /* the caller's frame is above */
    ck_assert_uint_lt(gl_load_relaxed(&v.local) - sp, 4096);
    ck_assert_uint_eq(pointer, (uintptr_t)thread);

    /* The system call ends while the world is stopped: the thread waits at the exit. */
    ck_assert(gl_threads_stop(SECOND_NS));
    ssize_t n_written = write(wake_up[1], "x", 1);
    uint64_t end = gl_os_now_ns() + SECOND_NS / 20;
    while (gl_os_now_ns() < end)
        gl_spin_hint();
    size_t went_on = gl_load_acquire(&counter);
    gl_threads_resume();
    pthread_join(thread, NULL);
    ck_assert_int_eq(n_written, 1);
    ck_assert_uint_eq(went_on, 0);
    ck_assert_uint_eq(gl_load_acquire(&counter), 1);
    ck_assert_uint_eq(gl_load_relaxed(&v.result), 1);
    ck_assert_uint_eq(gl_load_relaxed(&v.error), 0);
}
END_TEST

static void *sleep_in_region(void *arg)
{
    visit *v = arg;
    gl_store_release(&v->tid, (size_t)gl_threads_tid());
    struct timespec rest, second = {1, 0};
    uintptr_t n_interrupted = nanosleep(&second, &rest) != 0; /* not restarted after a signal */
    return (void *)n_interrupted;
}

static void *sleep_in_region_thread(void *arg)
{
    return gl_threads_blocking(sleep_in_region, arg);
}

START_TEST(nanosleep_in_a_region_is_not_cut_short)
{
    visit v = {0};
    pthread_t thread;
    void *n_interrupted;
    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_in_region_thread, &v), 0);
    wait_until(&v.tid, 1);
    for (int i = 0; i < 200; i++) {
        ck_assert(gl_threads_stop(SECOND_NS));
        gl_threads_resume();
        unit_sleep_us(100);
    }
    pthread_join(thread, &n_interrupted);
    ck_assert_ptr_null(n_interrupted);
}
END_TEST

static void *count_outside_heap(void *arg)
{
    (void)arg;
    /* Inside of the region the thread runs on while the world is stopped, by contract. What it
     * does in a call that leaves the region must stand. */
    bool was_inside = gl_threads_leave();
    gl_add_relaxed(&counter, 1);
    if (was_inside)
        gl_threads_reenter();
    return NULL;
}

static void *in_and_out_until_over(void *arg)
{
    (void)arg;
    gl_add_full(&n_started, 1);
    while (!gl_load_acquire(&is_over)) {
        gl_threads_blocking(count_outside_heap, NULL);
        gl_add_relaxed(&counter, 1);
    }
    return NULL;
}

START_TEST(leaving_a_region_waits_for_the_end_of_the_stop)
{
    enum { THREADS = 3, STOPS = 2000 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, in_and_out_until_over, NULL), 0);
    wait_until(&n_started, THREADS);
    int n_bad = 0;
    size_t first = gl_load_relaxed(&counter);
    for (int i = 0; i < STOPS; i++) {
        if (!gl_threads_stop(10 * SECOND_NS)) {
            n_bad++;
            continue;
        }
        size_t before = gl_load_relaxed(&counter);
        uint64_t end = gl_os_now_ns() + 5000;
        while (gl_os_now_ns() < end)
            gl_spin_hint();
        n_bad += gl_load_relaxed(&counter) != before;
        gl_threads_resume();
    }
    size_t last = gl_load_relaxed(&counter);
    gl_store_release(&is_over, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(n_bad, 0);
    ck_assert_uint_gt(last - first, 1000);
}
END_TEST

static void *nested(void *arg)
{
    return gl_threads_leave() ? (gl_threads_reenter(), arg) : NULL;
}

static void *nest(void *arg) { return gl_threads_blocking(nested, arg); }

START_TEST(regions_nest)
{
    int something;
    ck_assert(!gl_threads_leave());
    ck_assert_ptr_eq(gl_threads_blocking(nest, &something), &something);
    ck_assert(!gl_threads_leave()); /* the outer one is over, too */
}
END_TEST

static void *exit_in_region(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

static void *wait_to_be_cancelled(void *arg)
{
    gl_store_release(arg, 1);
    pause();
    return arg; /* only if it was not cancelled */
}

static volatile gl_word left_properly;

static void look_after_exit(void *arg)
{
    (void)arg;
    gl_add_full(&left_properly, !gl_threads_leave());
}

static void *end_in_region(void *ready)
{
    pthread_cleanup_push(look_after_exit, NULL);
    gl_threads_blocking(ready ? wait_to_be_cancelled : exit_in_region, ready);
    pthread_cleanup_pop(1);
    return NULL;
}

START_TEST(region_ends_when_its_thread_ends)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_in_region, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(gl_load_acquire(&left_properly), 1);
    volatile gl_word ready = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_in_region, (void *)&ready), 0);
    wait_until(&ready, 1);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(gl_load_acquire(&left_properly), 2);
}
END_TEST

START_TEST(errno_is_kept_by_all_of_it)
{
    errno = 4711;
    gl_threads_register();
    ck_assert_ptr_null(gl_threads_blocking(nested, NULL));
    gl_threads_tid();
    gl_threads_count();
    gl_threads_unregister();
    ck_assert_int_eq(errno, 4711);
}
END_TEST

/* --- Fork ---------------------------------------------------------------------------------------- */

/* In the child: the world is this thread; it can be stopped, and grow, and be stopped again. */
static int go_on_in_child(void)
{
    if (gl_threads_tid() != getpid() || n_slots_in_use() > 1)
        return 1;
    if (!gl_threads_stop(SECOND_NS) || gl_threads_stopped())
        return 2;
    gl_threads_resume();
    gl_store_release(&is_over, 0);
    gl_store_release(&n_started, 0);
    pthread_t thread;
    if (pthread_create(&thread, NULL, sleep_until_over, NULL) != 0)
        return 3;
    wait_until(&n_started, 1);
    for (int i = 0; i < 10; i++) {
        if (!gl_threads_stop(SECOND_NS) || !gl_threads_stopped())
            return 4;
        gl_threads_resume();
    }
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
    return 0;
}

static int be_a_good_child(void)
{
    gl_threads_after_fork();
    return go_on_in_child();
}

/* In the child of a thread that was alone: a thread of its own stops the world while the main thread,
 * whose slot is still the parent's entry, is in a region. */
static void *stop_once(void *arg)
{
    (void)arg;
    bool is_stopped = gl_threads_stop(SECOND_NS);
    bool has_main = is_stopped && gl_threads_stopped() && !gl_threads_stopped()->next;
    if (is_stopped)
        gl_threads_resume();
    gl_threads_unregister();
    return (void *)(intptr_t)(has_main ? 0 : 5);
}

static void *let_a_thread_stop_us(void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, stop_once, arg) != 0)
        return (void *)(intptr_t)6;
    void *status;
    pthread_join(thread, &status);
    return status;
}

START_TEST(child_of_a_thread_that_is_alone)
{
    gl_threads_register();
    if (!gl_threads_is_alone())
        return; /* a C library that does not say so, or a sanitizer's thread */
    int parent = gl_threads_tid();
    pid_t child = fork();
    if (child == 0) {
        gl_threads_after_fork_alone();
        if (gl_threads_tid() == parent || gl_threads_tid() != getpid())
            _exit(7);
        int status = (int)(intptr_t)gl_threads_blocking(let_a_thread_stop_us, NULL);
        _exit(status != 0 ? status : go_on_in_child());
    }
    ck_assert_int_eq(unit_status_of(child), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_until_over, NULL), 0);
    ck_assert(!gl_threads_is_alone());
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
}
END_TEST

static void *fork_and_wait(void *as_registered)
{
    if (as_registered)
        gl_threads_register();
    pid_t child = fork();
    if (child == 0)
        _exit(be_a_good_child());
    return (void *)(intptr_t)unit_status_of(child);
}

START_TEST(child_of_a_thread_stops_its_own_world)
{
    if (UNIT_HAS_TSAN)
        return; /* it refuses threads in the child of a threaded program */
    pthread_t others[4], forker;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&others[i], NULL, sleep_until_over, NULL), 0);
    wait_until(&n_started, 4);
    for (uintptr_t as_registered = 0; as_registered < 2; as_registered++) {
        void *status;
        ck_assert_int_eq(pthread_create(&forker, NULL, fork_and_wait, (void *)as_registered), 0);
        pthread_join(forker, &status);
        ck_assert_int_eq((intptr_t)status, 0);
    }
    gl_store_release(&is_over, 1);
    for (int i = 0; i < 4; i++)
        pthread_join(others[i], NULL);
}
END_TEST

static void *fork_in_region(void *arg)
{
    (void)arg;
    pid_t child = fork();
    if (child == 0) {
        gl_threads_after_fork();
        bool was_inside = gl_threads_leave();
        _exit(was_inside ? be_a_good_child() : 9);
    }
    return (void *)(intptr_t)unit_status_of(child);
}

START_TEST(child_of_a_region_is_in_it)
{
    void *status = gl_threads_blocking(fork_in_region, NULL);
    ck_assert_int_eq((intptr_t)status, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("os/threads");
    TCase *tests = unit_case(suite, "threads", 60);
    tcase_add_checked_fixture(tests, init_threads, NULL);
    tcase_add_test(tests, ids_are_the_kernels);
    tcase_add_test(tests, threads_are_counted);
    tcase_add_test(tests, slots_of_dead_threads_are_used_again);
    tcase_add_test(tests, many_threads_are_registered_at_once);
    tcase_add_test(tests, register_and_unregister);
    tcase_add_test(tests, thread_in_a_region_is_not_disturbed);
    tcase_add_test(tests, nanosleep_in_a_region_is_not_cut_short);
    tcase_add_test(tests, leaving_a_region_waits_for_the_end_of_the_stop);
    tcase_add_test(tests, regions_nest);
    tcase_add_test(tests, region_ends_when_its_thread_ends);
    tcase_add_test(tests, errno_is_kept_by_all_of_it);
    tcase_add_test(tests, child_of_a_thread_stops_its_own_world);
    tcase_add_test(tests, child_of_a_region_is_in_it);
    tcase_add_test(tests, child_of_a_thread_that_is_alone);
    return unit_run(suite);
}
