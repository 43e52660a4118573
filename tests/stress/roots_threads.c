/* SPDX-License-Identifier: MIT */
/* tests/stress/roots_threads.c - places that belong to a thread: its stack, its data, its
 * result. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <threads.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "roots.h"

enum { STACK_BYTES = 512 * 1024 };

/* ---- Its stack ------------------------------------------------------------------------------- */

static void *keep_on_stack(void *arg)
{
    void *volatile words[64];
    put(arg, (void *)(uintptr_t)&words[30]);
    rest();
    words[30] = NULL;
    return NULL;
}

static void on_stack_of_thread(trial *t) { try_in_thread(t, keep_on_stack, NULL); }

/* A thread that blocks every signal that it can. */
static void *keep_with_signals_blocked(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return keep_on_stack(arg);
}

static void on_stack_with_signals_blocked(trial *t)
{
    try_in_thread(t, keep_with_signals_blocked, NULL);
}

/* A stack that the program has made: with nothing around it but ordinary memory. */
static void on_stack_of_ours(trial *t)
{
    char *memory = mmap(NULL, 3 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);
    REQUIRE((void *)memory != MAP_FAILED);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstack(&attributes, memory + STACK_BYTES, STACK_BYTES) == 0);
    try_in_thread(t, keep_on_stack, &attributes);
    pthread_attr_destroy(&attributes);
    munmap(memory, 3 * STACK_BYTES);
}

/* A stack that is an object of ours. */
static void on_stack_in_heap(trial *t)
{
    char *memory = gc_malloc(STACK_BYTES + 4096);
    REQUIRE(memory != NULL);
    char *low = memory + (4096 - (uintptr_t)memory % 4096) % 4096;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstack(&attributes, low, STACK_BYTES) == 0);
    try_in_thread(t, keep_on_stack, &attributes);
    pthread_attr_destroy(&attributes);
    gc_keep_alive(memory);
    gc_free(memory);
}

/* Deep: far below the top, over pages of which most are untouched. */
static __attribute__((noinline)) void keep_deep(const trial *t, int depth)
{
    volatile char frame[8192];
    frame[0] = 1;
    if (depth > 0) {
        keep_deep(t, depth - 1);
    } else {
        void *volatile word;
        put(t, (void *)(uintptr_t)&word);
        rest();
        word = NULL;
    }
    frame[1] = frame[0];
}

static void *keep_on_deep_stack(void *arg)
{
    keep_deep(arg, 50);
    return NULL;
}

static void deep_on_stack_of_thread(trial *t) { try_in_thread(t, keep_on_deep_stack, NULL); }

/* ---- Its data -------------------------------------------------------------------------------- */

static __thread void *tls_words[3];

static void *keep_in_tls(void *arg)
{
    put(arg, &tls_words[1]);
    rest();
    tls_words[1] = NULL;
    return NULL;
}

static void in_tls_of_thread(trial *t) { try_in_thread(t, keep_in_tls, NULL); }

/* The first 32 are in the control block, the others in memory from calloc(). */
enum { N_KEYS = 80 };
static pthread_key_t keys[N_KEYS];

static void make_keys(void)
{
    static bool is_done;
    for (size_t i = 0; !is_done && i < N_KEYS; i++) {
        REQUIRE(pthread_key_create(&keys[i], NULL) == 0);
    }
    is_done = true;
}

/* pthread_setspecific() takes the pointer from a register: it is revealed for that moment. */
static void set_specific(void *arg)
{
    const trial *const *both = arg;
    const pthread_key_t *key = (const pthread_key_t *)(const void *)both[1];
    pthread_setspecific(*key, (void *)~(both[0]->hidden ^ both[0]->erase));
}

static void keep_specific(const trial *t, pthread_key_t *key)
{
    const void *both[2] = {t, key};
    stress_deep(set_specific, (void *)both);
    rest();
    pthread_setspecific(*key, NULL);
}

static void *keep_in_low_key(void *arg)
{
    keep_specific(arg, &keys[3]);
    return NULL;
}

static void *keep_in_high_key(void *arg)
{
    keep_specific(arg, &keys[N_KEYS - 3]);
    return NULL;
}

static void in_low_key(trial *t)
{
    make_keys();
    try_in_thread(t, keep_in_low_key, NULL);
}

static void in_high_key(trial *t)
{
    make_keys();
    try_in_thread(t, keep_in_high_key, NULL);
}

/* ---- Its argument ----------------------------------------------------------------------------- */

/* On one processor, which this thread does not leave before it collects: the new one has not begun.
 * If it has, it holds on to its argument. */
