/* SPDX-License-Identifier: MIT */
/*
 * tests/death/misuse.c - each misuse stops the program with a line that names the call, the
 * address and the reason; in every mode.
 *
 * A case is a function that first says which address it is about to misuse, then does it. It
 * runs in a process of its own, which must be ended by SIGABRT, with that one line on stderr.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>

#include "support.h"

typedef struct misuse {
    const char *name;
    void (*run)(void);
    const char *call;  /* "gc_free" */
    const char *label; /* "double free" */
} misuse;

/* ---- The ways to do it ------------------------------------------------------------------------
 */

/* The compiler warns of what these tests are made for; so it must not see it. */
static void *volatile opaque;

static void *announce(void *p)
{
    printf("%p", p);
    fflush(stdout);
    opaque = p;
    return opaque;
}

static void wrong_free(void *p)
{
    gc_free(announce(p));
}

static void double_free_of(size_t size)
{
    void *p = gc_malloc(size);
    gc_free(p);
    wrong_free(p);
}

static void double_free_small(void)
{
    double_free_of(32);
}

static void double_free_size_zero(void)
{
    double_free_of(0);
}

static void double_free_medium(void)
{
    double_free_of(20000);
}

static void double_free_large(void)
{
    double_free_of(200000);
}

static void double_free_huge(void)
{
    double_free_of((size_t)100 << 20);
}

static void double_free_atomic(void)
{
    void *p = gc_malloc_atomic(100);
    gc_free(p);
    wrong_free(p);
}

static void double_free_uncollectable(void)
{
    void *p = gc_malloc_uncollectable(100);
    gc_free(p);
    wrong_free(p);
}

static void double_free_aligned(void)
{
    void *p = gc_aligned_alloc(4096, 100);
    gc_free(p);
    wrong_free(p);
}

/* Long ago: the slot has left the thread's cache, its block has been given back and used again. */
static void double_free_late(void)
{
    static void *objects[MANY * 10];
    for (size_t i = 0; i < MANY * 10; i++) {
        objects[i] = gc_malloc(48);
    }
    for (size_t i = 0; i < MANY * 10; i++) {
        gc_free(objects[i]);
    }
    gc_collect();
    gc_release_os_memory();
    wrong_free(objects[MANY * 5]);
}

static void *free_it(void *p)
{
    gc_free(p);
    return NULL;
}

static void double_free_other_thread(void)
{
    pthread_t thread;
    void *p = gc_malloc(100);
    if (pthread_create(&thread, NULL, free_it, p) == 0) {
        pthread_join(thread, NULL);
        wrong_free(p);
    }
}

static void free_of_reclaimed(void)
{
    static batch b;
    make_garbage(&b, gc_malloc, 64);
    gc_collect();
    for (size_t i = 0; i < MANY; i++) {
        if (gc_sizeof(reveal(b.hidden[i])) == 0) {
            wrong_free(reveal(b.hidden[i]));
        }
    }
}

static void interior_small(void)
{
    char *p = gc_malloc(100);
    wrong_free(p + 16);
}

static void interior_unaligned(void)
{
    char *p = gc_malloc(100);
    wrong_free(p + 3);
}

static void interior_large(void)
{
    char *p = gc_malloc(1000000);
    wrong_free(p + 16);
}

static void interior_large_middle_block(void)
{
    char *p = gc_malloc(1000000);
    wrong_free(p + 5 * 65536);
}

static void interior_large_last_byte(void)
{
    char *p = gc_malloc(1000000);
    wrong_free(p + 999999);
}

static void misaligned(void)
{
    char *p = gc_malloc(100);
    gc_free(p);
    wrong_free(p + 8); /* in a free slot */
}

static void misaligned_slot(void)
{
    char *p = gc_malloc(100);
    gc_free(p);
    wrong_free(p + 16); /* a multiple of 16, but no slot begins there */
}

static char static_bytes[64];
static __thread char thread_bytes[64];

static void foreign_static(void)
{
    wrong_free(static_bytes + 16);
}

static void foreign_literal(void)
{
    wrong_free((char *)(uintptr_t) "a string literal");
}

static void foreign_libc_static(void)
{
    wrong_free(stdout);
}

static void foreign_function(void)
{
    wrong_free((void *)(uintptr_t)&foreign_function);
}

static void foreign_stack(void)
{
    char local[64] = {0};
    wrong_free(local + 16);
}

