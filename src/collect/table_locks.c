/* SPDX-License-Identifier: MIT */
/* collect/table_locks.c - see table_locks.h. */
#include "collect/table_locks.h"

#include "base/bits.h"

enum { LOCK_SHIFT = 5, N_LOCKS = 1 << LOCK_SHIFT };

/* Each in a line of its own. */
typedef struct padded_lock {
    _Alignas(64) gl_lock lock;
} padded_lock;

#define FREE_LOCK {.lock = GL_LOCK_INIT(GL_RANK_TABLE)}
#define FOUR(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
#define EIGHT(...) FOUR(__VA_ARGS__), FOUR(__VA_ARGS__)

static padded_lock locks[N_LOCKS] = {EIGHT(FREE_LOCK), EIGHT(FREE_LOCK), EIGHT(FREE_LOCK),
                                     EIGHT(FREE_LOCK)};

gl_lock *gl_table_lock_of(const void *map)
{
    return &locks[gl_hash_bits((uintptr_t)map, LOCK_SHIFT)].lock;
}

/* Written with the lock of weak.h. */
static bool are_all_held;

void gl_table_lock_unless_collecting(const void *map)
{
    if (!are_all_held) {
        gl_lock_acquire(gl_table_lock_of(map));
    }
}

void gl_table_unlock_unless_collecting(const void *map)
{
    if (!are_all_held) {
        gl_lock_release(gl_table_lock_of(map));
    }
}

void gl_table_locks_acquire(void)
{
    are_all_held = true;
    for (int i = 0; i < N_LOCKS; i++) {
        gl_lock_acquire(&locks[i].lock);
    }
}

void gl_table_locks_release(void)
{
    are_all_held = false;
    for (int i = 0; i < N_LOCKS; i++) {
        gl_lock_release(&locks[i].lock);
    }
}

void gl_table_locks_after_fork_child(void)
{
    are_all_held = false;
    for (int i = 0; i < N_LOCKS; i++) {
        gl_lock_reset(&locks[i].lock);
    }
}
