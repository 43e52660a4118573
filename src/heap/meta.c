/* SPDX-License-Identifier: MIT */
/* heap/meta.c - a bump allocator with one free list per power of two. */
#include "heap/meta.h"

#include <string.h>

#include "base/bits.h"
#include "base/lock.h"
#include "os/memory.h"

enum { META_MIN_SHIFT = 6, META_N_LISTS = 48, META_STEP_BYTES = 64 * 1024 };

typedef struct free_piece {
    struct free_piece *next;
} free_piece;

static struct {
    gl_lock lock;
    char *next;      /* bump pointer */
    char *committed; /* end of what is usable */
    char *start, *end;
    char *second, *second_end; /* NULL: in use already */
    size_t first_bytes;        /* of the first range, once the second is in use */
    free_piece *lists[META_N_LISTS];
} meta = {.lock = GL_LOCK_INIT(GL_RANK_META)};

static void use_range(char *start, char *end)
{
    meta.start = meta.next = meta.committed = start;
    meta.end = end;
}

void gl_meta_init(void *first, size_t first_bytes, void *second, size_t second_bytes)
{
    use_range(first, (char *)first + first_bytes);
    meta.second = second;
    meta.second_end = (char *)second + second_bytes;
}

static unsigned list_of(size_t bytes)
{
    unsigned shift = bytes <= ((size_t)1 << META_MIN_SHIFT) ? META_MIN_SHIFT
                                                            : gl_log2_floor(bytes - 1) + 1;
    return shift - META_MIN_SHIFT;
}

static void *bump_locked(size_t bytes)
{
    if (bytes > (size_t)(meta.end - meta.next)) {
        if (!meta.second) {
            return NULL;
        }
        meta.first_bytes = (size_t)(meta.committed - meta.start);
        use_range(meta.second, meta.second_end);
        meta.second = NULL;
        return bump_locked(bytes);
    }
    if (bytes > (size_t)(meta.committed - meta.next)) {
        size_t step = gl_round_up(bytes - (size_t)(meta.committed - meta.next), META_STEP_BYTES);
        if (step > (size_t)(meta.end - meta.committed) || !gl_os_commit(meta.committed, step)) {
            return NULL;
        }
        meta.committed += step;
    }
    void *p = meta.next;
    meta.next += bytes;
    return p;
}

void *gl_meta_alloc(size_t bytes)
{
    unsigned list = list_of(bytes);
    size_t piece_bytes = (size_t)1 << (list + META_MIN_SHIFT);
    gl_lock_acquire(&meta.lock);
    free_piece *piece = meta.lists[list];
    void *p = piece;
    if (piece) {
        meta.lists[list] = piece->next;
    } else {
        p = bump_locked(piece_bytes);
    }
    gl_lock_release(&meta.lock);
    if (piece) {
        memset(p, 0, piece_bytes);
    }
    return p;
}

void gl_meta_free(void *p, size_t bytes)
{
    if (!p) {
        return;
    }
    free_piece *piece = p;
    unsigned list = list_of(bytes);
    gl_lock_acquire(&meta.lock);
    piece->next = meta.lists[list];
    meta.lists[list] = piece;
    gl_lock_release(&meta.lock);
}

bool gl_meta_reserve(void **at, size_t *capacity, size_t need, size_t entry_bytes)
{
    if (need <= *capacity) {
        return true;
    }
    size_t wanted = *capacity ? *capacity : 16;
    while (wanted < need) {
        wanted *= 2;
    }
    void *bigger = gl_meta_alloc(wanted * entry_bytes);
    if (!bigger) {
        return false;
    }
    if (*at) {
        memcpy(bigger, *at, *capacity * entry_bytes);
        gl_meta_free(*at, *capacity * entry_bytes);
    }
    *at = bigger;
    *capacity = wanted;
    return true;
}

size_t gl_meta_bytes(void)
{
    return meta.first_bytes + (size_t)(meta.committed - meta.start);
}

void gl_meta_lock(void)
{
    gl_lock_acquire(&meta.lock);
}

void gl_meta_unlock(void)
{
    gl_lock_release(&meta.lock);
}

void gl_meta_after_fork_child(void)
{
    gl_lock_reset(&meta.lock);
}
