/* SPDX-License-Identifier: MIT */
/*
 * tests/traps/threads.c - threads made by any route, with small stacks, in long system calls; threads
 * that come and go while the world stops; a main thread that ends first; stacks that are no thread's.
 */
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <ucontext.h>

#include "traps.h"

enum { N_ROUNDS = 40, STACK_BYTES = 256 * 1024 };

/* ---- Routes --------------------------------------------------------------------------------------- */

static int churn_in_c11(void *arg) { return churn(arg) != NULL; }

static void c11_thread(void)
{
    thrd_t thread;
    REQUIRE(thrd_create(&thread, churn_in_c11, (void *)1) == thrd_success);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    is_over = true;
    thrd_join(thread, NULL);
}

/* What a bare thread holds: it has no storage of its own, so it makes no call of the C library. */
static cell *volatile offered;
static volatile int is_held, n_bare_gone;

static void hold_in_frame(void)
{
    cell *volatile mine = offered;
    offered = NULL;
    is_held = 1;
    while (!is_over) {
    }
    EXPECT(is_list_whole(mine, 31));
}

static int bare_thread(void *unused)
{
    (void)unused;
    hold_in_frame();
    __atomic_add_fetch(&n_bare_gone, 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* clone() with the storage of the thread that makes it. */
static void raw_clone(void)
{
    enum { FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    offered = make_list(31);
    REQUIRE(clone(bare_thread, stack + STACK_BYTES, FLAGS, NULL) > 0);
    while (!is_held)
        sched_yield();
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    overwrite_free_memory();
    is_over = true;
    while (n_bare_gone == 0)
        sched_yield();
    sleep_ms(5);
}

/* The smallest stack there is, used for collections as well. */
static void *collect_often(void *unused)
{
    (void)unused;
    cell *kept = make_list(41);
    for (int i = 0; i < N_ROUNDS; i++) {
        for (int j = 0; j < 100; j++)
            free(malloc(1000));
        try_collect();
        EXPECT(is_list_whole(kept, 41));
    }
    return NULL;
}

static void with_attributes(pthread_attr_t *attributes)
{
    pthread_t busy, collecting;
    REQUIRE(pthread_create(&busy, attributes, churn, (void *)1) == 0);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    is_over = true;
    pthread_join(busy, NULL);
    REQUIRE(pthread_create(&collecting, attributes, collect_often, NULL) == 0);
    pthread_join(collecting, NULL);
}

static void smallest_stack(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0);
    with_attributes(&attributes);
}

static void own_stack(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    char *memory = NULL;
    REQUIRE(posix_memalign((void **)&memory, 4096, STACK_BYTES) == 0);
    REQUIRE(pthread_attr_setstack(&attributes, memory, STACK_BYTES) == 0);
    with_attributes(&attributes);
    free(memory);
}

/* ---- Where threads are ------------------------------------------------------------------------------ */

static int ends[2];
static volatile uint32_t futex_word;

static void *in_read(void *list)
{
    char byte;
    EXPECT(read(ends[0], &byte, 1) == 1 && byte == 'x');
    EXPECT(is_list_whole(list, 51));
    return NULL;
}

static void *in_futex(void *list)
{
    while (futex_word == 0)
        syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    EXPECT(is_list_whole(list, 51));
    return NULL;
}

static void *in_wait_for_child(void *list)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(50);
        _exit(9);
    }
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
    EXPECT(is_list_whole(list, 51));
    return NULL;
}

static void long_calls(void)
{
    void *(*functions[])(void *) = {in_read, in_futex, in_wait_for_child};
    pthread_t threads[3];
    REQUIRE(pipe(ends) == 0);
    for (size_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, functions[i], make_list(51)) == 0);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    overwrite_free_memory();
    futex_word = 1;
    syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    EXPECT(write(ends[1], "x", 1) == 1);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void *live_shortly(void *list)
{
    EXPECT(is_list_whole(list, 61));
    return make_list(62);
}

static void short_threads(void)
{
    pthread_t churning;
    REQUIRE(pthread_create(&churning, NULL, churn, (void *)1) == 0);
    for (int i = 0; i < 500; i++) {
        pthread_t threads[4];
        for (size_t j = 0; j < 4; j++)
            REQUIRE(pthread_create(&threads[j], NULL, live_shortly, make_list(61)) == 0);
        if (i % 2 == 0)
            COLLECT();
        for (size_t j = 0; j < 4; j++) {
            void *list;
            if (j % 2 == 0) {
                pthread_join(threads[j], &list);
                EXPECT(is_list_whole(list, 62));
            } else {
                pthread_detach(threads[j]);
            }
        }
    }
    is_over = true;
    pthread_join(churning, NULL);
}

static pthread_t main_thread;

static void *outlive_main(void *list)
{
    pthread_join(main_thread, NULL);
    EXPECT(is_list_whole(list, 71));
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    overwrite_free_memory();
    EXPECT(is_list_whole(list, 71));
    exit(traps_status());
}

static void main_thread_ends(void)
{
    pthread_t outliving, churning;
    main_thread = pthread_self();
    REQUIRE(pthread_create(&churning, NULL, churn, (void *)1) == 0);
    REQUIRE(pthread_create(&outliving, NULL, outlive_main, make_list(71)) == 0);
    pthread_exit(NULL);
}

