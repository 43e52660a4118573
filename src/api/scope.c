/* SPDX-License-Identifier: MIT */
/* api/scope.c - GC_WITH and GC_SCOPE: what the macros call, and the questions about scopes. */
#include "api/scope.h"

#include <errno.h>
#include <string.h>

#include <gleaner/scope.h>

#include "api/start.h"
#include "base/fmt.h"
#include "base/knobs.h"
#include "heap/cache.h"
#include "object/scope.h"

/* A function that takes one pointer, or one integer of at most that size, finds it in the same register
 * whatever its type, on the machines that the library is made for (m4/gl-host.m4); what it returns is left
 * where it is. */
typedef void close_function(intptr_t value);

void gc_with_close(gc_with_guard *guard)
{
    if (guard->is_open) {
        ((close_function *)guard->close)(guard->value);
    }
}

int gc_scope_open(gc_scope_guard *guard, const char *name, size_t limit_bytes)
{
    int saved_errno = errno;
    guard->serial = 0;
    if (gl_start_ensure()) {
        gl_cache_note_thread();
        guard->serial = gl_scope_begin(guard, name ? name : "", limit_bytes);
    }
    errno = saved_errno;
    return 1;
}

void gc_scope_close(gc_scope_guard *guard)
{
    if (guard->serial) {
        gl_scope_end(guard->serial);
    }
}

int gc_get_scope(const char *name, gc_scope_stats *out)
{
    gc_scope_stats all;
    size_t size = out->size;
    if (size < sizeof out->size) {
        errno = EINVAL;
        return -1;
    }
    if (!gl_scope_find(name, &all)) {
        errno = ENOENT;
        return -1;
    }
    all.size = size;
    memcpy(out, &all, size < sizeof all ? size : sizeof all);
    return 0;
}

size_t gc_scope_each(int (*fn)(const gc_scope_stats *stats, void *arg), void *arg)
{
    return gl_scope_each(fn, arg);
}

/* ---- At exit -------------------------------------------------------------------------------- */

static void add_bytes(gl_fmt *line, const char *before, uint64_t bytes)
{
    gl_fmt_str(line, before);
    gl_fmt_bytes(line, bytes);
}

/* gleaner: scope "load": entered 3 times, in use 1.0 MiB -> 2.0 MiB, peak 3.0 MiB (highest 4.0 MiB, growth
 * 2.5 MiB), 2 collections, 12.345 ms */
static int write_line(const gc_scope_stats *s, void *unused)
{
    enum { NS_PER_US = 1000 };
    gl_fmt line;
    (void)unused;
    gl_fmt_init(&line);
    gl_fmt_str(&line, "gleaner: scope \"");
    gl_fmt_str(&line, s->name);
    gl_fmt_str(&line, "\": entered ");
    gl_fmt_dec(&line, s->entered);
    add_bytes(&line, s->entered == 1 ? " time, in use " : " times, in use ", s->entry_bytes);
    add_bytes(&line, " -> ", s->exit_bytes);
    add_bytes(&line, ", peak ", s->peak_bytes);
    add_bytes(&line, " (highest ", s->max_peak_bytes);
    add_bytes(&line, ", growth ", s->max_growth_bytes);
    gl_fmt_str(&line, "), ");
    gl_fmt_dec(&line, s->collections);
    gl_fmt_str(&line, s->collections == 1 ? " collection, " : " collections, ");
    gl_fmt_fixed(&line, s->duration_ns / NS_PER_US, 3);
    gl_fmt_str(&line, " ms\n");
    gl_fmt_write(&line, 2);
    return 0;
}

void gl_scope_write_lines(void)
{
    if (gl_options.scopes) {
        gl_scope_each(write_line, NULL);
    }
}
