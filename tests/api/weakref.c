/* SPDX-License-Identifier: MIT */
/* tests/api/weakref.c - weak references and weak slots. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gleaner/gc.h>
#include <gleaner/roots.h>
#include <gleaner/weakref.h>

#include "suites.h"

/* In static data: kept. */
static gc_weakref *refs[MANY];
static void *strong[MANY];
static int n_called;
static gc_weakref *last_called;
static void *last_arg;

static void note_call(gc_weakref *ref, void *arg)
{
    n_called++;
    last_called = ref;
    last_arg = arg;
}

static size_t count_set(void)
{
    size_t n = 0;
    for (size_t i = 0; i < MANY; i++) {
        n += gc_weakref_get(refs[i]) != NULL;
    }
    return n;
}

typedef struct making {
    gc_weakref_callback callback;
    bool is_kept;
} making;

static void make_refs(void *arg)
{
    const making *m = arg;
    for (size_t i = 0; i < MANY; i++) {
        void *object = gc_malloc(40);
        refs[i] = gc_weakref_new(object, m->callback, &refs[i]);
        ck_assert_ptr_nonnull(refs[i]);
        ck_assert_ptr_eq(gc_weakref_get(refs[i]), object);
        strong[i] = m->is_kept ? object : NULL;
    }
}

static void setup(void)
{
    n_called = 0;
    last_called = NULL;
    memset(strong, 0, sizeof strong);
    memset(refs, 0, sizeof refs);
}

START_TEST(a_weak_reference_keeps_nothing_alive)
{
    making m = {NULL, false};
    call_deep(make_refs, &m);
    gc_collect();
    ck_assert_uint_le(count_set(), FEW);
}
END_TEST

START_TEST(it_stays_as_long_as_its_object)
{
    making m = {NULL, true};
    call_deep(make_refs, &m);
    gc_collect();
    ck_assert_uint_eq(count_set(), MANY);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(gc_weakref_get(refs[i]), strong[i]);
    }
    memset(strong, 0, sizeof strong);
    gc_collect();
    ck_assert_uint_le(count_set(), FEW);
}
END_TEST

START_TEST(gc_free_clears_it_before_the_storage_is_used_again)
{
    for (int i = 0; i < 100; i++) {
        void *object = gc_malloc(64);
        gc_weakref *ref = gc_weakref_new(object, NULL, NULL);
        gc_weakref *other = gc_weakref_new(object, NULL, NULL);
        ck_assert_uint_eq(gc_get_weakref_count(object), 2);
        gc_free(object);
        ck_assert_ptr_null(gc_weakref_get(ref));
        ck_assert_ptr_null(gc_weakref_get(other));
        void *next = gc_malloc(64);
        ck_assert_ptr_null(gc_weakref_get(ref));
        ck_assert_uint_eq(gc_get_weakref_count(next), 0);
        gc_weakref_free(ref);
        gc_weakref_free(other);
    }
}
END_TEST

START_TEST(the_callback_is_called_once_after_the_reference_is_cleared)
{
    void *object = gc_malloc(32);
    gc_weakref *ref = gc_weakref_new(object, note_call, &n_called);
    gc_free(object);
    gc_run_finalizers(0);
    ck_assert_int_eq(n_called, 1);
    ck_assert_ptr_eq(last_called, ref);
    ck_assert_ptr_eq(last_arg, &n_called);
    gc_collect();
    gc_run_finalizers(0);
    ck_assert_int_eq(n_called, 1);
}
END_TEST

START_TEST(a_collection_calls_callbacks)
{
    making m = {note_call, false};
    call_deep(make_refs, &m);
    gc_collect();
    gc_run_finalizers(0);
    ck_assert_int_ge(n_called, MOST);
    ck_assert_int_le(n_called, MANY);
    ck_assert_uint_eq(count_set(), MANY - (size_t)n_called);
}
END_TEST

START_TEST(callbacks_of_references_that_are_ended_are_not_called)
{
    void *object = gc_malloc(32);
    gc_weakref *ref = gc_weakref_new(object, note_call, NULL);
    ck_assert_uint_eq(gc_get_weakref_count(object), 1);
    gc_weakref_free(ref);
    ck_assert_uint_eq(gc_get_weakref_count(object), 0);
    gc_free(object);
    gc_weakref_free(NULL);
    gc_run_finalizers(0);
    ck_assert_int_eq(n_called, 0);
}
END_TEST

