/* SPDX-License-Identifier: MIT */
/*
 * collect/roots.c - where marking begins: threads, static data, process memory, registered ranges,
 * and objects that are roots themselves.
 *
 * Two policies. IMAGES (a program that links libgleaner): static data of the loaded objects, stacks
 * and thread-local storage. PROCESS (malloc is ours): every writable page of the process, because
 * programs keep malloc'ed pointers in memory that they map themselves; stacks and thread-local
 * storage are part of that.
 *
 * Lock: GL_RANK_API, held by the collector from before the stop.
 */
#include "collect/roots.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/knobs.h"
#include "collect/collect.h"
#include "collect/control.h"
#include "collect/roots_mark.h"
#include "heap/arena.h"
#include "heap/counts.h"
#include "heap/hooks.h"
#include "heap/meta.h"
#include "os/memory.h"

typedef struct range {
    uintptr_t start, end;
} range;

typedef struct range_table {
    range *at;
    size_t n, capacity;
} range_table;

/* A pinned object: how often. */
typedef struct pin {
    uintptr_t start;
    size_t count;
} pin;

struct gl_root_stack {
    uintptr_t low, high;
    uintptr_t stack_pointer; /* 0: unknown or running, scan it whole */
    struct gl_root_stack *next, *prev;
};

static struct {
    gl_lock lock;
    range_table added, excluded;
    range_table dead; /* parts of stacks below the stack pointer; during a collection */
    pin *pins;
    size_t n_pins, pins_capacity;
    uintptr_t *ended; /* control blocks of threads that have ended; IMAGES policy */
    size_t n_ended, ended_capacity;
    gl_root_stack *stacks;
    gl_regions regions;
    uint64_t scanned_bytes;
} roots = {.lock = GL_LOCK_INIT(GL_RANK_API)};

void gl_roots_lock(void)
{
    gl_lock_acquire(&roots.lock);
}

void gl_roots_unlock(void)
{
    gl_lock_release(&roots.lock);
}

void gl_roots_after_fork_child(void)
{
    gl_lock_reset(&roots.lock);
}

/* ---- Registered ranges ---------------------------------------------------------------------- */

static bool try_append(range_table *table, uintptr_t start, uintptr_t end)
{
    void *at = table->at;
    if (!gl_meta_reserve(&at, &table->capacity, table->n + 1, sizeof *table->at)) {
        return false;
    }
    table->at = at;
    table->at[table->n].start = start;
    table->at[table->n].end = end;
    table->n++;
    return true;
}

static int add(range_table *table, uintptr_t start, uintptr_t end)
{
    gl_lock_acquire(&roots.lock);
    bool is_added = try_append(table, start, end);
    gl_lock_release(&roots.lock);
    return is_added ? 0 : ENOMEM;
}

int gl_roots_add(uintptr_t start, uintptr_t end)
{
    return add(&roots.added, start, end);
}

int gl_roots_exclude(uintptr_t start, uintptr_t end)
{
    return add(&roots.excluded, start, end);
}

int gl_roots_remove(uintptr_t start, uintptr_t end)
{
    int error = ENOENT;
    gl_lock_acquire(&roots.lock);
    for (size_t i = 0; i < roots.added.n; i++) {
        range *r = &roots.added.at[i];
        if (r->start == start && r->end == end) {
            *r = roots.added.at[--roots.added.n];
            error = 0;
            break;
        }
    }
    gl_lock_release(&roots.lock);
    return error;
}

/* ---- Pins ----------------------------------------------------------------------------------- */

static pin *find_pin_locked(uintptr_t start)
{
    for (size_t i = 0; i < roots.n_pins; i++) {
        if (roots.pins[i].start == start) {
            return &roots.pins[i];
        }
    }
    return NULL;
}

