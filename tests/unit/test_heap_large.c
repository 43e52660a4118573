/* SPDX-License-Identifier: MIT */
/* Large objects: sizes, alignment, growing and shrinking in place, zeroing after dirty reuse. */
#include <pthread.h>
#include <string.h>

#include "heap/arena.h"
#include "heap/large.h"
#include "heap/pages.h"
#include "heap_fixture.h"
#include "os/memory.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static void *allocate(size_t bytes, gl_kind kind)
{
    void *p = gl_heap_alloc(bytes, kind, false);
    ck_assert_ptr_nonnull(p);
    return p;
}

START_TEST(test_bounds)
{
    static const size_t sizes[] = {GL_SMALL_MAX + 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1,
                                   128 * KIB - 1, 128 * KIB, MIB, 3 * MIB + 5};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *p = allocate(sizes[i], GL_KIND_SCANNED);
        gl_object object = fixture_find(p);
        ck_assert(object.is_large);
        ck_assert_uint_ge(object.bytes, sizes[i]);
        ck_assert_uint_eq(object.bytes % 16, 0);
        ck_assert_uint_eq(fixture_find(p + sizes[i] - 1).start, (uintptr_t)p);
        ck_assert_uint_eq(fixture_find(p + sizes[i]).start, (uintptr_t)p); /* one past the end */
        ck_assert_uint_eq(fixture_find(p + sizes[i] / 2).start, (uintptr_t)p);
        ck_assert(fixture_is_zero(p, object.bytes));
        fixture_fill(p, object.bytes, i);
    }
    ck_assert_uint_eq(fixture_verify(), sizeof sizes / sizeof sizes[0]);
}
END_TEST

START_TEST(test_alignment)
{
    for (size_t alignment = 32 * KIB; alignment <= (size_t)4 << 30; alignment *= 2) {
        char *p = gl_heap_alloc_aligned(alignment, 100, GL_KIND_SCANNED);
        ck_assert_msg(p != NULL, "alignment %zu: no memory", alignment);
        ck_assert_msg((uintptr_t)p % alignment == 0, "alignment %zu: %p", alignment, (void *)p);
        ck_assert(fixture_is_zero(p, fixture_find(p).bytes));
        ck_assert(gl_heap_free(p, "free"));
    }
    fixture_verify();
}
END_TEST

START_TEST(test_memory_is_zero_after_dirty_reuse)
{
    static const size_t sizes[] = {30000, 65000, 65536, 100000, 400000, 600000, 3000000};
    uint64_t chance = 1;
    for (int i = 0; i < 300; i++) {
        size_t bytes = sizes[fixture_below(&chance, 7)];
        char *dirty = allocate(bytes, GL_KIND_MALLOC);
        memset(dirty, 0xee, fixture_find(dirty).bytes);
        ck_assert(gl_heap_free(dirty, "free"));
        bytes = sizes[fixture_below(&chance, 7)];
        char *p = allocate(bytes, GL_KIND_SCANNED);
        ck_assert_msg(fixture_is_zero(p, fixture_find(p).bytes), "%zu bytes: not zero", bytes);
        char *q = gl_heap_alloc(bytes, GL_KIND_MALLOC, true); /* calloc() */
        ck_assert(fixture_is_zero(q, fixture_find(q).bytes));
        memset(q, 0xee, bytes);
        ck_assert(gl_heap_free(p, "free") && gl_heap_free(q, "free"));
    }
}
END_TEST

START_TEST(test_grows_in_place)
{
    char *p = allocate(MIB, GL_KIND_MALLOC);
    char *behind = allocate(4 * MIB, GL_KIND_MALLOC);
    fixture_fill(p, MIB, 1);
    memset(behind, 0xee, 4 * MIB);
    if (behind > p) {
        ck_assert(gl_heap_free(behind, "free"));
        ck_assert_ptr_eq(gl_heap_realloc(p, 3 * MIB, "realloc"), p);
        ck_assert(fixture_is_filled(p, MIB, 1));
    }
    fixture_verify();
}
END_TEST

