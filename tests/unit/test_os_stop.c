/* SPDX-License-Identifier: MIT */
/*
 * os/threads.h: the world stops, whatever the threads are doing, and goes on.
 *
 * While the world is stopped nothing may be called that takes a lock of the C library (a stopped
 * thread may hold it): what is seen goes to variables, and is judged after the threads go on.
 */
#include "os/threads_internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/syscall.h"
#include "os/system.h"
#include "os/tasks.h"
#include "unit.h"

enum { MANY = UNIT_HAS_TSAN ? 100 : 1000 };

#define SECOND_NS ((uint64_t)1000000000)

static volatile gl_word counters[64];
static volatile gl_word is_over;
static volatile gl_word n_started;

static size_t sum(void)
{
    size_t total = 0;
    for (int i = 0; i < 64; i++)
        total += gl_load_relaxed(&counters[i]);
    return total;
}

static void init_threads(void)
{
    gl_threads_init(0);
    ck_assert_int_eq(gl_threads_sigmask(SIG_BLOCK, NULL, NULL), 0); /* take our object, please */
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    ck_assert_int_eq(pthread_create(&thread, &attributes, fn, arg), 0);
    pthread_attr_destroy(&attributes);
    return thread;
}

static void wait_until_started(size_t n)
{
    while (gl_load_acquire(&n_started) < n)
        unit_sleep_us(500);
}

static void *count_until_over(void *counter)
{
    gl_add_full(&n_started, 1);
    while (!gl_load_acquire(&is_over))
        gl_add_relaxed(counter, 1);
    return NULL;
}

static void *sleep_until_over(void *arg)
{
    (void)arg;
    gl_add_full(&n_started, 1);
    while (!gl_load_acquire(&is_over))
        unit_sleep_us(10000);
    return NULL;
}

static size_t n_stopped(void)
{
    size_t n = 0;
    for (const gl_stopped_thread *t = gl_threads_stopped(); t; t = t->next)
        n++;
    return n;
}

static const gl_stopped_thread *find_stopped(int tid)
{
    const gl_stopped_thread *t = gl_threads_stopped();
    while (t && t->tid != tid)
        t = t->next;
    return t;
}

/* Watches the counters for a while; true if one of them moved. */
static bool do_counters_move(uint64_t watch_ns)
{
    size_t before = sum();
    uint64_t end = gl_os_now_ns() + watch_ns;
    while (gl_os_now_ns() < end)
        gl_spin_hint();
    return sum() != before;
}

static int n_failed_stops;

/* Stops once and looks; false if the world did not stop, or still moved. ThreadSanitizer's
 * pthread_create lets the new thread wait for its maker without taking signals: such a stop fails,
 * and must only do so in time. */
static bool stop_and_look(uint64_t watch_ns)
{
    if (!gl_threads_stop(UNIT_HAS_TSAN ? SECOND_NS / 5 : 10 * SECOND_NS)) {
        n_failed_stops++;
        return UNIT_HAS_TSAN;
    }
    bool is_marked = gl_threads_world_is_stopped();
    bool moves = do_counters_move(watch_ns);
    gl_threads_resume();
    return is_marked && !moves && !gl_threads_world_is_stopped();
}

START_TEST(alone)
{
    for (int i = 0; i < 3; i++) {
        ck_assert(gl_threads_stop(SECOND_NS));
        ck_assert(gl_threads_world_is_stopped());
        ck_assert_ptr_null(gl_threads_stopped());
        gl_threads_resume();
        ck_assert(!gl_threads_world_is_stopped());
    }
    ck_assert_uint_eq(gl_threads_count(), 1 + UNIT_HAS_TSAN);
}
END_TEST

START_TEST(busy_threads_stand)
{
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        threads[i] = start(count_until_over, (void *)&counters[i]);
    wait_until_started(3);
    ck_assert(do_counters_move(20000000)); /* the measure itself works */
    bool is_good = true;
    for (int i = 0; i < 20; i++)
        is_good = is_good && stop_and_look(2000000);
    ck_assert(do_counters_move(50000000)); /* and they go on */
    ck_assert_int_eq(n_failed_stops, 0);
    gl_store_release(&is_over, 1);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ck_assert(is_good);
}
END_TEST

/* --- Threads that come and go -------------------------------------------------------------------- */

