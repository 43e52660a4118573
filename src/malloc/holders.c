/* SPDX-License-Identifier: MIT */
/*
 * malloc/holders.c - the table of what only the kernel holds, and the functions that fill it.
 *
 * The table is a list of chunks, each twice as large as the one before. A key has a window of slots
 * in each chunk, and is in one of them, anywhere. Slots are taken by compare-and-swap, so there is no
 * lock: epoll_ctl() and sigqueue() are called in signal handlers, too. A chunk is registered as a
 * root before it is used, and is never given back.
 *
 * An entry of epoll goes with EPOLL_CTL_DEL. Closing a descriptor is not watched: the entry stays
 * until the same pair of descriptors is used again, and keeps what it has. There are at most as many
 * such entries as pairs of descriptor numbers that the program has used.
 */
#include "malloc/holders.h"

#include "base/bits.h"
#include "collect/collect.h"
#include "collect/roots.h"
#include "heap/hooks.h"
#include "heap/meta.h"
#include "malloc/calls.h"

typedef struct slot {
    volatile gl_word key; /* 0: free */
    volatile gl_word words[2];
    volatile uint32_t version; /* counts the words; the last one is words[version % 2] */
    uint32_t unused;
} slot;

typedef struct chunk {
    volatile gl_word next; /* chunk * */
    size_t n;              /* slots, a power of two */
    slot slots[];
} chunk;

enum { FIRST_SLOTS = 128, WINDOW = 16 };

static volatile gl_word first_chunk;

/* ---- The table ------------------------------------------------------------------------------- */

static size_t bytes_of(size_t n_slots) { return sizeof(chunk) + n_slots * sizeof(slot); }

/* Behind the last chunk, by whoever comes first. NULL: there is no memory. */
static chunk *add_chunk(volatile gl_word *link, size_t n_slots)
{
    chunk *new = gl_hook_start() ? gl_meta_alloc(bytes_of(n_slots)) : NULL;
    if (!new) {
        return NULL;
    }
    new->n = n_slots;
    uintptr_t start = (uintptr_t)new, end = start + bytes_of(n_slots);
    bool is_root = gl_roots_add(start, end) == 0;
    if (is_root && gl_cas_full(link, 0, start)) {
        return new;
    }
    if (is_root) {
        (void)gl_roots_remove(start, end);
    }
    gl_meta_free(new, bytes_of(n_slots));
    return (chunk *)gl_load_acquire(link);
}

static slot *slot_at(chunk *c, uint64_t key, size_t i)
{
    return &c->slots[((size_t)gl_hash_bits(key, 32) + i) & (c->n - 1)];
}

static slot *find(uint64_t key)
{
    for (chunk *c = (chunk *)gl_load_acquire(&first_chunk); c; c = (chunk *)gl_load_acquire(&c->next)) {
        for (size_t i = 0; i < WINDOW; i++) {
            slot *s = slot_at(c, key, i);
            if (gl_load_acquire(&s->key) == key) {
                return s;
            }
        }
    }
    return NULL;
}

static slot *take(uint64_t key)
{
    volatile gl_word *link = &first_chunk;
    for (size_t n = FIRST_SLOTS;; n *= 2) {
        chunk *c = (chunk *)gl_load_acquire(link);
        if (!c) {
            c = add_chunk(link, n);
        }
        if (!c) {
            return NULL;
        }
        for (size_t i = 0; i < WINDOW; i++) {
            slot *s = slot_at(c, key, i);
            if (gl_load_relaxed(&s->key) == 0 && gl_cas_full(&s->key, 0, key)) {
                return s;
            }
        }
        link = &c->next;
    }
}

void gl_holders_put(uint64_t key, uintptr_t word)
{
    slot *s = find(key);
    if (!s && word == 0) {
        return;
    }
    if (!s) {
        s = take(key);
    }
    if (s) {
        uint32_t version = gl_add32_full(&s->version, 1) + 1;
        gl_store_release(&s->words[version % 2], word);
    }
}

uint32_t gl_holders_version(uint64_t key)
{
    slot *s = find(key);
    return s ? gl_load32_acquire(&s->version) : 0;
}

