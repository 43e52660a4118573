/* SPDX-License-Identifier: MIT */
/* collect/weak.c - see weak.h. */
#include "collect/weak.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/lock.h"
#include "heap/attached.h"
#include "heap/meta.h"

enum {
    CHUNK_SHIFT = 10,
    CHUNK_RECORDS = 1 << CHUNK_SHIFT,
    TABLE_FIRST_SHIFT = 8
};

/* What records hold lies together, so that a collection reads it as one range. */
typedef struct chunk {
    gl_weak_record records[CHUNK_RECORDS];
    void *args[CHUNK_RECORDS];
    uint32_t n_args; /* that are not NULL */
} chunk;

/* A place of the table of names: linear probing, removal by shifting back (Knuth 1973, 6.4, Algorithm R).
 * The hash is kept, so that neither touches the records of others. */
typedef struct place {
    uint32_t hash;
    uint32_t number; /* of the record; 0: empty */
} place;

static struct {
    gl_lock lock;
    chunk **chunks;
    size_t n_chunks, chunks_capacity;
    uint32_t free; /* list of records not in use, by `next` */
    uint32_t last_serial;
    place *places;
    uint32_t shift; /* 1 << shift places */
    size_t n_names;
    bool is_clearing;
} weak = {.lock = GL_LOCK_INIT(GL_RANK_API)};

void gl_weak_lock(void)
{
    gl_lock_acquire(&weak.lock);
}

void gl_weak_unlock(void)
{
    gl_lock_release(&weak.lock);
}

void gl_weak_after_fork_child(void)
{
    gl_lock_reset(&weak.lock);
}

/* ---- Records -------------------------------------------------------------------------------- */

static chunk *chunk_of(uint32_t number)
{
    return weak.chunks[number >> CHUNK_SHIFT];
}

gl_weak_record *gl_weak_record_at(uint32_t number)
{
    return &chunk_of(number)->records[number & (CHUNK_RECORDS - 1)];
}

static void **arg_at(uint32_t number)
{
    return &chunk_of(number)->args[number & (CHUNK_RECORDS - 1)];
}

void *gl_weak_arg(uint32_t number)
{
    return *arg_at(number);
}

/* So that the lowest numbers are taken first. Number 0 is no record. */
static void list_free(uint32_t chunk_number)
{
    for (uint32_t i = CHUNK_RECORDS; i-- > (chunk_number == 0);) {
        uint32_t number = chunk_number << CHUNK_SHIFT | i;
        gl_weak_record_at(number)->next = weak.free;
        weak.free = number;
    }
}

static bool add_chunk(void)
{
    void *at = weak.chunks;
    chunk *new = gl_meta_alloc(sizeof *new);
    if (!new || weak.n_chunks >= UINT32_MAX >> CHUNK_SHIFT ||
        !gl_meta_reserve(&at, &weak.chunks_capacity, weak.n_chunks + 1, sizeof *weak.chunks)) {
        gl_meta_free(new, sizeof *new);
        return false;
    }
    weak.chunks = at;
    weak.chunks[weak.n_chunks] = new;
    list_free((uint32_t)weak.n_chunks++);
    return true;
}

static void set_arg(uint32_t number, void *arg)
{
    chunk *c = chunk_of(number);
    void **at = arg_at(number);
    c->n_args += arg != NULL;
    c->n_args -= *at != NULL;
    *at = arg;
}

static uint32_t take_record(uintptr_t key, const gl_weak_class *class)
{
    if (!weak.free && !add_chunk()) {
        return 0;
    }
    uint32_t number = weak.free;
    gl_weak_record *r = gl_weak_record_at(number);
    weak.free = r->next;
    weak.last_serial += weak.last_serial == UINT32_MAX ? 2 : 1;
    *r = (gl_weak_record){.key = key, .class = class, .serial = weak.last_serial};
    return number;
}

static void give_record(uint32_t number)
{
    set_arg(number, NULL);
    *gl_weak_record_at(number) = (gl_weak_record){.next = weak.free};
    weak.free = number;
}

uint32_t gl_weak_check_locked(uint32_t number, uint32_t serial)
{
    if (number == 0 || number >> CHUNK_SHIFT >= weak.n_chunks) {
        return 0;
    }
    return serial != 0 && gl_weak_record_at(number)->serial == serial ? number : 0;
}

uint32_t gl_weak_last_serial_locked(void)
{
    return weak.last_serial;
}

/* ---- Names: keys that are no objects -------------------------------------------------------- */

