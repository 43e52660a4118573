/* SPDX-License-Identifier: MIT */
/* tests/stress/roots_stacks.c - stacks beside a thread's own: alternate signal stacks,
 * coroutines. */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <gleaner/roots.h>

#include "roots.h"

enum { STACK_BYTES = 256 * 1024 };

/* Memory that is no root by itself, also where all memory is one. The same for all trials: what is
 * excluded stays so. */
static char *stack_memory(void)
{
    static char *memory;
    if (!memory) {
        memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
        REQUIRE((void *)memory != MAP_FAILED);
        REQUIRE(gc_exclude_root(memory, STACK_BYTES) == 0);
    }
    memset(memory, 0, STACK_BYTES);
    return memory;
}

/* ---- Alternate signal stacks ----------------------------------------------------------------- */

static __thread const trial *handled; /* what the handler puts on its stack, or NULL */

static void handler(int signal)
{
    void *volatile words[8];
    (void)signal;
    words[3] = NULL;
    if (handled) {
        put(handled, (void *)(uintptr_t)&words[3]);
    }
    rest();
    words[3] = NULL;
}

static void raise_on_alternate_stack(const trial *in_handler)
{
    static char memory[65536]; /* static data; the trials with mapped memory use another */
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    memset(memory, 0, sizeof memory);
    REQUIRE(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    handled = in_handler;
    raise(SIGUSR1);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

static void *keep_on_alternate_stack(void *arg)
{
    raise_on_alternate_stack(arg);
    return NULL;
}

/* On the usual stack, while a handler runs on the other. */
static void *keep_below_handler(void *arg)
{
    void *volatile words[8];
    put(arg, (void *)(uintptr_t)&words[3]);
    raise_on_alternate_stack(NULL);
    words[3] = NULL;
    return NULL;
}

static void on_alternate_stack(trial *t) { try_in_thread(t, keep_on_alternate_stack, NULL); }
static void below_handler(trial *t) { try_in_thread(t, keep_below_handler, NULL); }

static void *use_mapped_alternate_stack(void *arg)
{
    char *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = memory, .ss_size = 65536};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    REQUIRE((void *)memory != MAP_FAILED);
    REQUIRE(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    handled = arg;
    raise(SIGUSR1);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    munmap(memory, 65536);
    return NULL;
}

static void on_mapped_alternate_stack(trial *t)
{
    try_in_thread(t, use_mapped_alternate_stack, NULL);
}

/* The thread that collects stands in a handler itself. */
static trial *collected_in_handler;

static void collect_in_handler(int signal)
{
    (void)signal;
    collect_and_look(collected_in_handler);
}

static void collect_on_alternate_stack(trial *t)
{
    void *volatile word;
    static char memory[256 * 1024];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_handler = collect_in_handler, .sa_flags = SA_ONSTACK};
    collected_in_handler = t;
    REQUIRE(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
    put(t, (void *)(uintptr_t)&word);
    raise(SIGUSR2); /* between two calls, not inside of one: as good as a call */
    word = NULL;
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

/* ---- Coroutines ------------------------------------------------------------------------------ */

static struct {
    ucontext_t main, coroutine;
    gc_stack *stack;
    trial *t;
    bool collects; /* in the coroutine */
} co;

static void run_coroutine(void)
{
    void *volatile words[8];
    put(co.t, (void *)(uintptr_t)&words[3]);
    if (co.collects) {
        collect_and_look(co.t);
    }
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
    words[3] = NULL;
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
}

static void enter(void)
{
    REQUIRE(gc_stack_switch(NULL, co.stack) == 0);
    REQUIRE(swapcontext(&co.main, &co.coroutine) == 0);
}

static void start_coroutine(trial *t, void (*fn)(void))
{
    char *low = stack_memory();
    co.t = t;
    co.stack = gc_stack_register(low, STACK_BYTES);
    REQUIRE(co.stack != NULL && getcontext(&co.coroutine) == 0);
    co.coroutine.uc_stack.ss_sp = low;
    co.coroutine.uc_stack.ss_size = STACK_BYTES;
    co.coroutine.uc_link = NULL;
    makecontext(&co.coroutine, fn, 0);
    enter();
}

static void end_coroutine(void)
{
    enter();
    REQUIRE(gc_stack_unregister(co.stack) == 0);
    memset(&co.coroutine, 0, sizeof co.coroutine);
    memset(&co.main, 0, sizeof co.main);
}

static void on_suspended_stack(trial *t)
{
    co.collects = false;
    start_coroutine(t, run_coroutine);
    collect_and_look(t);
    end_coroutine();
}

static void on_stack_that_collects(trial *t)
{
    co.collects = true;
    start_coroutine(t, run_coroutine);
    end_coroutine();
}

/* The thread's own stack, while a coroutine runs on another. */
static void run_and_collect(void)
{
    collect_and_look(co.t);
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
}

static void on_own_stack_of_coroutine(trial *t)
{
    void *volatile words[8];
    put(t, (void *)(uintptr_t)&words[3]);
    start_coroutine(t, run_and_collect);
    words[3] = NULL;
    end_coroutine();
}

static void *own_stack_in_thread(void *arg)
{
    on_own_stack_of_coroutine(arg);
    return NULL;
}

static void on_own_stack_in_thread(trial *t)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, own_stack_in_thread, t) == 0);
    pthread_join(thread, NULL);
}

