/* SPDX-License-Identifier: MIT */
/* os/regions.h: what is mapped, and which pages of it are there. */
#include "os/regions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "os/internal.h"
#include "os/memory.h"
#include "unit.h"

#define GIB ((size_t)1 << 30)

static gl_regions regions;
static int in_data = 1;
static const int in_constants = 1;

static const gl_region *region_of(const void *p)
{
    ck_assert(gl_regions_read(&regions));
    return gl_regions_find(&regions, (uintptr_t)p);
}

static char *map(size_t bytes, int protection, int flags, int fd)
{
    char *p = mmap(NULL, bytes, protection, flags, fd, 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

static char *map_private(size_t bytes)
{
    return map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

/* --- Parsing ------------------------------------------------------------------------------------- */

START_TEST(line_of_private_memory)
{
    gl_region r = gl_regions_parse("7f0012345000-7f0012346000 rw-p 00000000 00:00 0 \n");
    ck_assert_uint_eq(r.start, 0x7f0012345000);
    ck_assert_uint_eq(r.end, 0x7f0012346000);
    ck_assert(r.is_readable && r.is_writable);
    ck_assert(!r.is_shared && !r.is_file && !r.is_device && !r.is_stack && !r.is_special);
}
END_TEST

START_TEST(lines_of_all_kinds)
{
    static const struct {
        const char *rest; /* behind the addresses */
        const char *flags; /* r, w, s(hared), f(ile), d(evice), t (stack), x (special), o (ring) */
    } cases[] = {
        {"---p 00000000 00:00 0 \n", ""},
        {"r-xp 00001000 fe:00 99    /usr/bin/program\n", "rf"},
        {"r--s 00000000 00:1f 12                 /dev/shm/x\n", "rsf"},
        {"rw-s 00000000 00:01 1027               /dev/zero (deleted)\n", "rwsf"},
        {"rw-s 00000000 00:05 7                  /dev/dri/card0\n", "rwsfd"},
        {"rw-s 00000000 00:0e 14                 anon_inode:[io_uring]\n", "rwsfdo"},
        {"rw-s 00000000 00:12 14                 /[aio] (deleted)\n", "rwsfo"},
        {"rw-s 00000000 00:08 14                 socket:[99]\n", "rwsfd"},
        {"rw-s 00000000 00:0c 14                 /dmabuf:\n", "rwsfd"},
        {"rw-s 00000000 00:15 14                 /sys/devices/pci/resource0\n", "rwsfd"},
        {"rw-s 00000000 00:01 14                 /memfd:name (deleted)\n", "rwsf"},
        {"rw-s 00000000 00:01 14                 /SYSV00000000 (deleted)\n", "rwsf"},
        {"rw-p 00000000 00:00 0                  [heap]\n", "rw"},
        {"rw-p 00000000 00:00 0                  [stack]\n", "rwt"},
        {"rw-p 00000000 00:00 0                  [stack:1234]\n", "rw"},
        {"rw-p 00000000 00:00 0                  [anon:some name]\n", "rw"},
        {"r-xp 00000000 00:00 0                  [vdso]\n", "rx"},
        {"r--p 00000000 00:00 0                  [vvar]\n", "rx"},
        {"--xp 00000000 00:00 0                  [vsyscall]\n", "x"},
        {"rw-p 00000000 fe:00 5                  /a name [with] everything\n", "rwf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        snprintf(line, sizeof line, "00400000-00402000 %s", cases[i].rest);
        gl_region r = gl_regions_parse(line);
        const char *flags = cases[i].flags;
        ck_assert_uint_eq(r.start, 0x400000);
        ck_assert_uint_eq(r.end, 0x402000);
        ck_assert_msg(r.is_readable == (strchr(flags, 'r') != NULL), "%s", line);
        ck_assert_msg(r.is_writable == (strchr(flags, 'w') != NULL), "%s", line);
        ck_assert_msg(r.is_shared == (strchr(flags, 's') != NULL), "%s", line);
        ck_assert_msg(r.is_file == (strchr(flags, 'f') != NULL), "%s", line);
        ck_assert_msg(r.is_device == (strchr(flags, 'd') != NULL), "%s", line);
        ck_assert_msg(r.is_ring == (strchr(flags, 'o') != NULL), "%s", line);
        ck_assert_msg(r.is_stack == (strchr(flags, 't') != NULL), "%s", line);
        ck_assert_msg(r.is_special == (strchr(flags, 'x') != NULL), "%s", line);
    }
}
END_TEST

/* --- Reading ------------------------------------------------------------------------------------- */

START_TEST(what_is_known_is_found)
{
    int on_stack = 0;
    const gl_region *r = region_of(&in_data);
    ck_assert_ptr_nonnull(r);
    ck_assert(r->is_readable && r->is_writable && !r->is_stack);
    r = region_of(&in_constants);
    ck_assert(r->is_readable && !r->is_writable && r->is_file);
    r = region_of(&on_stack);
    ck_assert(r->is_writable && r->is_stack && !r->is_file);
    char *p = map(4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    r = region_of(p);
    ck_assert(!r->is_readable && !r->is_writable);
    p = map(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    r = region_of(p);
    ck_assert(r->is_shared && r->is_writable && !r->is_device);
    munmap(p, 4096);
    ck_assert_ptr_null(region_of(p));
    ck_assert_ptr_null(region_of(NULL));
    ck_assert_ptr_null(region_of((void *)UINTPTR_MAX));
}
END_TEST

START_TEST(regions_ascend_and_edges_are_exact)
{
    char *p = map(3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    ck_assert_int_eq(mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE), 0);
    const gl_region *r = region_of(p + 4096);
    ck_assert_uint_eq(r->start, (uintptr_t)p + 4096);
    ck_assert_uint_eq(r->end, (uintptr_t)p + 2 * 4096);
    ck_assert_ptr_eq(gl_regions_find(&regions, (uintptr_t)p + 2 * 4096 - 1), r);
    ck_assert_ptr_eq(gl_regions_find(&regions, (uintptr_t)p + 2 * 4096), r + 1);
    ck_assert_ptr_eq(gl_regions_find(&regions, (uintptr_t)p + 4095), r - 1);
    for (size_t i = 0; i < regions.n; i++) {
        ck_assert_uint_lt(regions.at[i].start, regions.at[i].end);
        ck_assert(i == 0 || regions.at[i - 1].end <= regions.at[i].start);
    }
}
END_TEST

START_TEST(thousands_of_regions)
{
    enum { N = 5000 };
    char *p = map(2 * N * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(mprotect(p + 2 * i * 4096, 4096, PROT_READ | PROT_WRITE), 0);
    for (int round = 0; round < 2; round++) {
        ck_assert(gl_regions_read(&regions));
        ck_assert_uint_ge(regions.n, 2 * N);
        for (int i = 0; i < 2 * N; i++) {
            uintptr_t at = (uintptr_t)p + (uintptr_t)i * 4096;
            const gl_region *r = gl_regions_find(&regions, at);
            ck_assert(r && r->start <= at && r->is_writable == (i % 2 == 0));
        }
    }
    munmap(p, 2 * N * 4096);
    ck_assert(gl_regions_read(&regions));
    ck_assert_uint_lt(regions.n, N);
}
END_TEST

START_TEST(our_own_space_is_left_out)
{
    if (UNIT_HAS_TSAN)
        return; /* the space is a reservation there: nobody can be its neighbour for sure */
    char *space = gl_os_space_init(GIB);
    ck_assert_ptr_nonnull(space);
    /* Neighbours that merge with the first and the last page of it. */
    char *below = mmap(space - 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
    char *above = mmap(space + GIB, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);
    ck_assert_ptr_eq(below, space - 4096);
    ck_assert_ptr_eq(above, space + GIB);
    ck_assert(gl_os_commit(space, 65536));
    ck_assert(gl_os_commit(space + GIB / 2, 65536));
    ck_assert(gl_os_commit(space + GIB - 65536, 65536));
    ck_assert(gl_regions_read(&regions));
    for (size_t i = 0; i < regions.n; i++)
        ck_assert(regions.at[i].end <= (uintptr_t)space ||
                  regions.at[i].start >= (uintptr_t)space + GIB);
    ck_assert_ptr_nonnull(gl_regions_find(&regions, (uintptr_t)below));
    ck_assert_ptr_nonnull(gl_regions_find(&regions, (uintptr_t)above));
    ck_assert_ptr_null(gl_regions_find(&regions, (uintptr_t)space));
    /* What others map between our pieces is theirs, also where it merges with ours. */
    char *between = mmap(space + 65536, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_eq(between, space + 65536);
    const gl_region *r = region_of(between);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->start, (uintptr_t)between);
    ck_assert_uint_eq(r->end, (uintptr_t)between + 4096);
    ck_assert_ptr_null(gl_regions_find(&regions, (uintptr_t)space));
}
END_TEST

START_TEST(no_descriptor_no_regions)
{
    errno = 4711;
    ck_assert(gl_regions_read(&regions));
    ck_assert_int_eq(errno, 4711);
    struct rlimit old, none = {0, 0};
    getrlimit(RLIMIT_NOFILE, &old);
    none.rlim_max = old.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool is_read = gl_regions_read(&regions);
    setrlimit(RLIMIT_NOFILE, &old);
    ck_assert(!is_read);
    ck_assert(gl_regions_read(&regions));
}
END_TEST

/* --- Presence ------------------------------------------------------------------------------------ */

typedef struct pieces {
    size_t n, bytes;
    uintptr_t first_start, last_end;
    bool is_ordered;
} pieces;

static void note_piece(uintptr_t start, uintptr_t end, void *arg)
{
    pieces *p = arg;
    if (p->n++ == 0) {
        p->first_start = start;
        p->is_ordered = true;
    }
    p->is_ordered = p->is_ordered && start < end && start >= p->last_end;
    p->last_end = end;
    p->bytes += end - start;
}

static pieces pieces_of(const char *start, size_t bytes, bool is_safe_to_touch)
{
    pieces p = {0};
    gl_regions_present((uintptr_t)start, (uintptr_t)start + bytes, is_safe_to_touch, note_piece,
                       &p);
    return p;
}

START_TEST(no_descriptor_stays_open)
{
    int before = open("/dev/null", O_RDONLY);
    close(before);
    char *p = map_private(4096);
    *p = 1;
    ck_assert_uint_eq(pieces_of(p, 4096, true).n, 1);
    ck_assert(gl_regions_read(&regions));
    int after = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(after, before);
}
END_TEST

/* Each of these tests runs with PAGEMAP_SCAN (if the kernel has it) and with the entries. */
static void use_source(int i)
{
    gl_regions_inject_source(i == 0 ? GL_PRESENCE_SCAN : GL_PRESENCE_ENTRIES);
}

START_TEST(three_pages_of_a_gibibyte)
{
    use_source(_i);
    char *p = map_private(GIB);
    madvise(p, GIB, MADV_NOHUGEPAGE);
    ck_assert_uint_eq(pieces_of(p, GIB, true).n, 0);
    p[4096] = 1;
    p[500 << 20] = 1;
    p[GIB - 1] = 1;
    for (int kept = 0; kept < 2; kept++) {
        if (kept)
            gl_regions_present_begin();
        errno = 4711;
        pieces got = pieces_of(p, GIB, true);
        ck_assert_int_eq(errno, 4711);
        ck_assert_uint_eq(got.n, 3);
        ck_assert_uint_eq(got.bytes, 3 * 4096);
        ck_assert_uint_eq(got.first_start, (uintptr_t)p + 4096);
        ck_assert_uint_eq(got.last_end, (uintptr_t)p + GIB);
        ck_assert(got.is_ordered);
    }
    gl_regions_present_end();
}
END_TEST

START_TEST(more_pieces_than_one_answer_holds)
{
    use_source(_i);
    enum { PAGES = 4000 };
    char *p = map_private(PAGES * 4096);
    madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
    for (int i = 0; i < PAGES; i += 2)
        p[i * 4096] = 1;
    pieces got = pieces_of(p, PAGES * 4096, false);
    ck_assert_uint_eq(got.n, PAGES / 2);
    ck_assert_uint_eq(got.bytes, PAGES / 2 * 4096);
    ck_assert(got.is_ordered);
    /* Neighbours are one piece, also across the limits of an answer. */
    memset(p, 1, PAGES * 4096);
    got = pieces_of(p, PAGES * 4096, false);
    ck_assert_uint_eq(got.n, 1);
    ck_assert_uint_eq(got.bytes, PAGES * 4096);
}
END_TEST

static bool has_scan(void)
{
    struct utsname system;
    uname(&system);
    int major = 0, minor = 0;
    ck_assert_int_eq(sscanf(system.release, "%d.%d", &major, &minor), 2);
    return major > 6 || (major == 6 && minor >= 7);
}

START_TEST(pages_only_read_are_not_content)
{
    use_source(_i);
    char *p = map_private(16 * 4096);
    madvise(p, 16 * 4096, MADV_NOHUGEPAGE);
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(((volatile char *)p)[i * 4096], 0);
    p[7 * 4096] = 1;
    pieces got = pieces_of(p, 16 * 4096, true);
    /* The entries cannot tell the zero page. */
    ck_assert_uint_eq(got.bytes, _i == 0 && has_scan() ? 4096 : 16 * 4096);
    ck_assert_uint_le(got.first_start, (uintptr_t)p + 7 * 4096);
    ck_assert_uint_gt(got.last_end, (uintptr_t)p + 7 * 4096);
}
END_TEST

START_TEST(purged_pages_have_no_content)
{
    use_source(_i);
    char *p = map_private(8 * 4096);
    memset(p, 1, 8 * 4096);
    madvise(p + 4096, 4096, MADV_DONTNEED);
    pieces got = pieces_of(p, 8 * 4096, true);
    ck_assert_uint_eq(got.n, 2);
    ck_assert_uint_eq(got.bytes, 7 * 4096);
}
END_TEST

START_TEST(shared_memory_that_was_written)
{
    use_source(_i);
    char *p = map(8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    p[3 * 4096] = 1;
    pieces got = pieces_of(p, 8 * 4096, false);
    ck_assert_uint_eq(got.bytes, 4096);
    ck_assert_uint_eq(got.first_start, (uintptr_t)p + 3 * 4096);
}
END_TEST

START_TEST(pages_behind_the_end_of_a_file_are_not_there)
{
    use_source(_i);
    FILE *file = tmpfile();
    ck_assert_int_eq(ftruncate(fileno(file), 4096), 0);
    char *p = map(4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file));
    p[1] = 1;
    pieces got = pieces_of(p, 4 * 4096, false);
    ck_assert_uint_eq(got.bytes, 4096);
    fclose(file);
}
END_TEST

START_TEST(guard_pages_are_left_out)
{
    enum { ADVICE_GUARD_INSTALL = 102 };
    use_source(_i);
    char *p = map_private(8 * 4096);
    memset(p, 1, 8 * 4096);
    if (madvise(p + 2 * 4096, 3 * 4096, ADVICE_GUARD_INSTALL) != 0)
        return; /* before Linux 6.13 */
    pieces got = pieces_of(p, 8 * 4096, true);
    ck_assert_uint_eq(got.n, 2);
    ck_assert_uint_eq(got.bytes, 5 * 4096);
}
END_TEST

START_TEST(pages_without_access_are_content)
{
    use_source(_i);
    char *p = map_private(4 * 4096);
    memset(p, 1, 4 * 4096);
    ck_assert_int_eq(mprotect(p, 4 * 4096, PROT_NONE), 0);
    ck_assert_uint_eq(pieces_of(p, 4 * 4096, false).bytes, 4 * 4096);
}
END_TEST

START_TEST(where_nothing_can_be_told)
{
    gl_regions_inject_source(GL_PRESENCE_NONE);
    char *p = map_private(8 * 4096);
    ck_assert_uint_eq(pieces_of(p, 8 * 4096, true).bytes, 8 * 4096);
    /* Not safe to touch: what the kernel can bring into memory, and that is not beyond a file. */
    ck_assert_uint_eq(pieces_of(p, 8 * 4096, false).bytes, 8 * 4096);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat file;
    ck_assert(fd >= 0 && fstat(fd, &file) == 0);
    size_t pages = (size_t)(file.st_size + 4095) / 4096;
    char *mapped = map((pages + 3) * 4096, PROT_READ, MAP_PRIVATE, fd);
    close(fd);
    ck_assert_uint_eq(pieces_of(mapped, (pages + 3) * 4096, false).bytes, pages * 4096);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("os/regions");
    TCase *tests = unit_case(suite, "regions", 30);
    tcase_add_test(tests, line_of_private_memory);
    tcase_add_test(tests, lines_of_all_kinds);
    tcase_add_test(tests, what_is_known_is_found);
    tcase_add_test(tests, regions_ascend_and_edges_are_exact);
    tcase_add_test(tests, thousands_of_regions);
    tcase_add_test(tests, our_own_space_is_left_out);
    tcase_add_test(tests, no_descriptor_no_regions);
    tcase_add_test(tests, no_descriptor_stays_open);
    TCase *presence = unit_case(suite, "presence", 30);
    tcase_add_loop_test(presence, three_pages_of_a_gibibyte, 0, 2);
    tcase_add_loop_test(presence, more_pieces_than_one_answer_holds, 0, 2);
    tcase_add_loop_test(presence, pages_only_read_are_not_content, 0, 2);
    tcase_add_loop_test(presence, purged_pages_have_no_content, 0, 2);
    tcase_add_loop_test(presence, shared_memory_that_was_written, 0, 2);
    tcase_add_loop_test(presence, pages_behind_the_end_of_a_file_are_not_there, 0, 2);
    tcase_add_loop_test(presence, guard_pages_are_left_out, 0, 2);
    tcase_add_loop_test(presence, pages_without_access_are_content, 0, 2);
    tcase_add_test(presence, where_nothing_can_be_told);
    return unit_run(suite);
}
