/* SPDX-License-Identifier: MIT */
/*
 * Allocation and free, through bins and caches: random sequences against a model that knows every
 * object's kind, size and content; threads that come, pass objects on, and go; the bypass mode.
 */
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "heap/alloc.h"
#include "heap/bin.h"
#include "heap/cache.h"
#include "heap_fixture.h"

enum { N_OBJECTS = 2000, N_STEPS = 40000, MAX_REQUEST = 300000, N_THREADS = 8 };

typedef struct entry {
    unsigned char *p;
    size_t bytes; /* as requested */
    gl_kind kind;
    uint32_t layout; /* typed */
    uint64_t key;
} entry;

typedef struct model {
    entry *entries;
    size_t n;
    uint64_t chance;
    uint64_t next_key;
} model;

static entry main_entries[N_OBJECTS];

/* ---- The model ------------------------------------------------------------------------------ */

static void check_entry(const entry *e)
{
    ck_assert_msg(fixture_is_filled(e->p, e->bytes, e->key), "an object of %zu bytes has changed",
                  e->bytes);
    gl_object object = fixture_find(e->p);
    ck_assert_uint_eq(object.start, (uintptr_t)e->p);
    ck_assert_uint_ge(object.bytes, e->bytes);
    ck_assert_uint_eq(object.kind, e->kind);
    if (e->kind == GL_KIND_TYPED) {
        ck_assert_uint_eq(gl_heap_layout_of(&object), e->layout);
    }
}

static void allocate(model *m, entry *e)
{
    size_t alignment = 16;
    e->bytes = fixture_random_size(&m->chance, MAX_REQUEST);
    e->kind = (gl_kind)(1 + fixture_below(&m->chance, GL_N_KINDS - 1));
    e->key = m->next_key++;
    if (e->kind == GL_KIND_TYPED) {
        e->layout = 1 + (uint32_t)fixture_below(&m->chance, 1000);
        e->p = gl_heap_alloc_typed(e->bytes, e->layout);
    } else if (fixture_below(&m->chance, 8) == 0) {
        alignment = (size_t)1 << fixture_below(&m->chance, 19);
        e->p = gl_heap_alloc_aligned(alignment, e->bytes, e->kind);
    } else {
        e->p = gl_heap_alloc(e->bytes, e->kind, false);
    }
    ck_assert_ptr_nonnull(e->p);
    ck_assert_uint_eq((uintptr_t)e->p % (alignment > 16 ? alignment : 16), 0);
    if (gl_kind_is_zeroed(e->kind)) {
        ck_assert_msg(fixture_is_zero(e->p, fixture_find(e->p).bytes), "%zu bytes: not zero",
                      e->bytes);
    }
    fixture_fill(e->p, e->bytes, e->key);
}

static void resize(model *m, entry *e)
{
    size_t bytes = fixture_below(&m->chance, 3)
                       ? e->bytes / 2 + fixture_below(&m->chance, e->bytes + 2)
                       : fixture_random_size(&m->chance, MAX_REQUEST);
    size_t kept = bytes < e->bytes ? bytes : e->bytes;
    unsigned char *p = gl_heap_realloc(e->p, bytes, "realloc");
    ck_assert_ptr_nonnull(p);
    ck_assert(fixture_is_filled(p, kept, e->key));
    if (gl_kind_is_zeroed(e->kind) && bytes > e->bytes) {
        ck_assert_msg(fixture_is_zero(p + e->bytes, bytes - e->bytes),
                      "grown from %zu to %zu bytes: not zero", e->bytes, bytes);
    }
    e->p = p;
    e->bytes = bytes;
    fixture_fill(p, bytes, e->key);
}

static void release(entry *e)
{
    check_entry(e);
    ck_assert(gl_heap_free(e->p, "free"));
    e->p = NULL;
}

