/* SPDX-License-Identifier: MIT */
/* os/memory.h: where the space is, and what its pages do. */
#include "os/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/bits.h"
#include "os/internal.h"
#include "unit.h"

#define GIB ((size_t)1 << 30)

enum { PIECE = 1 << 16 };

/* The largest space that this system gives (a sanitizer or valgrind leaves less). */
static char *try_space(void)
{
    void *space = NULL;
    for (size_t bytes = 256 * GIB; !space && bytes >= GIB; bytes /= 2)
        space = gl_os_space_init(bytes);
    return space;
}

static char *space_of_any_size(void)
{
    char *space = try_space();
    ck_assert_ptr_nonnull(space);
    return space;
}

static bool is_all(const char *p, size_t bytes, char value)
{
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != value)
            return false;
    }
    return true;
}

START_TEST(space_is_aligned_and_not_in_use)
{
    char *space = space_of_any_size();
    ck_assert_uint_eq((uintptr_t)space % GIB, 0);
    uintptr_t start, end;
    gl_os_space_range(&start, &end);
    ck_assert_uint_eq(start, (uintptr_t)space);
    ck_assert_uint_ge(end - start, GIB);
    ck_assert_uint_ge(gl_os_page_bytes, 4096);
    ck_assert(gl_is_power_of_two(gl_os_page_bytes));
}
END_TEST

START_TEST(fixed_space_reserves_nothing)
{
    if (UNIT_HAS_TSAN)
        return; /* it has to be a reservation there */
    struct rlimit limit = {2 * GIB, 2 * GIB};
    if (!UNIT_HAS_ASAN) /* whose shadow memory alone is more */
        ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    char *space = gl_os_space_init(8192 * GIB);
    ck_assert_ptr_nonnull(space);
    ck_assert_uint_ge((uintptr_t)space, (uintptr_t)0x100000000000);
    ck_assert_uint_le((uintptr_t)space + 8192 * GIB, (uintptr_t)0x400000000000);
    ck_assert(!gl_os_is_mapped(space));
    ck_assert(gl_os_commit(space + 5000 * GIB, PIECE));
    space[5000 * GIB] = 1;
}
END_TEST

/* Prints where the space is, for the test below. */
static int print_space(void)
{
    char *space = try_space();
    printf("%p\n", (void *)space);
    return space ? 0 : 1;
}

static const char *own_path;

START_TEST(place_differs_from_run_to_run)
{
    char command[4096], first[64] = "", other[64];
    snprintf(command, sizeof command, "'%s' print-space", own_path);
    bool is_different = false;
    for (int i = 0; i < 8 && !is_different; i++) {
        FILE *run = popen(command, "r");
        ck_assert_ptr_nonnull(run);
        ck_assert_ptr_nonnull(fgets(i ? other : first, 64, run));
        ck_assert_int_eq(pclose(run), 0);
        is_different = i > 0 && strcmp(first, other) != 0;
    }
    ck_assert(is_different);
}
END_TEST

START_TEST(committed_pages_are_zero_and_writable)
{
    char *p = space_of_any_size() + 3 * PIECE;
    ck_assert(gl_os_commit(p, PIECE));
    ck_assert(gl_os_is_mapped(p));
    ck_assert(gl_os_is_mapped(p + PIECE - 1));
    ck_assert(is_all(p, PIECE, 0));
    memset(p, 7, PIECE);
    ck_assert(is_all(p, PIECE, 7));
}
END_TEST

START_TEST(purged_pages_are_zero_and_usable)
{
    char *p = space_of_any_size();
    ck_assert(gl_os_commit(p, 2 * PIECE));
    memset(p, 7, 2 * PIECE);
    errno = 4711;
    gl_os_purge(p, PIECE);
    ck_assert_int_eq(errno, 4711);
    ck_assert(is_all(p, PIECE, 0));
    ck_assert(is_all(p + PIECE, PIECE, 7));
    p[1] = 1;
    ck_assert_int_eq(p[1], 1);
}
END_TEST

START_TEST(prefaulted_pages_are_resident_and_keep_their_content)
{
    char *p = space_of_any_size();
    unsigned char residency[2] = {0, 0};
    ck_assert(gl_os_commit(p, 2 * gl_os_page_bytes));
    p[3] = 7;
    errno = 4711;
    gl_os_prefault(p, 2 * gl_os_page_bytes);
    ck_assert_int_eq(errno, 4711);
    ck_assert(p[3] == 7 && p[4] == 0);
    ck_assert(is_all(p + gl_os_page_bytes, gl_os_page_bytes, 0));
    ck_assert(gl_os_decommit(p, 2 * gl_os_page_bytes) && gl_os_commit(p, 2 * gl_os_page_bytes));
    bool is_known = madvise(p, gl_os_page_bytes, 23) == 0; /* MADV_POPULATE_WRITE */
    gl_os_prefault(p, 2 * gl_os_page_bytes);
    ck_assert_int_eq(mincore(p, 2 * gl_os_page_bytes, residency), 0);
    ck_assert(!is_known || (residency[0] & residency[1] & 1));
}
END_TEST

