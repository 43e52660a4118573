/* SPDX-License-Identifier: MIT */
/*
 * malloc/info.c - glibc's questions about its heap, and its tuning calls, answered for ours.
 *
 * In glibc's words: "arena" is what we have from the system for objects, in use or retained;
 * "uordblks" what is allocated, "fordblks" the rest; what could be given back is "keepcost". There
 * are no separately mapped blocks (hblks), for large objects lie in the same heap.
 *
 * malloc_info() writes to a FILE of the caller: the only place in the library that uses stdio.
 */
#include "malloc/malloc.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fmt.h"
#include "heap/heap.h"
#include "heap/hooks.h"

/* glibc's one bound; it accepts any value of the other parameters. */
enum { MXFAST_MAX_BYTES = 160 };

/* Tuning has no meaning for this heap: what glibc accepts is accepted, and changes nothing. */
GL_MALLOC_PUBLIC int mallopt(int parameter, int value)
{
    return parameter != M_MXFAST || (value >= 0 && value <= MXFAST_MAX_BYTES);
}

/* 1 if memory went back to the system. */
GL_MALLOC_PUBLIC int malloc_trim(size_t pad)
{
    (void)pad;
    return gl_hook_start() && gl_heap_release_os_memory() != 0;
}

/* The counts, in glibc's shape. */
GL_MALLOC_PUBLIC struct mallinfo2 mallinfo2(void)
{
    struct mallinfo2 info = {0};
    if (!gl_hook_start()) {
        return info;
    }
    gl_heap_counts counts;
    gl_heap_count(&counts);
    info.arena = counts.heap_bytes + counts.free_retained_bytes;
    info.uordblks = counts.live_bytes < info.arena ? counts.live_bytes : info.arena;
    info.fordblks = info.arena - info.uordblks;
    info.ordblks = 1; /* glibc has at least its top chunk */
    info.keepcost = counts.free_retained_bytes;
    return info;
}

/* As mallinfo2(), in ints that wrap: that is why there is a second one. */
GL_MALLOC_PUBLIC struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    struct mallinfo info = {
        .arena = (int)wide.arena,
        .ordblks = (int)wide.ordblks,
        .uordblks = (int)wide.uordblks,
        .fordblks = (int)wide.fordblks,
        .keepcost = (int)wide.keepcost,
    };
    return info;
}

static void add_line(gl_fmt *f, const char *label, uint64_t value)
{
    gl_fmt_str(f, label);
    gl_fmt_dec(f, value);
    gl_fmt_str(f, "\n");
}

GL_MALLOC_PUBLIC void malloc_stats(void)
{
    struct mallinfo2 info = mallinfo2();
    gl_fmt f;
    gl_fmt_init(&f);
    gl_fmt_str(&f, "Arena 0:\n");
    add_line(&f, "system bytes     = ", info.arena);
    add_line(&f, "in use bytes     = ", info.uordblks);
    gl_fmt_str(&f, "Total (incl. mmap):\n");
    add_line(&f, "system bytes     = ", info.arena);
    add_line(&f, "in use bytes     = ", info.uordblks);
    add_line(&f, "max mmap regions = ", info.hblks);
    add_line(&f, "max mmap bytes   = ", info.hblkhd);
    gl_fmt_write(&f, STDERR_FILENO);
}

static bool write_totals(FILE *file, const struct mallinfo2 *info)
{
    return fprintf(file,
                   "<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
                   "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n",
                   info->ordblks, info->fordblks) >= 0;
}

static bool write_system(FILE *file, const struct mallinfo2 *info)
{
    return fprintf(file,
                   "<system type=\"current\" size=\"%zu\"/>\n"
                   "<system type=\"max\" size=\"%zu\"/>\n"
                   "<aspace type=\"total\" size=\"%zu\"/>\n"
                   "<aspace type=\"mprotect\" size=\"%zu\"/>\n",
                   info->arena, info->arena, info->arena, info->arena) >= 0;
}

/* An XML document as glibc's, version 1. 0, EINVAL for options, or -1 if the file fails. */
GL_MALLOC_PUBLIC int malloc_info(int options, FILE *file)
{
    if (options != 0) {
        return EINVAL;
    }
    struct mallinfo2 info = mallinfo2(); /* before stdio allocates its buffer */
    bool is_written =
        fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n</sizes>\n", file) != EOF &&
        write_totals(file, &info) && write_system(file, &info) && fputs("</heap>\n", file) != EOF &&
        write_totals(file, &info) &&
        fputs("<total type=\"mmap\" count=\"0\" size=\"0\"/>\n", file) != EOF &&
        write_system(file, &info) && fputs("</malloc>\n", file) != EOF;
    return is_written ? 0 : -1;
}
