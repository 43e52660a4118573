/* SPDX-License-Identifier: MIT */
/*
 * tests/api/support.h - what the tests of the public interface share.
 *
 * A conservative collector may keep an object that nothing uses, because a word somewhere looks
 * like its address. So what must be reclaimed is tested with a thousand objects, made in a
 * deep frame that is overwritten afterwards, and at least 95 in 100 of them must go. What must
 * stay is tested for every single object.
 */
#ifndef TESTS_API_SUPPORT_H
#define TESTS_API_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <check.h>

enum {
    MANY = 1000,   /* objects of which most must be reclaimed */
    MOST = 950,    /* this many */
    FEW = MANY - MOST
};

/* ThreadSanitizer delays signals and does not know that the world is stopped, and it ends the child of a
 * fork that starts a thread: what rests on either cannot be tested with it. */
#if defined(__SANITIZE_THREAD__)
enum { HAS_TSAN = 1 };
#elif defined(__has_feature)
enum { HAS_TSAN = __has_feature(thread_sanitizer) };
#else
enum { HAS_TSAN = 0 };
#endif

/* ---- Objects that are watched without being referenced --------------------------------------- */

/* An address that does not look like one. */
static inline uintptr_t hide(const void *p)
{
    return ~(uintptr_t)p;
}

static inline void *reveal(uintptr_t hidden)
{
    return (void *)~hidden;
}

/* Calls fn(arg) some frames further down, so that what it leaves on the stack is out of the way,
 * and overwrites that part of the stack. Meanwhile automatic collection is off: what fn makes is
 * still there when it returns, also where the environment makes collections frequent. */
void call_deep(void (*fn)(void *arg), void *arg);

typedef struct batch {
    void *(*make)(size_t size); /* gc_malloc and the like */
    size_t size;
    uintptr_t hidden[MANY];
} batch;

/* Makes MANY objects and forgets them. */
void make_garbage(batch *b, void *(*make)(size_t size), size_t size);

/* How many of the hidden objects are still allocated. */
size_t count_alive(const uintptr_t *hidden, size_t n);

bool is_all_zero(const char *p, size_t n);

/* ---- The process ----------------------------------------------------------------------------- */

/* True if malloc() and gc_malloc() share a heap: this program is linked with libgleaner-malloc, or
 * runs under it. */
bool is_malloc_ours(void);

/* True if the environment makes the collector run all the time. */
bool is_stressed(void);

/* ---- Programs inside the program ------------------------------------------------------------- */

typedef struct outcome {
    int exit_status; /* -1 if it did not exit */
    int signal;      /* that ended it, or 0 */
    char out[16384]; /* what it wrote to stdout */
    char err[16384]; /* what it wrote to stderr */
} outcome;

/* Runs fn(arg) in a fork; it exits with 0 if fn returns. */
void run_forked(void (*fn)(void *arg), void *arg, outcome *o);

/* Runs one of the children of the suites in a new process of this program. Its environment is that
 * of this one without GLEANER_..., and with `variables`: "NAME=value", ended by NULL. */
void run_child(const char *name, const char *const variables[], outcome *o);

typedef struct child {
    const char *name;
    void (*run)(void);
} child;

/* The first words of main(): runs the child that the arguments ask for, if they do. */
void run_as_child(int argc, char **argv, const child *const lists[]);

#define ck_assert_contains(text, part)                                                             \
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in: %s", part, text)
#define ck_assert_lacks(text, part)                                                                \
    ck_assert_msg(strstr(text, part) == NULL, "'%s' is in: %s", part, text)

/* Ended by exit(status), with nothing else wrong. */
void ck_assert_exited(const outcome *o, int status);

#endif