static int pin_locked(const gl_object *object)
{
    pin *p = find_pin_locked(object->start);
    if (p) {
        p->count++;
        return 0;
    }
    void *at = roots.pins;
    if (!gl_meta_reserve(&at, &roots.pins_capacity, roots.n_pins + 1, sizeof *roots.pins)) {
        return ENOMEM;
    }
    roots.pins = at;
    roots.pins[roots.n_pins].start = object->start;
    roots.pins[roots.n_pins].count = 1;
    roots.n_pins++;
    gl_heap_set_state(object, GL_STATE_PINNED);
    return 0;
}

static void forget_pin_locked(pin *p)
{
    *p = roots.pins[--roots.n_pins];
}

int gl_roots_pin(uintptr_t address)
{
    gl_object object;
    if (!gl_heap_find(address, &object)) {
        return EINVAL;
    }
    gl_lock_acquire(&roots.lock);
    int error = pin_locked(&object);
    gl_lock_release(&roots.lock);
    return error;
}

int gl_roots_unpin(uintptr_t address)
{
    gl_object object;
    if (!gl_heap_find(address, &object)) {
        return EINVAL;
    }
    gl_lock_acquire(&roots.lock);
    pin *p = find_pin_locked(object.start);
    if (p && --p->count == 0) {
        forget_pin_locked(p);
        gl_heap_clear_state(&object, GL_STATE_PINNED);
    }
    gl_lock_release(&roots.lock);
    return p ? 0 : EINVAL;
}

void gl_roots_object_freed(const gl_object *object)
{
    gl_lock_acquire(&roots.lock);
    if (object->state & GL_STATE_FROZEN) {
        gl_heap_clear_state(object, GL_STATE_FROZEN);
    }
    if (object->state & GL_STATE_PINNED) {
        pin *p = find_pin_locked(object->start);
        if (p) {
            forget_pin_locked(p);
        }
        gl_heap_clear_state(object, GL_STATE_PINNED);
    }
    gl_lock_release(&roots.lock);
}

void gl_roots_object_moved(const gl_object *from, const gl_object *to)
{
    gl_lock_acquire(&roots.lock);
    pin *p = from->state & GL_STATE_PINNED ? find_pin_locked(from->start) : NULL;
    if (p) {
        p->start = to->start;
        gl_heap_clear_state(from, GL_STATE_PINNED);
        gl_heap_set_state(to, GL_STATE_PINNED);
    }
    gl_lock_release(&roots.lock);
}

/* ---- Threads that have ended ---------------------------------------------------------------- */

/* Until it is joined, the value that a thread returned is in its control block only, and the thread is
 * in no list of the kernel's. The block is remembered until it is unmapped. */
void gl_hook_thread_ended(uintptr_t thread_pointer)
{
    if (gl_control_scans_process()) {
        return;
    }
    gl_lock_acquire(&roots.lock);
    size_t i = 0;
    while (i < roots.n_ended && roots.ended[i] != thread_pointer) {
        i++;
    }
    void *at = roots.ended;
    if (i == roots.n_ended &&
        gl_meta_reserve(&at, &roots.ended_capacity, i + 1, sizeof *roots.ended)) {
        roots.ended = at;
        roots.ended[i] = thread_pointer;
        roots.n_ended++;
    }
    gl_lock_release(&roots.lock);
}

/* ---- Coroutine stacks ----------------------------------------------------------------------- */

int gl_roots_stack_register(uintptr_t low, size_t bytes, gl_root_stack **out)
{
    if (low == 0 || bytes == 0 || low + bytes < low) {
        return EINVAL;
    }
    gl_root_stack *stack = gl_meta_alloc(sizeof *stack);
    if (!stack) {
        return ENOMEM;
    }
    stack->low = low;
    stack->high = low + bytes;
    gl_lock_acquire(&roots.lock);
    stack->next = roots.stacks;
    if (roots.stacks) {
        roots.stacks->prev = stack;
    }
    roots.stacks = stack;
    gl_lock_release(&roots.lock);
    *out = stack;
    return 0;
}

static bool is_registered_locked(const gl_root_stack *stack)
{
    for (const gl_root_stack *s = roots.stacks; s; s = s->next) {
        if (s == stack) {
            return true;
        }
    }
    return false;
}