static void *work_a_little(void *counter)
{
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 200; k++)
            gl_add_relaxed(counter, 1);
        unit_sleep_us(20);
    }
    return NULL;
}

enum { SPAWNERS = 4, WORKERS = 16 };

static void *spawn_until_over(void *first_counter)
{
    volatile gl_word *counter = first_counter;
    while (!gl_load_acquire(&is_over)) {
        pthread_t workers[WORKERS];
        int n = 0;
        while (n < WORKERS &&
               pthread_create(&workers[n], NULL, work_a_little, (void *)&counter[n]) == 0)
            n++;
        gl_add_full(&n_started, (size_t)n);
        while (n > 0)
            pthread_join(workers[--n], NULL);
    }
    return NULL;
}

START_TEST(threads_come_and_go)
{
    pthread_t spawners[SPAWNERS];
    for (size_t i = 0; i < SPAWNERS; i++)
        spawners[i] = start(spawn_until_over, (void *)&counters[i * WORKERS]);
    wait_until_started(SPAWNERS * WORKERS);
    int n_bad = 0;
    for (int i = 0; i < MANY; i++)
        n_bad += !stop_and_look(20000);
    size_t n = gl_load_acquire(&n_started);
    gl_store_release(&is_over, 1);
    for (size_t i = 0; i < SPAWNERS; i++)
        pthread_join(spawners[i], NULL);
    ck_assert_int_eq(n_bad, 0);
    ck_assert_int_lt(n_failed_stops, MANY / 2);
    ck_assert_uint_gt(n, 3 * SPAWNERS * WORKERS); /* they did come and go */
}
END_TEST

START_TEST(two_thousand_threads)
{
    enum { N = UNIT_HAS_TSAN || UNIT_HAS_ASAN ? 300 : 2000 };
    static pthread_t threads[N];
    for (int i = 0; i < N; i++)
        threads[i] = start(sleep_until_over, NULL);
    wait_until_started(N);
    for (int i = 0; i < 3; i++) {
        bool is_stopped = gl_threads_stop(20 * SECOND_NS);
        size_t n = is_stopped ? n_stopped() : 0;
        if (is_stopped)
            gl_threads_resume();
        ck_assert(is_stopped);
        ck_assert_uint_ge(n, N);
    }
    gl_store_release(&is_over, 1);
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* --- Threads behind our back --------------------------------------------------------------------- */

static volatile gl_word raw_tid;

static int count_without_pthread(void *counter)
{
    gl_store_release(&raw_tid, (size_t)gl_tasks_self());
    while (!gl_load_acquire(&is_over))
        gl_add_relaxed(counter, 1);
    gl_store_release(&raw_tid, 0);
    gl_syscall3(SYS_exit, 0, 0, 0); /* this thread only; clone's own end would be exit_group */
    return 0;
}

START_TEST(thread_of_a_raw_clone)
{
    if (UNIT_HAS_TSAN)
        return; /* its run-time library must know every thread */
    enum { BYTES = 256 * 1024 };
    char *stack = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(stack, MAP_FAILED);
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    int tid = clone(count_without_pthread, stack + BYTES, flags, (void *)&counters[0]);
    ck_assert_int_gt(tid, 0);
    while (!gl_load_acquire(&raw_tid))
        unit_sleep_us(100);
    bool is_good = true, is_listed = true;
    for (int i = 0; i < 50; i++) {
        if (!gl_threads_stop(SECOND_NS)) {
            is_good = false;
            break;
        }
        const gl_stopped_thread *t = find_stopped(tid);
        uintptr_t sp = t ? t->stack_pointer : 0;
        is_listed = is_listed && sp >= (uintptr_t)stack && sp < (uintptr_t)stack + BYTES;
        is_good = is_good && !do_counters_move(50000);
        gl_threads_resume();
    }
    gl_store_release(&is_over, 1);
    ck_assert(is_good);
    ck_assert(is_listed);
}
END_TEST

static volatile gl_word blocker_tid;
static volatile gl_word may_unblock;

static void *block_all_politely(void *counter)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return count_until_over(counter);
}

START_TEST(thread_that_blocks_every_signal)
{
    pthread_t thread = start(block_all_politely, (void *)&counters[0]);
    wait_until_started(1);
    bool is_good = true;
    for (int i = 0; i < 20; i++)
        is_good = is_good && stop_and_look(100000);
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
    ck_assert(is_good);
}
END_TEST

