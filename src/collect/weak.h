/* SPDX-License-Identifier: MIT */
/*
 * collect/weak.h - records: what hangs on objects and must know when they go.
 *
 * A RECORD belongs to an object (its key) and to a class, which says what is done when the object goes:
 * a weak reference is cleared, a map's entry is removed, a finalizer is queued. Records live in the
 * library's own memory, in chunks that never move, and are named by a number that stays good as long as
 * the record is there; its serial number tells it from a later one in the same place. The records of an
 * object are a chain that begins in its block's tables (heap/attached.h), and it has GL_STATE_ATTACHED, so
 * that free() comes to gl_hook_object_freed(). A key may also be a NAME, which is no object, and has one record;
 * names have a hash table of their own.
 *
 * Lock: GL_RANK_API; held by the collector from before the stop, and over a fork. Functions named
 * _locked need it. Nothing of the program's is called with it, and nothing is allocated from the heap.
 */
#ifndef GL_COLLECT_WEAK_H
#define GL_COLLECT_WEAK_H

#include "collect/mark.h"

typedef struct gl_weak_record gl_weak_record;

/* All are called with the lock held. */
typedef struct gl_weak_class {
    bool is_reference; /* counts for gc_get_weakref_count() */
    bool is_finalizer; /* something is to be run for the object before its storage is free: the object
                          stays until then (collect/finalize.h), and `goes` is called afterwards */

    bool is_bound;     /* to the address: goes when realloc moves the object */

    /* The object goes, now. Must remove the record, or give it another key. */
    void (*goes)(uint32_t number, gl_weak_record *record);

    /* realloc has moved it to `to`; the key is changed by the caller. May be NULL. */
    void (*moved)(uint32_t number, gl_weak_record *record, uintptr_t to);
} gl_weak_class;

struct gl_weak_record {
    uintptr_t key;
    const gl_weak_class *class; /* NULL: not in use */
    uintptr_t data[2];          /* the class's */
    uint32_t next;              /* of the same key; 0: the last */
    uint32_t serial;            /* grows from one record to the next, and is never 0 */
    uint32_t links[2];          /* the class's */
};

void gl_weak_lock(void);
void gl_weak_unlock(void);
void gl_weak_after_fork_child(void);

/* The record; the number must be of one that is there, or was. */
gl_weak_record *gl_weak_record_at(uint32_t number);

/* `arg` of a record is scanned: what it refers to is alive as long as the record is there. */
void *gl_weak_arg(uint32_t number);

/* A new record on an allocated object, first of its chain. 0: no memory. */
uint32_t gl_weak_add_locked(const gl_object *object, const gl_weak_class *class, void *arg);

/* Takes it off its chain; the last one takes GL_STATE_ATTACHED from the object. */
void gl_weak_remove_locked(uint32_t number);

/* The first record of an object; 0: none. */
uint32_t gl_weak_first_of_locked(const gl_object *object);
uint32_t gl_weak_first_locked(uintptr_t start);

/* The same for names. */
uint32_t gl_weak_add_name_locked(uintptr_t name, const gl_weak_class *class);
void gl_weak_remove_name_locked(uint32_t number);
uint32_t gl_weak_named_locked(uintptr_t name);

/* The record of a serial number, if it is there still; 0 if not. */
uint32_t gl_weak_check_locked(uint32_t number, uint32_t serial);

/* The serial number of the newest record. */
uint32_t gl_weak_last_serial_locked(void);

/* Calls `goes` for every record of the object but finalizers. */
void gl_weak_let_go_locked(uintptr_t key);

/* True if the object that begins there will be alive after the collection under way, or if there is none. */
bool gl_weak_survives_locked(uintptr_t start);

/* After a realloc that moved: all records go on to the new object. False: no memory; nothing is changed. */
bool gl_weak_move_locked(const gl_object *from, const gl_object *to);

/* ---- For a collection: the world is stopped, the lock held ------------------------------------ */

/* Marks what records hold. */
void gl_weak_mark_held(gl_marker *marker);

/* From here until _end() objects without a mark do not survive. */
void gl_weak_begin_clearing(void);

/* Lets everything but finalizers go of each object that was not reached. */
void gl_weak_clear(void);
void gl_weak_end_clearing(void);

/* Checks the table against the heap; panics. */
void gl_weak_verify(void);

#endif