static void step(model *m)
{
    entry *e = &m->entries[fixture_below(&m->chance, m->n)];
    if (!e->p) {
        allocate(m, e);
    } else if (fixture_below(&m->chance, 4) == 0) {
        resize(m, e);
    } else {
        release(e);
    }
}

/* What the counters must say. */
static void check_counts(const model *m)
{
    gl_heap_counts counts;
    uint64_t n = 0, bytes = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (m->entries[i].p) {
            gl_object object = fixture_find(m->entries[i].p);
            bytes += object.is_large
                         ? (uint64_t)gl_heap.blocks[object.block].run_blocks << GL_BLOCK_SHIFT
                         : object.bytes;
            n++;
        }
    }
    gl_heap_count(&counts);
    ck_assert_uint_eq(counts.live_objects, n);
    ck_assert_uint_eq(counts.live_bytes, bytes);
    ck_assert_uint_ge(counts.heap_bytes, bytes);
    ck_assert_uint_eq(fixture_verify(), n);
}

static void run_model(model *m, size_t n_steps)
{
    for (size_t i = 0; i < n_steps; i++) {
        step(m);
        if (i % 4000 == 0) {
            check_counts(m);
        }
    }
    check_counts(m);
    for (size_t i = 0; i < m->n; i++) {
        if (m->entries[i].p) {
            release(&m->entries[i]);
        }
    }
    check_counts(m);
}

/* ---- One thread ----------------------------------------------------------------------------- */

START_TEST(test_random_sequences)
{
    fixture_start(NULL);
    model m = {main_entries, N_OBJECTS, (uint64_t)_i, 1};
    run_model(&m, N_STEPS);
}
END_TEST

/* Many objects of few sizes: depots and block bitmaps are used, blocks come and go. */
START_TEST(test_bulk)
{
    static void *objects[100000];
    fixture_start(NULL);
    uint64_t chance = 3;
    for (int round = 0; round < 4; round++) {
        size_t bytes = (size_t)16 << (2 * round);
        size_t n = sizeof objects / sizeof objects[0] >> round;
        for (size_t i = 0; i < n; i++) {
            objects[i] = gl_heap_alloc(bytes, GL_KIND_MALLOC, false);
            *(size_t *)objects[i] = i;
        }
        ck_assert_uint_eq(fixture_verify(), n);
        for (size_t i = n; i > 1; i--) {
            size_t j = fixture_below(&chance, i);
            void *swap = objects[i - 1];
            objects[i - 1] = objects[j];
            objects[j] = swap;
        }
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            sum += *(size_t *)objects[i];
            ck_assert(gl_heap_free(objects[i], "free"));
        }
        ck_assert_uint_eq(sum, (uint64_t)n * (n - 1) / 2);
        ck_assert_uint_eq(fixture_verify(), 0);
    }
    gl_heap_release_os_memory();
    gl_heap_counts counts;
    gl_heap_count(&counts);
    ck_assert_uint_eq(counts.free_retained_bytes, 0);
    ck_assert_uint_le(counts.heap_bytes, 10 * GL_BLOCK_BYTES);
}
END_TEST

START_TEST(test_zero_size)
{
    fixture_start(NULL);
    for (int kind = 1; kind < GL_N_KINDS; kind++) {
        void *a = gl_heap_alloc(0, (gl_kind)kind, false);
        void *b = gl_heap_alloc(0, (gl_kind)kind, false);
        ck_assert_ptr_nonnull(a);
        ck_assert_ptr_ne(a, b);
        a = gl_heap_realloc(a, 0, "realloc");
        ck_assert_ptr_nonnull(a);
        ck_assert(gl_heap_free(a, "free") && gl_heap_free(b, "free"));
    }
}
END_TEST

