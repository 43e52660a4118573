/* SPDX-License-Identifier: MIT */
/* Finding objects by address, visiting all of them, and the flags in their state bytes. */
#include <string.h>

#include "heap/alloc.h"
#include "heap/bin.h"
#include "heap_fixture.h"

enum { N_OBJECTS = 3000 };

static struct {
    unsigned char *p;
    size_t usable;
    gl_kind kind;
    bool is_seen;
} objects[N_OBJECTS];

static void make_objects(void)
{
    uint64_t chance = 9;
    for (int i = 0; i < N_OBJECTS; i++) {
        size_t bytes = fixture_random_size(&chance, 200000);
        objects[i].kind = (gl_kind)(1 + fixture_below(&chance, GL_N_KINDS - 1));
        objects[i].p = objects[i].kind == GL_KIND_TYPED
                           ? gl_heap_alloc_typed(bytes, 1)
                           : gl_heap_alloc(bytes, objects[i].kind, false);
        ck_assert_ptr_nonnull(objects[i].p);
        objects[i].usable = fixture_find(objects[i].p).bytes;
        objects[i].is_seen = false;
    }
}

START_TEST(test_every_byte_leads_to_its_object)
{
    make_objects();
    for (int i = 0; i < N_OBJECTS; i++) {
        size_t step = objects[i].usable > 5000 ? 509 : 1;
        for (size_t at = 0; at < objects[i].usable; at += step) {
            gl_object object;
            bool is_found = gl_heap_find((uintptr_t)objects[i].p + at, &object);
            ck_assert(is_found && object.start == (uintptr_t)objects[i].p);
            ck_assert_uint_eq(object.bytes, objects[i].usable);
            ck_assert_uint_eq(object.kind, objects[i].kind);
            ck_assert_uint_eq(object.state, GL_STATE_ALLOCATED);
            ck_assert(gl_heap_find_exact((uintptr_t)objects[i].p + at, &object) == (at == 0));
        }
    }
}
END_TEST

START_TEST(test_what_is_no_object)
{
    gl_object object;
    make_objects();
    static int static_data;
    const void *foreign[] = {NULL, &object, &static_data, (void *)UINTPTR_MAX, (void *)1,
                             (void *)gl_heap.base, (void *)(gl_heap.base - 1),
                             (void *)(gl_heap.base + gl_heap.used_bytes)};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        ck_assert_msg(!gl_heap_find((uintptr_t)foreign[i], &object), "%p", foreign[i]);
    }
    for (int i = 0; i < N_OBJECTS; i += 2) {
        ck_assert(gl_heap_free(objects[i].p, "free"));
        ck_assert(!gl_heap_find((uintptr_t)objects[i].p, &object));
        ck_assert(!gl_heap_find((uintptr_t)objects[i].p + objects[i].usable / 2, &object));
    }
    for (int i = 1; i < N_OBJECTS; i += 2) {
        ck_assert_uint_eq(fixture_find(objects[i].p).start, (uintptr_t)objects[i].p);
    }
}
END_TEST

/* The end of a block is too short for another object. */
START_TEST(test_tail_of_a_block)
{
    char *p = gl_heap_alloc(100, GL_KIND_SCANNED, false);
    gl_object object = fixture_find(p);
    uintptr_t tail = gl_block_start(object.block) + GL_BLOCK_BYTES - 1;
    ck_assert_uint_ne(GL_BLOCK_BYTES % object.bytes, 0);
    ck_assert(!gl_heap_find(tail, &object));
}
END_TEST

/* ---- Visiting ------------------------------------------------------------------------------- */

static bool note(const gl_object *object, void *n_seen)
{
    for (int i = 0; i < N_OBJECTS; i++) {
        if ((uintptr_t)objects[i].p == object->start) {
            ck_assert(!objects[i].is_seen);
            ck_assert_uint_eq(object->bytes, objects[i].usable);
            objects[i].is_seen = true;
            ++*(size_t *)n_seen;
            return true;
        }
    }
    ck_abort_msg("an object that nobody made: %p", (void *)object->start);
}

START_TEST(test_each_visits_all_once)
{
    size_t n_seen = 0;
    make_objects();
    for (int i = 0; i < N_OBJECTS; i += 3) {
        ck_assert(gl_heap_free(objects[i].p, "free"));
        objects[i].p = NULL;
    }
    fixture_stop();
    gl_heap_each(note, &n_seen);
    fixture_resume();
    ck_assert_uint_eq(n_seen, N_OBJECTS - (N_OBJECTS + 2) / 3);
}
END_TEST

static bool stop_after_ten(const gl_object *object, void *n)
{
    (void)object;
    return ++*(size_t *)n < 10;
}

START_TEST(test_each_stops)
{
    size_t n = 0;
    make_objects();
    gl_heap_each(stop_after_ten, &n);
    ck_assert_uint_eq(n, 10);
}
END_TEST

/* ---- Flags ---------------------------------------------------------------------------------- */

START_TEST(test_flags_are_counted)
{
    make_objects();
    for (int round = 0; round < 2; round++) { /* setting twice counts once */
        for (int i = 0; i < N_OBJECTS; i++) {
            gl_object object = fixture_find(objects[i].p);
            gl_heap_set_state(&object, GL_STATE_PINNED);
            if (i % 2) {
                gl_heap_set_state(&object, GL_STATE_FROZEN);
            }
        }
        ck_assert_uint_eq(gl_heap.n_pinned, N_OBJECTS);
        ck_assert_uint_eq(gl_heap.n_frozen, N_OBJECTS / 2);
    }
    gl_object object = fixture_find(objects[1].p);
    ck_assert_uint_eq(object.state, GL_STATE_ALLOCATED | GL_STATE_PINNED | GL_STATE_FROZEN);
    ck_assert_uint_eq(fixture_verify(), N_OBJECTS);
    for (int i = 0; i < N_OBJECTS; i++) {
        object = fixture_find(objects[i].p);
        gl_heap_clear_state(&object, GL_STATE_PINNED);
        gl_heap_clear_state(&object, GL_STATE_PINNED);
    }
    ck_assert_uint_eq(gl_heap.n_pinned, 0);
    ck_assert_uint_eq(gl_heap.n_frozen, N_OBJECTS / 2);
    for (int i = 0; i < N_OBJECTS; i++) { /* freeing takes the flags along */
        ck_assert(gl_heap_free(objects[i].p, "free"));
    }
    ck_assert_uint_eq(gl_heap.n_frozen, 0);
    ck_assert_uint_eq(fixture_verify(), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("find");
    tcase_add_checked_fixture(t, fixture_setup, NULL);
    tcase_add_test(t, test_every_byte_leads_to_its_object);
    tcase_add_test(t, test_what_is_no_object);
    tcase_add_test(t, test_tail_of_a_block);
    tcase_add_test(t, test_each_visits_all_once);
    tcase_add_test(t, test_each_stops);
    tcase_add_test(t, test_flags_are_counted);
    return fixture_run(t);
}