/* Its upper bits are the place. */
static uint32_t hash_of(uintptr_t key) { return (uint32_t)gl_hash_bits(key, 32); }

static size_t mask(void) { return ((size_t)1 << weak.shift) - 1; }

static size_t home_of(uint32_t hash) { return hash >> (32 - weak.shift); }

/* The place of the name, or the empty one where it would be. There is always an empty one. */
static place *find_place(uintptr_t key)
{
    uint32_t hash = hash_of(key);
    for (size_t i = home_of(hash);; i = (i + 1) & mask()) {
        place *p = &weak.places[i];
        if (p->number == 0 || (p->hash == hash && gl_weak_record_at(p->number)->key == key)) {
            return p;
        }
    }
}

static void insert_again(place old)
{
    size_t i = home_of(old.hash);
    while (weak.places[i].number) {
        i = (i + 1) & mask();
    }
    weak.places[i] = old;
}

/* Room for one name more: at most two thirds of the places are taken. */
static bool ensure_place(void)
{
    size_t n_old = weak.places ? mask() + 1 : 0;
    if (n_old && weak.n_names + 1 <= n_old / 3 * 2) {
        return true;
    }
    uint32_t shift = n_old ? weak.shift + 1 : TABLE_FIRST_SHIFT;
    place *old = weak.places;
    place *new = shift < 32 ? gl_meta_alloc(sizeof *new << shift) : NULL;
    if (!new) {
        return n_old && weak.n_names + 1 < n_old;
    }
    weak.places = new;
    weak.shift = shift;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].number) {
            insert_again(old[i]);
        }
    }
    gl_meta_free(old, n_old * sizeof *old);
    return true;
}

static void empty_place(place *p)
{
    size_t hole = (size_t)(p - weak.places);
    for (size_t i = (hole + 1) & mask(); weak.places[i].number; i = (i + 1) & mask()) {
        size_t home = home_of(weak.places[i].hash);
        if (((i - home) & mask()) >= ((i - hole) & mask())) {
            weak.places[hole] = weak.places[i];
            hole = i;
        }
    }
    weak.places[hole].number = 0;
    weak.n_names--;
}

uint32_t gl_weak_named_locked(uintptr_t name)
{
    return weak.places ? find_place(name)->number : 0;
}

uint32_t gl_weak_add_name_locked(uintptr_t name, const gl_weak_class *class)
{
    uint32_t number = ensure_place() ? take_record(name, class) : 0;
    if (number) {
        *find_place(name) = (place){hash_of(name), number};
        weak.n_names++;
    }
    return number;
}

void gl_weak_remove_name_locked(uint32_t number)
{
    empty_place(find_place(gl_weak_record_at(number)->key));
    give_record(number);
}

/* ---- Chains of objects ---------------------------------------------------------------------- */

uint32_t gl_weak_first_of_locked(const gl_object *object)
{
    const uint32_t *first = gl_attached_number(object);
    return first ? *first : 0;
}

uint32_t gl_weak_first_locked(uintptr_t start)
{
    gl_object object;
    bool is_start = gl_heap_find_held(start, &object) && object.start == start;
    return is_start ? gl_weak_first_of_locked(&object) : 0;
}

uint32_t gl_weak_add_locked(const gl_object *object, const gl_weak_class *class, void *arg)
{
    uint32_t number = take_record(object->start, class);
    if (number && !gl_attached_set(object, GL_STATE_ATTACHED)) {
        give_record(number);
        return 0;
    }
    if (number) {
        uint32_t *first = gl_attached_number(object);
        gl_weak_record_at(number)->next = *first;
        if (*first) {
            gl_weak_record_at(*first)->previous = number;
        }
        *first = number;
        set_arg(number, arg);
    }
    return number;
}

void gl_weak_remove_locked(uint32_t number)
{
    gl_weak_record old = *gl_weak_record_at(number);
    give_record(number);
    if (old.next) {
        gl_weak_record_at(old.next)->previous = old.previous;
    }
    if (old.previous) {
        gl_weak_record_at(old.previous)->next = old.next;
        return;
    }
    gl_object object;
    gl_check(gl_heap_find_held(old.key, &object) && object.start == old.key, (void *)old.key);
    *gl_attached_number(&object) = old.next;
    if (!old.next) {
        gl_attached_clear(&object, GL_STATE_ATTACHED);
    }
}

/* ---- Objects that go, and that move ---------------------------------------------------------- */