static void foreign_thread_local(void)
{
    wrong_free(thread_bytes);
}

static void foreign_environment(void)
{
    wrong_free(environ[0]);
}

static void foreign_mapping(void)
{
    wrong_free(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void foreign_protected_mapping(void)
{
    wrong_free(mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void wild_small_number(void)
{
    wrong_free((void *)16);
}

static void wild_odd_number(void)
{
    wrong_free((void *)1);
}

static void wild_last_address(void)
{
    wrong_free((void *)UINTPTR_MAX);
}

static void wild_not_canonical(void)
{
    wrong_free((void *)0x5a5a5a5a5a5a5a50);
}

static void wild_unmapped(void)
{
    char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, 1 << 20);
    wrong_free(p + 65536);
}

static void wild_end_of_heap(void)
{
    char *p = gc_malloc(100);
    wrong_free(p + ((size_t)1 << 36)); /* further than the heap reaches */
}

static void first_call_is_misuse(void)
{
    wrong_free(static_bytes);
}

static void realloc_freed(void)
{
    void *p = gc_malloc(100);
    gc_free(p);
    gc_keep_alive(gc_realloc(announce(p), 200));
}

static void realloc_freed_large(void)
{
    void *p = gc_malloc(1000000);
    gc_free(p);
    gc_keep_alive(gc_realloc(announce(p), 200));
}

static void realloc_interior(void)
{
    char *p = gc_malloc(100);
    gc_keep_alive(gc_realloc(announce(p + 32), 200));
}

static void realloc_foreign(void)
{
    gc_keep_alive(gc_realloc(announce(static_bytes), 200));
}

static void realloc_old_address(void)
{
    void *p = gc_malloc(100);
    gc_keep_alive(gc_realloc(p, 1000000)); /* moves */
    wrong_free(p);
}

static void reallocarray_freed(void)
{
    void *p = gc_malloc(100);
    gc_free(p);
    gc_keep_alive(gc_reallocarray(announce(p), 10, 20));
}

static const misuse cases[] = {
    {"double_free_small", double_free_small, "gc_free", "double free"},
    {"double_free_size_zero", double_free_size_zero, "gc_free", "double free"},
    {"double_free_medium", double_free_medium, "gc_free", "double free"},
    {"double_free_large", double_free_large, "gc_free", "double free"},
    {"double_free_huge", double_free_huge, "gc_free", "double free"},
    {"double_free_atomic", double_free_atomic, "gc_free", "double free"},
    {"double_free_uncollectable", double_free_uncollectable, "gc_free", "double free"},
    {"double_free_aligned", double_free_aligned, "gc_free", "double free"},
    {"double_free_late", double_free_late, "gc_free", "double free"},
    {"double_free_other_thread", double_free_other_thread, "gc_free", "double free"},
    {"free_of_reclaimed", free_of_reclaimed, "gc_free", "double free"},
    {"interior_small", interior_small, "gc_free", "interior pointer"},
    {"interior_unaligned", interior_unaligned, "gc_free", "interior pointer"},
    {"interior_large", interior_large, "gc_free", "interior pointer"},
    {"interior_large_middle", interior_large_middle_block, "gc_free", "interior pointer"},
    {"interior_large_last_byte", interior_large_last_byte, "gc_free", "interior pointer"},
    {"misaligned", misaligned, "gc_free", "misaligned pointer"},
    {"misaligned_slot", misaligned_slot, "gc_free", "misaligned pointer"},
    {"foreign_static", foreign_static, "gc_free", "foreign pointer"},
    {"foreign_literal", foreign_literal, "gc_free", "foreign pointer"},
    {"foreign_libc_static", foreign_libc_static, "gc_free", "foreign pointer"},
    {"foreign_function", foreign_function, "gc_free", "foreign pointer"},
    {"foreign_stack", foreign_stack, "gc_free", "foreign pointer: memory on the stack"},
    {"foreign_thread_local", foreign_thread_local, "gc_free", "foreign pointer"},
    {"foreign_environment", foreign_environment, "gc_free", "foreign pointer"},
    {"foreign_mapping", foreign_mapping, "gc_free", "foreign pointer"},
    {"foreign_protected_mapping", foreign_protected_mapping, "gc_free", "foreign pointer"},
    {"wild_small_number", wild_small_number, "gc_free", "wild pointer"},
    {"wild_odd_number", wild_odd_number, "gc_free", "wild pointer"},
    {"wild_last_address", wild_last_address, "gc_free", "wild pointer"},
    {"wild_not_canonical", wild_not_canonical, "gc_free", "wild pointer"},
    {"wild_unmapped", wild_unmapped, "gc_free", "wild pointer"},
    {"wild_end_of_heap", wild_end_of_heap, "gc_free", "wild pointer"},
    {"first_call_is_misuse", first_call_is_misuse, "gc_free", "foreign pointer"},
    {"realloc_freed", realloc_freed, "gc_realloc", "double free"},
    {"realloc_freed_large", realloc_freed_large, "gc_realloc", "double free"},
    {"realloc_interior", realloc_interior, "gc_realloc", "interior pointer"},
    {"realloc_foreign", realloc_foreign, "gc_realloc", "foreign pointer"},
    {"realloc_old_address", realloc_old_address, "gc_free", "double free"},
    {"reallocarray_freed", reallocarray_freed, "gc_reallocarray", "double free"},
};

enum { N_CASES = sizeof cases / sizeof cases[0] };

/* ---- The check --------------------------------------------------------------------------------
 */

typedef struct attempt {
    const misuse *what;
    gc_mode mode;
} attempt;

static void run_attempt(void *arg)
{
    const attempt *a = arg;
    gc_config config = {.size = sizeof config, .mode = a->mode};
    if (a->mode != GC_MODE_DEFAULT && gc_init(&config) != 0) {
        _exit(99);
    }
    a->what->run();
}

/* NULL if the process ended as it should, else what was different. */
static const char *fault_of(const misuse *what, const outcome *o)
{
    char beginning[200];
    snprintf(beginning, sizeof beginning, "gleaner: %s(%.20s): %s", what->call, o->out,
             what->label);
    if (o->signal != SIGABRT) {
        return "was not ended by SIGABRT";
    }
    if (strncmp(o->err, beginning, strlen(beginning)) != 0) {
        return "did not name call, address and reason";
    }
    if (strchr(o->err, '\n') != o->err + strlen(o->err) - 1) {
        return "did not write one line";
    }
    return NULL;
}

static void check_death(const misuse *what, gc_mode mode)
{
    outcome o;
    attempt a = {what, mode};
    run_forked(run_attempt, &a, &o);
    const char *fault = fault_of(what, &o);
    ck_assert_msg(!fault, "%s, mode %d: %s (status %d, signal %d): %s%s", what->name, (int)mode,
                  fault, o.exit_status, o.signal, o.out, o.err);
}

START_TEST(misuse_stops_the_program)
{
    check_death(&cases[_i], GC_MODE_DEFAULT);
}
END_TEST

START_TEST(misuse_stops_the_program_in_collect_mode)
{
    check_death(&cases[_i], GC_MODE_COLLECT);
}
END_TEST

START_TEST(misuse_stops_the_program_in_malloc_mode)
{
    check_death(&cases[_i], GC_MODE_MALLOC);
}
END_TEST

/* ---- The check of the check --------------------------------------------------------------------
 */

static void no_misuse(void)
{
    void *p = gc_malloc(100);
    announce(p);
    gc_free(p);
}

static void other_death(void)
{
    announce(gc_malloc(100));
    abort();
}

START_TEST(the_check_can_fail)
{
    const misuse wrong[] = {
        {"no_misuse", no_misuse, "gc_free", "double free"},
        {"other_death", other_death, "gc_free", "double free"},
        {"other_label", double_free_small, "gc_free", "wild pointer"},
        {"other_call", double_free_small, "gc_realloc", "double free"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        outcome o;
        attempt a = {&wrong[i], GC_MODE_DEFAULT};
        run_forked(run_attempt, &a, &o);
        ck_assert_msg(fault_of(&wrong[i], &o) != NULL, "%s", wrong[i].name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("death");
    TCase *one = tcase_create("misuse");
    tcase_set_timeout(one, 60);
    tcase_add_loop_test(one, misuse_stops_the_program, 0, N_CASES);
    tcase_add_loop_test(one, misuse_stops_the_program_in_collect_mode, 0, N_CASES);
    tcase_add_loop_test(one, misuse_stops_the_program_in_malloc_mode, 0, N_CASES);
    tcase_add_test(one, the_check_can_fail);
    suite_add_tcase(suite, one);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