static void lose_refs(void *arg)
{
    void **object = arg;
    for (int i = 0; i < MANY; i++) {
        gc_weakref_new(*object, note_call, NULL);
    }
}

START_TEST(a_reference_that_is_lost_is_reclaimed)
{
    void *object = gc_malloc(32);
    call_deep(lose_refs, &object);
    gc_collect();
    ck_assert_uint_le(gc_get_weakref_count(object), FEW);
    gc_free(object);
    gc_run_finalizers(0);
    ck_assert_int_le(n_called, FEW);
}
END_TEST

static void lose_both(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        gc_weakref_new(gc_malloc(48), note_call, NULL);
    }
}

START_TEST(lost_together_with_its_object_it_calls_nothing)
{
    call_deep(lose_both, NULL);
    gc_collect();
    gc_collect();
    gc_run_finalizers(0);
    ck_assert_int_le(n_called, FEW);
}
END_TEST

static uintptr_t hidden_args[MANY];

static void make_refs_with_args(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i++) {
        strong[i] = gc_malloc(32);
        void *held = gc_malloc(32);
        hidden_args[i] = hide(held);
        refs[i] = gc_weakref_new(strong[i], note_call, held);
    }
}

START_TEST(the_arg_of_a_callback_is_kept)
{
    call_deep(make_refs_with_args, NULL);
    gc_collect();
    ck_assert_uint_eq(count_alive(hidden_args, MANY), MANY);
    for (size_t i = 0; i < MANY; i++) {
        gc_weakref_free(refs[i]);
        refs[i] = NULL;
    }
    gc_collect();
    ck_assert_uint_le(count_alive(hidden_args, MANY), FEW);
}
END_TEST

START_TEST(it_follows_an_object_that_realloc_moves)
{
    char *object = gc_malloc(24);
    strcpy(object, "here");
    gc_weakref *ref = gc_weakref_new(object, NULL, NULL);
    for (size_t size = 24; size < 2000000; size = size * 3 / 2) {
        object = gc_realloc(object, size);
        ck_assert_ptr_eq(gc_weakref_get(ref), object);
        ck_assert_uint_eq(gc_get_weakref_count(object), 1);
        gc_collect();
        ck_assert_str_eq(gc_weakref_get(ref), "here");
    }
    gc_free(object);
    ck_assert_ptr_null(gc_weakref_get(ref));
}
END_TEST

START_TEST(large_objects_have_weak_references)
{
    void *object = gc_malloc(5000000);
    gc_weakref *ref = gc_weakref_new(object, note_call, NULL);
    gc_collect();
    ck_assert_ptr_eq(gc_weakref_get(ref), object);
    gc_free(object);
    ck_assert_ptr_null(gc_weakref_get(ref));
    gc_run_finalizers(0);
    ck_assert_int_eq(n_called, 1);
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
    char *object = gc_malloc(100);
    void *const wrong[] = {NULL, object + 1, object + 16, &object, (void *)16};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        ck_assert_ptr_null(gc_weakref_new(wrong[i], NULL, NULL));
        ck_assert_int_eq(errno, EINVAL);
        ck_assert_uint_eq(gc_get_weakref_count(wrong[i]), 0);
    }
    ck_assert_ptr_null(gc_weakref_get(NULL));
}
END_TEST

/* ---- Slots ---------------------------------------------------------------------------------- */

static void *slots[MANY]; /* in static data, which is scanned */

static void fill_slots(void *arg)
{
    void **at = arg;
    for (size_t i = 0; i < MANY; i++) {
        void *object = gc_malloc(56);
        ck_assert_int_eq(gc_weak_slot_register(&at[i], object), 0);
        ck_assert_ptr_eq(at[i], object);
    }
}

static size_t count_slots(void *const *at)
{
    size_t n = 0;
    for (size_t i = 0; i < MANY; i++) {
        n += at[i] != NULL;
    }
    return n;
}

START_TEST(a_slot_in_static_data_is_weak)
{
    call_deep(fill_slots, slots);
    gc_collect();
    ck_assert_uint_le(count_slots(slots), FEW);
}
END_TEST

START_TEST(a_slot_in_a_scanned_object_is_weak)
{
    void **at = gc_malloc(MANY * sizeof *at);
    call_deep(fill_slots, at);
    gc_collect();
    ck_assert_uint_le(count_slots(at), FEW);
    gc_free(at);
    gc_collect();
}
END_TEST