START_TEST(purged_pages_are_zero_though_locked)
{
    char *p = space_of_any_size();
    ck_assert(gl_os_commit(p, gl_os_page_bytes));
    memset(p, 7, gl_os_page_bytes);
    ck_assert_int_eq(mlock(p, gl_os_page_bytes), 0);
    gl_os_purge(p, gl_os_page_bytes);
    ck_assert(is_all(p, gl_os_page_bytes, 0));
}
END_TEST

START_TEST(decommitted_memory_can_be_committed_again)
{
    char *p = space_of_any_size();
    for (int i = 0; i < 3; i++) {
        ck_assert(gl_os_commit(p, 3 * PIECE));
        ck_assert(is_all(p, 3 * PIECE, 0));
        memset(p, 7, 3 * PIECE);
        ck_assert(gl_os_decommit(p + PIECE, PIECE));
        ck_assert(is_all(p, PIECE, 7));
        ck_assert(is_all(p + 2 * PIECE, PIECE, 7));
        ck_assert(gl_os_commit(p + PIECE, PIECE));
        ck_assert(is_all(p + PIECE, PIECE, 0));
        ck_assert(gl_os_decommit(p, 3 * PIECE));
    }
}
END_TEST

START_TEST(access_to_decommitted_memory_faults)
{
    char *p = space_of_any_size();
    ck_assert(gl_os_commit(p, PIECE));
    ck_assert(gl_os_decommit(p, PIECE));
    if (UNIT_HAS_ASAN || UNIT_HAS_TSAN)
        signal(SIGSEGV, SIG_DFL);
    *(volatile char *)p = 1;
}
END_TEST

