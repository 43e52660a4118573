/* SPDX-License-Identifier: MIT */
/*
 * gleaner/api.h - how the public declarations are spelt; included by every public header.
 *
 * The names in C source are gc_*, the names in the object files are gleaner_gc_*. Other libraries
 * export gc_collect, gc_free and gc_malloc (the D runtime does); a preloaded library with those
 * names would capture their calls, so each declaration carries an assembler label.
 */
#ifndef GLEANER_API_H
#define GLEANER_API_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define GC_BEGIN_DECLS extern "C" {
#define GC_END_DECLS }
#else
#define GC_BEGIN_DECLS
#define GC_END_DECLS
#endif

/* Gives a declaration its name in the object file, and makes it visible outside the library. */
#define GC_SYMBOL(name) __asm__("gleaner_" #name) __attribute__((visibility("default")))

#define GC_ATTR(...) __attribute__((__VA_ARGS__))

#endif
