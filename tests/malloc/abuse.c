/* SPDX-License-Identifier: MIT */
/*
 * Commits a mistake with freed memory and says in a few words what came of it: abuse.sh makes a table of that,
 * for several allocators. usage: abuse CASE [BYTES]
 */
#include "expect.h"

#include <stdint.h>
#include <unistd.h>

enum { SPRAY = 20000, SPRAY_BYTES = 64 << 20, OLD = 1, OTHER = 2, FAKE = 3 };

static size_t bytes = 48;
static int n_others = SPRAY;
static void *stale;           /* what the program should have forgotten */
static void *others[SPRAY];   /* what it was given since */

/* Not by stdio, which allocates. */
static int say(const char *outcome)
{
    return write(1, outcome, strlen(outcome)) < 0;
}

static void free_one(void)
{
    stale = malloc(bytes);
    fill(opaque(stale), bytes, OLD);
    free(opaque(stale));
}

/* Others of the same size; true: one of them is what the program still refers to. */
static int spray(void)
{
    int is_handed_out = 0;
    for (int i = 0; i < n_others && !(is_handed_out && i > 100); i++) {
        others[i] = malloc(bytes);
        fill(opaque(others[i]), bytes, OTHER);
        is_handed_out |= others[i] == stale;
    }
    return is_handed_out;
}

static int is_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return 0;
        }
    }
    return 1;
}

/* fill() goes on by 7 with each byte. */
static int is_old_from(const char *p, size_t from)
{
    for (size_t i = from; i < bytes; i++) {
        if ((unsigned char)p[i] != (unsigned char)(OLD * 131u + i * 7u)) {
            return 0;
        }
    }
    return 1;
}

static const char *content(const char *p)
{
    if (is_filled(p, bytes, OLD)) {
        return "old content";
    }
    if (is_filled(p, bytes, OTHER)) {
        return "another's content";
    }
    if (is_zero(p, bytes)) {
        return "zeroes";
    }
    if (is_zero(p, 16) && is_old_from(p, 16)) {
        return "zero, then old content";
    }
    return "the allocator's links";
}

static int read_at_once(void)
{
    free_one();
    return say(content(opaque(stale)));
}

static int read_later(void)
{
    free_one();
    (void)spray();
    return say(content(opaque(stale)));
}

/* What a link of the allocator would be: does it hand out what the program wrote? */
static int write_at_once(void)
{
    static char target[4096] __attribute__((aligned(64)));
    void *first = malloc(bytes); /* so that the second has a link to it */
    stale = malloc(bytes);
    free(opaque(first));
    free(opaque(stale));
    *(void **)opaque(stale) = target + 64;
    for (int i = 0; i < n_others; i++) {
        char *p = malloc(bytes);
        if (p >= target && p < target + sizeof target) {
            return say("hands out a forged address");
        }
        others[i] = memset(p, 0, bytes);
    }
    for (int i = 0; i < n_others; i++) {
        free(others[i]);
    }
    return say("no harm");
}

static int write_later(void)
{
    free_one();
    (void)spray();
    memset(opaque(stale), FAKE, bytes);
    for (int i = 0; i < n_others && others[i]; i++) {
        if (!is_filled(others[i], bytes, OTHER)) {
            return say("corrupts another object");
        }
    }
    return say("no harm");
}

static int double_at_once(void)
{
    free_one();
    free(opaque(stale));
    (void)spray();
    for (int i = 0; i < 100; i++) {
        for (int j = 0; j < i; j++) {
            if (others[i] == others[j]) {
                return say("hands out one slot twice");
            }
        }
    }
    return say("no harm");
}

/* Another has the slot, and loses it. */
static int double_later(void)
{
    free_one();
    (void)spray();
    free(opaque(stale));
    for (int i = 0; i < n_others; i++) {
        void *p = memset(malloc(bytes), FAKE, bytes);
        if (p == stale) {
            return say("takes another object away");
        }
    }
    return say("no harm");
}

static int reuse(void)
{
    free_one();
    return say(spray() ? "handed out" : "not handed out");
}

typedef struct account {
    void (*check)(void);
    long is_admin;
    char name[32];
} account;

static void proper(void)
{
}

/* The object was one with an address of a function; now a message from outside may be there. */
static int confusion(void)
{
    account *a = stale = malloc(sizeof *a);
    *a = (account){proper, 0, "somebody"};
    bytes = sizeof *a;
    free(opaque(a));
    (void)spray();
    uintptr_t forged;
    unsigned char text[sizeof forged];
    fill(text, sizeof text, OTHER);
    memcpy(&forged, text, sizeof forged);
    uintptr_t found = (uintptr_t)((account *)opaque(stale))->check;
    return say(found == forged             ? "calls a forged address"
               : found == 0                ? "calls address 0"
               : found == (uintptr_t)proper ? "calls the old function"
                                            : "calls a wild address");
}

static int invalid(void *p)
{
    free(opaque(p));
    (void)spray();
    for (int i = 0; i < n_others && others[i]; i++) {
        if (others[i] == p) {
            return say("hands it out");
        }
    }
    return say("not noticed");
}

static int interior(void)
{
    char *p = malloc(4 * bytes);
    memset(p, 0, 4 * bytes);
    return invalid(p + bytes);
}

static int foreign(void)
{
    static char mine[4096] __attribute__((aligned(64)));
    return invalid(mine + 64);
}

static int wild(void)
{
    return invalid((void *)(uintptr_t)0x123450);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*play)(void);
    } cases[] = {
        {"read-at-once", read_at_once}, {"read-later", read_later},
        {"write-at-once", write_at_once}, {"write-later", write_later},
        {"double-at-once", double_at_once}, {"double-later", double_later},
        {"reuse", reuse}, {"confusion", confusion},
        {"interior", interior}, {"foreign", foreign}, {"wild", wild},
    };
    bytes = argc > 2 ? (size_t)atol(argv[2]) : bytes;
    n_others = bytes * SPRAY > SPRAY_BYTES ? (int)(SPRAY_BYTES / bytes) : SPRAY;
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            return cases[i].play();
        }
    }
    return 2;
}