/* Takes the whole range in which fixed addresses are tried. */
static void occupy_fixed_addresses(void)
{
    void *low = (void *)0x100100000000;
    size_t bytes = 0x400000000000 - 0x100100000000;
    void *got = mmap(low, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert(got == low || UNIT_HAS_TSAN);
}

START_TEST(reservation_when_fixed_addresses_are_taken)
{
    occupy_fixed_addresses();
    char *space = space_of_any_size();
    ck_assert_uint_eq((uintptr_t)space % GIB, 0);
    ck_assert(gl_os_is_mapped(space)); /* though without access */
    for (int i = 0; i < 3; i++) {
        ck_assert(gl_os_commit(space, 3 * PIECE));
        ck_assert(is_all(space, 3 * PIECE, 0));
        memset(space, 7, 3 * PIECE);
        ck_assert(gl_os_decommit(space + PIECE, PIECE));
        ck_assert(is_all(space + 2 * PIECE, PIECE, 7));
        ck_assert(gl_os_decommit(space, 3 * PIECE));
    }
    ck_assert(gl_os_is_mapped(space)); /* still ours */
}
END_TEST

START_TEST(smaller_space_after_a_failure)
{
    occupy_fixed_addresses();
    ck_assert_ptr_null(gl_os_space_init((size_t)1 << 47));
    ck_assert_ptr_nonnull(space_of_any_size());
}
END_TEST

START_TEST(foreign_mapping_is_left_alone)
{
    if (UNIT_HAS_TSAN)
        return; /* a reservation leaves nobody room */
    char *p = space_of_any_size();
    char *foreign = mmap(p + PIECE, gl_os_page_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_eq(foreign, p + PIECE);
    *foreign = 9;
    errno = 4711;
    ck_assert(!gl_os_commit(p, 2 * PIECE));
    ck_assert_int_eq(errno, 4711);
    ck_assert(!gl_os_is_mapped(p));
    ck_assert_int_eq(*foreign, 9);
    ck_assert(gl_os_commit(p, PIECE));
}
END_TEST

START_TEST(commit_fails_at_the_limit_and_goes_on)
{
    if (UNIT_HAS_TSAN || UNIT_HAS_ASAN)
        return; /* their own memory is above any limit */
    char *p = space_of_any_size();
    ck_assert(gl_os_commit(p, PIECE));
    struct rlimit limit = {256 << 20, 256 << 20};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    ck_assert(!gl_os_commit(p + GIB / 2, 300 << 20));
    ck_assert(gl_os_commit(p + GIB / 2, 16 << 20));
    p[GIB / 2] = 1;
}
END_TEST

START_TEST(every_nth_commit_fails_on_request)
{
    char *p = space_of_any_size();
    gl_os_inject_commit_failure(3, false);
    for (int i = 1; i <= 9; i++)
        ck_assert_int_eq(gl_os_commit(p + i * PIECE, PIECE), i % 3 != 0);
    gl_os_inject_commit_failure(2, true);
    ck_assert(gl_os_commit(p + 10 * PIECE, PIECE));
    for (int i = 0; i < 4; i++)
        ck_assert(!gl_os_commit(p + 11 * PIECE, PIECE));
    gl_os_inject_commit_failure(0, false);
    ck_assert(gl_os_commit(p + 11 * PIECE, PIECE));
}
END_TEST

START_TEST(refused_decommit_still_gives_the_pages_back)
{
    if (UNIT_HAS_TSAN)
        return; /* it does not survive the limit itself */
    /* With as many mappings as the system allows, a hole in the middle of one is refused. */
    char *p = space_of_any_size();
    size_t page = gl_os_page_bytes;
    ck_assert(gl_os_commit(p, 3 * page));
    memset(p, 7, 3 * page);
    size_t bytes = 140000 * page;
    char *many = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ck_assert_ptr_ne(many, MAP_FAILED);
    size_t n_changed = 0;
    while (n_changed < 70000 && mprotect(many + 2 * n_changed * page, page, PROT_READ) == 0)
        n_changed++;
    bool is_done = gl_os_decommit(p + page, page);
    bool is_zero = is_done || is_all(p + page, page, 0);
    munmap(many, bytes);
    ck_assert(n_changed == 70000 || !is_done); /* the limit may have been raised */
    ck_assert(is_zero);
    ck_assert(is_all(p, page, 7));
}
END_TEST

START_TEST(mapped_or_not)
{
    char *p = mmap(NULL, 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    munmap(p + 4096, 4096);
    int local = 0;
    errno = 4711;
    ck_assert(gl_os_is_mapped(&local));
    ck_assert(gl_os_is_mapped((void *)(uintptr_t)print_space));
    ck_assert(gl_os_is_mapped(p + 17)); /* without access, but there */
    ck_assert(!gl_os_is_mapped(p + 4096));
    ck_assert(!gl_os_is_mapped(NULL));
    ck_assert(!gl_os_is_mapped((void *)UINTPTR_MAX));
    ck_assert(!gl_os_is_mapped((void *)((uintptr_t)1 << 63)));
    ck_assert_int_eq(errno, 4711);
}
END_TEST

START_TEST(huge_page_advice_changes_no_content)
{
    char *p = space_of_any_size();
    ck_assert(gl_os_commit(p, 4 << 20));
    memset(p, 7, 4 << 20);
    gl_os_advise_huge(p, 4 << 20, true);
    gl_os_advise_huge(p, 2 << 20, false);
    ck_assert(is_all(p, 4 << 20, 7));
}
END_TEST

/* ---- Moving --------------------------------------------------------------------------------- */

enum { MOVED = 4 << 20, ROOM = 6 << 20, FAR = 16 << 20 };

static bool is_ours(const char *p)
{
    const gl_os_piece *pieces;
    size_t n = gl_os_space_pieces(&pieces);
    for (size_t i = 0; i < n; i++) {
        if ((uintptr_t)p >= pieces[i].start && (uintptr_t)p < pieces[i].end)
            return true;
    }
    return false;
}

/* Two committed ranges, full of 7 and of 9. */
static char *two_ranges(void)
{
    char *p = space_of_any_size();
    ck_assert(gl_os_commit(p, ROOM));
    ck_assert(gl_os_commit(p + FAR, ROOM));
    memset(p, 7, ROOM);
    memset(p + FAR, 9, ROOM);
    return p;
}

START_TEST(moved_pages_keep_their_content)
{
    char *p = two_ranges(), *q = p + FAR;
    gl_os_move_result result = gl_os_move(p, MOVED, q, ROOM);
    ck_assert(is_ours(p) && is_ours(p + MOVED) && is_ours(q) && is_ours(q + ROOM - 1));
    ck_assert(is_all(p + MOVED, ROOM - MOVED, 7));
    if (result == GL_OS_MOVE_REFUSED) { /* a reserved space */
        ck_assert(is_all(p, MOVED, 7));
        return;
    }
    ck_assert_int_eq(result, GL_OS_MOVED);
    ck_assert(is_all(q, MOVED, 7));
    ck_assert(is_all(q + MOVED, ROOM - MOVED, 0));
    ck_assert(is_all(p, MOVED, 0));
    memset(p, 3, MOVED);
    ck_assert(is_all(q, MOVED, 7));
    ck_assert(gl_os_renew(q, ROOM));
    ck_assert(is_all(q, ROOM, 0));
    memset(q, 4, ROOM);
}
END_TEST

/* The kernel moves one mapping only. */
START_TEST(a_refused_move_changes_nothing)
{
    char *p = two_ranges(), *q = p + FAR;
    ck_assert_int_eq(madvise(p + MOVED / 2, MOVED, MADV_DONTDUMP), 0);
    if (_i)
        gl_os_inject_move_fault(GL_OS_MOVE_IS_REFUSED);
    gl_os_move_result result = gl_os_move(p, MOVED, q, ROOM);
    if (result == GL_OS_MOVED && !_i) /* Linux 6.17 can move several */
        return;
    ck_assert_int_eq(result, GL_OS_MOVE_REFUSED);
    ck_assert(is_all(p, ROOM, 7));
    ck_assert(is_ours(q) && is_ours(q + ROOM - 1));
    memset(q, 1, ROOM);
    ck_assert(is_all(p, ROOM, 7));
}
END_TEST

START_TEST(what_a_move_loses_is_not_ours)
{
    char *p = two_ranges(), *q = p + FAR;
    gl_os_inject_move_fault(_i ? GL_OS_MOVE_LOSES_TARGET : GL_OS_MOVE_LOSES_SOURCE);
    gl_os_move_result result = gl_os_move(p, MOVED, q, ROOM);
    if (result == GL_OS_MOVE_REFUSED) /* a reserved space */
        return;
    ck_assert_int_eq(result, _i ? GL_OS_MOVE_LOST_TARGET : GL_OS_MOVED_LOST_SOURCE);
    ck_assert(is_all(_i ? p : q, MOVED, 7));
    const char *lost = _i ? q : p;
    ck_assert(!is_ours(lost) && !is_ours(lost + MOVED - 1));
    ck_assert(!gl_os_is_mapped(lost));
    ck_assert(is_ours(p + MOVED));
}
END_TEST

START_TEST(tables_grow_and_keep_their_content)
{
    size_t bytes = 0;
    char *table = NULL;
    for (size_t wanted = 100; wanted < 1 << 20; wanted *= 3) {
        table = gl_os_table_grow(table, bytes, wanted);
        ck_assert_ptr_nonnull(table);
        ck_assert(is_all(table, bytes, 5));
        ck_assert(is_all(table + bytes, wanted - bytes, 0));
        memset(table, 5, wanted);
        bytes = wanted;
    }
    gl_os_table_free(table, bytes);
    ck_assert(!gl_os_is_mapped(table));
}
END_TEST

int main(int argc, char **argv)
{
    own_path = argv[0];
    if (argc > 1 && strcmp(argv[1], "print-space") == 0)
        return print_space();
    Suite *suite = suite_create("os/memory");
    TCase *tests = unit_case(suite, "memory", 30);
    tcase_add_test(tests, space_is_aligned_and_not_in_use);
    tcase_add_test(tests, fixed_space_reserves_nothing);
    tcase_add_test(tests, place_differs_from_run_to_run);
    tcase_add_test(tests, committed_pages_are_zero_and_writable);
    tcase_add_test(tests, purged_pages_are_zero_and_usable);
    tcase_add_test(tests, purged_pages_are_zero_though_locked);
    tcase_add_test(tests, prefaulted_pages_are_resident_and_keep_their_content);
    tcase_add_test(tests, decommitted_memory_can_be_committed_again);
    tcase_add_test_raise_signal(tests, access_to_decommitted_memory_faults, SIGSEGV);
    tcase_add_test(tests, reservation_when_fixed_addresses_are_taken);
    tcase_add_test(tests, smaller_space_after_a_failure);
    tcase_add_test(tests, foreign_mapping_is_left_alone);
    tcase_add_test(tests, commit_fails_at_the_limit_and_goes_on);
    tcase_add_test(tests, every_nth_commit_fails_on_request);
    tcase_add_test(tests, refused_decommit_still_gives_the_pages_back);
    tcase_add_test(tests, mapped_or_not);
    tcase_add_test(tests, huge_page_advice_changes_no_content);
    tcase_add_test(tests, moved_pages_keep_their_content);
    tcase_add_loop_test(tests, a_refused_move_changes_nothing, 0, 2);
    tcase_add_loop_test(tests, what_a_move_loses_is_not_ours, 0, 2);
    tcase_add_test(tests, tables_grow_and_keep_their_content);
    return unit_run(suite);
}
