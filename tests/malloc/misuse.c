/* SPDX-License-Identifier: MIT */
/* Commits the mistake that it is told to; misuse.sh looks how it ends. Prints the address first. */
#include "expect.h"

#include <sys/mman.h>
#include <unistd.h>

static char is_static[64];

static void *bad_pointer(const char *kind)
{
    if (strcmp(kind, "double") == 0) {
        void *p = malloc(40);
        free(opaque(p));
        return p;
    }
    if (strcmp(kind, "double-large") == 0) {
        void *p = malloc(1000000);
        free(opaque(p));
        return p;
    }
    if (strcmp(kind, "delayed") == 0) {
        void *p = malloc(40);
        free(opaque(p));
        for (int i = 0; i < 5000; i++) {
            free(malloc(80));
        }
        return p;
    }
    if (strcmp(kind, "interior") == 0) {
        return (char *)malloc(100) + 16;
    }
    if (strcmp(kind, "interior-large") == 0) {
        return (char *)malloc(1000000) + 65536;
    }
    if (strcmp(kind, "misaligned") == 0) {
        return (char *)malloc(100) + 3;
    }
    if (strcmp(kind, "static") == 0) {
        return is_static + 16;
    }
    if (strcmp(kind, "mapped") == 0) {
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    return (void *)(size_t)0x123450; /* wild */
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    static char buffer[256];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer); /* nothing may be allocated in between */
    char on_stack[64];
    void *p = strcmp(argv[2], "stack") == 0 ? on_stack + 16 : bad_pointer(argv[2]);
    printf("%p\n", opaque(p));
    fflush(stdout);
    if (strcmp(argv[1], "free") == 0) {
        free(opaque(p));
    } else if (realloc(opaque(p), 200) != NULL) {
        return 3;
    }
    return 0;
}
