/* SPDX-License-Identifier: MIT */
/* os/system.h: clocks, limits of control groups (from made-up ones), and facts of the process. */
#include "os/system.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "os/internal.h"
#include "unit.h"

START_TEST(clocks_advance)
{
    uint64_t wall = gl_os_now_ns(), cpu = gl_os_cpu_ns();
    unit_sleep_us(20000);
    uint64_t slept = gl_os_now_ns() - wall;
    ck_assert_uint_ge(slept, 19000000);
    ck_assert_uint_lt(gl_os_cpu_ns() - cpu, slept); /* sleeping is not working */
    while (gl_os_cpu_ns() - cpu < 5000000)
        ;
    ck_assert_uint_gt(gl_os_now_ns() - wall, slept);
}
END_TEST

/* --- Control groups: a tree of files in a temporary folder --------------------------------------- */

static char root[] = "/tmp/gleaner-unit-XXXXXX";

static void put(const char *path, const char *content)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    fclose(file);
}

static void make_root(void)
{
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
    strcpy(root, "/tmp/gleaner-unit-XXXXXX");
}

START_TEST(limit_of_version_2)
{
    put("/a/b/memory.max", "max\n");
    put("/a/memory.max", "8388608\n");
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/a/b\n", root), 8388608);
    put("/a/b/memory.max", "4194304\n");
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/a/b\n", root), 4194304);
    put("/memory.max", "1048576\n");
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/a/b\n", root), 1048576);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/\n", root), 1048576);
}
END_TEST

START_TEST(limit_of_version_1)
{
    static const char membership[] = "9:name=systemd:/user\n"
                                     "5:cpu,cpuacct:/job\n"
                                     "4:hugetlb,memory:/job/part\n"
                                     "0::/\n";
    put("/memory/job/memory.limit_in_bytes", "16777216\n");
    put("/memory/job/part/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("/cpu/job/memory.limit_in_bytes", "5\n");
    ck_assert_uint_eq(gl_os_cgroup_limit_at(membership, root), 16777216);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("4:memoryless:/job\n", root), SIZE_MAX);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("5:cpu:/job\n6:memory:/", root), SIZE_MAX);
}
END_TEST

START_TEST(limit_where_the_path_is_not_visible)
{
    /* In a container: the membership names a group of the host, the mount is that very group. */
    put("/memory.max", "33554432\n");
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/docker/0123456789abcdef\n", root), 33554432);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/../../other\n", root), 33554432);
}
END_TEST

START_TEST(no_limit)
{
    static char long_path[3000];
    memset(long_path, 'x', sizeof long_path - 1);
    memcpy(long_path, "0::/", 4);
    ck_assert_uint_eq(gl_os_cgroup_limit_at(long_path, root), SIZE_MAX);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("", root), SIZE_MAX);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("nonsense", root), SIZE_MAX);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("::", root), SIZE_MAX);
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/a\n", root), SIZE_MAX);
    put("/a/memory.max", "max\n");
    ck_assert_uint_eq(gl_os_cgroup_limit_at("0::/a\n", root), SIZE_MAX);
    errno = 4711;
    ck_assert_uint_gt(gl_os_cgroup_limit_bytes(), 0); /* whatever it is here */
    ck_assert_int_eq(errno, 4711);
}
END_TEST

/* --- The process --------------------------------------------------------------------------------- */

START_TEST(resident_memory_follows_use)
{
    enum { BYTES = 64 << 20 };
    uint64_t before = gl_os_rss_bytes();
    ck_assert_uint_gt(before, 0);
    char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    memset(p, 1, BYTES);
    uint64_t with = gl_os_rss_bytes();
    ck_assert_uint_ge(with, before + BYTES / 8 * 7);
    munmap(p, BYTES);
    ck_assert_uint_le(gl_os_rss_bytes(), with - BYTES / 8 * 7);
}
END_TEST

START_TEST(processors_are_those_we_may_use)
{
    ck_assert_uint_ge(gl_os_processors(), 1);
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    ck_assert_uint_eq(gl_os_processors(), (unsigned)CPU_COUNT(&set));
    size_t first = 0;
    while (!CPU_ISSET(first, &set))
        first++;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
    ck_assert_uint_eq(gl_os_processors(), 1);
}
END_TEST

START_TEST(facts_agree_with_the_c_library)
{
    ck_assert_uint_eq(gl_os_physical_bytes(),
                      (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE));
    ck_assert(!gl_os_is_secure());
}
END_TEST

START_TEST(program_has_a_name)
{
    char name[64], cut[5], one[1] = {'x'};
    gl_os_program_name(name, sizeof name);
    ck_assert_str_eq(name, program_invocation_short_name);
    ck_assert_ptr_null(strchr(name, '/'));
    gl_os_program_name(cut, sizeof cut);
    ck_assert_int_eq(strncmp(cut, name, 4), 0);
    ck_assert_uint_eq(strlen(cut), 4);
    gl_os_program_name(one, sizeof one);
    ck_assert_int_eq(one[0], '\0');

    static char early[] = "";
    program_invocation_short_name = early; /* as it is before the C library has begun */
    gl_os_program_name(name, sizeof name);
    ck_assert_str_eq(name, strrchr(program_invocation_name, '/') + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("os/system");
    TCase *groups = unit_case(suite, "control groups", 20);
    tcase_add_checked_fixture(groups, make_root, remove_root);
    tcase_add_test(groups, limit_of_version_2);
    tcase_add_test(groups, limit_of_version_1);
    tcase_add_test(groups, limit_where_the_path_is_not_visible);
    tcase_add_test(groups, no_limit);
    TCase *tests = unit_case(suite, "process", 20);
    tcase_add_test(tests, clocks_advance);
    tcase_add_test(tests, resident_memory_follows_use);
    tcase_add_test(tests, processors_are_those_we_may_use);
    tcase_add_test(tests, facts_agree_with_the_c_library);
    tcase_add_test(tests, program_has_a_name);
    return unit_run(suite);
}
