/* SPDX-License-Identifier: MIT */
/*
 * What the examples share. See support.h.
 */
#include "support.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fputs("error: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void *checked(void *p)
{
    if (!p) {
        die("allocation failed: %s", strerror(errno));
    }
    return p;
}

void expect(int condition, const char *format, ...)
{
    va_list arguments;
    if (condition) {
        return;
    }
    fflush(stdout);
    fputs("NOT AS EXPECTED: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

size_t parse_count(const char *text, size_t min, size_t max, const char *what)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    int is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
    if (!is_number || value < min || value > max) {
        die("%s: \"%s\" is not a number from %zu to %zu", what, text, min, max);
    }
    return (size_t)value;
}

size_t count_argument(int argc, char **argv, const char *help, size_t standard, size_t min,
                      size_t max)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        exit(finish());
    }
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        die("wrong arguments; --help shows the right ones");
    }
    return argc == 2 ? parse_count(argv[1], min, max, "argument") : standard;
}

gc_stats stats_now(void)
{
    gc_stats stats = {.size = sizeof stats};
    if (gc_get_stats(&stats) != 0) {
        die("gc_get_stats: %s", strerror(errno));
    }
    return stats;
}

uint64_t peak_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long long kilobytes = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %llu", &kilobytes) == 1) {
            break;
        }
    }
    if (file) {
        fclose(file);
    }
    return kilobytes * 1024;
}

double megabytes(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

int finish(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("error: standard output");
        return 1;
    }
    return 0;
}
