/* SPDX-License-Identifier: MIT */
/* tests/api/callbacks.c - who is told of a collection. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>

#include "suites.h"

typedef struct record {
    int n_starts, n_stops;
    gc_event last_start, last_stop;
} record;

static void note(const gc_event *event, void *arg)
{
    record *r = arg;
    if (event->phase == GC_PHASE_START) {
        r->n_starts++;
        r->last_start = *event;
    } else {
        r->n_stops++;
        r->last_stop = *event;
    }
}

START_TEST(start_and_stop_are_told)
{
    static record r;
    static batch b;
    gc_disable(); /* only those that are asked for */
    int id = gc_add_callback(note, &r);
    ck_assert_int_gt(id, 0);
    make_garbage(&b, gc_malloc, 100);
    size_t n_reclaimed = gc_collect();
    ck_assert_int_eq(r.n_starts, 1);
    ck_assert_int_eq(r.n_stops, 1);
    ck_assert_uint_eq(r.last_start.size, sizeof(gc_event));
    ck_assert_int_eq(r.last_start.reason, GC_REASON_EXPLICIT);
    ck_assert_int_eq(r.last_start.generation, 2);
    ck_assert_uint_ge(r.last_start.sequence, 1);
    ck_assert_uint_eq(r.last_start.collected, 0);
    ck_assert_uint_eq(r.last_stop.sequence, r.last_start.sequence);
    ck_assert_uint_eq(r.last_stop.collected, n_reclaimed);
    ck_assert_uint_ge(r.last_stop.reclaimed_bytes, MOST * 100);
    ck_assert_uint_gt(r.last_stop.pause_ns, 0);
    ck_assert_uint_ge(r.last_stop.duration_ns, r.last_stop.pause_ns);
    gc_collect();
    ck_assert_uint_eq(r.last_stop.sequence, r.last_start.sequence);
    ck_assert_int_eq(r.n_stops, 2);
    ck_assert_int_eq(gc_remove_callback(id), 0);
    gc_collect();
    ck_assert_int_eq(r.n_stops, 2);
    errno = 0;
    ck_assert_int_eq(gc_remove_callback(id), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(automatic_collections_have_reasons)
{
    static record r;
    gc_config config = {.size = sizeof config, .trigger_bytes = 1 << 20};
    ck_assert_int_eq(gc_init(&config), 0);
    gc_add_callback(note, &r);
    for (int i = 0; i < 200000; i++) {
        gc_keep_alive(gc_malloc(100));
    }
    ck_assert_int_gt(r.n_stops, 0);
    ck_assert_int_eq(r.last_stop.reason, is_stressed() ? GC_REASON_STRESS : GC_REASON_HEAP_GROWTH);
    gc_set_heap_max(64 << 20);
    ck_assert_ptr_null(gc_malloc(100 << 20));
    ck_assert_int_eq(r.last_stop.reason, GC_REASON_NO_MEMORY);
}
END_TEST

/* ---- From inside ----------------------------------------------------------------------------- */

static struct {
    int id[3];
    int n_calls[3];
    int n_removed;
    record added;
} inside;

static void collect_again(const gc_event *event, void *arg)
{
    static batch b; /* may allocate */
    make_garbage(&b, gc_malloc, 100);
    errno = 0;
    ck_assert_uint_eq(gc_collect(), 0);
    ck_assert_int_eq(errno, EBUSY);
    errno = 0;
    ck_assert_int_eq(gc_collect_generation(1), -1);
    ck_assert_int_eq(errno, EBUSY);
    errno = 0;
    ck_assert_int_eq(gc_collect_step(1), -1);
    ck_assert_int_eq(errno, EBUSY);
    ++*(int *)arg;
    (void)event;
}

START_TEST(a_collection_from_inside_is_ebusy)
{
    static int n_calls;
    gc_disable();
    gc_add_callback(collect_again, &n_calls);
    gc_collect();
    ck_assert_int_eq(n_calls, 2);
    static batch b;
    make_garbage(&b, gc_malloc, 100);
    ck_assert_uint_ge(gc_collect(), MOST); /* and all is well afterwards */
}
END_TEST

static void remove_others(const gc_event *event, void *arg)
{
    int self = *(int *)arg;
    inside.n_calls[self]++;
    if (event->phase == GC_PHASE_START && self == 0) {
        inside.n_removed += gc_remove_callback(inside.id[1]) == 0;
    }
    if (event->phase == GC_PHASE_STOP && self == 2) {
        ck_assert_int_eq(gc_remove_callback(inside.id[2]), 0);
        ck_assert_int_gt(gc_add_callback(note, &inside.added), 0);
    }
}

START_TEST(callbacks_may_come_and_go_inside)
{
    static int numbers[3] = {0, 1, 2};
    gc_disable();
    for (int i = 0; i < 3; i++) {
        inside.id[i] = gc_add_callback(remove_others, &numbers[i]);
    }
    gc_collect();
    ck_assert_int_eq(inside.n_removed, 1);
    ck_assert_int_eq(inside.n_calls[0], 2);
    ck_assert_int_eq(inside.n_calls[1], 0); /* removed before its turn */
    ck_assert_int_eq(inside.n_calls[2], 2);
    ck_assert_int_eq(inside.added.n_stops, 0); /* from the next event on */
    gc_collect();
    ck_assert_int_eq(inside.n_calls[0], 4);
    ck_assert_int_eq(inside.n_removed, 1);
    ck_assert_int_eq(inside.n_calls[2], 2);
    ck_assert_int_eq(inside.added.n_starts, 1);
    ck_assert_int_eq(inside.added.n_stops, 1);
}
END_TEST

/* ---- Limits ---------------------------------------------------------------------------------- */

START_TEST(wrong_callbacks_are_refused)
{
    static record r;
    gc_disable();
    errno = 0;
    ck_assert_int_eq(gc_add_callback(NULL, &r), -1);
    ck_assert_int_eq(errno, EINVAL);
    const int wrong[] = {0, -1, 12345};
    for (int i = 0; i < 3; i++) {
        errno = 0;
        ck_assert_int_eq(gc_remove_callback(wrong[i]), -1);
        ck_assert_int_eq(errno, ENOENT);
    }
    int n = 0, last = 0;
    for (int id; (id = gc_add_callback(note, &r)) > 0; n++) { /* until the table is full */
        ck_assert_int_gt(id, last);
        last = id;
        ck_assert_int_lt(n, 100000);
    }
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_ge(n, 16);
    gc_collect();
    ck_assert_int_eq(r.n_stops, n);
    ck_assert_int_eq(gc_remove_callback(last), 0);
    ck_assert_int_gt(gc_add_callback(note, &r), last);
}
END_TEST

static void *collect_often(void *arg)
{
    for (int i = 0; i < 50; i++) {
        gc_collect();
    }
    return arg;
}

START_TEST(callbacks_may_change_while_others_collect)
{
    static record r;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, collect_often, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        int id = gc_add_callback(note, &r);
        ck_assert_int_gt(id, 0);
        ck_assert_int_eq(gc_remove_callback(id), 0);
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

Suite *callbacks_suite(void)
{
    Suite *suite = suite_create("callbacks");
    TCase *one = tcase_create("callbacks");
    tcase_set_timeout(one, 60);
    tcase_add_test(one, start_and_stop_are_told);
    tcase_add_test(one, automatic_collections_have_reasons);
    tcase_add_test(one, a_collection_from_inside_is_ebusy);
    tcase_add_test(one, callbacks_may_come_and_go_inside);
    tcase_add_test(one, wrong_callbacks_are_refused);
    tcase_add_test(one, callbacks_may_change_while_others_collect);
    suite_add_tcase(suite, one);
    return suite;
}
