/* SPDX-License-Identifier: MIT */
/*
 * Large objects: replaces random ones of LIVE buffers of 100 KiB to 8 MiB (sizes spread evenly on
 * a logarithmic scale) and writes one byte per page of each, as a program would that fills it.
 *
 *     large LIVE OPERATIONS
 */
#include "bench.h"

enum { PAGE_BYTES = 4096, MIN_BYTES = 100 << 10, MAX_BYTES = 8 << 20 };

typedef struct {
    unsigned char *bytes;
    size_t size_bytes;
} buffer;

static size_t random_large_size(bench_rng *rng)
{
    size_t size_bytes;

    do {
        unsigned shift = (unsigned)bench_below(rng, 7);

        size_bytes = ((size_t)64 << 10 << shift) + bench_below(rng, (size_t)64 << 10 << shift);
    } while (size_bytes < MIN_BYTES || size_bytes > MAX_BYTES);
    return size_bytes;
}

static unsigned char mark_of(const buffer *b, size_t offset)
{
    return (unsigned char)(b->size_bytes + offset / PAGE_BYTES);
}

static void buffer_new(buffer *b, bench_rng *rng)
{
    size_t i;

    b->size_bytes = random_large_size(rng);
    b->bytes = bench_need(malloc(b->size_bytes));
    for (i = 0; i < b->size_bytes; i += PAGE_BYTES)
        b->bytes[i] = mark_of(b, i);
}

static void buffer_delete(buffer *b)
{
    size_t i;

    for (i = 0; i < b->size_bytes; i += PAGE_BYTES)
        if (b->bytes[i] != mark_of(b, i))
            bench_die("a buffer changed under its owner");
    free(b->bytes);
}

int main(int argc, char **argv)
{
    size_t n_live = bench_arg(argc, argv, 1, "LIVE");
    size_t n_operations = bench_arg(argc, argv, 2, "OPERATIONS");
    buffer *buffers = bench_scratch(n_live * sizeof *buffers);
    bench_rng rng = {3};
    uint64_t wall_ns, cpu_ns, n_bytes = 0;
    size_t i;

    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    for (i = 0; i < n_live; i++)
        buffer_new(&buffers[i], &rng);
    for (i = 0; i < n_operations; i++) {
        buffer *b = &buffers[bench_below(&rng, n_live)];

        buffer_delete(b);
        buffer_new(b, &rng);
        n_bytes += b->size_bytes;
    }
    for (i = 0; i < n_live; i++)
        buffer_delete(&buffers[i]);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - wall_ns;
    bench_check("bytes", n_bytes);
    bench_metric("us_per_op", (double)wall_ns / 1e3 / (double)n_operations, "us");
    bench_metric("cpu_us_per_op", (double)cpu_ns / 1e3 / (double)n_operations, "us");
    return 0;
}
