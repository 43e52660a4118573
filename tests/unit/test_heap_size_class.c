/* SPDX-License-Identifier: MIT */
/* Size classes: every request finds room and slack, little is wasted, object numbers are exact. */
#include <stdlib.h>

#include "heap/alloc.h"
#include "heap/size_class.h"
#include "heap_fixture.h"

enum { KIB = 1024, LAST_REQUEST = 64 * KIB };

START_TEST(test_every_request_fits)
{
    for (size_t bytes = 0; bytes <= GL_SMALL_MAX; bytes++) {
        uint32_t c = gl_size_class(bytes);
        size_t need = bytes + (bytes > GL_SLACK_ABOVE);
        ck_assert_uint_ge(c, 1);
        ck_assert_uint_le(c, gl_n_size_classes);
        ck_assert_uint_ge(gl_classes[c].bytes, need);
        ck_assert_msg(c == 1 || gl_classes[c - 1].bytes < need, "%zu could have less", bytes);
        ck_assert_uint_eq(gl_heap_good_size(bytes), gl_classes[c].bytes);
    }
    for (size_t bytes = GL_SMALL_MAX + 1; bytes <= LAST_REQUEST; bytes++) {
        ck_assert_uint_ge(gl_heap_good_size(bytes), bytes);
    }
    ck_assert_msg(gl_classes[gl_n_size_classes].bytes == GL_SMALL_MAX + 1,
                  "GL_SMALL_MAX is not the largest request");
}
END_TEST

static uint32_t malloc_class(size_t bytes)
{
    return gl_bin_class(gl_request_bin(bytes, GL_KIND_MALLOC));
}

/* Coarse classes fit too, waste at most half and a granule or so, and give way to the fine ones. */
START_TEST(test_coarse_classes)
{
    uint32_t n_before = 0, n_after = 0;
    for (size_t bytes = 0, last = 0; bytes <= GL_SMALL_MAX; bytes++) {
        uint32_t c = malloc_class(bytes);
        ck_assert_uint_ge(gl_classes[c].bytes, bytes + (bytes > GL_SLACK_ABOVE));
        ck_assert_uint_le(gl_classes[c].bytes, 2 * bytes + 32);
        ck_assert_uint_eq(gl_request_bin(bytes, GL_KIND_SCANNED),
                          gl_bin_of(GL_KIND_SCANNED, gl_size_class(bytes)));
        n_before += c != last;
        last = c;
    }
    gl_size_class_refine(malloc_class(60));
    ck_assert_uint_eq(malloc_class(40), gl_size_class(40));
    ck_assert_uint_eq(malloc_class(60), gl_size_class(60));
    ck_assert_uint_eq(malloc_class(70), gl_size_class(128)); /* the others stay as they are */
    ck_assert_uint_eq(malloc_class(10), gl_size_class(32));
    for (uint32_t c = 1; c <= gl_n_size_classes; c++) {
        gl_size_class_refine(c);
    }
    for (size_t bytes = 0, last = 0; bytes <= GL_SMALL_MAX; bytes++) {
        ck_assert_uint_eq(malloc_class(bytes), gl_size_class(bytes));
        n_after += malloc_class(bytes) != last;
        last = malloc_class(bytes);
    }
    ck_assert_uint_lt(n_before + 30, n_after);
    gl_size_class_init();
    ck_assert_uint_ne(malloc_class(70), gl_size_class(70));
}
END_TEST

START_TEST(test_small_requests_do_not_grow)
{
    for (size_t bytes = 16; bytes <= GL_SLACK_ABOVE; bytes += 16) {
        ck_assert_uint_eq(gl_heap_good_size(bytes), bytes);
    }
}
END_TEST

START_TEST(test_classes_are_consistent)
{
    for (uint32_t c = 1; c <= gl_n_size_classes; c++) {
        const gl_class_info *info = &gl_classes[c];
        ck_assert_uint_gt(info->bytes, gl_classes[c - 1].bytes);
        ck_assert_uint_eq(info->bytes % GL_GRANULE_BYTES, 0);
        ck_assert_uint_eq(info->granules, info->bytes / GL_GRANULE_BYTES);
        ck_assert_uint_eq(info->n_objects, GL_BLOCK_BYTES / info->bytes);
        ck_assert_uint_ge(info->magazine, 1);
        ck_assert_uint_ge(info->batch, 1);
        ck_assert_uint_le(info->batch, info->magazine);
    }
    ck_assert_uint_lt(gl_n_size_classes, GL_N_CLASSES);
}
END_TEST

START_TEST(test_object_numbers_are_exact)
{
    for (uint32_t c = 1; c <= gl_n_size_classes; c++) {
        gl_desc desc = {gl_classes[c].reciprocal, gl_classes[c].granules, 0};
        for (uint32_t offset = 0; offset < GL_BLOCK_BYTES; offset++) {
            uint32_t number = gl_object_number(desc, offset);
            if (number != offset / gl_classes[c].bytes) {
                ck_abort_msg("size %u, offset %u: %u", gl_classes[c].bytes, offset, number);
            }
        }
    }
}
END_TEST

/* Above 128 bytes: an eighth at most, and a quarter where only a few objects fit in a block. */
START_TEST(test_waste_is_bounded)
{
    for (size_t bytes = 1; bytes <= GL_SMALL_MAX; bytes++) {
        size_t waste = gl_heap_good_size(bytes) - bytes;
        size_t limit = gl_heap_good_size(bytes) / (bytes <= 8 * KIB ? 8 : 4);
        ck_assert_msg(waste <= (limit > 16 ? limit : 16), "%zu wastes %zu", bytes, waste);
    }
    for (uint32_t c = 1; c <= gl_n_size_classes; c++) {
        uint32_t tail = GL_BLOCK_BYTES - gl_classes[c].n_objects * gl_classes[c].bytes;
        ck_assert_msg(tail <= GL_BLOCK_BYTES / 50, "size %u: a tail of %u", gl_classes[c].bytes,
                      tail);
    }
}
END_TEST

START_TEST(test_aligned_requests)
{
    for (size_t alignment = 16; alignment <= 32 * KIB; alignment *= 2) {
        for (size_t bytes = 0; bytes <= GL_SMALL_MAX; bytes += 7) {
            uint32_t c = gl_size_class_aligned(alignment, bytes);
            if (c != 0) {
                ck_assert_uint_ge(gl_classes[c].bytes, bytes);
                ck_assert_uint_eq(gl_classes[c].bytes % alignment, 0);
            } else {
                ck_assert_msg(bytes > 16 * KIB || alignment > 16 * KIB,
                              "no class for %zu aligned to %zu", bytes, alignment);
            }
        }
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("size_class");
    tcase_add_unchecked_fixture(t, gl_size_class_init, NULL);
    tcase_add_test(t, test_every_request_fits);
    tcase_add_test(t, test_coarse_classes);
    tcase_add_test(t, test_small_requests_do_not_grow);
    tcase_add_test(t, test_classes_are_consistent);
    tcase_add_test(t, test_object_numbers_are_exact);
    tcase_add_test(t, test_waste_is_bounded);
    tcase_add_test(t, test_aligned_requests);
    return fixture_run(t);
}