/* From the start after each call: it may have removed others of the chain. */
static void let_go_where(uintptr_t key, bool (*is_meant)(const gl_weak_class *class))
{
    uint32_t number = gl_weak_first_locked(key);
    while (number) {
        gl_weak_record *r = gl_weak_record_at(number);
        if (is_meant(r->class)) {
            r->class->goes(number, r);
            number = gl_weak_first_locked(key);
        } else {
            number = r->next;
        }
    }
}

static bool is_no_finalizer(const gl_weak_class *class) { return !class->is_finalizer; }
static bool is_early(const gl_weak_class *class) { return !class->is_finalizer && !class->is_late; }

void gl_weak_let_go_locked(uintptr_t key)
{
    let_go_where(key, is_no_finalizer);
}

static bool is_bound(const gl_weak_class *class) { return class->is_bound; }

/* `to` is new and has no records. */
bool gl_weak_move_locked(const gl_object *from, const gl_object *to)
{
    let_go_where(from->start, is_bound);
    uint32_t first = gl_weak_first_of_locked(from);
    if (!first) {
        return true;
    }
    if (!gl_attached_set(to, GL_STATE_ATTACHED)) {
        return false;
    }
    *gl_attached_number(to) = first;
    *gl_attached_number(from) = 0;
    gl_attached_clear(from, GL_STATE_ATTACHED);
    for (uint32_t number = first, next; number; number = next) {
        gl_weak_record *r = gl_weak_record_at(number);
        next = r->next;
        r->key = to->start;
        if (r->class->moved) {
            r->class->moved(number, r, to->start);
        }
    }
    return true;
}

/* ---- Collections ----------------------------------------------------------------------------- */

/* Args are few or many, and lie together. */
void gl_weak_mark_held(gl_marker *marker)
{
    for (size_t i = 0; i < weak.n_chunks; i++) {
        const chunk *c = weak.chunks[i];
        if (c->n_args) {
            uintptr_t start = (uintptr_t)c->args;
            gl_mark_range(marker, start, start + sizeof c->args, GL_ROOT_MEMORY);
        }
    }
}

bool gl_weak_survives_locked(uintptr_t start)
{
    gl_object object;
    return !weak.is_clearing ||
           (gl_heap_find_held(start, &object) && gl_mark_is_set(&object));
}

/* An object without records that has been finalized only leaves the bitmap. */
static void let_go(const gl_object *object, void *arg)
{
    (void)arg;
    let_go_where(object->start, is_early);
}

static void let_go_late(const gl_object *object, void *arg)
{
    (void)arg;
    let_go_where(object->start, is_no_finalizer);
}

void gl_weak_begin_clearing(void)
{
    weak.is_clearing = true;
}

void gl_weak_clear(void)
{
    gl_attached_each_unmarked(let_go, NULL);
}

void gl_weak_clear_late(void)
{
    gl_attached_each_unmarked(let_go_late, NULL);
}

void gl_weak_end_clearing(void)
{
    weak.is_clearing = false;
}

/* ---- Verification ---------------------------------------------------------------------------- */

static bool verify_chain(const gl_object *object, void *n_records)
{
    uint32_t number = gl_weak_first_of_locked(object);
    gl_check((number != 0) == ((object->state & GL_STATE_ATTACHED) != 0), (void *)object->start);
    for (uint32_t previous = 0; number; number = gl_weak_record_at(number)->next) {
        const gl_weak_record *r = gl_weak_record_at(number);
        gl_check(r->class && r->serial && r->key == object->start && r->previous == previous, r);
        previous = number;
        ++*(size_t *)n_records;
    }
    return true;
}

void gl_weak_verify(void)
{
    size_t n_records = 0, n_names = 0, n_free = 0;
    for (size_t i = 0; weak.places && i <= mask(); i++) {
        if (weak.places[i].number) {
            uintptr_t name = gl_weak_record_at(weak.places[i].number)->key;
            gl_check(find_place(name) == &weak.places[i] && weak.places[i].hash == hash_of(name),
                     &weak.places[i]);
            n_names++;
        }
    }
    gl_heap_each(verify_chain, &n_records);
    for (uint32_t number = weak.free; number; number = gl_weak_record_at(number)->next) {
        gl_check(!gl_weak_record_at(number)->class, gl_weak_record_at(number));
        n_free++;
    }
    gl_check(n_names == weak.n_names, NULL);
    gl_check(n_records + n_names + n_free + (weak.n_chunks > 0) == weak.n_chunks * CHUNK_RECORDS,
             NULL);
}