START_TEST(test_too_large)
{
    fixture_start(NULL);
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 65536, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1,
                                   (size_t)1 << 46};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ck_assert_ptr_null(gl_heap_alloc(sizes[i], GL_KIND_SCANNED, false));
        ck_assert_ptr_null(gl_heap_alloc_aligned(4096, sizes[i], GL_KIND_MALLOC));
        ck_assert_ptr_null(gl_heap_alloc_aligned((size_t)1 << 62, 16, GL_KIND_MALLOC));
        void *p = gl_heap_alloc(100, GL_KIND_SCANNED, false);
        fixture_fill(p, 100, i);
        ck_assert_ptr_null(gl_heap_realloc(p, sizes[i], "realloc"));
        ck_assert(fixture_is_filled(p, 100, i));
    }
    fixture_verify();
}
END_TEST

/* A size that is resized to its usable bytes keeps its slack: one past the end is inside. */
START_TEST(test_realloc_keeps_slack)
{
    fixture_start(NULL);
    for (size_t bytes = GL_SLACK_ABOVE + 1; bytes < 30000; bytes += 37) {
        char *p = gl_heap_alloc(bytes, GL_KIND_SCANNED, false);
        size_t usable = fixture_find(p).bytes;
        p = gl_heap_realloc(p, usable, "realloc");
        gl_object object;
        ck_assert(gl_heap_find((uintptr_t)p + usable, &object) && object.start == (uintptr_t)p);
    }
}
END_TEST

/* ---- Threads -------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static entry handed_over[N_THREADS][500];

/* Works alone, then fills a table that the next thread empties. */
static void *worker(void *arg)
{
    size_t self = (size_t)arg;
    static entry entries[N_THREADS][400];
    model m = {entries[self], 400, 100 + self, self << 32};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4000; i++) {
            step(&m);
        }
        for (int i = 0; i < 500; i++) {
            allocate(&m, &handed_over[self][i]);
        }
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < 500; i++) {
            release(&handed_over[(self + 1) % N_THREADS][i]);
        }
        pthread_barrier_wait(&barrier);
    }
    for (size_t i = 0; i < m.n; i++) {
        if (entries[self][i].p) {
            release(&entries[self][i]);
        }
    }
    return NULL;
}

static void count_slots(uint32_t bin, const gl_magazine *magazine, void *n)
{
    (void)bin;
    *(size_t *)n += magazine->count;
}

START_TEST(test_threads)
{
    fixture_start(_i == 0 ? NULL : "clobber=1");
    pthread_t threads[N_THREADS];
    pthread_barrier_init(&barrier, NULL, N_THREADS);
    for (size_t i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, worker, (void *)i), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    size_t n_cached = 0;
    gl_cache_each_magazine(count_slots, &n_cached);
    ck_assert_uint_eq(n_cached, 0); /* this thread has allocated nothing */
    ck_assert_uint_eq(gl_cache_count_caches(), 0);
    ck_assert_uint_eq(fixture_verify(), 0);
    gl_heap_release_os_memory();
    gl_heap_counts counts;
    gl_heap_count(&counts);
    ck_assert_uint_eq(counts.live_objects, 0);
    ck_assert_uint_eq(counts.free_retained_bytes, 0);
}
END_TEST

static void *short_life(void *arg)
{
    void **slot = arg;
    for (int i = 0; i < 300; i++) {
        void *p = gl_heap_alloc(48, GL_KIND_MALLOC, false);
        ck_assert(gl_heap_free(p, "free"));
    }
    *slot = gl_heap_alloc(48, GL_KIND_MALLOC, false);
    return NULL;
}

/* Caches and their slots are used again: thousands of threads take no more than a few. */
START_TEST(test_many_short_threads)
{
    enum { THREADS = 3000 };
    static void *left[THREADS];
    size_t meta_after_first = 0;
    fixture_start(NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, short_life, &left[i]), 0);
        pthread_join(thread, NULL);
        gl_heap_counts counts;
        gl_heap_count(&counts);
        meta_after_first = i == 0 ? counts.metadata_bytes : meta_after_first;
        ck_assert_uint_le(counts.metadata_bytes, meta_after_first + (1u << 20));
    }
    ck_assert_uint_eq(fixture_verify(), THREADS);
    gl_heap_counts counts;
    gl_heap_count(&counts);
    ck_assert_uint_eq(counts.live_objects, THREADS);
    ck_assert_uint_le(counts.heap_bytes, THREADS * 48 + 4 * GL_BLOCK_BYTES);
}
END_TEST

