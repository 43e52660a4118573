/* SPDX-License-Identifier: MIT */
/*
 * A small program: it allocates KIBIBYTES in objects of usual sizes, writes every byte, reads them
 * and frees them. Its peak memory says what a library costs a program that needs little.
 *
 *     small KIBIBYTES
 */
#include "bench.h"

typedef struct object {
    struct object *next;
    size_t size_bytes;
} object;

static object *object_new(size_t size_bytes, object *next)
{
    object *o = bench_need(malloc(size_bytes));

    memset(o, (int)(size_bytes & 0xff), size_bytes);
    o->next = next;
    o->size_bytes = size_bytes;
    return o;
}

/* Frees it; the sum of its bytes behind the header. */
static uint64_t object_delete(object *o)
{
    const unsigned char *bytes = (const unsigned char *)o;
    uint64_t sum = 0;
    size_t i;

    for (i = sizeof *o; i < o->size_bytes; i++)
        sum += bytes[i];
    free(o);
    return sum;
}

int main(int argc, char **argv)
{
    size_t left_bytes = bench_arg(argc, argv, 1, "KIBIBYTES") << 10;
    object *list = NULL, *next;
    bench_rng rng = {11};
    uint64_t sum = 0;

    while (left_bytes > 0) {
        size_t size_bytes = sizeof *list + bench_random_size(&rng);

        list = object_new(size_bytes, list);
        left_bytes -= size_bytes < left_bytes ? size_bytes : left_bytes;
    }
    for (; list != NULL; list = next) {
        next = list->next;
        sum += object_delete(list);
    }
    bench_check("sum", sum);
    return 0;
}
