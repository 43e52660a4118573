/* SPDX-License-Identifier: MIT */
/*
 * os/regions.c - the mappings of the process, from the text of /proc/self/maps.
 *
 * The ioctl PROCMAP_QUERY (Linux 6.11) would spare the text, but is slower where system calls cost
 * 0.3 us: 1,000 mappings 285 us against 128 us for reading, 3,000 880 us against 360 us (Linux
 * 6.18; parsing takes about half as long again).
 *
 * Locks: none; the buffer belongs to the one thread that collects.
 */
#include "os/regions.h"

#include "base/bits.h"
#include "os/internal.h"
#include "os/memory.h"

enum { TEXT_BYTES = 65536 }; /* a line can be as long as a path, each of its characters escaped */

static char text[TEXT_BYTES];

static bool add(gl_regions *regions, const gl_region *region)
{
    if (region->start >= region->end)
        return true;
    if (regions->n == regions->capacity) {
        size_t capacity = regions->capacity ? regions->capacity * 2 : 512;
        void *table = gl_os_table_grow(regions->at, regions->capacity * sizeof *regions->at,
                                       capacity * sizeof *regions->at);
        if (!table)
            return false;
        regions->at = table;
        regions->capacity = capacity;
    }
    regions->at[regions->n++] = *region;
    return true;
}

/* Adds what of the region is not ours. Memory beside ours may have merged with it, so that one line
 * of the text is both. */
static bool add_foreign(gl_regions *regions, gl_region region)
{
    const gl_os_piece *ours;
    size_t n = gl_os_space_pieces(&ours);
    /* The text is not a snapshot: a mapping that grew meanwhile may come again. */
    if (regions->n > 0 && region.start < regions->at[regions->n - 1].end)
        region.start = regions->at[regions->n - 1].end;
    for (size_t i = 0; i < n && region.start < region.end; i++) {
        if (ours[i].end <= region.start || ours[i].start >= region.end)
            continue;
        gl_region below = region;
        below.end = ours[i].start;
        if (!add(regions, &below))
            return false;
        region.start = ours[i].end;
    }
    return add(regions, &region);
}

/* A name that stands for something else than a file in a file system of memory or disk. Devices
 * are named by their path, sockets and rings of the kernel by "kind:[number]". */
static bool is_device_name(const char *name)
{
    if (gl_os_starts_with(name, "/dev/"))
        return !gl_os_starts_with(name, "/dev/zero") && !gl_os_starts_with(name, "/dev/shm/") &&
               !gl_os_starts_with(name, "/dev/hugepages/");
    if (*name == '/')
        return gl_os_starts_with(name, "/sys/") || gl_os_starts_with(name, "/proc/") ||
               gl_os_starts_with(name, "/dmabuf:");
    return *name != '[' && *name != '\n';
}

static bool is_special_name(const char *name)
{
    return *name == '[' && !gl_os_starts_with(name, "[stack") &&
           !gl_os_starts_with(name, "[heap]") && !gl_os_starts_with(name, "[anon");
}

/* What io_uring_setup() and io_setup() map. */
static bool is_ring_name(const char *name)
{
    return gl_os_starts_with(name, "anon_inode:[io_uring]") || gl_os_starts_with(name, "/[aio]");
}

static void skip_field(const char **at)
{
    while (**at != ' ' && **at != '\n')
        (*at)++;
    while (**at == ' ')
        (*at)++;
}

/* "start-end rwxp offset major:minor inode   name", with a newline at the end. */
gl_region gl_regions_parse(const char *line)
{
    gl_region region = {0};
    const char *at = line;
    region.start = gl_os_parse_hex(&at);
    at += *at == '-';
    region.end = gl_os_parse_hex(&at);
    skip_field(&at);
    region.is_readable = at[0] == 'r';
    region.is_writable = at[0] != '\n' && at[1] == 'w';
    for (; *at != ' ' && *at != '\n'; at++)
        region.is_shared = *at == 's';
    skip_field(&at);
    skip_field(&at); /* offset */
    skip_field(&at); /* device */
    region.is_file = gl_os_parse_dec(&at) != 0;
    while (*at == ' ')
        at++;
    region.is_stack = gl_os_starts_with(at, "[stack]");
    region.is_special = is_special_name(at);
    region.is_ring = region.is_file && is_ring_name(at);
    region.is_device = region.is_file && is_device_name(at);
    return region;
}

/* Takes the complete lines of the first `length` characters of the text; returns how many
 * characters that was, or -1 if memory is short. */
static long take_lines(gl_regions *regions, size_t length)
{
    size_t line = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\n')
            continue;
        if (!add_foreign(regions, gl_regions_parse(text + line)))
            return -1;
        line = i + 1;
    }
    return (long)line;
}

bool gl_regions_read(gl_regions *regions)
{
    regions->n = 0;
    int fd = gl_os_open_memory_file("/proc/thread-self/maps", "/proc/self/maps");
    if (fd < 0)
        return false;
    size_t length = 0;
    long n, taken = 0;
    for (;;) {
        n = gl_os_read(fd, text + length, TEXT_BYTES - length);
        if (n <= 0)
            break;
        length += (size_t)n;
        taken = take_lines(regions, length);
        if (taken < 0 || (taken == 0 && length == TEXT_BYTES))
            break;
        length -= (size_t)taken;
        __builtin_memmove(text, text + taken, length);
    }
    gl_os_close(fd);
    return n == 0 && taken >= 0 && regions->n > 0;
}

const gl_region *gl_regions_find(const gl_regions *regions, uintptr_t address)
{
    size_t low = 0, high = regions->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (regions->at[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < regions->n && regions->at[low].start <= address ? &regions->at[low] : NULL;
}
