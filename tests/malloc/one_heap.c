/* SPDX-License-Identifier: MIT */
/*
 * A program that is linked with libgleaner, started with libgleaner-malloc preloaded: one heap. What
 * malloc() gives is an object of the collector, gc_free() frees it, and free() what gc_malloc()
 * gives. usage: one_heap yes|no: whether malloc is expected to be Gleaner's.
 */
#include <gleaner/gc.h>

#include "expect.h"

#include <malloc.h>

/* What makes a cycle that nothing else holds; not inlined, so that its frame is gone afterwards. */
__attribute__((noinline)) static void lose_memory(void)
{
    for (int i = 0; i < 1000; i++) {
        void **a = malloc(64), **b = malloc(64);
        *a = b;
        *b = a;
        opaque(a);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 2;
    }
    int is_one = strcmp(argv[1], "yes") == 0;
    void *from_malloc = malloc(10);
    char *from_gc = gc_malloc(10);
    EXPECT((gc_sizeof(from_malloc) != 0) == is_one);
    EXPECT(gc_sizeof(from_gc) >= 10);
    EXPECT((gc_base((char *)from_malloc + 5) == from_malloc) == is_one);
    if (is_one) {
        EXPECT(malloc_usable_size(from_gc) == gc_sizeof(from_gc));
        from_gc = realloc(from_gc, 1000);
        EXPECT(from_gc != NULL && from_gc[999] == 0); /* it is still of the kind that is zeroed */
        free(from_gc);
        gc_free(from_malloc);
        lose_memory();
        EXPECT(gc_collect() >= 900);
    } else {
        free(from_malloc);
        gc_free(from_gc);
    }
    return expect_status();
}