static void *block_all_by_system_call(void *counter)
{
    uint64_t all = UINT64_MAX, none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
    gl_store_release(&blocker_tid, (size_t)gl_tasks_self());
    while (!gl_load_acquire(&may_unblock))
        gl_add_relaxed(counter, 1);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    return count_until_over(counter);
}

START_TEST(thread_that_cannot_be_stopped)
{
    if (UNIT_HAS_TSAN)
        return; /* such a thread is taken for the sanitizer's own */
    pthread_t stubborn = start(block_all_by_system_call, (void *)&counters[0]);
    pthread_t others[4];
    for (size_t i = 0; i < 4; i++)
        others[i] = start(count_until_over, (void *)&counters[1 + i]);
    wait_until_started(4);
    while (!gl_load_acquire(&blocker_tid))
        unit_sleep_us(1000);
    for (int i = 0; i < 4; i++) {
        uint64_t begin = gl_os_now_ns();
        ck_assert(!gl_threads_stop(SECOND_NS / 20));
        ck_assert_uint_lt(gl_os_now_ns() - begin, 5 * SECOND_NS);
        ck_assert(!gl_threads_world_is_stopped());
        for (int k = 0; k < 5; k++) { /* all have been resumed */
            size_t before = gl_load_relaxed(&counters[k]);
            uint64_t end = gl_os_now_ns() + 10 * SECOND_NS;
            while (gl_load_relaxed(&counters[k]) == before && gl_os_now_ns() < end)
                unit_sleep_us(1000);
            ck_assert_uint_ne(gl_load_relaxed(&counters[k]), before);
        }
    }
    ck_assert(gl_tasks_has_pending((int)gl_load_acquire(&blocker_tid), gl_threads_signal()));
    /* Once it takes signals again, those of the failed stops must not park it by themselves. */
    gl_store_release(&may_unblock, 1);
    wait_until_started(5);
    ck_assert(do_counters_move(20000000));
    bool is_good = true;
    for (int i = 0; i < 20; i++)
        is_good = is_good && stop_and_look(100000);
    gl_store_release(&is_over, 1);
    pthread_join(stubborn, NULL);
    for (size_t i = 0; i < 4; i++)
        pthread_join(others[i], NULL);
    ck_assert(is_good);
}
END_TEST

/* --- The main thread is gone --------------------------------------------------------------------- */

static uint64_t fastest_stop_ns = UINT64_MAX;

/* What is found out about a thread by waiting a millisecond must not be found out in every stop:
 * the fastest one tells. */
static bool do_all_stops_succeed(int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t begin = gl_os_now_ns();
        if (!stop_and_look(1000))
            return false;
        uint64_t used = gl_os_now_ns() - begin;
        fastest_stop_ns = used < fastest_stop_ns ? used : fastest_stop_ns;
    }
    return true;
}

static void *stop_as_orphan(void *arg)
{
    int process = gl_tasks_process();
    while (gl_tasks_kind(process) != GL_TASK_DEAD)
        unit_sleep_us(1000);
    pthread_t thread;
    if (pthread_create(&thread, NULL, count_until_over, (void *)&counters[0]) != 0)
        _exit(2);
    while (!gl_load_acquire(&n_started))
        unit_sleep_us(1000);
    (void)arg;
    _exit(!do_all_stops_succeed(50) ? 3 : fastest_stop_ns > 900000 ? 4 : 0);
    return NULL;
}

START_TEST(main_thread_has_ended)
{
    pid_t child = fork();
    if (child == 0) {
        gl_threads_after_fork();
        pthread_t thread;
        if (pthread_create(&thread, NULL, stop_as_orphan, NULL) != 0)
            _exit(1);
        pthread_exit(NULL);
    }
    ck_assert_int_eq(unit_status_of(child), 0);
}
END_TEST

/* --- Threads of the kernel ----------------------------------------------------------------------- */

START_TEST(worker_of_io_uring)
{
    enum { SETUP_SQPOLL = 2 };
    unsigned char parameters[120] = {0};
    unsigned flags = SETUP_SQPOLL, idle_ms = 100000;
    memcpy(parameters + 8, &flags, sizeof flags);
    memcpy(parameters + 16, &idle_ms, sizeof idle_ms);
    size_t n_before = gl_threads_count();
    long fd = syscall(SYS_io_uring_setup, 4, parameters);
    if (fd < 0 || gl_threads_count() == n_before)
        return; /* not on this system */
    pthread_t thread = start(count_until_over, (void *)&counters[0]);
    wait_until_started(1);
    bool is_good = do_all_stops_succeed(50);
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
    close((int)fd);
    ck_assert(is_good);
    ck_assert_uint_lt(fastest_stop_ns, 900000);
}
END_TEST