/* A coroutine runs in a thread while another thread collects. */
static void run_and_rest(void)
{
    void *volatile words[8];
    put(co.t, (void *)(uintptr_t)&words[3]);
    rest();
    words[3] = NULL;
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
    gc_stack_switch(co.stack, NULL);
    swapcontext(&co.coroutine, &co.main);
}

static void *coroutine_in_thread(void *arg)
{
    start_coroutine(arg, run_and_rest);
    end_coroutine();
    return NULL;
}

static void on_running_stack_of_thread(trial *t) { try_in_thread(t, coroutine_in_thread, NULL); }

/* A coroutine that nobody has told us of, on memory that the program has mapped. */
static ucontext_t untold, untold_main;

static void run_untold(void)
{
    void *volatile words[8];
    put(co.t, (void *)(uintptr_t)&words[3]);
    swapcontext(&untold, &untold_main);
    words[3] = NULL;
    swapcontext(&untold, &untold_main);
}

static void on_untold_stack(trial *t)
{
    void *low = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(low != MAP_FAILED && getcontext(&untold) == 0);
    co.t = t;
    untold.uc_stack.ss_sp = low;
    untold.uc_stack.ss_size = STACK_BYTES;
    makecontext(&untold, run_untold, 0);
    REQUIRE(swapcontext(&untold_main, &untold) == 0);
    collect_and_look(t);
    REQUIRE(swapcontext(&untold_main, &untold) == 0);
    munmap(low, STACK_BYTES);
}

/* ---- Contexts -------------------------------------------------------------------------------- */

static void on_unregistered_stack(trial *t)
{
    void **low = (void **)(void *)stack_memory();
    put(t, low + 100);
    collect_and_look(t);
    low[100] = NULL;
}

const place stack_places[] = {
    {"alternate signal stack", on_alternate_stack, 0},
    {"mapped alternate signal stack", on_mapped_alternate_stack, 0},
    {"usual stack below a handler", below_handler, 0},
    {"usual stack, collecting in a handler", collect_on_alternate_stack, 0},
    {"suspended coroutine", on_suspended_stack, 0},
    {"coroutine that collects", on_stack_that_collects, 0},
    {"own stack while a coroutine runs", on_own_stack_of_coroutine, 0},
    {"own stack of a thread while a coroutine runs", on_own_stack_in_thread, 0},
    {"coroutine that runs in a thread", on_running_stack_of_thread, 0},
    {"suspended coroutine, not registered", on_untold_stack, NEEDS_MALLOC},
    {"stack that is not registered", on_unregistered_stack, IS_NO_ROOT},
    {NULL, NULL, 0},
};