/* The lock also keeps a collection out while the two members change together. */
int gl_roots_stack_switch(gl_root_stack *from, gl_root_stack *to, uintptr_t stack_pointer)
{
    bool is_inside = !from || (stack_pointer >= from->low && stack_pointer < from->high);
    if (!is_inside) {
        return EINVAL;
    }
    gl_lock_acquire(&roots.lock);
    if (from) {
        from->stack_pointer = stack_pointer;
    }
    if (to) {
        to->stack_pointer = 0;
    }
    gl_lock_release(&roots.lock);
    return 0;
}

int gl_roots_stack_unregister(gl_root_stack *stack)
{
    gl_lock_acquire(&roots.lock);
    bool is_ours = stack && is_registered_locked(stack);
    if (is_ours) {
        if (stack->prev) {
            stack->prev->next = stack->next;
        } else {
            roots.stacks = stack->next;
        }
        if (stack->next) {
            stack->next->prev = stack->prev;
        }
    }
    gl_lock_release(&roots.lock);
    if (!is_ours) {
        return EINVAL;
    }
    gl_meta_free(stack, sizeof *stack);
    return 0;
}

/* ---- Marking: pieces ------------------------------------------------------------------------ */

static void mark_piece(gl_marker *m, uintptr_t start, uintptr_t end)
{
    if (start < end) {
        roots.scanned_bytes += end - start;
        gl_mark_range(m, start, end, GL_ROOT_MEMORY);
    }
}

/* The piece without the ranges of a table, from entry i on, then without those of the next. */
static void mark_without(gl_marker *m, uintptr_t start, uintptr_t end, const range_table *table,
                         size_t i, const range_table *then)
{
    for (; start < end && i < table->n; i++) {
        const range *r = &table->at[i];
        if (r->start < end && r->end > start) {
            mark_without(m, start, r->start, table, i + 1, then);
            start = r->end;
        }
    }
    if (start < end) {
        if (then) {
            mark_without(m, start, end, then, 0, NULL);
        } else {
            mark_piece(m, start, end);
        }
    }
}

static void mark_allowed(gl_marker *m, uintptr_t start, uintptr_t end)
{
    mark_without(m, start, end, &roots.excluded, 0, &roots.dead);
}

static void mark_present(uintptr_t start, uintptr_t end, void *marker)
{
    mark_allowed(marker, start, end);
}

static void mark_whole(uintptr_t start, uintptr_t end, void *marker)
{
    mark_piece(marker, start, end);
}

static void mark_region(gl_marker *m, const gl_region *r, uintptr_t from)
{
    if (r->is_readable && !r->is_device && !r->is_special) {
        gl_regions_present(from > r->start ? from : r->start, r->end, false, mark_present, m);
    }
}

/* ---- Threads -------------------------------------------------------------------------------- */

/* The stack whose pointer is `sp`, from there up. It may be an object of ours (a program that gives
 * its threads malloc'ed stacks); else it is in some region, which the PROCESS policy scans anyhow. */
static void mark_stack_from(gl_marker *m, uintptr_t sp, const gl_images *images)
{
    gl_object object;
    if (gl_heap_find(sp, &object)) {
        mark_piece(m, sp, object.start + object.bytes);
        gl_mark_object(m, &object);
        return;
    }
    const gl_region *r = gl_regions_find(&roots.regions, sp);
    if (r && images) {
        /* Page by page that is there: a neighbour that has merged with the stack may hold guards. */
        uintptr_t next_page = gl_round_up(sp + 1, gl_os_page_bytes);
        mark_piece(m, sp, next_page);
        gl_regions_present(next_page, r->end, true, mark_whole, m);
    }
}

/* Below the stack pointer there is nothing, if the region is a stack and nothing else: it ends in a
 * guard, or it is the main thread's. A mapping that has merged with it would be scanned. */