/* --- What is known of a stopped thread ----------------------------------------------------------- */

#if defined(__x86_64__)

static volatile uint32_t asm_is_over;

/* Holds first ^ second in a vector register, and nowhere else. */
static void *hold_in_vector_register(void *arg)
{
    const uintptr_t *halves = arg;
    gl_add_full(&n_started, 1);
    __asm__ __volatile__("movq %[first], %%rax\n\t"
                         "xorq %[second], %%rax\n\t"
                         "movq %%rax, %%xmm15\n\t"
                         "xorl %%eax, %%eax\n"
                         "1:\n\t"
                         "pause\n\t"
                         "cmpl $0, %[over]\n\t"
                         "je 1b\n\t"
                         "pxor %%xmm15, %%xmm15"
                         :
                         : [first] "r"(halves[0]), [second] "r"(halves[1]), [over] "m"(asm_is_over)
                         : "rax", "xmm15", "memory", "cc");
    return NULL;
}

/* How often a ^ b stands in the words between two addresses. */
static GL_ON_REAL_STACK __attribute__((no_sanitize("thread"))) int
count_words(uintptr_t from, uintptr_t to, const uintptr_t halves[2])
{
    int n = 0;
    for (const volatile uintptr_t *p = (const uintptr_t *)(from & ~(uintptr_t)7);
         (uintptr_t)p < to; p++)
        n += (*p ^ halves[0]) == halves[1];
    return n;
}

START_TEST(vector_registers_are_in_the_scanned_range)
{
    if (UNIT_HAS_TSAN)
        return; /* it delivers signals late, at a call, with a copy of the registers */
    static uintptr_t halves[2] = {0x1234567890abcdef, 0x0fedcba987654321};
    pthread_t thread = start(hold_in_vector_register, halves);
    wait_until_started(1);
    unit_sleep_us(20000);
    ck_assert(gl_threads_stop(SECOND_NS));
    const gl_stopped_thread *t = gl_threads_stopped();
    uintptr_t end = t->interrupted_stack_pointer;
    if (end < t->stack_pointer || end - t->stack_pointer > 65536)
        end = t->stack_pointer + 4096; /* AddressSanitizer gives each thread an alternate stack */
    int n_there = count_words(t->stack_pointer, end, halves);
    int n_above = count_words(t->interrupted_stack_pointer,
                              t->interrupted_stack_pointer + 512, halves);
    gl_threads_resume();
    gl_store32_release(&asm_is_over, 1);
    pthread_join(thread, NULL);
    ck_assert_int_ge(n_there, 1);
    ck_assert_int_eq(n_above, 0); /* so it was really found in the register */
}
END_TEST

static void look_above_self(const gl_stopped_thread *self, void *arg)
{
    static uintptr_t halves[2] = {0x1234567890abcdef, 0x0fedcba987654321};
    *(int *)arg = count_words(self->stack_pointer, self->stack_pointer + 1024, halves);
}

START_TEST(own_registers_are_spilled)
{
    static volatile uintptr_t halves[2] = {0x1234567890abcdef, 0x0fedcba987654321};
    /* The callee-saved registers hold the value across the call, and this frame need not. */
    register uintptr_t in_register __asm__("r13") = halves[0] ^ halves[1];
    int n = 0;
    __asm__ __volatile__("" : "+r"(in_register));
    gl_threads_with_registers(look_above_self, &n);
    __asm__ __volatile__("" : "+r"(in_register));
    ck_assert_int_ge(n, 1);
}
END_TEST

#endif

static volatile gl_word alternate_low, alternate_high, usual_low, usual_high;

static void count_in_handler(int signal_number)
{
    (void)signal_number;
    count_until_over((void *)&counters[0]);
}

