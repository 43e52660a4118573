/* SPDX-License-Identifier: MIT */
/* collect/layout.c - the table of type layouts. It only grows: a number stays good for ever. */
#include "collect/layout.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bits.h"
#include "base/lock.h"
#include "heap/meta.h"
#include "heap/types.h"

/* Segments of the table never move, so that readers need no lock: segment i has 64 << i entries. */
enum { FIRST_SEGMENT = 64, N_SEGMENTS = 26 };

static struct {
    gl_lock lock;
    volatile uint32_t n; /* numbers 1 to n are in use */
    const gc_layout **segments[N_SEGMENTS];
} layouts = {.lock = GL_LOCK_INIT(GL_RANK_API)};

static const gc_layout **entry(uint32_t number)
{
    uint32_t i = number - 1 + FIRST_SEGMENT;
    uint32_t segment = gl_log2_floor(i / FIRST_SEGMENT);
    return &layouts.segments[segment][i - ((uint32_t)FIRST_SEGMENT << segment)];
}

const gc_layout *gl_layout_get(uint32_t number)
{
    return number == 0 || number > gl_load32_acquire(&layouts.n) ? NULL : *entry(number);
}

static bool is_valid(size_t size, const size_t offsets[], size_t n)
{
    if (size == 0 || size % sizeof(void *) || size / sizeof(void *) > UINT32_MAX ||
        n > size / sizeof(void *) || (n && !offsets)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (offsets[i] % sizeof(void *) || offsets[i] >= size) {
            return false;
        }
    }
    return true;
}

/* Sorted, without repetitions (insertion: the lists are short). */
static void set_offsets(gc_layout *layout, const size_t offsets[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t word = (uint32_t)(offsets[i] / sizeof(void *));
        uint32_t at = 0;
        while (at < layout->n_offsets && layout->offsets_words[at] < word) {
            at++;
        }
        if (at < layout->n_offsets && layout->offsets_words[at] == word) {
            continue;
        }
        memmove(&layout->offsets_words[at + 1], &layout->offsets_words[at],
                (layout->n_offsets - at) * sizeof layout->offsets_words[0]);
        layout->offsets_words[at] = word;
        layout->n_offsets++;
    }
}

static const gc_layout *find_equal_locked(const gc_layout *wanted)
{
    for (uint32_t number = 1; number <= layouts.n; number++) {
        const gc_layout *l = *entry(number);
        if (l->size_words == wanted->size_words && l->n_offsets == wanted->n_offsets &&
            memcmp(l->offsets_words, wanted->offsets_words,
                   wanted->n_offsets * sizeof wanted->offsets_words[0]) == 0) {
            return l;
        }
    }
    return NULL;
}

static bool try_append_locked(gc_layout *layout)
{
    uint32_t i = layouts.n + FIRST_SEGMENT;
    uint32_t segment = gl_log2_floor(i / FIRST_SEGMENT);
    if (segment >= N_SEGMENTS) {
        return false;
    }
    const gc_layout ***place = &layouts.segments[segment];
    if (!*place &&
        !(*place = gl_meta_alloc(((size_t)FIRST_SEGMENT << segment) * sizeof **place))) {
        return false;
    }
    layout->number = layouts.n + 1;
    *entry(layout->number) = layout;
    gl_store32_release(&layouts.n, layout->number);
    return true;
}

gc_layout *gl_layout_new(size_t size, const size_t offsets[], size_t n, int *error)
{
    if (!is_valid(size, offsets, n)) {
        *error = EINVAL;
        return NULL;
    }
    size_t bytes = sizeof(gc_layout) + n * sizeof(uint32_t);
    gc_layout *layout = gl_meta_alloc(bytes);
    if (!layout) {
        *error = ENOMEM;
        return NULL;
    }
    layout->size_words = (uint32_t)(size / sizeof(void *));
    set_offsets(layout, offsets, n);
    gl_lock_acquire(&layouts.lock);
    const gc_layout *equal = find_equal_locked(layout);
    bool is_new = !equal && try_append_locked(layout);
    gl_lock_release(&layouts.lock);
    if (!is_new) {
        gl_meta_free(layout, bytes);
        *error = equal ? 0 : ENOMEM;
        return (gc_layout *)equal;
    }
    return layout;
}

void gl_layout_after_fork_child(void)
{
    gl_lock_reset(&layouts.lock);
}
