/* SPDX-License-Identifier: MIT */
/*
 * os/threads.c - who the threads are: thread ids, the registry of slots, and blocking regions.
 *
 * Locks: none. Slots are taken, given back and held by compare-and-swap. Nothing here allocates
 * from a heap or touches errno.
 */
#include "os/threads.h"

#include "base/atomic.h"
#include "base/check.h"
#include "base/syscall.h"
#include "os/internal.h"
#include "os/tasks.h"
#include "os/threads_internal.h"

/* What the C library knows of the threads that it has made. */
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define IS_KNOWN_ALONE (__libc_single_threaded != 0)
#else
#define IS_KNOWN_ALONE false
#endif

/* --- Ids ---------------------------------------------------------------------------------------- */

static __thread int my_tid;
static __thread gl_slot *my_slot;

int gl_threads_tid(void)
{
    if (GL_UNLIKELY(my_tid == 0))
        my_tid = gl_tasks_self();
    return my_tid;
}

bool gl_threads_is_known_self(void) { return my_tid != 0 && my_tid == gl_tasks_self(); }

uintptr_t gl_threads_pointer(void) { return gl_spill_thread_pointer(); }

size_t gl_threads_count(void) { return gl_tasks_count(); }

/* --- Slots -------------------------------------------------------------------------------------- */

enum { FIRST_SLOTS = 64, MORE_SLOTS = 250 };

typedef struct slot_chunk {
    volatile gl_word next; /* slot_chunk *; set before the chunk is linked */
    uint32_t n;
    gl_slot slot[];
} slot_chunk;

static gl_slot first_slots[FIRST_SLOTS];
static volatile gl_word more_slots; /* slot_chunk *; chunks are added in front, never removed */

void gl_slots_each(void (*fn)(gl_slot *slot, void *arg), void *arg)
{
    for (uint32_t i = 0; i < FIRST_SLOTS; i++)
        fn(&first_slots[i], arg);
    slot_chunk *chunk = (slot_chunk *)gl_load_acquire(&more_slots);
    for (; chunk; chunk = (slot_chunk *)gl_load_acquire(&chunk->next)) {
        for (uint32_t i = 0; i < chunk->n; i++)
            fn(&chunk->slot[i], arg);
    }
}

typedef struct slot_search {
    gl_slot *found;
    bool takes_from_dead; /* also slots whose owner is gone */
    int process;
} slot_search;

static void try_take(gl_slot *slot, void *arg)
{
    slot_search *search = arg;
    if (search->found)
        return;
    uint32_t word = gl_load32_acquire(&slot->word);
    if (gl_slot_state_of(word) != GL_SLOT_FREE) {
        if (!search->takes_from_dead || gl_slot_state_of(word) == GL_SLOT_TAKEN ||
            gl_tasks_kill(search->process, gl_slot_tid_of(word, search->process), 0) != -ESRCH)
            return;
    }
    if (gl_cas32_full(&slot->word, word, gl_slot_word(0, GL_SLOT_TAKEN)))
        search->found = slot;
}

static gl_slot *take_slot_of_new_chunk(void)
{
    size_t bytes = sizeof(slot_chunk) + MORE_SLOTS * sizeof(gl_slot);
    slot_chunk *chunk = gl_os_table_grow(NULL, 0, bytes);
    if (!chunk)
        return NULL;
    chunk->n = MORE_SLOTS;
    chunk->slot[0].word = gl_slot_word(0, GL_SLOT_TAKEN);
    size_t first;
    do {
        first = gl_load_acquire(&more_slots);
        gl_store_relaxed(&chunk->next, first);
    } while (!gl_cas_full(&more_slots, first, (size_t)chunk));
    return &chunk->slot[0];
}

void gl_threads_register(void)
{
    if (my_slot)
        return;
    slot_search search = {.process = gl_tasks_process()};
    gl_slots_each(try_take, &search);
    if (!search.found) {
        search.takes_from_dead = true;
        gl_slots_each(try_take, &search);
    }
    gl_slot *slot = search.found ? search.found : take_slot_of_new_chunk();
    if (!slot)
        return;
    my_tid = gl_tasks_self();
    slot->thread = (gl_stopped_thread){.tid = my_tid == search.process ? 0 : my_tid};
    my_slot = slot;
    gl_store32_release(&slot->word, gl_slot_word(slot->thread.tid, GL_SLOT_RUNNING));
    /* Where the registry is all that a stop knows, a stop may just have looked at it. */
    gl_fence_full();
    uint32_t epoch = gl_stop_epoch();
    while (gl_stop_is_open()) {
        gl_stop_wait(epoch);
        epoch = gl_stop_epoch();
    }
}

void gl_threads_unregister(void)
{
    gl_slot *slot = my_slot;
    if (!slot)
        return;
    gl_threads_leave();
    my_slot = NULL;
    gl_store32_release(&slot->word, gl_slot_word(0, GL_SLOT_FREE));
}

/* --- Blocking regions --------------------------------------------------------------------------- */

