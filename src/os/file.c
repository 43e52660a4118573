/* SPDX-License-Identifier: MIT */
/*
 * os/file.c - small reads from /proc, and tables that grow, with nothing of the C library.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/syscall.h"
#include "os/internal.h"
#include "os/memory.h"

void *gl_os_table_grow(void *table, size_t old_bytes, size_t new_bytes)
{
    size_t page = gl_os_page_bytes;
    old_bytes = gl_round_up(old_bytes, page);
    new_bytes = gl_round_up(new_bytes, page);
    if (new_bytes <= old_bytes)
        return table;
    long r;
    if (table)
        r = gl_syscall4(SYS_mremap, (long)table, (long)old_bytes, (long)new_bytes, MREMAP_MAYMOVE);
    else
        r = gl_syscall6(SYS_mmap, 0, (long)new_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return gl_syscall_failed(r) ? NULL : (void *)r;
}

void gl_os_table_free(void *table, size_t bytes)
{
    if (table)
        gl_syscall3(SYS_munmap, (long)table, (long)gl_round_up(bytes, gl_os_page_bytes), 0);
}

int gl_os_open(const char *path, int extra_flags)
{
    long fd;
    do {
        fd = gl_syscall4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC | extra_flags, 0);
    } while (fd == -EINTR);
    return (int)fd;
}

/* By the thread, not by the process: when the main thread has ended before others, the memory of
 * /proc/self is that of a zombie, and empty. */
int gl_os_open_memory_file(const char *of_thread, const char *of_process)
{
    int fd = gl_os_open(of_thread, 0);
    return fd == -ENOENT ? gl_os_open(of_process, 0) : fd; /* before Linux 3.17 */
}

long gl_os_read(int fd, void *buffer, size_t bytes)
{
    long n;
    do {
        n = gl_syscall3(SYS_read, fd, (long)buffer, (long)bytes);
    } while (n == -EINTR);
    return n;
}

void gl_os_close(int fd) { gl_syscall3(SYS_close, fd, 0, 0); }

long gl_os_read_file(const char *path, char *buffer, size_t bytes)
{
    buffer[0] = '\0';
    int fd = gl_os_open(path, 0);
    if (fd < 0)
        return fd;
    size_t length = 0;
    long n = 1;
    while (length < bytes - 1 && n > 0) {
        n = gl_os_read(fd, buffer + length, bytes - 1 - length);
        if (n > 0)
            length += (size_t)n;
    }
    gl_os_close(fd);
    buffer[length] = '\0';
    return n < 0 && length == 0 ? n : (long)length;
}

uint64_t gl_os_parse_dec(const char **at)
{
    uint64_t v = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        v = v * 10 + (uint64_t)(**at - '0');
    return v;
}

uint64_t gl_os_parse_hex(const char **at)
{
    uint64_t v = 0;
    for (;; (*at)++) {
        char c = **at;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return v;
    }
}

bool gl_os_starts_with(const char *text, const char *prefix)
{
    while (*prefix && *text == *prefix) {
        text++;
        prefix++;
    }
    return *prefix == '\0';
}
