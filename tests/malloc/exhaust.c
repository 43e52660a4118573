/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out and comes back: allocates blocks of a size until there are no more, expects
 * NULL with ENOMEM, frees them, and does so again with other sizes. The limit is set by whoever
 * starts it. usage: exhaust MINIMUM_BYTES: how much must be had each time.
 */
#include "expect.h"

#include <errno.h>
#include <malloc.h>

typedef struct link {
    struct link *next;
    char data[];
} link;

static link *chain; /* so that a collector finds all of it */

/* Returns how many bytes there were. */
static size_t exhaust(size_t bytes, int way)
{
    size_t total = 0;
    for (;;) {
        errno = 0;
        link *block = way == 0   ? malloc(bytes)
                      : way == 1 ? calloc(1, bytes)
                                 : aligned_alloc(64, bytes);
        if (block == NULL) {
            EXPECT(errno == ENOMEM);
            break;
        }
        memset(block->data, 1, bytes - sizeof *block);
        block->next = chain;
        chain = block;
        total += bytes;
    }
    if (chain != NULL) { /* what is there stays whole when it cannot grow */
        errno = 0;
        EXPECT(realloc(opaque(chain), (size_t)1 << 40) == NULL && errno == ENOMEM);
    }
    while (chain != NULL) {
        link *next = chain->next;
        free(chain);
        chain = next;
    }
    malloc_trim(0);
    return total;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {32, 1000, 50000, 1000000, 200, 16384};
    size_t minimum = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t total = exhaust(sizes[i], (int)(i % 3));
            EXPECT(total >= minimum);
            if (total < minimum) {
                fprintf(stderr, "round %d: %zu bytes in blocks of %zu\n", round, total, sizes[i]);
            }
        }
    }
    return expect_status();
}
