/* SPDX-License-Identifier: MIT */
/* profile/records.c - see records.h. */
#include "profile/records.h"

#include <string.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "heap/meta.h"
#include "os/images.h"

static struct {
    gl_lock lock;
    volatile gl_word first; /* gl_record *; the lists grow at their ends */
    gl_record *last;
} records = {.lock = GL_LOCK_INIT(GL_RANK_PROFILE)};

/* ---- Sites ---------------------------------------------------------------------------------- */

static const char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = gl_meta_alloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

static gl_record *find_locked(const gc_profile_site *site, const char *image)
{
    gl_record *record = (gl_record *)gl_load_relaxed(&records.first);
    while (record && (record->line != site->line || strcmp(record->file, site->file) != 0 ||
                      strcmp(record->function, site->function) != 0 ||
                      strcmp(record->image, image) != 0)) {
        record = record->next;
    }
    return record;
}

static void append_locked(gl_record *record)
{
    if (records.last) {
        gl_store_release((volatile gl_word *)&records.last->next, (size_t)record);
    } else {
        gl_store_release(&records.first, (size_t)record);
    }
    records.last = record;
}

static gl_record *make_locked(const gc_profile_site *site, uintptr_t pc, const gl_image_file *image)
{
    gl_record *record = gl_meta_alloc(sizeof *record);
    if (!record) {
        return NULL;
    }
    record->file = copy_text(site->file);
    record->function = copy_text(site->function);
    record->image = copy_text(image->path);
    if (!record->file || !record->function || !record->image) {
        return NULL; /* memory is at its end: some bytes do not matter */
    }
    record->line = site->line;
    record->base = image->base;
    record->begin = pc - 1 - image->base;
    append_locked(record);
    return record;
}

/* The loader's lock is taken before ours: a constructor may hold it, and be profiled. */
static gl_record *find_or_make(gc_profile_site *site, uintptr_t pc)
{
    gl_image_file image;
    if (!gl_images_find(pc - 1, &image)) {
        return NULL;
    }
    gl_lock_acquire(&records.lock);
    gl_record *record = find_locked(site, image.path);
    if (!record) {
        record = make_locked(site, pc, &image);
    } else {
        record->base = image.base; /* loaded again, maybe elsewhere */
    }
    gl_lock_release(&records.lock);
    return record;
}

gl_record *gl_record_of(gc_profile_site *site, uintptr_t pc)
{
    volatile gl_word *known = (volatile gl_word *)&site->record;
    gl_record *record = (gl_record *)gl_load_acquire(known);
    if (!record && (record = find_or_make(site, pc)) != NULL) {
        gl_store_release(known, (size_t)record);
    }
    return record;
}

/* ---- Numbers -------------------------------------------------------------------------------- */

void gl_record_call(gl_record *record, int64_t bytes_at_entry)
{
    gl_lock_acquire(&records.lock);
    if (record->n_calls == 0 || bytes_at_entry > record->most_at_entry) {
        record->most_at_entry = bytes_at_entry;
    }
    record->n_calls++;
    gl_lock_release(&records.lock);
}

static gl_point *point_locked(gl_record *record, uintptr_t place)
{
    gl_point *point = record->points;
    while (point && point->place != place) {
        point = point->next;
    }
    if (!point && (point = gl_meta_alloc(sizeof *point)) != NULL) {
        point->place = place;
        point->next = record->points;
        gl_store_release((volatile gl_word *)&record->points, (size_t)point);
    }
    return point;
}

void gl_record_change(gl_record *record, uintptr_t pc, int64_t change_bytes, int64_t bytes_after,
                      bool is_occurrence)
{
    gl_lock_acquire(&records.lock);
    gl_point *point = point_locked(record, pc ? pc - 1 - record->base : GL_POINT_UNKNOWN);
    if (point) {
        if (!point->has_changed || bytes_after > point->most_bytes) {
            point->most_bytes = bytes_after;
        }
        point->change_bytes += change_bytes;
        point->n += is_occurrence;
        point->has_changed = true;
    }
    gl_lock_release(&records.lock);
}

static void reset_locked(void)
{
    for (gl_record *r = (gl_record *)gl_load_relaxed(&records.first); r; r = r->next) {
        r->n_calls = 0;
        for (gl_point *point = r->points; point; point = point->next) {
            point->n = 0;
            point->has_changed = false;
            point->change_bytes = point->most_bytes = 0;
        }
    }
}

void gl_record_reset(void)
{
    gl_lock_acquire(&records.lock);
    reset_locked();
    gl_lock_release(&records.lock);
}

/* A record that another thread was putting on the list may be its end, and not known as that yet. Where there
 * is nothing, no page is written. */
void gl_record_after_fork_child(void)
{
    gl_record *record = (gl_record *)gl_load_relaxed(&records.first);
    if (record) {
        reset_locked();
        while (record->next) {
            record = record->next;
        }
        records.last = record;
    }
    if (gl_lock_is_held(&records.lock)) {
        gl_lock_reset(&records.lock);
    }
}

/* ---- Reading -------------------------------------------------------------------------------- */

const gl_record *gl_record_first(void)
{
    return (const gl_record *)gl_load_acquire(&records.first);
}

const gl_record *gl_record_next(const gl_record *record)
{
    return (const gl_record *)gl_load_acquire((const volatile gl_word *)&record->next);
}

size_t gl_record_read(const gl_record *record, gl_record *copy, gl_point *points, size_t n)
{
    size_t n_points = 0;
    gl_lock_acquire(&records.lock);
    *copy = *record;
    for (const gl_point *point = record->points; point; point = point->next) {
        if (point->has_changed && n_points++ < n) {
            points[n_points - 1] = *point;
        }
    }
    gl_lock_release(&records.lock);
    return n_points;
}