void gl_holders_drop(uint64_t key, uint32_t version)
{
    slot *s = find(key);
    if (s && gl_load32_acquire(&s->version) == version) {
        gl_store_relaxed(&s->words[0], 0);
        gl_store_relaxed(&s->words[1], 0);
        gl_store_release(&s->key, 0);
    }
}

/* ---- Words in passing ------------------------------------------------------------------------ */

enum { N_PASSING = 4096 };

static volatile gl_word passing[N_PASSING];
static volatile uint32_t n_passed;

void gl_holders_pass(uintptr_t word)
{
    if (word == 0) {
        return;
    }
    uint32_t i = gl_add32_full(&n_passed, 1);
    if (i == 0 && gl_hook_start()) {
        (void)gl_roots_add((uintptr_t)passing, (uintptr_t)(passing + N_PASSING));
    }
    gl_store_relaxed(&passing[i % N_PASSING], word);
}

/* ---- The functions --------------------------------------------------------------------------- */

GL_MALLOC_PUBLIC int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    uint64_t key = gl_holder_key(GL_HOLDER_EPOLL, (uint32_t)epoll, (uint32_t)fd);
    if (operation == EPOLL_CTL_DEL) {
        uint32_t version = gl_holders_version(key);
        int r = gl_real()->epoll_ctl(epoll, operation, fd, event);
        if (r == 0) {
            gl_holders_drop(key, version);
        }
        return r;
    }
    /* Until the call returns the program holds the word, too: in *event. */
    int r = gl_real()->epoll_ctl(epoll, operation, fd, event);
    if (r == 0 && event) {
        gl_holders_put(key, (uintptr_t)event->data.ptr);
    }
    return r;
}

/* With SIGEV_THREAD the C library has the value, in a list of its own. */
GL_MALLOC_PUBLIC int timer_create(clockid_t clock, struct sigevent *restrict event,
                                  timer_t *restrict timer)
{
    int r = gl_real()->timer_create(clock, event, timer);
    if (r == 0 && event && event->sigev_notify != SIGEV_THREAD) {
        uintptr_t id = (uintptr_t)*timer;
        gl_holders_put(gl_holder_key(GL_HOLDER_TIMER, (uint32_t)(id >> 32), (uint32_t)id),
                       (uintptr_t)event->sigev_value.sival_ptr);
    }
    return r;
}

GL_MALLOC_PUBLIC int timer_delete(timer_t timer)
{
    uintptr_t id = (uintptr_t)timer;
    uint64_t key = gl_holder_key(GL_HOLDER_TIMER, (uint32_t)(id >> 32), (uint32_t)id);
    uint32_t version = gl_holders_version(key);
    int r = gl_real()->timer_delete(timer);
    if (r == 0) {
        gl_holders_drop(key, version);
    }
    return r;
}

/* With SIGEV_THREAD the C library copies the attributes of the thread to come into memory that it
 * gets from malloc, and gives the address to the kernel. */
GL_MALLOC_PUBLIC int mq_notify(mqd_t queue, const struct sigevent *event)
{
    uint64_t key = gl_holder_key(GL_HOLDER_QUEUE, 0, (uint32_t)queue);
    uint32_t version = gl_holders_version(key);
    int r = gl_real()->mq_notify(queue, event);
    if (r == 0 && !event) {
        gl_holders_drop(key, version);
    } else if (r == 0) {
        gl_holders_put(key, (uintptr_t)event->sigev_value.sival_ptr);
        if (event->sigev_notify == SIGEV_THREAD && event->sigev_notify_attributes) {
            gl_collect_keep_lost("the kernel holds the attributes of a notification");
        }
    }
    return r;
}

GL_MALLOC_PUBLIC int sigqueue(pid_t process, int signal, const union sigval value)
{
    gl_holders_pass((uintptr_t)value.sival_ptr);
    return gl_real()->sigqueue(process, signal, value);
}

GL_MALLOC_PUBLIC int pthread_sigqueue(pthread_t thread, int signal, const union sigval value)
{
    gl_holders_pass((uintptr_t)value.sival_ptr);
    return gl_real()->pthread_sigqueue(thread, signal, value);
}
