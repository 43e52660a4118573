/* SPDX-License-Identifier: MIT */
/* base/fmt.h: what a line looks like, what happens when it is too long, and how it is written. */
#include "base/fmt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/panic.h"
#include "unit.h"

START_TEST(numbers_in_decimal)
{
    gl_fmt f;
    gl_fmt_init(&f);
    gl_fmt_dec(&f, 0);
    gl_fmt_str(&f, " ");
    gl_fmt_dec(&f, 1234567890);
    gl_fmt_str(&f, " ");
    gl_fmt_dec(&f, UINT64_MAX);
    ck_assert_str_eq(f.text, "0 1234567890 18446744073709551615");
    ck_assert_uint_eq(f.length, strlen(f.text));
}
END_TEST

START_TEST(addresses_in_hexadecimal)
{
    gl_fmt f;
    gl_fmt_init(&f);
    gl_fmt_hex(&f, 0);
    gl_fmt_str(&f, " ");
    gl_fmt_hex(&f, 0xdeadbeef);
    gl_fmt_str(&f, " ");
    gl_fmt_hex(&f, UINTPTR_MAX);
    ck_assert_str_eq(f.text, "0x0 0xdeadbeef 0xffffffffffffffff");
}
END_TEST

START_TEST(fixed_point)
{
    static const struct {
        uint64_t v;
        unsigned decimals;
        const char *text;
    } cases[] = {{1234, 3, "1.234"}, {4, 3, "0.004"},      {0, 2, "0.00"},
                 {1000, 3, "1.000"}, {77, 0, "77"},        {0, 0, "0"},
                 {5, 40, "0.0000000000000000005"},         {UINT64_MAX, 1, "1844674407370955161.5"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gl_fmt f;
        gl_fmt_init(&f);
        gl_fmt_fixed(&f, cases[i].v, cases[i].decimals);
        ck_assert_str_eq(f.text, cases[i].text);
    }
}
END_TEST

START_TEST(sizes_with_units)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1024 * 1024 - 1, "1023.9 KiB"},
                 {12897485, "12.3 MiB"},
                 {UINT64_C(5) << 30, "5.0 GiB"},
                 {UINT64_C(3) << 40, "3.0 TiB"},
                 {UINT64_C(7) << 50, "7.0 PiB"},
                 {UINT64_MAX, "15.9 EiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gl_fmt f;
        gl_fmt_init(&f);
        gl_fmt_bytes(&f, cases[i].bytes);
        ck_assert_str_eq(f.text, cases[i].text);
    }
}
END_TEST

START_TEST(no_string_is_named)
{
    gl_fmt f;
    gl_fmt_init(&f);
    gl_fmt_str(&f, NULL);
    ck_assert_str_eq(f.text, "(null)");
}
END_TEST

START_TEST(long_line_is_cut_and_keeps_its_newline)
{
    gl_fmt f;
    gl_fmt_init(&f);
    for (int i = 0; i < 300; i++)
        gl_fmt_str(&f, "0123456789");
    gl_fmt_dec(&f, 7);
    ck_assert_uint_lt(f.length, GL_FMT_BYTES);
    ck_assert_int_eq(f.text[f.length - 1], "0123456789"[(f.length - 1) % 10]);
    gl_fmt_str(&f, "end\n");
    ck_assert_uint_lt(f.length, GL_FMT_BYTES);
    ck_assert_int_eq(f.text[f.length - 1], '\n');
    ck_assert_ptr_eq(strchr(f.text, '\n'), f.text + f.length - 1);
}
END_TEST

START_TEST(write_gives_all_and_keeps_errno)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    gl_fmt f;
    gl_fmt_init(&f);
    gl_fmt_str(&f, "one line\n");
    errno = 4711;
    gl_fmt_write(&f, ends[1]);
    gl_fmt_write(&f, -1); /* gives up, quietly */
    ck_assert_int_eq(errno, 4711);
    char got[64] = "";
    ck_assert_int_eq(read(ends[0], got, sizeof got), 9);
    ck_assert_str_eq(got, "one line\n");
}
END_TEST

START_TEST(panic_names_why_where_and_address)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        gl_panic("the reason", (void *)0x1230, "some_function");
    }
    ck_assert_int_eq(unit_status_of(child), 128 + SIGABRT);
    char got[256] = "";
    ck_assert_int_gt(read(ends[0], got, sizeof got - 1), 0);
    ck_assert_str_eq(got, "gleaner: some_function: the reason (address 0x1230)\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/fmt");
    TCase *tests = unit_case(suite, "fmt", 10);
    tcase_add_test(tests, numbers_in_decimal);
    tcase_add_test(tests, addresses_in_hexadecimal);
    tcase_add_test(tests, fixed_point);
    tcase_add_test(tests, sizes_with_units);
    tcase_add_test(tests, no_string_is_named);
    tcase_add_test(tests, long_line_is_cut_and_keeps_its_newline);
    tcase_add_test(tests, write_gives_all_and_keeps_errno);
    tcase_add_test(tests, panic_names_why_where_and_address);
    return unit_run(suite);
}