static bool is_in_region(const gl_slot *slot)
{
    return slot && gl_slot_state_of(gl_load32_relaxed(&slot->word)) != GL_SLOT_RUNNING;
}

/* From the return on, a stop needs no signal to stop this thread, and none is on its way that
 * belongs to a stop which could have held it. */
static void enter_region(gl_slot *slot, uintptr_t stack_pointer)
{
    uint32_t running = gl_slot_word(slot->thread.tid, GL_SLOT_RUNNING);
    uint32_t blocked = gl_slot_word(slot->thread.tid, GL_SLOT_BLOCKED);
    slot->thread.stack_pointer = stack_pointer;
    slot->thread.interrupted_stack_pointer = stack_pointer;
    slot->thread.thread_pointer = gl_spill_thread_pointer();
    for (;;) {
        uint32_t epoch = gl_stop_epoch();
        gl_store32_release(&slot->word, blocked);
        gl_fence_full();
        /* A stop that begins now sees BLOCKED. One that began before may have sent its signal. */
        if (!gl_stop_is_open() || !gl_cas32_full(&slot->word, blocked, running))
            return;
        gl_stop_wait(epoch);
    }
}

static void leave_region(gl_slot *slot)
{
    uint32_t running = gl_slot_word(slot->thread.tid, GL_SLOT_RUNNING);
    uint32_t blocked = gl_slot_word(slot->thread.tid, GL_SLOT_BLOCKED);
    for (;;) {
        uint32_t epoch = gl_stop_epoch();
        if (gl_cas32_full(&slot->word, blocked, running))
            return;
        gl_stop_wait(epoch);
    }
}

/* Also runs when the thread is cancelled, or exits, in the middle of the region. */
static void leave_region_if_inside(void *arg)
{
    gl_slot *slot = arg;
    if (is_in_region(slot))
        leave_region(slot);
}

static uintptr_t lower_of(uintptr_t a, uintptr_t b) { return a < b ? a : b; }

static GL_ON_REAL_STACK void *call_in_region(gl_slot *slot, void *(*fn)(void *), void *arg)
{
    uintptr_t registers[GL_SPILLED_WORDS];
    gl_spill_registers(registers);
    void *result;
    enter_region(slot, lower_of((uintptr_t)registers, (uintptr_t)__builtin_frame_address(0)));
    pthread_cleanup_push(leave_region_if_inside, slot);
    result = fn(arg);
    pthread_cleanup_pop(1);
    return result;
}

void *gl_threads_blocking(void *(*fn)(void *), void *arg)
{
    gl_threads_register();
    /* Without a slot (memory is short) the thread is stopped by the signal, as everywhere. */
    if (!my_slot || is_in_region(my_slot))
        return fn(arg);
    return call_in_region(my_slot, fn, arg);
}

bool gl_threads_leave(void)
{
    if (!is_in_region(my_slot))
        return false;
    leave_region(my_slot);
    return true;
}

GL_ON_REAL_STACK void gl_threads_reenter(void)
{
    gl_debug(my_slot && !is_in_region(my_slot), my_slot);
    /* From here: what the region has on its stack since it began may be all that leads to an
     * object that it has just been given. */
    enter_region(my_slot, (uintptr_t)__builtin_frame_address(0));
}

/* --- The calling thread, and fork --------------------------------------------------------------- */

GL_ON_REAL_STACK void
gl_threads_with_registers(void (*fn)(const gl_stopped_thread *self, void *arg), void *arg)
{
    uintptr_t registers[GL_SPILLED_WORDS];
    gl_spill_registers(registers);
    uintptr_t lowest = lower_of((uintptr_t)registers, (uintptr_t)__builtin_frame_address(0));
    gl_stopped_thread self = {.stack_pointer = lowest,
                              .interrupted_stack_pointer = lowest,
                              .thread_pointer = gl_spill_thread_pointer(),
                              .tid = gl_tasks_self()};
    fn(&self, arg);
    gl_signal_fence(); /* no tail call: the frame must stay */
}

static void free_slot_of_other(gl_slot *slot, void *arg)
{
    (void)arg;
    if (slot != my_slot)
        gl_store32_relaxed(&slot->word, gl_slot_word(0, GL_SLOT_FREE));
}

bool gl_threads_is_alone(void)
{
    return IS_KNOWN_ALONE && gl_threads_tid() == gl_tasks_process();
}

void gl_threads_after_fork_alone(void) { my_tid = 0; }

void gl_threads_after_fork(void)
{
    my_tid = gl_tasks_self();
    gl_slots_each(free_slot_of_other, NULL);
    if (my_slot) {
        gl_slot_state state = is_in_region(my_slot) ? GL_SLOT_BLOCKED : GL_SLOT_RUNNING;
        my_slot->thread.tid = 0; /* the only thread of the child is its main thread */
        gl_store32_release(&my_slot->word, gl_slot_word(0, state));
    }
    gl_stop_after_fork();
}