/* ---- Stacks and jumps -------------------------------------------------------------------------------- */

enum { N_COROUTINES = 4, N_SWITCHES = 50 };

static ucontext_t scheduler, coroutines[N_COROUTINES];

/* All that it knows is on its own stack, which rests most of the time. */
static void coroutine(int number)
{
    cell *kept = make_list(81 + (uintptr_t)number);
    for (int i = 0; i < N_SWITCHES; i++) {
        cell *dropped = make_list(1);
        EXPECT(dropped != NULL);
        if (i % 10 == number)
            COLLECT(); /* on this stack */
        swapcontext(&coroutines[number], &scheduler);
        EXPECT(is_list_whole(kept, 81 + (uintptr_t)number));
    }
    free_list(kept);
}

static void make_coroutine(int i, bool on_mapped_memory)
{
    getcontext(&coroutines[i]);
    coroutines[i].uc_stack.ss_size = STACK_BYTES;
    coroutines[i].uc_stack.ss_sp =
        on_mapped_memory ? mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                         : malloc(STACK_BYTES);
    coroutines[i].uc_link = &scheduler;
    makecontext(&coroutines[i], (void (*)(void))(uintptr_t)coroutine, 1, i);
}

static void run_coroutines(bool on_mapped_memory)
{
    for (int i = 0; i < N_COROUTINES; i++)
        make_coroutine(i, on_mapped_memory);
    for (volatile int i = 0; i < (N_SWITCHES + 1) * N_COROUTINES; i++) {
        swapcontext(&scheduler, &coroutines[i % N_COROUTINES]);
        if (i % 7 == 0)
            COLLECT();
        if (i % 50 == 0)
            overwrite_free_memory();
    }
}

static void coroutines_on_mapped_stacks(void) { run_coroutines(true); }
static void coroutines_on_allocated_stacks(void) { run_coroutines(false); }

static sigjmp_buf before;
static volatile int n_jumps;

static void jump_out(int number)
{
    (void)number;
    n_jumps++;
    siglongjmp(before, 1);
}

/* Jumps out of handlers, over frames, in a thread that is stopped again and again. */
static void *jump_often(void *unused)
{
    (void)unused;
    cell *volatile kept = make_list(91);
    for (volatile int i = 0; i < 500; i++) {
        if (sigsetjmp(before, 1) == 0)
            raise(SIGUSR1);
        EXPECT(is_list_whole(kept, 91));
    }
    is_over = true;
    return NULL;
}

static void jumps_out_of_handlers(void)
{
    signal(SIGUSR1, jump_out);
    pthread_t jumping;
    REQUIRE(pthread_create(&jumping, NULL, jump_often, NULL) == 0);
    while (!is_over)
        COLLECT();
    pthread_join(jumping, NULL);
    EXPECT(n_jumps == 500);
}

/* A handler on an alternate stack, in which the thread is when the world stops; what the interrupted
 * function holds is on the usual stack. */
static volatile int is_in_handler;

static void rest_in_handler(int number)
{
    (void)number;
    is_in_handler = 1;
    while (!is_over) {
    }
}

static void *rest_on_alternate_stack(void *memory)
{
    stack_t stack = {.ss_sp = memory, .ss_size = STACK_BYTES};
    struct sigaction action = {0};
    action.sa_handler = rest_in_handler;
    action.sa_flags = SA_ONSTACK;
    REQUIRE(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
    cell *volatile kept = make_list(95);
    raise(SIGUSR2);
    EXPECT(is_list_whole(kept, 95));
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    return NULL;
}

static void handler_on_alternate_stack(void)
{
    pthread_t resting;
    REQUIRE(pthread_create(&resting, NULL, rest_on_alternate_stack, malloc(STACK_BYTES)) == 0);
    while (!is_in_handler)
        sched_yield();
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    overwrite_free_memory();
    is_over = true;
    pthread_join(resting, NULL);
}

/* ---- For tools ---------------------------------------------------------------------------------------- */

/* Long enough for a debugger to come and go. */
static void main_waits(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, churn, (void *)1) == 0);
    uint64_t end = now_ms() + 2000;
    while (now_ms() < end) {
        COLLECT();
        sleep_ms(1);
    }
    is_over = true;
    pthread_join(thread, NULL);
}

static const traps_case cases[] = {
    {"c11_thread", c11_thread},
    {"raw_clone", raw_clone},
    {"smallest_stack", smallest_stack},
    {"own_stack", own_stack},
    {"long_calls", long_calls},
    {"short_threads", short_threads},
    {"main_thread_ends", main_thread_ends},
    {"coroutines_on_mapped_stacks", coroutines_on_mapped_stacks},
    {"coroutines_on_allocated_stacks", coroutines_on_allocated_stacks},
    {"jumps_out_of_handlers", jumps_out_of_handlers},
    {"handler_on_alternate_stack", handler_on_alternate_stack},
    {NULL, NULL},
};

static const traps_case for_tools[] = {
    {"main_waits", main_waits},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int status = traps_main(argc, argv, cases);
    return status == TRAPS_NO_CASE ? traps_main(argc, argv, for_tools) : status;
}
