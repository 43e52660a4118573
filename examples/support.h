/* SPDX-License-Identifier: MIT */
/*
 * examples/support.h - what the examples share: errors, numbers on the command line, figures of the
 * collector and of the process.
 */
#ifndef EXAMPLES_SUPPORT_H
#define EXAMPLES_SUPPORT_H

#include <gleaner/gc.h>

#include <stdint.h>
#include <stdio.h>

/* Says "error: ..." on stderr and ends the process with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns `p`, or dies of lack of memory where an allocation has given NULL. */
void *checked(void *p);

/* What an example claims it also checks: dies with the text if the condition does not hold. */
void expect(int condition, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A decimal number from `min` to `max`; dies, naming `what`, if the text is anything else. */
size_t parse_count(const char *text, size_t min, size_t max, const char *what);

/* The command line of the examples that take one number at most: `NAME [--help] [N]`. */
size_t count_argument(int argc, char **argv, const char *help, size_t standard, size_t min,
                      size_t max);

gc_stats stats_now(void);

/* The most memory that the process has had resident so far (VmHWM), in bytes; 0 if unknown. */
uint64_t peak_resident_bytes(void);

double megabytes(uint64_t bytes);

/* The end of main(): flushes the output and returns the exit status, 1 if something of the output
 * was lost, for instance on a full disk. */
int finish(void);

#endif
