/* SPDX-License-Identifier: MIT */
/* os/tasks.c - the threads of the process, from /proc/self/task. */
#include "os/tasks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/atomic.h"
#include "base/sanitize.h"
#include "base/syscall.h"
#include "os/internal.h"

/* As the kernel writes it; the C library has it under another name or not at all. */
typedef struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
} directory_entry;

/* Of the one thread that stops the world. Not on its stack, which may be a small one. */
static char list_buffer[32768] __attribute__((aligned(16)));

size_t gl_tasks_count(void)
{
    struct stat status;
    long r = gl_syscall4(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/task", (long)&status, 0);
    /* Like every directory: one entry for each subdirectory, and two more. */
    return r == 0 && status.st_nlink > 2 ? (size_t)status.st_nlink - 2 : 0;
}

size_t gl_tasks_list(bool (*fn)(int tid, void *arg), void *arg)
{
    int fd = gl_os_open("/proc/self/task", O_DIRECTORY);
    if (fd < 0)
        return 0;
    size_t n_seen = 0;
    bool go_on = true;
    while (go_on) {
        long bytes = gl_syscall3(SYS_getdents64, fd, (long)list_buffer, sizeof list_buffer);
        if (bytes <= 0)
            break;
        for (long at = 0; at < bytes && go_on;) {
            const directory_entry *entry = (const void *)(list_buffer + at);
            const char *name = entry->name;
            uint64_t tid = gl_os_parse_dec(&name);
            if (tid != 0) {
                n_seen++;
                go_on = fn((int)tid, arg);
            }
            at += entry->length;
        }
    }
    gl_os_close(fd);
    return n_seen;
}

/* Reads /proc/self/task/TID/FILE. */
static long read_of_task(int tid, const char *file, char *buffer, size_t bytes)
{
    static const char prefix[] = "/proc/self/task/";
    char path[64];
    size_t n = 0;
    for (const char *p = prefix; *p; p++)
        path[n++] = *p;
    unsigned divisor = 1;
    while ((unsigned)tid / divisor >= 10)
        divisor *= 10;
    for (; divisor > 0; divisor /= 10)
        path[n++] = (char)('0' + (unsigned)tid / divisor % 10);
    for (; *file; file++)
        path[n++] = *file;
    path[n] = '\0';
    return gl_os_read_file(path, buffer, bytes);
}

/* Whether a signal is in one of the masks that /proc/self/task/TID/status shows. */
static bool is_in_mask(int tid, const char *mask, int signal)
{
    char text[2048];
    read_of_task(tid, "/status", text, sizeof text);
    for (const char *line = text; *line;) {
        if (gl_os_starts_with(line, mask)) {
            while (*line && *line != '\t')
                line++;
            line += *line == '\t';
            return (gl_os_parse_hex(&line) >> (signal - 1) & 1) != 0;
        }
        while (*line && *line != '\n')
            line++;
        line += *line == '\n';
    }
    return false;
}

bool gl_tasks_has_pending(int tid, int signal) { return is_in_mask(tid, "SigPnd:", signal); }

/* PF_IO_WORKER since Linux 5.12, the first in which such workers are threads of the process. The
 * bit had another meaning before, so the name must fit, too. */
enum { FLAG_IO_WORKER = 0x10 };

gl_task_kind gl_tasks_kind(int tid)
{
    /* "TID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS ...", where NAME may be anything. */
    char text[512];
    long length = read_of_task(tid, "/stat", text, sizeof text);
    if (length <= 0)
        return GL_TASK_UNKNOWN; /* gone, or there is no /proc: the file cannot tell which */
    const char *name = text;
    while (*name && *name != '(')
        name++;
    const char *at = text + length;
    while (at > name && *at != ')')
        at--;
    if (at == name || at[1] != ' ')
        return GL_TASK_UNKNOWN;
    char state = at[2];
    if (state == 'Z' || state == 'X' || state == 'x')
        return GL_TASK_DEAD;
    at += 2;
    for (int field = 0; field < 6 && *at; field++) {
        while (*at && *at != ' ')
            at++;
        at += *at == ' ';
    }
    bool is_worker = (gl_os_parse_dec(&at) & FLAG_IO_WORKER) != 0 &&
                     gl_os_starts_with(name, "(iou-");
    /* The sanitizer's own thread; it has nothing of the program's. */
    if (GL_HAS_TSAN && is_in_mask(tid, "SigBlk:", SIGSEGV))
        is_worker = true;
    return is_worker ? GL_TASK_KERNEL : GL_TASK_ALIVE;
}

int gl_tasks_self(void) { return (int)gl_syscall3(SYS_gettid, 0, 0, 0); }

int gl_tasks_process(void) { return (int)gl_syscall3(SYS_getpid, 0, 0, 0); }

/* The mark of our signals: the address of this byte in their value. */
static const char mark;
static volatile gl_word is_markless; /* the system refuses signals with a value */

int gl_tasks_kill(int process, int tid, int signal)
{
    return (int)gl_syscall3(SYS_tgkill, process, tid, signal);
}

int gl_tasks_suspend(int process, int tid, int signal)
{
    if (!gl_load_relaxed(&is_markless)) {
        siginfo_t info = {.si_signo = signal, .si_code = SI_QUEUE};
        info.si_pid = process;
        info.si_value.sival_ptr = (void *)(uintptr_t)&mark;
        int error = (int)gl_syscall4(SYS_rt_tgsigqueueinfo, process, tid, signal, (long)&info);
        if (error != -EPERM && error != -ENOSYS)
            return error;
        gl_store_relaxed(&is_markless, 1); /* before a signal goes out that is to be known by that */
    }
    return gl_tasks_kill(process, tid, signal);
}

bool gl_tasks_is_ours(const siginfo_t *info)
{
    if (info->si_code == SI_QUEUE)
        return info->si_value.sival_ptr == &mark;
    return info->si_code == SI_TKILL && gl_load_relaxed(&is_markless) != 0 &&
           info->si_pid == gl_tasks_process();
}
