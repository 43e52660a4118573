/* SPDX-License-Identifier: MIT */
/*
 * A burst of memory is freed, and resident memory must fall. usage: burst small|large
 *
 * At once what stays is bounded; while the program goes on with a little work, the rest goes, too. How
 * long that takes is not tested (half a minute is allowed), only that it comes about.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "expect.h"

enum { MIB = 1 << 20, BURST_BYTES = 200 * MIB, BATCH = 2000, MAX_TENTHS = 300 };

/* Beside the memory kept for the next second (16 MiB): tables, caches and blocks that are half full. */
enum { AT_ONCE_MAX_MIB = 16 + 32, AT_LAST_MAX_MIB = 16 };

typedef struct node {
    struct node *next;
} node;

static long rss_mib(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    EXPECT(file != NULL);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    fclose(file);
    return kib / 1024;
}

static size_t size_of(bool is_large, size_t i)
{
    return is_large ? (size_t)100000 + i % 50 * 60000 : sizeof(node) + i % 500;
}

static node *make(bool is_large)
{
    node *list = NULL;
    size_t bytes = 0;
    for (size_t i = 0; bytes < BURST_BYTES; i++) {
        size_t size = size_of(is_large, i);
        node *n = malloc(size);
        EXPECT(n != NULL);
        memset(n, 1, size);
        n->next = list;
        list = n;
        bytes += size;
    }
    return list;
}

static void drop(node *list)
{
    while (list) {
        node *next = list->next;
        free(list);
        list = next;
    }
}

static void work(void)
{
    static void *batch[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        batch[i] = malloc(size_of(false, i));
        EXPECT(batch[i] != NULL);
    }
    for (size_t i = 0; i < BATCH; i++) {
        free(batch[i]);
    }
}

int main(int argc, char **argv)
{
    bool is_large = argc > 1 && strcmp(argv[1], "large") == 0;
    long before = rss_mib();
    node *list = make(is_large);
    EXPECT(rss_mib() >= before + BURST_BYTES / MIB);
    drop(list);
    long at_once = rss_mib() - before, at_last = at_once;
    for (int i = 0; i < MAX_TENTHS && at_last > AT_LAST_MAX_MIB; i++) {
        work();
        usleep(100000);
        at_last = rss_mib() - before;
    }
    if (at_once > AT_ONCE_MAX_MIB || at_last > AT_LAST_MAX_MIB) {
        printf("%ld MiB resident before, %ld more right after the burst, %ld more at last\n", before,
               at_once, at_last);
        return 1;
    }
    return 0;
}
