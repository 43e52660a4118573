/* SPDX-License-Identifier: MIT */
/*
 * os/regions.h - what memory the process has: mappings, and which of their pages are there.
 *
 * All functions work on memory of their own, never on the C library's heap, and may be called
 * while the world is stopped, by one thread at a time.
 */
#ifndef GL_OS_REGIONS_H
#define GL_OS_REGIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gl_region {
    uintptr_t start;
    uintptr_t end;
    bool is_readable;
    bool is_writable;
    bool is_shared;
    bool is_file;      /* has an inode */
    bool is_device;    /* a device, socket, or ring of the kernel, and not memory: never touch it */
    bool is_stack;     /* "[stack]" */
    bool is_ring;      /* of io_uring or asynchronous input and output: the kernel holds words of the
                          program that are in no memory */
    bool is_special;   /* [vdso], [vvar], [vsyscall] and the like */
} gl_region;

typedef struct gl_regions {
    gl_region *at; /* ascending by address, owned by the snapshot */
    size_t n;
    size_t capacity; /* private */
} gl_regions;

/* Reads the mappings of the process into *regions (memory is kept from call to call; start with
 * zeroes). Mappings inside the library's own space are left out. False where /proc is missing or
 * memory is short: the old content is gone then. */
bool gl_regions_read(gl_regions *regions);

/* The region that contains the address, or NULL. */
const gl_region *gl_regions_find(const gl_regions *regions, uintptr_t address);

/* Calls fn(start, end, arg) for the pieces of [start, end) whose pages have content (present or
 * swapped out, and not the shared zero page where that can be told): everything else reads as
 * zero, or as the file behind the mapping has it, or cannot be read. In a shared region only the
 * pages that this process has mapped are seen (all that it wrote, unless the system has written
 * them out since). Pages that no access may touch (guard pages, the part of a mapping behind the
 * end of its file) are left out; pages of PROT_NONE regions are not.
 *
 * Uses PAGEMAP_SCAN, else /proc/self/pagemap. Where neither can be had it passes the whole range if
 * `is_safe_to_touch`, or what of it the kernel can bring into memory. The range lies in one region;
 * page aligned. */
void gl_regions_present(uintptr_t start, uintptr_t end, bool is_safe_to_touch,
                        void (*fn)(uintptr_t start, uintptr_t end, void *arg), void *arg);

/* Around many calls of gl_regions_present(): keeps what it opens from the first to the last, which
 * saves 2 us each. For use while the world is stopped: the program may close all descriptors. */
void gl_regions_present_begin(void);
void gl_regions_present_end(void);

#endif