static bool is_stack_alone(const gl_region *r)
{
    if (r->is_stack) {
        return true;
    }
    return r > roots.regions.at && r[-1].end == r->start && !r[-1].is_readable;
}

static void note_dead_part(const gl_stopped_thread *t)
{
    const gl_region *r = gl_regions_find(&roots.regions, t->stack_pointer);
    bool is_on_usual_stack = t->interrupted_stack_pointer == 0 ||
                             (r && t->interrupted_stack_pointer >= r->start &&
                              t->interrupted_stack_pointer < r->end);
    if (r && is_on_usual_stack && is_stack_alone(r)) {
        (void)try_append(&roots.dead, r->start, t->stack_pointer); /* else: scanned, no harm */
    }
}

/* Registers lie between the node and the interrupted frame. */
static void mark_registers(gl_marker *m, const gl_stopped_thread *t)
{
    uintptr_t sp = t->interrupted_stack_pointer;
    enum { FRAME_MAX_BYTES = 64 * 1024 };
    if (sp > t->stack_pointer && sp - t->stack_pointer < FRAME_MAX_BYTES) {
        gl_mark_range(m, t->stack_pointer, sp, GL_ROOT_REGISTERS);
    }
}

static void mark_thread(gl_marker *m, const gl_stopped_thread *t, const gl_images *images)
{
    mark_registers(m, t);
    mark_stack_from(m, t->stack_pointer, images);
    if (t->interrupted_stack_pointer) {
        const gl_region *r = gl_regions_find(&roots.regions, t->stack_pointer);
        if (!r || t->interrupted_stack_pointer < r->start ||
            t->interrupted_stack_pointer >= r->end) {
            mark_stack_from(m, t->interrupted_stack_pointer, images);
        }
    }
    if (!images) {
        return;
    }
    /* The control block, with static thread-local storage below it, and pthread's own data. */
    const gl_region *r = gl_regions_find(&roots.regions, t->thread_pointer);
    if (r && r->is_writable && !(t->stack_pointer >= r->start && t->stack_pointer < r->end)) {
        mark_region(m, r, r->start);
    }
    gl_images_dynamic_tls(images, t->thread_pointer, mark_present, m);
}

typedef struct thread_list {
    const gl_stopped_thread *self, *others;
} thread_list;

static bool is_in_use(uintptr_t thread_pointer, thread_list threads)
{
    bool is_found = threads.self->thread_pointer == thread_pointer;
    for (const gl_stopped_thread *t = threads.others; t && !is_found; t = t->next) {
        is_found = t->thread_pointer == thread_pointer;
    }
    return is_found;
}

static void mark_ended_threads(gl_marker *m, thread_list threads)
{
    enum { CONTROL_BLOCK_BYTES = 4096 }; /* more than glibc's struct pthread, of some 2,300 */
    for (size_t i = 0; i < roots.n_ended;) {
        uintptr_t tp = roots.ended[i];
        const gl_region *r = gl_regions_find(&roots.regions, tp);
        if (!r || !r->is_readable) {
            roots.ended[i] = roots.ended[--roots.n_ended];
            continue;
        }
        /* In use: by a new thread; or the old one has said that it ends, and has not got there yet. */
        if (!is_in_use(tp, threads)) {
            uintptr_t end = r->end - tp > CONTROL_BLOCK_BYTES ? tp + CONTROL_BLOCK_BYTES : r->end;
            mark_piece(m, tp, end);
        }
        i++;
    }
}

/* ---- The two policies ----------------------------------------------------------------------- */

/* A thread's stack pointer is in it, and it was scanned from there. */
static bool is_scanned_stack(const gl_region *r, thread_list threads)
{
    bool is_found = threads.self->stack_pointer >= r->start && threads.self->stack_pointer < r->end;
    for (const gl_stopped_thread *t = threads.others; t && !is_found; t = t->next) {
        is_found = t->stack_pointer >= r->start && t->stack_pointer < r->end;
    }
    return is_found;
}