START_TEST(a_slot_keeps_its_value_as_long_as_the_object_lives)
{
    static void *slot;
    void *object = gc_malloc(56);
    ck_assert_int_eq(gc_weak_slot_register(&slot, object), 0);
    gc_collect();
    ck_assert_ptr_eq(slot, object);
    ck_assert_uint_eq(gc_get_weakref_count(object), 1);
    gc_free(object);
    ck_assert_ptr_null(slot);
    errno = 0;
    ck_assert_int_eq(gc_weak_slot_unregister(&slot), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static void unregister_slots(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < MANY; i++) {
        if (slots[i]) {
            ck_assert_int_eq(gc_weak_slot_unregister(&slots[i]), 0);
        }
    }
}

START_TEST(a_slot_that_is_unregistered_is_strong)
{
    gc_disable();
    call_deep(fill_slots, slots);
    call_deep(unregister_slots, NULL);
    gc_collect();
    ck_assert_uint_eq(count_slots(slots), MANY);
    memset(slots, 0, sizeof slots);
    gc_enable();
}
END_TEST

START_TEST(a_slot_can_be_given_another_object)
{
    static void *slot;
    void *first = gc_malloc(32), *second = gc_malloc(32);
    ck_assert_int_eq(gc_weak_slot_register(&slot, first), 0);
    ck_assert_int_eq(gc_weak_slot_register(&slot, second), 0);
    ck_assert_uint_eq(gc_get_weakref_count(first), 0);
    gc_free(first);
    ck_assert_ptr_eq(slot, second);
    gc_free(second);
    ck_assert_ptr_null(slot);
}
END_TEST

START_TEST(a_slot_that_the_program_has_changed_is_left_alone)
{
    static void *slot;
    void *object = gc_malloc(32), *other = gc_malloc(32);
    ck_assert_int_eq(gc_weak_slot_register(&slot, object), 0);
    slot = other;
    gc_free(object);
    ck_assert_ptr_eq(slot, other);
    gc_collect();
    ck_assert_ptr_eq(slot, other);
}
END_TEST

START_TEST(a_slot_ends_with_the_object_it_is_in)
{
    void *object = gc_malloc(32);
    void **holder = gc_malloc(64);
    ck_assert_int_eq(gc_weak_slot_register(&holder[3], object), 0);
    gc_free(holder);
    ck_assert_uint_eq(gc_get_weakref_count(object), 0);
    void **next = gc_malloc(64);
    next[3] = object;
    gc_free(object);
    ck_assert_ptr_eq(next[3], object);
    next[3] = NULL;
}
END_TEST

START_TEST(a_slot_may_point_to_the_object_it_is_in)
{
    void **object = gc_malloc(64);
    gc_weakref *ref = gc_weakref_new(object, NULL, NULL);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(gc_weak_slot_register(&object[i], object), 0);
    }
    ck_assert_uint_eq(gc_get_weakref_count(object), 9);
    object = gc_realloc(object, 640);
    ck_assert_uint_eq(gc_get_weakref_count(object), 1);
    gc_free(object);
    ck_assert_ptr_null(gc_weakref_get(ref));
}
END_TEST

