/* SPDX-License-Identifier: MIT */
/*
 * Mode safe: as long as a pointer to a freed object is anywhere, its memory is nobody else's; and no longer.
 * usage: stale CASE
 */
#include <gleaner/gc.h>

#include "expect.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of 60 bytes, because requests of 48 change their size class when there are many. */
enum { BYTES = 60, ROUNDS = 30000, MANY = 2000000, LARGE = 400000 };

/* No collector finds it, so that a comparison does not keep what it asks for. */
static const uintptr_t KEY = 0x5555555555555555;
static uintptr_t hidden, hidden_end;

static void hide(void *p, size_t bytes)
{
    hidden = (uintptr_t)p ^ KEY;
    hidden_end = ((uintptr_t)p + bytes) ^ KEY;
}

/* Whether new memory lies where the old was. The addresses are compared mangled, in their lower half. */
static int is_old_place(void *q, size_t bytes)
{
    uint32_t first = (uint32_t)(hidden ^ KEY), end = (uint32_t)(hidden_end ^ KEY);
    uint32_t at = (uint32_t)(uintptr_t)q;
    return at + bytes > first && at < end;
}

/* Allocates and frees so much that the quarantine is emptied again and again; keeps some. */
__attribute__((noinline)) static int is_handed_out(int rounds, size_t bytes)
{
    enum { KEPT_BYTES = 4 << 20 };
    int kept_max = (int)(KEPT_BYTES / bytes), n_kept = 0, found = 0;
    void **kept = calloc((size_t)kept_max, sizeof *kept);
    for (int i = 0; i < rounds; i++) {
        char *q = i % 5 == 0 ? calloc(1, bytes) : malloc(bytes);
        found |= is_old_place(q, bytes);
        for (size_t b = 0; i % 5 == 0 && b < bytes; b += 16) {
            EXPECT(q[b] == 0);
        }
        memset(opaque(q), 0x77, bytes);
        if (i % 4 == 0 && n_kept < kept_max) {
            kept[n_kept++] = q;
        } else {
            free(q);
        }
    }
    while (n_kept > 0) {
        free(kept[--n_kept]);
    }
    free(kept);
    return found;
}

/* Whatever the order in which free runs are taken: takes so many that none is left, and touches none. */
__attribute__((noinline)) static int is_taken(size_t bytes)
{
    enum { N = 100 };
    void *taken[N];
    int found = 0;
    for (int i = 0; i < N; i++) {
        taken[i] = malloc(bytes);
        found |= is_old_place(taken[i], bytes);
    }
    for (int i = 0; i < N; i++) {
        free(taken[i]);
    }
    return found;
}

static gc_stats stats(void)
{
    gc_stats s = {.size = sizeof s};
    EXPECT(gc_get_stats(&s) == 0);
    return s;
}

/* The stack below may have old pointers: they are no evidence of anything. */
__attribute__((noinline)) static void wipe_stack(void)
{
    char volatile area[16384];
    memset((char *)area, 0, sizeof area);
    opaque((char *)area);
}

/* ---- Where a pointer may be ----------------------------------------------------------------- */

/* Volatile: nobody reads them again, and they must be written all the same. */
static void *volatile in_memory;
static struct __attribute__((packed)) {
    int number;
    void *volatile p;
} in_packed __attribute__((aligned(8)));

__attribute__((noinline)) static void *fill_new(size_t bytes)
{
    char *p = malloc(bytes);
    fill(opaque(p), bytes, 1);
    return p;
}

__attribute__((noinline)) static void *free_one(size_t bytes)
{
    char *p = fill_new(bytes);
    hide(p, bytes);
    free(opaque(p));
    return p;
}

static int is_as_left(const char *p, size_t bytes)
{
    for (size_t i = 16; i < bytes; i++) {
        if ((unsigned char)p[i] != (unsigned char)(131u + i * 7u)) {
            return 0;
        }
    }
    return 1;
}

static void memory(void)
{
    in_memory = free_one(BYTES);
    EXPECT(!is_handed_out(MANY, BYTES));
    EXPECT(is_as_left(in_memory, BYTES));
    memset(in_memory, 0xee, BYTES); /* harms nobody: is_handed_out() looks at what it calloc's */
    EXPECT(!is_handed_out(ROUNDS, BYTES));
}