START_TEST(test_detach_gives_slots_back)
{
    fixture_start(NULL);
    void *p = gl_heap_alloc(64, GL_KIND_MALLOC, false);
    size_t n_cached = 0;
    gl_cache_each_magazine(count_slots, &n_cached);
    ck_assert_uint_gt(n_cached, 0);
    gl_heap_thread_detach();
    n_cached = 0;
    gl_cache_each_magazine(count_slots, &n_cached);
    ck_assert_uint_eq(n_cached, 0);
    ck_assert_uint_eq(gl_cache_count_caches(), 0);
    ck_assert_uint_eq(fixture_verify(), 1);
    ck_assert(gl_heap_free(p, "free")); /* comes back with the next call */
    ck_assert_uint_eq(gl_cache_count_caches(), 1);
    ck_assert_uint_eq(fixture_verify(), 0);
}
END_TEST

/* ---- Bypass --------------------------------------------------------------------------------- */

START_TEST(test_bypass)
{
    fixture_start("clobber=1");
    model m = {main_entries, N_OBJECTS, 77, 1};
    run_model(&m, N_STEPS / 2);
    size_t n_cached = 0;
    gl_cache_each_magazine(count_slots, &n_cached);
    ck_assert_uint_eq(n_cached, 0);
}
END_TEST

START_TEST(test_freed_memory_is_clobbered)
{
    fixture_start("clobber=1");
    unsigned char *neighbour = gl_heap_alloc(64, GL_KIND_MALLOC, false); /* keeps the block */
    unsigned char *volatile p = gl_heap_alloc(64, GL_KIND_MALLOC, false);
    fixture_fill(p, 64, 1);
    ck_assert(gl_heap_free(p, "free"));
    for (int i = 0; i < 64; i++) {
        ck_assert_uint_eq(p[i], 0xdb);
    }
    ck_assert(gl_heap_free(neighbour, "free"));
}
END_TEST

/* A magazine begins small, and grows up to that of its class when it overflows; no slot gets lost. */
START_TEST(test_magazines_grow)
{
    enum { N = 5000, BYTES = 48 };
    static void *objects[N];
    fixture_start(NULL);
    uint32_t bin = gl_bin_of(GL_KIND_SCANNED, gl_size_class(BYTES));
    const gl_magazine *m = NULL;
    for (int i = 0; i < N; i++) {
        objects[i] = gl_heap_alloc(BYTES, GL_KIND_SCANNED, true);
        ck_assert_ptr_nonnull(objects[i]);
        m = &gl_self->magazines[bin];
        ck_assert_uint_le(m->count, m->capacity);
        if (i == 0) {
            ck_assert_uint_lt(m->capacity, 16);
        }
    }
    for (int i = 0; i < N; i++) {
        ck_assert(gl_heap_free(objects[i], "free"));
        ck_assert_uint_le(m->count, m->capacity);
    }
    ck_assert_uint_eq(m->capacity, gl_classes[gl_size_class(BYTES)].magazine);
    fixture_verify();
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("alloc");
    tcase_add_loop_test(t, test_random_sequences, 1, 4);
    tcase_add_test(t, test_bulk);
    tcase_add_test(t, test_zero_size);
    tcase_add_test(t, test_too_large);
    tcase_add_test(t, test_realloc_keeps_slack);
    tcase_add_loop_test(t, test_threads, 0, 2);
    tcase_add_test(t, test_many_short_threads);
    tcase_add_test(t, test_detach_gives_slots_back);
    tcase_add_test(t, test_magazines_grow);
    tcase_add_test(t, test_bypass);
    tcase_add_test(t, test_freed_memory_is_clobbered);
    return fixture_run(t);
}
