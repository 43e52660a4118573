/* SPDX-License-Identifier: MIT */
/*
 * os/system.c - clocks, limits, resident memory and the program's name, on Linux.
 *
 * No state and no locks. Every file is opened, read and closed within the call.
 */
#include "os/system.h"

#include <errno.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "base/bits.h"
#include "base/syscall.h"
#include "os/internal.h"
#include "os/memory.h"

/* Reading a clock is a system call on some machines: 0 where a filter would punish it. */
static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};
    if (GL_UNLIKELY(gl_confine_is_on)) {
        const long arguments[6] = {clock, (long)&t};
        if (gl_confine_forbids(SYS_clock_gettime, arguments))
            return 0;
    }
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t gl_os_now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

uint64_t gl_os_coarse_ns(void) { return clock_ns(CLOCK_MONOTONIC_COARSE); }

uint64_t gl_os_coarse_step_ns(void)
{
    struct timespec step = {0};
    clock_getres(CLOCK_MONOTONIC_COARSE, &step);
    return (uint64_t)step.tv_nsec;
}

uint64_t gl_os_cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* --- Control groups ---------------------------------------------------------------------------- */

enum { PATH_BYTES = 1024, MEMBERSHIP_BYTES = 4096, LIMIT_BYTES = 32 };

/* Appends n characters to a path; returns its new length, or PATH_BYTES if there is no room. */
static size_t append_text(char to[PATH_BYTES], size_t length, const char *text, size_t n)
{
    if (length >= PATH_BYTES || n >= PATH_BYTES - length)
        return PATH_BYTES;
    for (size_t i = 0; i < n; i++)
        to[length + i] = text[i];
    to[length + n] = '\0';
    return length + n;
}

static size_t text_length(const char *text, char stop)
{
    size_t n = 0;
    while (text[n] && text[n] != stop)
        n++;
    return n;
}

static size_t read_limit(const char *path)
{
    char text[LIMIT_BYTES];
    if (gl_os_read_file(path, text, sizeof text) <= 0)
        return SIZE_MAX;
    const char *at = text;
    uint64_t limit = gl_os_parse_dec(&at);
    if (at == text)
        return SIZE_MAX; /* "max" */
    /* Version 1 writes "no limit" as the largest multiple of a page. */
    return limit >= (uint64_t)INT64_MAX - 65536 ? SIZE_MAX : (size_t)limit;
}

/* The least limit of a group and of all groups above it. In a container the path may be one that
 * is not visible here, and the mount is the group itself: what cannot be read is passed over. */
static size_t limit_up_the_tree(const char *root, const char *hierarchy, const char *group,
                                size_t group_length, const char *file)
{
    size_t least = SIZE_MAX;
    for (size_t n = group_length;; n--) {
        if (n == 0 || group[n] == '/' || n == group_length) {
            char path[PATH_BYTES];
            size_t length = append_text(path, 0, root, text_length(root, '\0'));
            length = append_text(path, length, hierarchy, text_length(hierarchy, '\0'));
            length = append_text(path, length, group, n);
            length = append_text(path, length, file, text_length(file, '\0'));
            size_t limit = length < PATH_BYTES ? read_limit(path) : SIZE_MAX;
            least = limit < least ? limit : least;
        }
        if (n == 0)
            return least;
    }
}

/* In "cpu,cpuacct:/path": is "memory" one of the names before the colon? */
static bool has_memory_controller(const char *controllers)
{
    for (const char *at = controllers; *at && *at != ':';) {
        if (gl_os_starts_with(at, "memory") && (at[6] == ',' || at[6] == ':'))
            return true;
        while (*at && *at != ',' && *at != ':')
            at++;
        at += *at == ',';
    }
    return false;
}

size_t gl_os_cgroup_limit_at(const char *membership, const char *mount_root)
{
    size_t least = SIZE_MAX;
    const char *line = membership;
    while (*line) {
        size_t line_length = text_length(line, '\n');
        const char *controllers = line + text_length(line, ':');
        if (*controllers == ':')
            controllers++;
        const char *group = controllers + text_length(controllers, ':');
        if (*group == ':' && group < line + line_length) {
            group++;
            size_t n = (size_t)(line + line_length - group);
            size_t limit = SIZE_MAX;
            if (*controllers == ':') {
                limit = limit_up_the_tree(mount_root, "", group, n, "/memory.max");
                if (limit == SIZE_MAX) /* beside version 1, as systemd mounts it */
                    limit = limit_up_the_tree(mount_root, "/unified", group, n, "/memory.max");
            } else if (has_memory_controller(controllers)) {
                limit = limit_up_the_tree(mount_root, "/memory", group, n,
                                          "/memory.limit_in_bytes");
            }
            least = limit < least ? limit : least;
        }
        line += line_length + (line[line_length] == '\n');
    }
    return least;
}

size_t gl_os_cgroup_limit_bytes(void)
{
    char membership[MEMBERSHIP_BYTES];
    if (gl_os_read_file("/proc/self/cgroup", membership, sizeof membership) <= 0)
        return SIZE_MAX;
    return gl_os_cgroup_limit_at(membership, "/sys/fs/cgroup");
}

/* --- The machine and the process --------------------------------------------------------------- */

uint64_t gl_os_rss_bytes(void)
{
    char text[128];
    if (gl_os_read_file("/proc/self/statm", text, sizeof text) <= 0)
        return 0;
    const char *at = text;
    gl_os_parse_dec(&at); /* the size of the address space */
    if (*at == ' ')
        at++;
    return gl_os_parse_dec(&at) * gl_os_page_bytes;
}

size_t gl_os_physical_bytes(void)
{
    struct sysinfo info = {0};
    if (gl_syscall_failed(gl_syscall3(SYS_sysinfo, (long)&info, 0, 0)))
        return 0;
    return (size_t)info.totalram * info.mem_unit;
}

unsigned gl_os_processors(void)
{
    uint64_t mask[128] = {0}; /* 8192 processors, the most that the kernel can be built for */
    long bytes = gl_syscall3(SYS_sched_getaffinity, 0, sizeof mask, (long)mask);
    unsigned n = 0;
    for (long i = 0; i < bytes / 8; i++)
        n += gl_popcount64(mask[i]);
    return n > 0 ? n : 1;
}

int gl_os_seccomp_mode(void)
{
    static const char key[] = "Seccomp:\t";
    char text[4096];
    if (gl_os_read_file("/proc/self/status", text, sizeof text) <= 0)
        return -1;
    for (const char *line = text; *line;) {
        if (gl_os_starts_with(line, key)) {
            line += sizeof key - 1;
            return (int)gl_os_parse_dec(&line);
        }
        while (*line && *line != '\n')
            line++;
        line += *line == '\n';
    }
    return 0;
}

bool gl_os_is_secure(void) { return getauxval(AT_SECURE) != 0; }

void gl_os_program_name(char *buffer, size_t bytes)
{
    if (bytes == 0)
        return;
    /* Empty until the C library has been initialised; then the kernel's word for it. */
    const char *name = program_invocation_short_name;
    if (!name || !*name)
        name = (const char *)getauxval(AT_EXECFN);
    size_t last = 0;
    for (size_t i = 0; name && name[i]; i++)
        last = name[i] == '/' ? i + 1 : last;
    size_t n = 0;
    for (; name && name[last + n] && n < bytes - 1; n++)
        buffer[n] = name[last + n];
    buffer[n] = '\0';
}