static void *run_on_alternate_stack(void *arg)
{
    enum { BYTES = 128 * 1024 };
    char *low = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = low, .ss_size = BYTES};
    sigaltstack(&stack, NULL);
    gl_store_release(&alternate_low, (size_t)low);
    gl_store_release(&alternate_high, (size_t)low + BYTES);
    pthread_attr_t attributes;
    void *usual;
    size_t bytes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &usual, &bytes);
    pthread_attr_destroy(&attributes);
    gl_store_release(&usual_low, (size_t)usual);
    gl_store_release(&usual_high, (size_t)usual + bytes);
    return count_until_over(arg);
}

START_TEST(both_stacks_are_known)
{
    if (UNIT_HAS_TSAN)
        return; /* it calls the handler later, from the usual stack */
    pthread_t thread = start(run_on_alternate_stack, (void *)&counters[0]);
    wait_until_started(1);
    ck_assert(gl_threads_stop(SECOND_NS));
    const gl_stopped_thread *t = gl_threads_stopped();
    uintptr_t sp = t->stack_pointer, interrupted = t->interrupted_stack_pointer;
    uintptr_t pointer = t->thread_pointer;
    gl_threads_resume();
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
    ck_assert_uint_ge(sp, gl_load_acquire(&alternate_low));
    ck_assert_uint_lt(sp, gl_load_acquire(&alternate_high));
    ck_assert_uint_ge(interrupted, gl_load_acquire(&usual_low));
    ck_assert_uint_lt(interrupted, gl_load_acquire(&usual_high));
    ck_assert_uint_ne(pointer, gl_threads_pointer());
    ck_assert_uint_ne(pointer, 0);
}
END_TEST

START_TEST(thread_inside_a_signal_handler)
{
    if (UNIT_HAS_TSAN)
        return; /* it delivers no signal inside of a handler */
    struct sigaction action = {.sa_handler = count_in_handler};
    sigfillset(&action.sa_mask);
    /* The mask of a handler is the kernel's business, so the signal must not be in it. */
    sigdelset(&action.sa_mask, gl_threads_signal());
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    pthread_t thread = start(sleep_until_over, NULL);
    wait_until_started(1);
    pthread_kill(thread, SIGUSR1);
    wait_until_started(2);
    bool is_good = true;
    for (int i = 0; i < 10; i++)
        is_good = is_good && stop_and_look(100000);
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
    ck_assert(is_good);
}
END_TEST

/* --- What the program must not notice ------------------------------------------------------------ */

static void *watch_errno(void *arg)
{
    (void)arg;
    gl_add_full(&n_started, 1);
    uintptr_t n_wrong = 0;
    errno = 4711;
    while (!gl_load_acquire(&is_over)) {
        gl_add_relaxed(&counters[0], 1);
        n_wrong += errno != 4711;
    }
    return (void *)n_wrong;
}

START_TEST(errno_is_kept_on_both_sides)
{
    pthread_t thread = start(watch_errno, NULL);
    wait_until_started(1);
    bool is_good = true;
    int own_errno = 0;
    for (int i = 0; i < 200; i++) {
        errno = 4712;
        is_good = is_good && stop_and_look(1000);
        own_errno |= errno ^ 4712;
    }
    gl_store_release(&is_over, 1);
    void *n_wrong;
    pthread_join(thread, &n_wrong);
    ck_assert(is_good);
    ck_assert_ptr_null(n_wrong);
    ck_assert_int_eq(own_errno, 0);
}
END_TEST

START_TEST(program_resets_all_signals)
{
    pthread_t thread = start(count_until_over, (void *)&counters[0]);
    wait_until_started(1);
    ck_assert(stop_and_look(1000));
    /* By calls of the C library, and past them. */
    for (int i = 1; i < 65; i++) {
        if (i != SIGKILL && i != SIGSTOP && i != SIGCHLD)
            signal(i, i % 2 ? SIG_DFL : SIG_IGN);
    }
    ck_assert(stop_and_look(1000));
    uintptr_t ignore[4] = {(uintptr_t)SIG_IGN};
    ck_assert_int_eq(syscall(SYS_rt_sigaction, gl_threads_signal(), ignore, NULL, 8), 0);
    ck_assert(stop_and_look(1000));
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(no_room_for_signals)
{
    if (UNIT_HAS_TSAN)
        return; /* its own thread takes none, either */
    pthread_t thread = start(count_until_over, (void *)&counters[0]);
    wait_until_started(1);
    struct rlimit old, none = {0, 0};
    ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &old), 0);
    none.rlim_max = old.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &none), 0);
    bool is_stopped = gl_threads_stop(SECOND_NS / 20);
    if (is_stopped)
        gl_threads_resume();
    ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &old), 0);
    ck_assert(!is_stopped);
    ck_assert(do_counters_move(20000000));
    ck_assert(stop_and_look(1000));
    gl_store_release(&is_over, 1);
    pthread_join(thread, NULL);
}
END_TEST

