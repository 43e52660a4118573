/* SPDX-License-Identifier: MIT */
/* Each implementation of the filter against the definition, on random lines. */
#include "base/filter.h"

#include <string.h>

#include "base/knobs.h"
#include "unit.h"

enum { LINES = 64, ROUNDS = 400 };

static _Alignas(64) uintptr_t memory[LINES * 8];

/* About half of the words inside [base, base + size), some of them at its very ends. */
static void fill_memory(uintptr_t base, uintptr_t size)
{
    for (size_t i = 0; i < LINES * 8; i++) {
        uint64_t r = unit_random();
        memory[i] = r & 1 ? base + (r >> 1) % size : r;
        if (r % 37 == 0) {
            memory[i] = base - (r & 64 ? 1 : 0);
        } else if (r % 41 == 0) {
            memory[i] = base + size - (r & 64 ? 1 : 0);
        }
    }
}

/* Now and then all are of one length, 2 or 4 words, and aligned: the shapes that have a path of their
 * own. */
static uint32_t make_spans(uint64_t *spans)
{
    uint64_t shape = unit_random() % 4;
    for (uint32_t i = 0; i < LINES; i++) {
        uint64_t first = unit_random() % 8;
        uint64_t count = 1 + unit_random() % (8 - first);
        if (shape > 1) {
            count = shape == 2 ? 2 : 4;
            first = first / count * count;
        }
        uint64_t line = unit_random() % LINES;
        spans[i] = (uintptr_t)&memory[line * 8 + first] | count << GL_SPAN_COUNT_SHIFT;
    }
    return (uint32_t)(unit_random() % (LINES + 1));
}

static uint32_t filter_by_definition(const uint64_t *spans, uint32_t n, uintptr_t base,
                                     uintptr_t size, uint64_t *out)
{
    uint32_t n_out = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uintptr_t *word = (const uintptr_t *)(spans[i] & GL_SPAN_ADDRESS_MASK);
        for (uint64_t k = spans[i] >> GL_SPAN_COUNT_SHIFT; k-- > 0;) {
            if (word[k] - base < size) {
                out[n_out++] = word[k] - base;
            }
        }
    }
    return n_out;
}

static bool agrees(gl_filter *filter)
{
    static uint64_t spans[LINES], next[LINES], expected[LINES * 8];
    static uint64_t out[LINES * 8 + GL_FILTER_SLACK];
    for (int round = 0; round < ROUNDS; round++) {
        uintptr_t base = (uintptr_t)(unit_random() >> 20), size = 1 + (uintptr_t)(unit_random() >> 24);
        fill_memory(base, size);
        gl_filter_spans these = {spans, make_spans(spans)}, then = {next, make_spans(next)};
        uint32_t n_expected = filter_by_definition(spans, these.n, base, size, expected);
        uint32_t n = filter(these, then, base, size, out);
        if (n != n_expected || memcmp(out, expected, n * sizeof *out) != 0) {
            return false;
        }
    }
    return true;
}

START_TEST(every_implementation_agrees_with_the_definition)
{
    for (gl_simd simd = GL_SIMD_PORTABLE; simd <= GL_SIMD_AVX512; simd++) {
        if (gl_simd_is_supported(simd)) {
            ck_assert(agrees(gl_filter_for(simd)));
        }
    }
}
END_TEST

static uint32_t filter_that_drops_one(gl_filter_spans spans, gl_filter_spans next, uintptr_t base,
                                      uintptr_t size, uint64_t *out)
{
    uint32_t n = gl_filter_for(GL_SIMD_PORTABLE)(spans, next, base, size, out);
    return n ? n - 1 : 0;
}

/* The comparison can fail. */
START_TEST(a_filter_that_drops_a_word_is_seen)
{
    ck_assert(!agrees(filter_that_drops_one));
}
END_TEST

START_TEST(the_option_sets_a_bound)
{
    gl_options.simd = GL_SIMD_PORTABLE;
    ck_assert_int_eq(gl_simd_select(), GL_SIMD_PORTABLE);
    gl_options.simd = GL_SIMD_AVX2;
    ck_assert_int_le(gl_simd_select(), GL_SIMD_AVX2);
    gl_options.simd = 0;
    ck_assert(gl_simd_is_supported(gl_simd_select()));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/filter");
    TCase *tests = unit_case(suite, "filter", 20);
    tcase_add_test(tests, every_implementation_agrees_with_the_definition);
    tcase_add_test(tests, a_filter_that_drops_a_word_is_seen);
    tcase_add_test(tests, the_option_sets_a_bound);
    return unit_run(suite);
}
