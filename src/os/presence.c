/* SPDX-License-Identifier: MIT */
/*
 * os/presence.c - which pages of a range have content, from the ioctl PAGEMAP_SCAN (Linux 6.7) or
 * the entries of /proc/self/pagemap.
 *
 * A page that is not in memory may be a marker and not content: a guard page inside of a writable
 * mapping (MADV_GUARD_INSTALL; glibc 2.42 has them in thread stacks), a poisoned one. Touching it
 * would end the program. So each such page is first brought into memory by the kernel, which
 * refuses if it cannot.
 *
 * State: the descriptor between gl_regions_present_begin() and _end(), of the one thread that
 * collects.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/syscall.h"
#include "os/internal.h"
#include "os/memory.h"
#include "os/regions.h"

/* The kernel's interface (include/uapi/linux/fs.h), which the headers may be too old for. */
typedef struct scan_request {
    uint64_t size, flags, start, end, walk_end, pieces, n_pieces, max_pages;
    uint64_t inverted, mask, any_of, returned;
} scan_request;

typedef struct scan_piece {
    uint64_t start, end, categories;
} scan_piece;

#define SCAN_REQUEST _IOWR('f', 16, scan_request)

enum {
    CATEGORY_PRESENT = 1 << 3,
    CATEGORY_SWAPPED = 1 << 4,
    CATEGORY_ZERO_PAGE = 1 << 5,
    CATEGORY_GUARD = 1 << 8 /* since Linux 6.15 */
};

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

typedef void piece_fn(uintptr_t start, uintptr_t end, void *arg);

static int kept_descriptor = -1;
static bool has_no_scan;  /* this kernel has no PAGEMAP_SCAN */
static bool has_no_guard; /* nor the category of guard pages */
static bool is_cut_off;   /* test hook: as if nothing could be opened */

static int open_pagemap(void)
{
    return gl_os_open_memory_file("/proc/thread-self/pagemap", "/proc/self/pagemap");
}

void gl_regions_present_begin(void)
{
    if (kept_descriptor < 0)
        kept_descriptor = open_pagemap();
}

void gl_regions_present_end(void)
{
    if (kept_descriptor >= 0)
        gl_os_close(kept_descriptor);
    kept_descriptor = -1;
}

/* Passes on what of [start, end) the kernel can bring into memory. */
static void pass_what_comes(uintptr_t start, uintptr_t end, piece_fn *fn, void *arg)
{
    size_t page = gl_os_page_bytes;
    long r = gl_syscall3(SYS_madvise, (long)start, (long)(end - start), MADV_POPULATE_READ);
    /* EINVAL: before Linux 5.14, which has no guard pages either. The others: a filter's answer. */
    if (r == 0 || r == -EINVAL || r == -EPERM || r == -ENOSYS || r == -EACCES) {
        fn(start, end, arg);
        return;
    }
    for (uintptr_t at = start; at < end; at += page) {
        if (gl_syscall3(SYS_madvise, (long)at, (long)page, MADV_POPULATE_READ) == 0)
            fn(at, at + page, arg);
    }
}

enum { PIECES = 80 }; /* not more: the stack may be a small one */

/* Returns the address up to which the range is done: `end`, or less if the ioctl fails. */
static uintptr_t scan(int fd, uintptr_t start, uintptr_t end, piece_fn *fn, void *arg)
{
    scan_piece pieces[PIECES];
    while (start < end && !has_no_scan) {
        uint64_t excluded = CATEGORY_ZERO_PAGE | (has_no_guard ? 0 : CATEGORY_GUARD);
        scan_request request = {.size = sizeof request,
                                .start = start,
                                .end = end,
                                .pieces = (uintptr_t)pieces,
                                .n_pieces = PIECES,
                                .inverted = excluded,
                                .mask = excluded,
                                .any_of = CATEGORY_PRESENT | CATEGORY_SWAPPED,
                                .returned = CATEGORY_SWAPPED};
        long n = gl_syscall3(SYS_ioctl, fd, (long)SCAN_REQUEST, (long)&request);
        if (n == -EINTR)
            continue;
        if (n < 0) {
            if (n == -ENOTTY || (n == -EINVAL && has_no_guard))
                has_no_scan = true;
            else if (n != -EINVAL)
                return start;
            has_no_guard = true;
            continue;
        }
        for (long i = 0; i < n; i++) {
            if (pieces[i].categories & CATEGORY_SWAPPED)
                pass_what_comes(pieces[i].start, pieces[i].end, fn, arg);
            else
                fn(pieces[i].start, pieces[i].end, arg);
        }
        if (request.walk_end <= start)
            return start;
        start = request.walk_end;
    }
    return start;
}

enum { ENTRIES = 512 };

enum entry_kind { NOTHING, PRESENT, SWAPPED };

static enum entry_kind kind_of(uint64_t entry)
{
    return entry >> 63 ? PRESENT : entry >> 62 & 1 ? SWAPPED : NOTHING;
}

static void pass(uintptr_t start, uintptr_t end, enum entry_kind kind, piece_fn *fn, void *arg)
{
    if (kind == SWAPPED)
        pass_what_comes(start, end, fn, arg);
    else if (kind == PRESENT)
        fn(start, end, arg);
}

/* The same from the array of entries, which cannot tell the zero page. */
static uintptr_t read_entries(int fd, uintptr_t start, uintptr_t end, piece_fn *fn, void *arg)
{
    uint64_t entries[ENTRIES];
    size_t page = gl_os_page_bytes;
    enum entry_kind kind = NOTHING;
    uintptr_t run = start;
    while (start < end) {
        size_t n_wanted = (end - start) / page < ENTRIES ? (end - start) / page : ENTRIES;
        long n = gl_syscall4(SYS_pread64, fd, (long)entries, (long)(n_wanted * 8),
                             (long)(start / page * 8));
        if (n == -EINTR)
            continue;
        if (n < 8)
            break;
        for (long i = 0; i < n / 8; i++, start += page) {
            enum entry_kind next = kind_of(entries[i]);
            if (next != kind) {
                pass(run, start, kind, fn, arg);
                run = start;
                kind = next;
            }
        }
    }
    pass(run, start, kind, fn, arg);
    return start;
}

/* Without the pagemap (after a change of the user id, say, its file belongs to root) every page is
 * brought into memory that can be: one that is left out might hold all that leads to an object. */
void gl_regions_present(uintptr_t start, uintptr_t end, bool is_safe_to_touch, piece_fn *fn,
                        void *arg)
{
    int fd = kept_descriptor >= 0 ? kept_descriptor : open_pagemap();
    if (fd >= 0 && !is_cut_off) {
        start = scan(fd, start, end, fn, arg);
        if (start < end)
            start = read_entries(fd, start, end, fn, arg);
    }
    if (fd >= 0 && fd != kept_descriptor)
        gl_os_close(fd);
    if (start < end && is_safe_to_touch)
        fn(start, end, arg);
    else if (start < end)
        pass_what_comes(start, end, fn, arg);
}

void gl_regions_inject_source(gl_presence_source source)
{
    has_no_scan = source != GL_PRESENCE_SCAN;
    has_no_guard = false;
    is_cut_off = source == GL_PRESENCE_NONE;
}
