/* SPDX-License-Identifier: MIT */
/*
 * A preload library that allocates nothing: it only writes the statistics of one that behaves,
 * or, told by "fault=NAME" in GLEANER_OPTIONS, commits one of the faults that the driver of these
 * tests must notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Copies the value of `key` in GLEANER_OPTIONS to `out`; empty if it is not there. */
static void find_option(const char *key, char out[static 256])
{
    const char *options = getenv("GLEANER_OPTIONS");
    out[0] = '\0';
    for (const char *p = options; p && *p; p += strcspn(p, ":"), p += *p == ':') {
        size_t n = strlen(key);
        if (strncmp(p, key, n) == 0 && p[n] == '=') {
            snprintf(out, 256, "%.*s", (int)strcspn(p + n + 1, ":"), p + n + 1);
        }
    }
}

static int has_fault(const char *name)
{
    char fault[256];
    find_option("fault", fault);
    return strcmp(fault, name) == 0;
}

static void say(int fd)
{
    if (write(fd, "noise\n", 6) != 6) {
        abort();
    }
}

__attribute__((constructor)) static void begin(void)
{
    if (has_fault("stdout")) {
        say(1);
    } else if (has_fault("stderr")) {
        say(2);
    } else if (has_fault("crash")) {
        raise(SIGSEGV);
    } else if (has_fault("hang")) {
        pause();
    } else if (has_fault("leftover") && fork() == 0) {
        sleep(60);
        _exit(0);
    }
}

__attribute__((destructor)) static void end(void)
{
    char path[256], line[256];
    const char *mode = getenv("GLEANER_MODE");
    find_option("stats_file", path);
    if (!mode || has_fault("no_stats")) {
        return;
    }
    int collections = strcmp(mode, "collect") == 0 ? 2 : 0;
    if (has_fault("never_collects")) {
        collections = 0;
    } else if (has_fault("always_collects")) {
        collections = 2;
    }
    int n = snprintf(line, sizeof line, "pid=%d program=%s mode=%s%s%d\n", (int)getpid(),
                     program_invocation_short_name, has_fault("mode") ? "other" : mode,
                     has_fault("format") ? " x=" : " collections=", collections);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, line, (size_t)n) != n) {
        abort();
    }
    if (has_fault("status")) {
        _exit(3);
    }
}
