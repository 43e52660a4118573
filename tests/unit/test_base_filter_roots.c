/* SPDX-License-Identifier: MIT */
/* Each implementation of the filter for roots against the definition, on random words. */
#include "base/filter_roots.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum { WORDS = 301, ROUNDS = 3000 };

static uintptr_t rotate_right(uintptr_t word, unsigned by)
{
    return by ? word >> by | word << (64 - by) : word;
}

static uintptr_t mangle(uintptr_t word, const gl_roots_range *r)
{
    return rotate_right(word ^ r->key, (64 - r->rotation) % 64);
}

/* In the range, at its ends, and just beyond them; as they are, and mangled; and anything else. */
static void fill(uintptr_t *words, const gl_roots_range *r)
{
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t sort = unit_random() % 16;
        uintptr_t at = sort == 0   ? r->base
                       : sort == 1 ? r->base - 1
                       : sort == 2 ? r->base + r->size
                       : sort == 3 ? r->base + r->size + 1
                       : sort < 6  ? r->base + unit_random() % (r->size + 1)
                                   : unit_random();
        words[i] = unit_random() % 2 ? mangle(at, r) : at;
    }
}

static bool is_candidate(uintptr_t word, const gl_roots_range *r)
{
    return word - r->base <= r->size ||
           (rotate_right(word, r->rotation) ^ r->key) - r->base <= r->size;
}

static uint32_t filter_by_definition(const uintptr_t *words, size_t n, const gl_roots_range *r,
                                     uintptr_t *out)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_candidate(words[i], r)) {
            out[found++] = words[i];
        }
    }
    return found;
}

START_TEST(every_implementation_agrees_with_the_definition)
{
    static uintptr_t words[WORDS], out[WORDS + GL_FILTER_ROOTS_SLACK], expected[WORDS];
    if (!gl_simd_is_supported((gl_simd)_i)) {
        return; /* not on this processor */
    }
    gl_filter_roots *filter = gl_filter_roots_for((gl_simd)_i);
    uint64_t n_found = 0;
    for (int round = 0; round < ROUNDS; round++) {
        gl_roots_range r = {.base = (uintptr_t)unit_random() >> 17 << 16,
                            .size = (uintptr_t)unit_random() >> 30};
        if (round % 4) {
            r.rotation = round % 3 ? 17 : (unsigned)(unit_random() % 64);
            r.key = unit_random();
        }
        fill(words, &r);
        size_t start = unit_random() % 8, n = unit_random() % (WORDS - start + 1);
        uint32_t wanted = filter_by_definition(words + start, n, &r, expected);
        ck_assert_uint_eq(filter(words + start, n, &r, out), wanted);
        ck_assert_mem_eq(out, expected, wanted * sizeof *out);
        n_found += wanted;
    }
    ck_assert_uint_gt(n_found, ROUNDS);
}
END_TEST

/* In any order: both sorted. */
static int compare_words(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t filter_dense_by_definition(const uintptr_t *words, size_t n, bool has_before,
                                           const gl_roots_range *r, uintptr_t *out)
{
    uint32_t found = filter_by_definition(words, n, r, out);
    for (size_t i = has_before ? 0 : 1; i < n; i++) {
        uintptr_t between;
        memcpy(&between, (const char *)(words + i) - sizeof between / 2, sizeof between);
        if (between - r->base <= r->size) {
            out[found++] = between;
        }
    }
    return found;
}

/* Puts some pointers into the range between two words. */
static void fill_between(uintptr_t *words, const gl_roots_range *r)
{
    for (size_t i = 1; i < WORDS; i += 1 + unit_random() % 9) {
        uintptr_t pointer = r->base + unit_random() % (r->size + 2);
        memcpy((char *)(words + i) - sizeof pointer / 2, &pointer, sizeof pointer);
    }
}

START_TEST(the_dense_one_finds_words_between)
{
    static uintptr_t words[WORDS], out[2 * WORDS + GL_FILTER_ROOTS_SLACK], expected[2 * WORDS];
    gl_filter_dense *filter =
        gl_simd_is_supported((gl_simd)_i) ? gl_filter_dense_for((gl_simd)_i) : NULL;
    if (!filter) {
        return; /* none for these instructions */
    }
    uint64_t n_found = 0;
    for (int round = 0; round < ROUNDS; round++) {
        gl_roots_range r = {.base = (uintptr_t)unit_random() >> 17 << 16,
                            .size = (uintptr_t)unit_random() >> (round % 2 ? 30 : 44)};
        if (round % 4) {
            r.rotation = 17;
            r.key = unit_random();
        }
        fill(words, &r);
        fill_between(words, &r);
        size_t start = 1 + unit_random() % 8, n = 1 + unit_random() % (WORDS - start);
        bool has_before = round % 3 == 0;
        uint32_t wanted = filter_dense_by_definition(words + start, n, has_before, &r, expected);
        ck_assert_uint_eq(filter(words + start, n, has_before, &r, out), wanted);
        qsort(out, wanted, sizeof *out, compare_words);
        qsort(expected, wanted, sizeof *expected, compare_words);
        ck_assert_mem_eq(out, expected, wanted * sizeof *out);
        n_found += wanted;
    }
    ck_assert_uint_gt(n_found, ROUNDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/filter_roots");
    TCase *tests = unit_case(suite, "filter_roots", 20);
    tcase_add_loop_test(tests, every_implementation_agrees_with_the_definition, GL_SIMD_PORTABLE,
                        GL_SIMD_AVX512 + 1);
    tcase_add_loop_test(tests, the_dense_one_finds_words_between, GL_SIMD_PORTABLE,
                        GL_SIMD_AVX512 + 1);
    return unit_run(suite);
}