static void on_stack(void)
{
    void *volatile p = free_one(BYTES);
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    EXPECT(is_as_left(p, BYTES));
}

static void in_register(void)
{
    char *p = free_one(BYTES);
    __asm__ __volatile__("" : "+r"(p));
    int found = is_handed_out(ROUNDS, BYTES);
    __asm__ __volatile__("" : "+r"(p));
    EXPECT(!found);
    EXPECT(is_as_left(p, BYTES));
}

static void in_heap(void)
{
    void **holder = malloc(sizeof *holder);
    *holder = free_one(BYTES);
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    EXPECT(is_as_left(*holder, BYTES));
    free(holder);
}

static void tagged(void)
{
    for (int tag = 1; tag < 8; tag++) {
        in_memory = (char *)free_one(BYTES) + tag;
        EXPECT(!is_handed_out(ROUNDS, BYTES));
    }
}

static void interior(void)
{
    in_memory = (char *)free_one(BYTES) + BYTES - 1;
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    in_memory = (char *)free_one(LARGE) + LARGE / 2;
    EXPECT(!is_handed_out(60, LARGE));
}

static void packed(void)
{
    in_packed.p = free_one(BYTES);
    EXPECT(!is_handed_out(ROUNDS, BYTES));
}

/* A freed object that is held holds what it refers to, but not by its first words: they are zero. */
static void chain(void)
{
    void **first = malloc(BYTES);
    in_memory = first;
    first[3] = free_one(BYTES);
    free(opaque(first));
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    EXPECT(is_as_left(first[3], BYTES));
}

/* ---- How it may have been freed -------------------------------------------------------------- */

static void reallocated(void)
{
    char *p = fill_new(BYTES);
    in_memory = p;
    hide(p, BYTES);
    char *q = realloc(p, 50 * BYTES);
    EXPECT(q != p);
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    EXPECT(is_as_left(in_memory, BYTES));
    free(q);
}

/* Its pages are moved: the old place reads as zero. */
static void reallocated_large(void)
{
    char *p = fill_new(LARGE);
    void *barrier = malloc(LARGE); /* so that it cannot grow in place */
    in_memory = p;
    hide(p, LARGE);
    char *q = realloc(p, 50 * LARGE);
    EXPECT(is_filled(q, LARGE, 1));
    EXPECT(q != in_memory);
    EXPECT(!is_taken(LARGE));
    EXPECT(!is_handed_out(60, LARGE));
    EXPECT(((char *)in_memory)[LARGE / 2] == 0 || is_as_left(in_memory, LARGE));
    memset(in_memory, 0xee, LARGE);
    EXPECT(is_filled(q, LARGE, 1));
    free(q);
    free(barrier);
}

/* What a large object loses when it shrinks. */
static void shrunk_large(void)
{
    char *p = fill_new(10 * LARGE);
    in_memory = p + 9 * LARGE;
    hide(in_memory, LARGE);
    EXPECT(realloc(p, LARGE) == p);
    EXPECT(!is_handed_out(60, LARGE));
}

static void large(void)
{
    in_memory = free_one(LARGE);
    EXPECT(!is_taken(LARGE));
    EXPECT(!is_handed_out(60, LARGE));
    EXPECT(is_as_left(in_memory, LARGE));
    in_memory = free_one(20 * LARGE);
    EXPECT(!is_handed_out(20, 20 * LARGE));
    EXPECT(((char *)in_memory)[LARGE] == 0);
}

static void gc_freed(void)
{
    in_memory = gc_malloc(BYTES);
    fill(in_memory, BYTES, 1);
    hide(in_memory, BYTES);
    gc_free(in_memory);
    int found = 0;
    for (int i = 0; i < ROUNDS; i++) {
        char *q = gc_malloc(BYTES);
        found |= is_old_place(q, BYTES);
        EXPECT(q[0] == 0 && q[BYTES - 1] == 0);
        gc_free(q);
    }
    EXPECT(!found);
    EXPECT(is_as_left(in_memory, BYTES));
}

/* ---- Who else is there ----------------------------------------------------------------------- */

static volatile int is_held, is_over;

