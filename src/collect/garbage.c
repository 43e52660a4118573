/* SPDX-License-Identifier: MIT */
/* collect/garbage.c - Python's gc debugging: see what is unreachable, keep it, look at it. */
#include "collect/garbage.h"

#include "base/fmt.h"
#include "base/lock.h"
#include "collect/collect.h"
#include "collect/flip.h"
#include "heap/meta.h"

static struct {
    gl_lock lock;
    uintptr_t *objects;
    size_t n, capacity;
    volatile uint32_t flags; /* GC_DEBUG_... */
} garbage = {.lock = GL_LOCK_INIT(GL_RANK_API)};

void gl_collect_set_debug(unsigned flags)
{
    gl_store32_relaxed(&garbage.flags, flags);
}

unsigned gl_collect_get_debug(void)
{
    return gl_load32_relaxed(&garbage.flags);
}

size_t gl_collect_get_garbage(void **out, size_t n)
{
    gl_lock_acquire(&garbage.lock);
    size_t total = garbage.n;
    for (size_t i = 0; i < n && i < total; i++) {
        out[i] = (void *)garbage.objects[i];
    }
    gl_lock_release(&garbage.lock);
    return total;
}

void gl_collect_clear_garbage(void)
{
    gl_lock_acquire(&garbage.lock);
    garbage.n = 0;
    gl_lock_release(&garbage.lock);
}

void gl_garbage_lock(void)
{
    gl_lock_acquire(&garbage.lock);
}

void gl_garbage_unlock(void)
{
    gl_lock_release(&garbage.lock);
}

void gl_garbage_after_fork_child(void)
{
    gl_lock_reset(&garbage.lock);
}

void gl_garbage_mark(gl_marker *marker)
{
    for (size_t i = 0; i < garbage.n; i++) {
        gl_object object;
        if (gl_heap_find_exact(garbage.objects[i], &object)) {
            gl_mark_object(marker, &object);
        }
    }
}

static void write_line(const gl_object *object, const char *what)
{
    gl_fmt line;
    gl_fmt_init(&line);
    gl_fmt_str(&line, "gleaner: ");
    gl_fmt_str(&line, what);
    gl_fmt_str(&line, " ");
    gl_fmt_hex(&line, object->start);
    gl_fmt_str(&line, " (");
    gl_fmt_dec(&line, object->bytes);
    gl_fmt_str(&line, " bytes)\n");
    gl_fmt_write(&line, 2);
}

static bool append(uintptr_t start)
{
    void *at = garbage.objects;
    if (!gl_meta_reserve(&at, &garbage.capacity, garbage.n + 1, sizeof *garbage.objects)) {
        return false;
    }
    garbage.objects = at;
    garbage.objects[garbage.n++] = start;
    return true;
}

/* Without memory for the list an object that nothing saved refers to is reclaimed as usual. */
static bool inspect(const gl_object *object, void *kept)
{
    unsigned flags = gl_collect_get_debug();
    if (flags & GC_DEBUG_SAVEALL) {
        if (flags & GC_DEBUG_UNCOLLECTABLE) {
            write_line(object, "uncollectable");
        }
        *(uint64_t *)kept += append(object->start);
    } else if (flags & GC_DEBUG_COLLECTABLE) {
        write_line(object, "collectable");
    }
    return true;
}

uint64_t gl_garbage_inspect(gl_marker *marker)
{
    uint64_t n_kept = 0;
    if (gl_collect_get_debug() & GC_DEBUG_LEAK) {
        gl_flip_each_unreached(inspect, &n_kept);
    }
    if (n_kept) {
        gl_garbage_mark(marker);
        gl_mark_drain(marker);
    }
    return n_kept;
}