START_TEST(test_moves_if_it_must)
{
    char *p = allocate(MIB, GL_KIND_SCANNED);
    fixture_fill(p, MIB, 1);
    void *others[40];
    for (int i = 0; i < 40; i++) {
        others[i] = allocate(MIB, GL_KIND_MALLOC);
    }
    char *q = gl_heap_realloc(p, 5 * MIB, "realloc");
    ck_assert_ptr_ne(p, q);
    ck_assert(fixture_is_filled(q, MIB, 1));
    ck_assert(fixture_is_zero(q + MIB, 4 * MIB));
    gl_object object;
    ck_assert(!gl_heap_find((uintptr_t)p, &object));
    ck_assert_uint_eq(fixture_verify(), 41);
    (void)others;
}
END_TEST

START_TEST(test_shrinks_in_place)
{
    gl_heap_counts before, after;
    char *p = allocate(10 * MIB, GL_KIND_SCANNED);
    fixture_fill(p, 10 * MIB, 1);
    gl_heap_count(&before);
    ck_assert_ptr_eq(gl_heap_realloc(p, MIB, "realloc"), p);
    gl_heap_count(&after);
    ck_assert_uint_eq(before.live_bytes - after.live_bytes, 9 * MIB);
    ck_assert(fixture_is_filled(p, MIB, 1));
    gl_object object;
    ck_assert(!gl_heap_find((uintptr_t)p + 5 * MIB, &object));
    fixture_verify();
    p = gl_heap_realloc(p, 100, "realloc"); /* becomes a small one */
    ck_assert(!fixture_find(p).is_large);
    ck_assert(fixture_is_filled(p, 100, 1));
    ck_assert_uint_eq(fixture_verify(), 1);
}
END_TEST

/* Whatever the way it came to its size, what is added reads as zero. */
START_TEST(test_resizing_at_random)
{
    uint64_t chance = (uint64_t)_i;
    size_t bytes = 30000;
    char *p = allocate(bytes, GL_KIND_SCANNED);
    fixture_fill(p, bytes, 1);
    for (int i = 0; i < 2000; i++) {
        size_t next = fixture_below(&chance, 2) ? bytes + fixture_below(&chance, 5000)
                                                : 22000 + fixture_below(&chance, 700000);
        next -= fixture_below(&chance, 4) ? 0 : fixture_below(&chance, 3000) % (next - 21900);
        p = gl_heap_realloc(p, next, "realloc");
        ck_assert_ptr_nonnull(p);
        ck_assert(fixture_is_filled(p, bytes < next ? bytes : next, 1));
        if (next > bytes) {
            ck_assert_msg(fixture_is_zero(p + bytes, next - bytes),
                          "step %d: from %zu to %zu bytes", i, bytes, next);
        }
        bytes = next;
        fixture_fill(p, bytes, 1);
        if (i % 100 == 0) {
            ck_assert_uint_eq(fixture_verify(), 1);
        }
    }
    ck_assert(gl_heap_free(p, "free"));
    ck_assert_uint_eq(fixture_verify(), 0);
}
END_TEST

/* ---- Moving pages --------------------------------------------------------------------------- */

/* Buffers that grow by turns are in each other's way; small objects come between. */
enum { N_GROWING = 4 };

static const gl_kind growing_kinds[N_GROWING] = {GL_KIND_MALLOC, GL_KIND_SCANNED, GL_KIND_ATOMIC,
                                                 GL_KIND_UNCOLLECTABLE};

static void grow_by_turns(size_t step, size_t end)
{
    char *p[N_GROWING] = {NULL};
    for (int k = 0; k < N_GROWING; k++) {
        p[k] = allocate(30000, growing_kinds[k]);
        fixture_fill(p[k], 30000, (uint64_t)k);
    }
    for (size_t bytes = 30000, next; bytes < end; bytes = next) {
        next = bytes + step;
        for (int k = 0; k < N_GROWING; k++) {
            char *q = gl_heap_realloc(p[k], next, "realloc");
            ck_assert_ptr_nonnull(q);
            p[k] = q;
            ck_assert(fixture_is_filled(q, bytes, (uint64_t)k));
            ck_assert(!gl_kind_is_zeroed(growing_kinds[k]) || fixture_is_zero(q + bytes, step));
            fixture_fill(q, next, (uint64_t)k);
            allocate(20000, GL_KIND_MALLOC);
        }
        fixture_verify();
    }
    for (int k = 0; k < N_GROWING; k++) {
        ck_assert(gl_heap_free(p[k], "free"));
        ck_assert(!gl_large_free((uintptr_t)p[k]));
    }
    fixture_verify();
}