START_TEST(wrong_slots_are_refused)
{
    static char bytes[2 * sizeof(void *)];
    static void *slot;
    void *object = gc_malloc(32);
    errno = 0;
    ck_assert_int_eq(gc_weak_slot_register(NULL, object), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(gc_weak_slot_register((void **)(void *)(bytes + 1), object), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(gc_weak_slot_register(&slot, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(gc_weak_slot_unregister(NULL), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* ---- Threads and forks ---------------------------------------------------------------------- */

enum { N_READERS = 3, N_ROUNDS = 300, N_SHARED = 32 };

static gc_weakref *shared[N_SHARED];
static bool is_over;

/* What get returns is whole: each object holds its own complement. */
static void *read_shared(void *arg)
{
    size_t *n_seen = arg;
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < N_SHARED; i++) {
            uintptr_t *object = gc_weakref_get(__atomic_load_n(&shared[i], __ATOMIC_ACQUIRE));
            if (object) {
                ck_assert_uint_eq(object[0], ~object[1]);
                ck_assert_uint_eq(object[1], hide(object));
                ++*n_seen;
            }
        }
    }
    return NULL;
}

static void renew_shared(void *arg)
{
    (void)arg;
    for (int i = 0; i < N_SHARED; i++) {
        uintptr_t *object = gc_malloc(48);
        object[0] = (uintptr_t)object;
        object[1] = hide(object);
        __atomic_store_n(&shared[i], gc_weakref_new(object, NULL, NULL), __ATOMIC_RELEASE);
    }
}

START_TEST(get_in_other_threads_gives_a_whole_object_or_none)
{
    pthread_t threads[N_READERS];
    size_t n_seen[N_READERS] = {0};
    if (HAS_TSAN) {
        return;
    }
    is_over = false;
    renew_shared(NULL);
    for (int i = 0; i < N_READERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_shared, &n_seen[i]), 0);
    }
    for (int i = 0; i < N_ROUNDS; i++) {
        call_deep(renew_shared, NULL);
        gc_collect();
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
    for (int i = 0; i < N_READERS; i++) {
        pthread_join(threads[i], NULL);
    }
}
END_TEST

static void use_in_child(void *arg)
{
    gc_weakref *ref = arg;
    void *object = gc_weakref_get(ref);
    bool is_good = object != NULL && gc_get_weakref_count(object) == 1;
    gc_weakref *own = gc_weakref_new(object, NULL, NULL);
    is_good = is_good && gc_get_weakref_count(object) == 2;
    gc_free(object);
    gc_collect();
    _exit(is_good && !gc_weakref_get(ref) && !gc_weakref_get(own) ? 0 : 1);
}

START_TEST(the_child_of_a_fork_has_its_own)
{
    outcome o;
    void *object = gc_malloc(32);
    gc_weakref *ref = gc_weakref_new(object, NULL, NULL);
    run_forked(use_in_child, ref, &o);
    ck_assert_exited(&o, 0);
    ck_assert_ptr_eq(gc_weakref_get(ref), object);
}
END_TEST

START_TEST(memory_of_malloc_can_be_referred_to_weakly)
{
    void *p = malloc(100);
    gc_weakref *ref = gc_weakref_new(p, NULL, NULL);
    if (!is_malloc_ours()) {
        ck_assert_ptr_null(ref);
        free(p);
        return;
    }
    gc_collect();
    ck_assert_ptr_eq(gc_weakref_get(ref), p);
    free(p);
    ck_assert_ptr_null(gc_weakref_get(ref));
}
END_TEST

Suite *weakref_suite(void)
{
    Suite *suite = suite_create("weak references");
    TCase *refs_case = tcase_create("references");
    tcase_add_checked_fixture(refs_case, setup, NULL);
    tcase_set_timeout(refs_case, 120);
    tcase_add_test(refs_case, a_weak_reference_keeps_nothing_alive);
    tcase_add_test(refs_case, it_stays_as_long_as_its_object);
    tcase_add_test(refs_case, gc_free_clears_it_before_the_storage_is_used_again);
    tcase_add_test(refs_case, the_callback_is_called_once_after_the_reference_is_cleared);
    tcase_add_test(refs_case, a_collection_calls_callbacks);
    tcase_add_test(refs_case, callbacks_of_references_that_are_ended_are_not_called);
    tcase_add_test(refs_case, a_reference_that_is_lost_is_reclaimed);
    tcase_add_test(refs_case, lost_together_with_its_object_it_calls_nothing);
    tcase_add_test(refs_case, the_arg_of_a_callback_is_kept);
    tcase_add_test(refs_case, it_follows_an_object_that_realloc_moves);
    tcase_add_test(refs_case, large_objects_have_weak_references);
    tcase_add_test(refs_case, what_is_no_object_is_refused);
    tcase_add_test(refs_case, get_in_other_threads_gives_a_whole_object_or_none);
    tcase_add_test(refs_case, the_child_of_a_fork_has_its_own);
    tcase_add_test(refs_case, memory_of_malloc_can_be_referred_to_weakly);
    suite_add_tcase(suite, refs_case);
    TCase *slots_case = tcase_create("slots");
    tcase_set_timeout(slots_case, 120);
    tcase_add_test(slots_case, a_slot_in_static_data_is_weak);
    tcase_add_test(slots_case, a_slot_in_a_scanned_object_is_weak);
    tcase_add_test(slots_case, a_slot_keeps_its_value_as_long_as_the_object_lives);
    tcase_add_test(slots_case, a_slot_that_is_unregistered_is_strong);
    tcase_add_test(slots_case, a_slot_can_be_given_another_object);
    tcase_add_test(slots_case, a_slot_that_the_program_has_changed_is_left_alone);
    tcase_add_test(slots_case, a_slot_ends_with_the_object_it_is_in);
    tcase_add_test(slots_case, a_slot_may_point_to_the_object_it_is_in);
    tcase_add_test(slots_case, wrong_slots_are_refused);
    suite_add_tcase(suite, slots_case);
    return suite;
}
