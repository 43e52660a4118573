/* SPDX-License-Identifier: MIT */
/*
 * tests/api/early.c - the first use comes before the C library is ready: from a function in
 * DT_PREINIT_ARRAY, which runs before all initialisers. The options of the environment hold all the
 * same, and the object of that time is found by collections.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gleaner/gc.h>

static char *early_object;

static void use_early(void)
{
    early_object = gc_malloc(100);
    if (early_object) {
        strcpy(early_object, "early");
    }
}

static void (*const before_all)(void) __attribute__((section(".preinit_array"), used)) = use_early;

int main(int argc, char **argv)
{
    if (argc == 1) { /* once more, with an option */
        setenv("GLEANER_PERCENT", "55", 1);
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
        perror("execl");
        return 99;
    }
    (void)before_all;
    for (int i = 0; i < 3; i++) {
        gc_collect();
        for (int j = 0; j < 1000; j++) {
            gc_malloc(100);
        }
    }
    if (!early_object || strcmp(early_object, "early") != 0 ||
        gc_base(early_object) != early_object) {
        fprintf(stderr, "the early object is gone\n");
        return 1;
    }
    int percent = gc_set_percent(100);
    if (percent != 55) {
        fprintf(stderr, "percent is %d, not 55: the environment was not read\n", percent);
        return 1;
    }
    return 0;
}
