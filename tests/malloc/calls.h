/* SPDX-License-Identifier: MIT */
/*
 * tests/malloc/calls.h - system calls that wait, each in a thread of its own, while another thread
 * collects all the time.
 */
#ifndef GL_TESTS_MALLOC_CALLS_H
#define GL_TESTS_MALLOC_CALLS_H

#include <stdint.h>
#include <time.h>

enum { WAIT_MS = 300 };

/* What a call of the table works on, and what came of it. */
typedef struct attempt {
    long result;
    int error;         /* errno, if the result is -1 */
    uint64_t ended_ms; /* since its start */
    int fd, other_fd;  /* set up by the row */
} attempt;

typedef struct row {
    const char *name;
    void (*set_up)(attempt *a); /* NULL: nothing to prepare */
    void (*call)(attempt *a);
    void (*event)(attempt *a); /* NULL: the call ends by its own timeout, after WAIT_MS */
    long result;               /* what is expected */
    int error;
    unsigned flags;
} row;

enum {
    BY_KERNEL = 1,  /* the kernel repeats it: it cannot fail */
    ENDS_BY_SIGNAL = 2, /* the event is a signal of the program */
    WHOLE = 4,      /* it moves data: a signal may come in the middle, and no EINTR */
    NO_POINT = 8    /* no point of cancellation */
};

extern const row waiting_rows[], moving_rows[], helped_rows[]; /* each ended by a row without a name */

/* The function to call: the program's usual one, or, to see what happens without Gleaner's, the C
 * library's own. */
void *callee(const char *name, void *usual);
extern int is_bare; /* the latter */
#define CALL(name) ((__typeof__(&(name)))callee(#name, (void *)(name)))

/* The time from now on, for functions that take an absolute one. */
struct timespec after_ms(clockid_t clock, long ms);

/* How long the calls with a timeout wait: WAIT_MS, or more when a signal is to end them. */
extern long timeout_ms;

void require(int condition, const char *what);
#define REQUIRE(condition) require(!!(condition), #condition)

#endif