START_TEST(test_moving)
{
    gl_os_inject_move_fault((gl_os_move_fault)_i);
    grow_by_turns(150000, 5 * MIB);
    /* Addresses that were lost are holes, and nothing else. */
    gl_arena_counts counts;
    gl_arena_count(&counts);
    bool may_lose = _i == GL_OS_MOVE_LOSES_SOURCE || _i == GL_OS_MOVE_LOSES_TARGET;
    ck_assert(may_lose || counts.hole_blocks == 1);
    gl_os_inject_move_fault(GL_OS_MOVE_WORKS);
    grow_by_turns(150000, 5 * MIB);
}
END_TEST

START_TEST(test_moving_while_memory_is_refused)
{
    char *p = allocate(MIB, GL_KIND_SCANNED);
    fixture_fill(p, MIB, 1);
    gl_os_inject_commit_failure((uint64_t)_i, false);
    for (size_t bytes = MIB; bytes < 40 * MIB; bytes += 700 * KIB) {
        char *q = gl_heap_realloc(p, bytes, "realloc");
        p = q ? q : p;
        ck_assert(fixture_is_filled(p, MIB, 1));
        (void)gl_heap_alloc(50000, GL_KIND_MALLOC, false);
        fixture_verify();
    }
}
END_TEST

/* 300 MiB by 64 KiB at a time, four times over: a move for each step would copy 1.4 TiB. */
START_TEST(test_growth_is_not_quadratic)
{
    char *p[N_GROWING];
    size_t n_moves = 0, moved_bytes = 0;
    for (int k = 0; k < N_GROWING; k++) {
        p[k] = allocate(64 * KIB, GL_KIND_MALLOC);
    }
    for (size_t bytes = 128 * KIB; bytes <= 300 * (size_t)MIB; bytes += 64 * KIB) {
        for (int k = 0; k < N_GROWING; k++) {
            char *q = gl_heap_realloc(p[k], bytes, "realloc");
            ck_assert_ptr_nonnull(q);
            n_moves += q != p[k];
            moved_bytes += q != p[k] ? bytes : 0;
            p[k] = q;
            q[bytes - 1] = (char)k;
        }
    }
    ck_assert_uint_le(n_moves, N_GROWING * 60);
    ck_assert_uint_le(moved_bytes, 6 * N_GROWING * 300 * (size_t)MIB);
    fixture_verify();
}
END_TEST

/* Each object whose pages were moved is a mapping of its own; when it is gone, so is the mapping. */
START_TEST(test_mappings_of_moved_objects_go)
{
    for (int round = 0; round < 300; round++) {
        char *p = allocate(MIB + (size_t)round * 4096, GL_KIND_MALLOC);
        char *stop = allocate(100 * KIB, GL_KIND_MALLOC);
        memset(p, 1, MIB);
        char *q = gl_heap_realloc(p, 3 * MIB, "realloc");
        ck_assert_ptr_nonnull(q);
        ck_assert(gl_heap_realloc(q, 2 * MIB, "realloc") == q);
        ck_assert(gl_heap_free(q, "free"));
        if (round % 2) {
            ck_assert(gl_heap_free(stop, "free"));
        }
    }
    ck_assert_int_lt(fixture_count_mappings(), 150);
    fixture_verify();
}
END_TEST

/* While its pages are moved there are never two of an object; while it is copied there are. */
START_TEST(test_peak_of_a_move)
{
    char *p = allocate(16 * MIB, GL_KIND_MALLOC);
    allocate(100 * KIB, GL_KIND_MALLOC);
    memset(p, 1, 16 * MIB);
    size_t before = gl_load_relaxed(&gl_heap.in_use_bytes);
    gl_store_relaxed(&gl_heap.peak_bytes, before);
    gl_os_inject_move_fault((gl_os_move_fault)_i);
    char *q = gl_heap_realloc(p, 24 * MIB, "realloc");
    ck_assert(q && q != p);
    size_t after = gl_load_relaxed(&gl_heap.in_use_bytes);
    size_t both = after + (_i == GL_OS_MOVE_WORKS ? 0 : 257 * GL_BLOCK_BYTES);
    ck_assert_uint_eq(gl_load_relaxed(&gl_heap.peak_bytes), both);
    fixture_verify();
}
END_TEST