/* In a vector register, and nowhere else. */
static void *hold(void *unused)
{
    (void)unused;
#ifdef __x86_64__
    void *p = in_memory;
    __asm__ __volatile__("movq %0, %%xmm7\n\t"
                         "xorl %k0, %k0\n\t"
                         "movl $1, %1\n\t"
                         "1: pause\n\t"
                         "cmpl $0, %2\n\t"
                         "je 1b\n\t"
                         "movq %%xmm7, %0"
                         : "+r"(p), "=m"(is_held)
                         : "m"(is_over)
                         : "xmm7", "memory", "cc");
    EXPECT(is_as_left(p, BYTES));
#else
    void *volatile p = in_memory;
    is_held = 1;
    while (!is_over) {
    }
    EXPECT(is_as_left(p, BYTES));
#endif
    return NULL;
}

/* One thread holds it, another frees it. */
static void threads(void)
{
    pthread_t holder;
    in_memory = fill_new(BYTES);
    hide(in_memory, BYTES);
    EXPECT(pthread_create(&holder, NULL, hold, NULL) == 0);
    while (!is_held) {
    }
    free(in_memory);
    in_memory = NULL;
    wipe_stack();
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    is_over = 1;
    pthread_join(holder, NULL);
}

static void forked(void)
{
    in_memory = free_one(BYTES);
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        EXPECT(!is_handed_out(ROUNDS, BYTES));
        EXPECT(is_as_left(in_memory, BYTES));
        exit(expect_status());
    }
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT(!is_handed_out(ROUNDS, BYTES));
}

/* ---- The end of the wait --------------------------------------------------------------------- */

/* Once nothing refers to it, it is used again: else the cases above would show nothing. */
static void released(void)
{
    in_memory = free_one(BYTES);
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    in_memory = NULL;
    wipe_stack();
    EXPECT(is_handed_out(10 * ROUNDS, BYTES));
    in_memory = free_one(LARGE);
    EXPECT(!is_handed_out(60, LARGE));
    in_memory = NULL;
    wipe_stack();
    EXPECT(is_handed_out(200, LARGE));
}

/* What waits is bounded: two hundred MiB go through a few. */
static void bounded(void)
{
    for (int i = 0; i < 200000; i++) {
        size_t bytes = (size_t)(i % 64 + 1) * 32;
        free(memset(opaque(malloc(bytes)), 1, bytes));
        EXPECT(i % 10000 != 0 || stats().heap_bytes < 24u << 20);
    }
    EXPECT(stats().generations[2].collections > 50);
}

/* ---- Double frees ---------------------------------------------------------------------------- */

static int n_told;

static void told(const gc_error *error, void *arg)
{
    EXPECT(error->code == GC_ERROR_DOUBLE_FREE);
    EXPECT(arg == &n_told);
    n_told++;
}

static void handled(void)
{
    in_memory = free_one(BYTES);
    EXPECT(gc_set_error_handler(told, &n_told) == NULL);
    free(in_memory);
    EXPECT(n_told == 1);
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    free(in_memory);
    gc_free(in_memory);
    EXPECT(n_told == 3);
    in_memory = free_one(LARGE);
    free(in_memory);
    EXPECT(n_told == 4);
    EXPECT(!is_handed_out(60, LARGE));
}

/* stale.sh counts the lines. */
static void reported(void)
{
    in_memory = free_one(BYTES);
    for (int i = 0; i < 5; i++) {
        free(in_memory);
    }
    EXPECT(!is_handed_out(ROUNDS, BYTES));
    in_memory = free_one(LARGE);
    free(in_memory);
    EXPECT(!is_handed_out(60, LARGE));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*play)(void);
    } cases[] = {
        {"memory", memory}, {"stack", on_stack}, {"register", in_register}, {"heap", in_heap},
        {"tagged", tagged}, {"interior", interior}, {"packed", packed}, {"chain", chain},
        {"realloc", reallocated}, {"realloc-large", reallocated_large}, {"shrink-large", shrunk_large},
        {"large", large}, {"gc-free", gc_freed}, {"threads", threads}, {"fork", forked},
        {"released", released}, {"bounded", bounded}, {"handled", handled}, {"reported", reported},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (argc == 2 && strcmp(argv[1], cases[i].name) == 0) {
            cases[i].play();
        }
    }
    return expect_status();
}