/* --- Without /proc, or without descriptors ------------------------------------------------------- */

static void *count_registered(void *counter)
{
    gl_threads_register();
    gl_threads_register(); /* once more changes nothing */
    count_until_over(counter);
    gl_threads_unregister();
    return NULL;
}

START_TEST(no_descriptor_is_left)
{
    if (UNIT_HAS_TSAN)
        return; /* its own thread is not registered */
    gl_threads_register();
    pthread_t registered[4];
    for (size_t i = 0; i < 4; i++)
        registered[i] = start(count_registered, (void *)&counters[i]);
    wait_until_started(4);
    struct rlimit old;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit none = {3, old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool is_good = true;
    for (int i = 0; i < 10; i++)
        is_good = is_good && stop_and_look(10000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert(is_good);

    /* A thread that the registry does not know: better no stop than half of one. */
    pthread_t stranger = start(count_until_over, (void *)&counters[5]);
    wait_until_started(5);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool is_stopped = gl_threads_stop(SECOND_NS / 20);
    if (is_stopped)
        gl_threads_resume();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert(!is_stopped);
    ck_assert(stop_and_look(10000));
    gl_store_release(&is_over, 1);
    pthread_join(stranger, NULL);
    for (size_t i = 0; i < 4; i++)
        pthread_join(registered[i], NULL);
}
END_TEST

static int stop_without_proc(const char *folder)
{
    int status = 77;
    if (chroot(folder) == 0 && chdir("/") == 0) {
        status = 0;
        gl_threads_after_fork();
        gl_threads_register();
        pthread_t threads[4];
        for (size_t i = 0; i < 4; i++)
            status |= pthread_create(&threads[i], NULL, count_registered, (void *)&counters[i]);
        wait_until_started(4);
        status |= gl_threads_count() != 0;
        for (int i = 0; i < 20; i++)
            status |= !stop_and_look(50000);
        gl_store_release(&is_over, 1);
        for (size_t i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        /* Those that ended are forgotten. */
        status |= !gl_threads_stop(SECOND_NS) || n_stopped() != 0;
        gl_threads_resume();
    }
    return status;
}

START_TEST(without_proc_the_registry_is_what_is_stopped)
{
    if (UNIT_HAS_TSAN)
        return; /* its run-time library needs /proc */
    char folder[] = "/tmp/gleaner-unit-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    pid_t child = fork();
    if (child == 0)
        _exit(stop_without_proc(folder));
    int status = unit_status_of(child);
    rmdir(folder);
    ck_assert(status == 0 || (status == 77 && geteuid() != 0)); /* only root may chroot */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("os/stop");
    TCase *tests = unit_case(suite, "stop", 120);
    tcase_add_checked_fixture(tests, init_threads, NULL);
    tcase_add_test(tests, alone);
    tcase_add_test(tests, busy_threads_stand);
    tcase_add_test(tests, threads_come_and_go);
    tcase_add_test(tests, two_thousand_threads);
    tcase_add_test(tests, thread_of_a_raw_clone);
    tcase_add_test(tests, thread_that_blocks_every_signal);
    tcase_add_test(tests, thread_that_cannot_be_stopped);
    tcase_add_test(tests, main_thread_has_ended);
    tcase_add_test(tests, worker_of_io_uring);
#if defined(__x86_64__)
    tcase_add_test(tests, vector_registers_are_in_the_scanned_range);
    tcase_add_test(tests, own_registers_are_spilled);
#endif
    tcase_add_test(tests, both_stacks_are_known);
    tcase_add_test(tests, thread_inside_a_signal_handler);
    tcase_add_test(tests, errno_is_kept_on_both_sides);
    tcase_add_test(tests, program_resets_all_signals);
    tcase_add_test(tests, no_room_for_signals);
    tcase_add_test(tests, no_descriptor_is_left);
    tcase_add_test(tests, without_proc_the_registry_is_what_is_stopped);
    return unit_run(suite);
}
