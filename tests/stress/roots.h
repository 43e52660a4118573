/* SPDX-License-Identifier: MIT */
/*
 * tests/stress/roots.h - places where the only pointer to an object may be, and how each is tried.
 *
 * A place is tried in two ways. First the pointer is put there, the world is collected, and the
 * object must be whole. Then all is the same, except that before the collection the place, and only
 * the place, is inverted: the object must be reclaimed. So each first trial shows that the place is
 * seen, and each second one that nothing else had kept the object alive.
 *
 * To put the pointer, the inverted address is stored and inverted in place: no register and no
 * other word holds it meanwhile.
 */
#ifndef GL_TESTS_STRESS_ROOTS_H
#define GL_TESTS_STRESS_ROOTS_H

#include <pthread.h>

#include "stress.h"

typedef struct trial {
    uintptr_t hidden; /* of the object */
    uintptr_t erase;  /* XORed into the place before the collection: 0, or all ones */
    bool is_alive;    /* the result */
} trial;

enum place_needs {
    NEEDS_NOTHING = 0,
    NEEDS_MALLOC = 1,      /* the heap must be malloc's, too: all writable memory is a root */
    NEEDS_X86_64 = 2,
    NEEDS_AVX2 = 4,
    NEEDS_AVX512 = 8,
    NEEDS_MODULE = 16,
    IS_NO_ROOT = 32,       /* the object must be reclaimed in either way */
    IS_GAP_LINKED = 64     /* libgleaner alone may not see it, and should: a known gap, of which the
                              test says whether it shows */
};

typedef struct place {
    const char *name;
    void (*try_it)(trial *t);
    unsigned needs;
} place;

/* Ended by an entry without a name. */
extern const place memory_places[], thread_places[], register_places[], stack_places[],
    kernel_places[];

/* Puts the pointer to the object into the word, and erases it if the trial says so. */
void put(const trial *t, void *word);

/* put() with a distance to the start of the object. */
void put_interior(const trial *t, void *word, ptrdiff_t distance);

/* Collects and looks. The rest of the place's work must not need the pointer. */
void collect_and_look(trial *t);

/* Runs fn(t) in a new thread. When fn has put the pointer it calls `rest`, or waits in another way
 * until `trial_go` is 1 after having set `trial_ready`; meanwhile this thread collects. */
void try_in_thread(trial *t, void *(*fn)(void *), const pthread_attr_t *attributes);
extern volatile int trial_ready, trial_go;
void rest(void);

extern const char *module_path;

#endif
