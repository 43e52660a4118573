/* SPDX-License-Identifier: MIT */
/*
 * collect/weak_slot.c - see weak_slot.h.
 *
 * Up to three records for a slot. NAME leads from its address to the others; TARGET is the object's, and
 * clears the slot when that goes; HOLDER is on the object of ours in which the slot is, if there is one,
 * and forgets the slot when that goes. A slot that the program has set to something else meanwhile is an
 * ordinary variable for as long.
 */
#include "collect/weak_slot.h"

#include <errno.h>

#include "heap/meta.h"

/* In each of the three. */
enum { DATA_SLOT, DATA_PLACE };         /* the slot; TARGET: where it is in `slots` */
enum { LINK_TARGET = 0, LINK_HOLDER };  /* of NAME: numbers, or 0 */

static struct {
    uint32_t *at; /* numbers of TARGET records */
    size_t n, capacity;
    bool are_hidden;
} slots;

static uintptr_t name_of(void **slot) { return (uintptr_t)slot; }

static void **slot_of(uint32_t number)
{
    return (void **)gl_weak_record_at(number)->data[DATA_SLOT];
}

static void forget_locked(void **slot)
{
    uint32_t name = gl_weak_named_locked(name_of(slot));
    uint32_t target = gl_weak_record_at(name)->links[LINK_TARGET];
    uint32_t holder = gl_weak_record_at(name)->links[LINK_HOLDER];
    gl_weak_remove_name_locked(name);
    if (holder) {
        gl_weak_remove_locked(holder);
    }
    if (target) {
        size_t place = gl_weak_record_at(target)->data[DATA_PLACE];
        slots.at[place] = slots.at[--slots.n];
        gl_weak_record_at(slots.at[place])->data[DATA_PLACE] = place;
        gl_weak_remove_locked(target);
    }
}

/* During a collection the slot holds the complement. If its holder does not survive, nobody reads it. */
static void target_goes(uint32_t number, gl_weak_record *r)
{
    void **slot = slot_of(number);
    void *expected = (void *)(slots.are_hidden ? ~r->key : r->key);
    if (*slot == expected) {
        *slot = NULL;
    }
    forget_locked(slot);
}

static void target_moved(uint32_t number, gl_weak_record *r, uintptr_t to)
{
    (void)r;
    *slot_of(number) = (void *)to;
}

static void holder_goes(uint32_t number, gl_weak_record *r)
{
    (void)r;
    forget_locked(slot_of(number));
}

static const gl_weak_class name_class = {0};
static const gl_weak_class target_class = {
    .is_reference = true, .goes = target_goes, .moved = target_moved};
static const gl_weak_class holder_class = {.is_bound = true, .goes = holder_goes};

static bool add_target_locked(uint32_t name, void **slot, const gl_object *object)
{
    void *at = slots.at;
    if (!gl_meta_reserve(&at, &slots.capacity, slots.n + 1, sizeof *slots.at)) {
        return false;
    }
    slots.at = at;
    uint32_t number = gl_weak_add_locked(object, &target_class, NULL);
    if (!number) {
        return false;
    }
    gl_weak_record *r = gl_weak_record_at(number);
    r->data[DATA_SLOT] = (uintptr_t)slot;
    r->data[DATA_PLACE] = slots.n;
    slots.at[slots.n++] = number;
    gl_weak_record_at(name)->links[LINK_TARGET] = number;
    return true;
}

static bool add_holder_locked(uint32_t name, void **slot)
{
    gl_object holder;
    if (!gl_heap_find((uintptr_t)slot, &holder)) {
        return true;
    }
    uint32_t number = gl_weak_add_locked(&holder, &holder_class, NULL);
    if (number) {
        gl_weak_record_at(number)->data[DATA_SLOT] = (uintptr_t)slot;
        gl_weak_record_at(name)->links[LINK_HOLDER] = number;
    }
    return number != 0;
}

static int register_locked(void **slot, const gl_object *object)
{
    if (gl_weak_named_locked(name_of(slot))) {
        forget_locked(slot);
    }
    uint32_t name = gl_weak_add_name_locked(name_of(slot), &name_class);
    if (!name) {
        return ENOMEM;
    }
    if (!add_holder_locked(name, slot) || !add_target_locked(name, slot, object)) {
        forget_locked(slot);
        return ENOMEM;
    }
    *slot = (void *)object->start;
    return 0;
}

int gl_weak_slot_register(void **slot, void *object)
{
    gl_object target;
    if (!slot || (uintptr_t)slot % sizeof *slot != 0) {
        return EINVAL;
    }
    gl_weak_lock();
    int error = gl_heap_find_exact((uintptr_t)object, &target) ? register_locked(slot, &target)
                                                               : EINVAL;
    gl_weak_unlock();
    return error;
}

int gl_weak_slot_unregister(void **slot)
{
    int error = ENOENT;
    gl_weak_lock();
    if (slot && gl_weak_named_locked(name_of(slot))) {
        forget_locked(slot);
        error = 0;
    }
    gl_weak_unlock();
    return error;
}

/* ---- Collections ----------------------------------------------------------------------------- */

static void complement(uintptr_t mask)
{
    for (size_t i = 0; i < slots.n; i++) {
        uintptr_t key = gl_weak_record_at(slots.at[i])->key;
        void **slot = slot_of(slots.at[i]);
        if ((uintptr_t)*slot == (key ^ mask)) {
            *slot = (void *)(key ^ ~mask);
        }
    }
}

void gl_weak_slots_hide(void)
{
    complement(0);
    slots.are_hidden = true;
}

void gl_weak_slots_show(void)
{
    complement(~(uintptr_t)0);
    slots.are_hidden = false;
}