START_TEST(test_layout_is_kept)
{
    char *p = gl_heap_alloc_typed(MIB, 123);
    gl_object object = fixture_find(p + 5000);
    ck_assert_uint_eq(object.kind, GL_KIND_TYPED);
    ck_assert_uint_eq(gl_heap_layout_of(&object), 123);
    p = gl_heap_realloc(p, 30 * MIB, "realloc");
    object = fixture_find(p);
    ck_assert_uint_eq(gl_heap_layout_of(&object), 123);
    p = gl_heap_realloc(p, 1000, "realloc");
    object = fixture_find(p);
    ck_assert(!object.is_large);
    ck_assert_uint_eq(object.kind, GL_KIND_TYPED);
    ck_assert_uint_eq(gl_heap_layout_of(&object), 123);
}
END_TEST

/* A buffer that comes and goes all the time may stay; a second after the last time it goes back. */
START_TEST(test_large_memory_goes_back)
{
    gl_heap_counts counts;
    for (int i = 0; i < 50; i++) {
        char *p = allocate(200 * MIB, GL_KIND_SCANNED);
        for (size_t at = 0; at < 200 * MIB; at += MIB) {
            p[at] = 1;
        }
        ck_assert(gl_heap_free(p, "free"));
        gl_heap_count(&counts);
        ck_assert_uint_le(counts.free_retained_bytes, i == 0 ? 32 * MIB : 240 * MIB);
    }
    for (int i = 0; i < 8; i++) {
        gl_pages_advance_clock(1000000000);
        gl_pages_poll();
    }
    gl_heap_count(&counts);
    ck_assert_uint_eq(counts.free_retained_bytes, 0);
    ck_assert_uint_eq(counts.live_bytes, 0);
}
END_TEST

static void *free_it(void *p)
{
    return gl_large_free((uintptr_t)p) ? p : NULL;
}

/* Of two threads that free the same object, one succeeds. */
START_TEST(test_two_threads_free_one_object)
{
    for (int i = 0; i < 500; i++) {
        void *p = allocate(70000, GL_KIND_MALLOC), *a, *b;
        pthread_t one, two;
        ck_assert_int_eq(pthread_create(&one, NULL, free_it, p), 0);
        ck_assert_int_eq(pthread_create(&two, NULL, free_it, p), 0);
        pthread_join(one, &a);
        pthread_join(two, &b);
        ck_assert_msg(!a != !b, "freed by %d threads", (a != NULL) + (b != NULL));
    }
    ck_assert_uint_eq(fixture_verify(), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("large");
    tcase_add_checked_fixture(t, fixture_setup, NULL);
    tcase_add_test(t, test_bounds);
    tcase_add_test(t, test_alignment);
    tcase_add_test(t, test_memory_is_zero_after_dirty_reuse);
    tcase_add_test(t, test_grows_in_place);
    tcase_add_test(t, test_moves_if_it_must);
    tcase_add_test(t, test_shrinks_in_place);
    tcase_add_loop_test(t, test_resizing_at_random, 1, 4);
    tcase_add_loop_test(t, test_moving, GL_OS_MOVE_WORKS, GL_OS_MOVE_LOSES_TARGET + 1);
    tcase_add_loop_test(t, test_moving_while_memory_is_refused, 1, 8);
    tcase_add_test(t, test_growth_is_not_quadratic);
    tcase_add_test(t, test_mappings_of_moved_objects_go);
    tcase_add_loop_test(t, test_peak_of_a_move, GL_OS_MOVE_WORKS, GL_OS_MOVE_IS_REFUSED + 1);
    tcase_add_test(t, test_layout_is_kept);
    tcase_add_test(t, test_large_memory_goes_back);
    tcase_add_test(t, test_two_threads_free_one_object);
    return fixture_run(t);
}