static void mark_images(gl_marker *m, const gl_images *images, thread_list threads)
{
    for (size_t i = 0; i < images->n_data; i++) {
        mark_allowed(m, images->data[i].start, images->data[i].end);
    }
    for (size_t i = 0; i < roots.regions.n; i++) {
        const gl_region *r = &roots.regions.at[i];
        if (r->is_stack && !is_scanned_stack(r, threads)) {
            mark_region(m, r, 0);
        }
    }
    mark_ended_threads(m, threads);
}

static void mark_process(gl_marker *m)
{
    for (size_t i = 0; i < roots.regions.n; i++) {
        if (roots.regions.at[i].is_writable || !roots.regions.at[i].is_file) {
            mark_region(m, &roots.regions.at[i], 0);
        }
    }
}

/* ---- Objects that are roots ----------------------------------------------------------------- */

static bool mark_if_root(const gl_object *object, void *marker)
{
    if (object->kind == GL_KIND_UNCOLLECTABLE ||
        object->state & (GL_STATE_FROZEN | GL_STATE_PINNED)) {
        gl_mark_object(marker, object);
    }
    return true;
}

static bool is_all_uncollectable(uint32_t block)
{
    gl_desc desc = gl_heap.descs[block];
    return desc.granules ? gl_bin_kind(gl_heap.blocks[block].bin) == GL_KIND_UNCOLLECTABLE
                         : desc.bin == GL_ROLE_LARGE &&
                               gl_heap.blocks[block].kind == GL_KIND_UNCOLLECTABLE;
}

static void mark_pending(uintptr_t start, void *marker) { gl_mark_starts(marker, &start, 1); }

static void mark_root_objects(gl_marker *m)
{
    gl_counts_each_pending(mark_pending, m);
    bool has_flags = gl_load_relaxed(&gl_heap.n_frozen) != 0;
    if (has_flags) {
        gl_heap_each(mark_if_root, m);
        return;
    }
    for (uint32_t block = 1; block < gl_arena_n_blocks(); block++) {
        if (is_all_uncollectable(block)) {
            gl_heap_each_in_block(block, mark_if_root, m);
        }
    }
    for (size_t i = 0; i < roots.n_pins; i++) {
        gl_object object;
        if (gl_heap_find(roots.pins[i].start, &object)) {
            gl_mark_object(m, &object);
        }
    }
}

static void mark_coroutines(gl_marker *m)
{
    for (const gl_root_stack *s = roots.stacks; s; s = s->next) {
        mark_piece(m, s->stack_pointer ? s->stack_pointer : s->low, s->high);
    }
}

/* Words that the program gives to such a ring come back from the kernel later, and may be pointers. */
static void look_for_rings(void)
{
    for (size_t i = 0; i < roots.regions.n; i++) {
        if (roots.regions.at[i].is_ring) {
            gl_collect_keep_lost("the kernel holds pointers for a ring of io_uring or libaio");
            return;
        }
    }
}

uint64_t gl_roots_mark(gl_marker *m, const gl_stopped_thread *self,
                       const gl_stopped_thread *others, const gl_images *images)
{
    roots.scanned_bytes = 0;
    roots.dead.n = 0;
    if (!gl_regions_read(&roots.regions)) {
        return 0;
    }
    look_for_rings();
    gl_regions_present_begin();
    if (!images) {
        note_dead_part(self);
        for (const gl_stopped_thread *t = others; t; t = t->next) {
            note_dead_part(t);
        }
    }
    mark_thread(m, self, images);
    for (const gl_stopped_thread *t = others; t; t = t->next) {
        mark_thread(m, t, images);
    }
    if (images) {
        thread_list threads = {self, others};
        mark_images(m, images, threads);
    } else {
        mark_process(m);
    }
    for (size_t i = 0; i < roots.added.n; i++) {
        mark_piece(m, roots.added.at[i].start, roots.added.at[i].end);
    }
    gl_regions_present_end();
    mark_coroutines(m);
    mark_root_objects(m);
    roots.dead.n = 0;
    return roots.scanned_bytes + 1;
}