static void *keep_argument(void *arg)
{
    void *volatile word = arg;
    rest();
    word = NULL;
    return word;
}

static int keep_argument_c11(void *arg)
{
    keep_argument(arg);
    return 0;
}

static thrd_t c11_thread;
static pthread_t posix_thread;

static void start_posix(void *arg)
{
    const trial *t = arg;
    REQUIRE(pthread_create(&posix_thread, NULL, keep_argument, (void *)~(t->hidden ^ t->erase)) == 0);
}

static void start_c11(void *arg)
{
    const trial *t = arg;
    REQUIRE(thrd_create(&c11_thread, keep_argument_c11, (void *)~(t->hidden ^ t->erase)) ==
            thrd_success);
}

static void start_and_collect(trial *t, void (*start)(void *))
{
    cpu_set_t here, before;
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    REQUIRE(sched_setaffinity(0, sizeof here, &here) == 0);
    trial_ready = trial_go = 0;
    stress_deep(start, t);
    collect_and_look(t);
    __atomic_store_n(&trial_go, 1, __ATOMIC_RELEASE);
    sched_setaffinity(0, sizeof before, &before);
}

static void in_argument(trial *t)
{
    start_and_collect(t, start_posix);
    pthread_join(posix_thread, NULL);
}

static void in_argument_c11(trial *t)
{
    start_and_collect(t, start_c11);
    thrd_join(c11_thread, NULL);
}

/* ---- Its result ------------------------------------------------------------------------------ */

static volatile int returning; /* tid of the thread that is about to return */

static void *return_it(void *arg)
{
    const trial *t = arg;
    returning = gettid();
    return (void *)~(t->hidden ^ t->erase);
}

static void *allocate_and_return_it(void *arg)
{
    gc_free(gc_malloc(24));
    return return_it(arg);
}

/* Until the kernel lists the thread no more, however busy the machine. */
static void wait_until_gone(void)
{
    char path[64];
    do {
        usleep(2000);
        snprintf(path, sizeof path, "/proc/self/task/%d", returning);
    } while (returning == 0 || access(path, F_OK) == 0);
}

/* The thread has ended, and nobody has joined it yet. */
static void keep_in_result(trial *t, void *(*fn)(void *))
{
    pthread_t thread;
    void *result;
    returning = 0;
    REQUIRE(pthread_create(&thread, NULL, fn, t) == 0);
    wait_until_gone();
    collect_and_look(t);
    pthread_join(thread, &result);
}

static void in_result(trial *t) { keep_in_result(t, allocate_and_return_it); }
static void in_result_without_allocation(trial *t) { keep_in_result(t, return_it); }

/* ---- A blocking call ------------------------------------------------------------------------- */

static void *rest_in_call(void *unused)
{
    rest();
    return unused;
}

static void *keep_across_blocking_call(void *arg)
{
    void *volatile words[8];
    put(arg, (void *)(uintptr_t)&words[5]);
    gc_blocking_call(rest_in_call, NULL);
    words[5] = NULL;
    return NULL;
}

static void across_blocking_call(trial *t) { try_in_thread(t, keep_across_blocking_call, NULL); }

/* What is only inside the call is not looked at. */
static void *keep_inside(void *arg)
{
    void *volatile words[8];
    put(arg, (void *)(uintptr_t)&words[5]);
    rest();
    words[5] = NULL;
    return NULL;
}

static void *keep_inside_blocking_call(void *arg)
{
    return gc_blocking_call(keep_inside, arg);
}

static void inside_blocking_call(trial *t) { try_in_thread(t, keep_inside_blocking_call, NULL); }

const place thread_places[] = {
    {"stack of a thread", on_stack_of_thread, 0},
    {"stack of a thread that blocks signals", on_stack_with_signals_blocked, 0},
    {"stack that the program has mapped", on_stack_of_ours, 0},
    {"stack that is an object", on_stack_in_heap, 0},
    {"deep on the stack of a thread", deep_on_stack_of_thread, 0},
    {"thread-local storage of a thread", in_tls_of_thread, 0},
    {"thread-specific data, key below 32", in_low_key, 0},
    {"thread-specific data, key above 32", in_high_key, IS_GAP_LINKED},
    {"argument of a thread", in_argument, 0},
    {"argument of a thread, C11", in_argument_c11, 0},
    {"result of a thread", in_result, 0},
    {"result of a thread that has not allocated", in_result_without_allocation, IS_GAP_LINKED},
    {"across a blocking call", across_blocking_call, 0},
    {"only inside a blocking call", inside_blocking_call, IS_NO_ROOT},
    {NULL, NULL, 0},
};
