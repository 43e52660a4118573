/* SPDX-License-Identifier: MIT */
/* The histogram of pauses: percentiles within 12.5% of those of the sorted list. */
#include <stdlib.h>

#include "collect/pauses.h"
#include "heap_fixture.h"

enum { N_SAMPLES = 10000 };

static gl_pauses pauses;
static uint64_t samples[N_SAMPLES];

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

START_TEST(test_empty)
{
    ck_assert_uint_eq(gl_pauses_percentile(&pauses, 50), 0);
    ck_assert_uint_eq(gl_pauses_percentile(&pauses, 100), 0);
}
END_TEST

START_TEST(test_one_sample)
{
    static const uint64_t values[] = {0, 1, 7, 8, 9, 1000, 123456789, UINT64_MAX / 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        gl_pauses one = {0, 0, 0, {0}};
        gl_pauses_add(&one, values[i]);
        ck_assert_uint_eq(gl_pauses_percentile(&one, 1), values[i]);
        ck_assert_uint_eq(gl_pauses_percentile(&one, 50), values[i]);
        ck_assert_uint_eq(gl_pauses_percentile(&one, 100), values[i]);
        ck_assert_uint_eq(one.max_ns, values[i]);
    }
}
END_TEST

/* Samples of every magnitude. */
START_TEST(test_percentiles)
{
    uint64_t chance = (uint64_t)_i, total = 0;
    for (int i = 0; i < N_SAMPLES; i++) {
        samples[i] = fixture_random(&chance) >> (20 + fixture_below(&chance, 40));
        gl_pauses_add(&pauses, samples[i]);
        total += samples[i];
    }
    qsort(samples, N_SAMPLES, sizeof samples[0], compare);
    ck_assert_uint_eq(pauses.count, N_SAMPLES);
    ck_assert_uint_eq(pauses.total_ns, total);
    ck_assert_uint_eq(pauses.max_ns, samples[N_SAMPLES - 1]);
    for (unsigned percent = 1; percent <= 100; percent++) {
        uint64_t exact = samples[N_SAMPLES * percent / 100 - 1];
        uint64_t found = gl_pauses_percentile(&pauses, percent);
        ck_assert_msg(found >= exact && found <= exact + exact / 8 + 1,
                      "percentile %u: %lu instead of %lu", percent, (unsigned long)found,
                      (unsigned long)exact);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pauses");
    tcase_add_test(t, test_empty);
    tcase_add_test(t, test_one_sample);
    tcase_add_loop_test(t, test_percentiles, 1, 5);
    return fixture_run(t);
}
