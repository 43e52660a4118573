/* SPDX-License-Identifier: MIT */
/*
 * Parent and child that refer to each other: reference counts alone never free them, gc_collect()
 * does; and with a weak reference back to the parent the counts suffice.
 *
 *     cc cycle.c support.c $(pkg-config --cflags --libs gleaner)
 *
 * All that holds pointers is from gc_rc_malloc(). libc's malloc(), whose memory is not scanned
 * here, serves stdout alone.
 */
#include "support.h"

#include <gleaner/refcount.h>
#include <gleaner/weakref.h>

static const char help[] = "usage: cycle [PAIRS]\n"
                           "Makes PAIRS pairs (default 1000) of parent and child that refer to "
                           "each other, drops them, and\n"
                           "shows who frees them.\n";

enum { MAX_PAIRS = 100000, STRAY = 20 };

/* A counted object. It owns one count of each object that it refers to, but for the
 * weak reference. */
struct person {
    size_t number;
    struct person *child;
    struct person *parent;
    gc_weakref *weak_parent;
};

static unsigned char n_destroyed[2 * MAX_PAIRS]; /* for each number, how often its destructor ran */
static size_t n_destroyed_all;

/* Runs when the last reference goes, or when the collector finds the object unreachable: once. */
static void destroy(void *object)
{
    struct person *person = object;
    n_destroyed[person->number]++;
    n_destroyed_all++;
    gc_release(person->child);
    gc_release(person->parent);
    gc_weakref_free(person->weak_parent);
}

static struct person *new_person(size_t number)
{
    struct person *person = checked(gc_rc_malloc(sizeof *person, destroy));
    person->number = number;
    return person;
}

/* The child's count is handed to the parent: the caller has one reference, to the parent. */
static struct person *new_family(size_t number, int is_weak)
{
    struct person *parent = new_person(number);
    parent->child = new_person(number + 1);
    if (is_weak) {
        parent->child->weak_parent = checked(gc_weakref_new(parent, NULL, NULL));
    } else {
        parent->child->parent = gc_retain(parent);
    }
    return parent;
}

/* Makes the pairs and drops them; all that is said is of the first. */
static void make_and_drop(size_t n_pairs, int is_weak)
{
    for (size_t i = 0; i < n_pairs; i++) {
        struct person *parent = new_family(2 * i, is_weak);
        if (i == 0) {
            printf("  counts: parent %ld, child %ld\n", gc_get_refcount(parent),
                   gc_get_refcount(parent->child));
            expect(gc_get_refcount(parent) == (is_weak ? 1 : 2), "the child counts its parent");
        }
        if (i == 0 && !is_weak) {
            gc_release(parent); /* what gc_del() does, but `parent` still shows what is left */
            printf("  after the release: parent %ld, child %ld\n", gc_get_refcount(parent),
                   gc_get_refcount(parent->child));
            expect(gc_get_refcount(parent) == 1, "the child still holds its parent");
            parent = NULL;
        }
        gc_del(parent); /* Python's del: the reference goes, and with it one count */
    }
}

static void expect_once(size_t n_pairs, size_t at_least)
{
    size_t n_once = 0;
    for (size_t i = 0; i < 2 * n_pairs; i++) {
        expect(n_destroyed[i] <= 1, "destructor %zu has run %d times", i, n_destroyed[i]);
        n_once += n_destroyed[i];
    }
    expect(n_once >= at_least, "%zu destructors have run, instead of %zu", n_once, at_least);
}

static void forget_destructors(void)
{
    for (size_t i = 0; i < 2 * MAX_PAIRS; i++) {
        n_destroyed[i] = 0;
    }
    n_destroyed_all = 0;
}

static void strong(size_t n_pairs)
{
    printf("%zu pairs, parent and child count each other:\n", n_pairs);
    gc_disable(); /* so that what counts cannot do is seen: no collection comes in between */
    make_and_drop(n_pairs, 0);
    size_t by_counts = n_destroyed_all;
    printf("  destructors run by counts alone: %zu\n", by_counts);
    gc_enable();
    gc_collect();
    gc_run_finalizers(0); /* the destructors run where finalizers do; this waits for the last one */
    printf("  destructors run by gc_collect(): %zu\n", n_destroyed_all - by_counts);
    expect(by_counts == 0, "a cycle never comes to zero");
    expect_once(n_pairs, 2 * n_pairs - STRAY); /* a stray word may look like a pointer to one */
}

static void weak(size_t n_pairs)
{
    printf("%zu pairs, the child refers weakly to its parent:\n", n_pairs);
    forget_destructors();
    make_and_drop(n_pairs, 1);
    printf("  destructors run by counts alone: %zu\n", n_destroyed_all);
    expect_once(n_pairs, 2 * n_pairs);
}

int main(int argc, char **argv)
{
    size_t n_pairs = count_argument(argc, argv, help, 1000, 1, MAX_PAIRS);
    strong(n_pairs);
    gc_collect(); /* a stray one of the first half, if there was any, has gone by now */
    weak(n_pairs);
    return finish();
}
