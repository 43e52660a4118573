/* SPDX-License-Identifier: MIT */
/* os/tids.c - a hash table of thread ids: open addressing, linear probing, at most half full. */
#include "os/tids.h"

#include "base/bits.h"
#include "os/internal.h"

enum { FIRST_CAPACITY = 256 };

static gl_tid_entry first_table[FIRST_CAPACITY];
static gl_tid_entry *table = first_table;
static size_t capacity = FIRST_CAPACITY; /* a power of two */
static size_t n_entries;
static uint32_t this_stop = 1; /* never 0, which an empty entry has */

void gl_tids_clear(void)
{
    n_entries = 0;
    this_stop++;
    if (this_stop != 0)
        return;
    /* After 2^32 stops the numbers begin anew. */
    for (size_t i = 0; i < capacity; i++)
        table[i].stop = 0;
    this_stop = 1;
}

static gl_tid_entry *probe(gl_tid_entry *in, size_t in_capacity, int tid)
{
    /* Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4): ids come in sequences. */
    size_t at = ((uint32_t)tid * UINT32_C(2654435769)) >> (32 - gl_log2_floor(in_capacity));
    while (in[at].stop == this_stop && in[at].tid != tid)
        at = (at + 1) & (in_capacity - 1);
    return &in[at];
}

static bool grow(void)
{
    size_t new_capacity = capacity * 2;
    gl_tid_entry *new_table = gl_os_table_grow(NULL, 0, new_capacity * sizeof *new_table);
    if (!new_table)
        return false;
    for (size_t i = 0; i < capacity; i++) {
        if (table[i].stop == this_stop)
            *probe(new_table, new_capacity, table[i].tid) = table[i];
    }
    if (table != first_table)
        gl_os_table_free(table, capacity * sizeof *table);
    table = new_table;
    capacity = new_capacity;
    return true;
}

gl_tid_entry *gl_tids_at(int tid)
{
    gl_tid_entry *entry = probe(table, capacity, tid);
    if (entry->stop == this_stop)
        return entry;
    if (n_entries >= capacity / 2) {
        if (!grow())
            return NULL;
        entry = probe(table, capacity, tid);
    }
    n_entries++;
    *entry = (gl_tid_entry){.stop = this_stop, .tid = tid, .state = GL_TID_NEW};
    return entry;
}

void gl_tids_each_signalled(void (*fn)(gl_tid_entry *entry, void *arg), void *arg)
{
    for (size_t i = 0; i < capacity; i++) {
        if (table[i].stop == this_stop && table[i].state == GL_TID_SIGNALLED)
            fn(&table[i], arg);
    }
}
