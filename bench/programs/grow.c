/* SPDX-License-Identifier: MIT */
/*
 * Growth by realloc.
 *
 *     grow append MEBIBYTES ROUNDS    one buffer grows by 4 KiB at a time
 *     grow turns MEBIBYTES ROUNDS     four buffers grow by 4 KiB in turn, other objects come between
 *     grow vectors COUNT ROUNDS       COUNT vectors double in turn, 16 bytes to 16 KiB
 */
#include "bench.h"

enum { STEP_BYTES = 4096, FIRST_BYTES = 16, LAST_BYTES = 16 << 10 };

static uint64_t append(size_t n_mebibytes)
{
    size_t end_bytes = n_mebibytes << 20, size_bytes, i;
    unsigned char *buffer = NULL;
    uint64_t sum = 0;

    for (size_bytes = STEP_BYTES; size_bytes <= end_bytes; size_bytes += STEP_BYTES) {
        buffer = bench_need(realloc(buffer, size_bytes));
        memset(buffer + size_bytes - STEP_BYTES, (int)(size_bytes / STEP_BYTES), STEP_BYTES);
    }
    for (i = 0; i < end_bytes; i += STEP_BYTES) {
        if (buffer[i] != (unsigned char)(i / STEP_BYTES + 1))
            bench_die("realloc lost what was written");
        sum += buffer[i];
    }
    free(buffer);
    return sum;
}

static uint64_t grow_by_turns(size_t n_mebibytes)
{
    enum { N_BUFFERS = 4, OTHER_EVERY = 16, OTHER_BYTES = 40000, N_OTHERS = 256 };
    size_t end_bytes = n_mebibytes << 20, size_bytes, i, n_others = 0;
    unsigned char *buffers[N_BUFFERS] = {NULL}, *others[N_OTHERS] = {NULL};
    uint64_t sum = 0;

    for (size_bytes = STEP_BYTES; size_bytes <= end_bytes; size_bytes += STEP_BYTES) {
        for (i = 0; i < N_BUFFERS; i++) {
            buffers[i] = bench_need(realloc(buffers[i], size_bytes));
            memset(buffers[i] + size_bytes - STEP_BYTES, (int)(size_bytes / STEP_BYTES), STEP_BYTES);
        }
        if (size_bytes / STEP_BYTES % OTHER_EVERY == 0) {
            free(others[n_others % N_OTHERS]);
            others[n_others++ % N_OTHERS] = bench_need(malloc(OTHER_BYTES));
        }
    }
    for (i = 0; i < N_BUFFERS; i++) {
        for (size_bytes = 0; size_bytes < end_bytes; size_bytes += STEP_BYTES) {
            if (buffers[i][size_bytes] != (unsigned char)(size_bytes / STEP_BYTES + 1))
                bench_die("realloc lost what was written");
            sum += buffers[i][size_bytes];
        }
        free(buffers[i]);
    }
    for (i = 0; i < N_OTHERS; i++)
        free(others[i]);
    return sum;
}

static void vector_double(unsigned char **vector, size_t size_bytes, size_t k)
{
    unsigned char mark = (unsigned char)k;

    *vector = bench_need(realloc(*vector, size_bytes));
    if (size_bytes > FIRST_BYTES && (*vector)[size_bytes / 2 - 1] != mark)
        bench_die("realloc lost what was written");
    memset(*vector + (size_bytes > FIRST_BYTES ? size_bytes / 2 : 0), mark,
           size_bytes > FIRST_BYTES ? size_bytes / 2 : size_bytes);
}

static uint64_t grow_vectors(size_t n_vectors)
{
    unsigned char **vectors = bench_scratch(n_vectors * sizeof *vectors);
    size_t size_bytes, k;
    uint64_t sum = 0;

    for (size_bytes = FIRST_BYTES; size_bytes <= LAST_BYTES; size_bytes *= 2)
        for (k = 0; k < n_vectors; k++)
            vector_double(&vectors[k], size_bytes, k);
    for (k = 0; k < n_vectors; k++) {
        sum += vectors[k][0];
        free(vectors[k]);
    }
    bench_scratch_return(vectors, n_vectors * sizeof *vectors);
    return sum;
}

static uint64_t run(const char *what, size_t size)
{
    if (strcmp(what, "append") == 0)
        return append(size);
    if (strcmp(what, "turns") == 0)
        return grow_by_turns(size);
    if (strcmp(what, "vectors") == 0)
        return grow_vectors(size);
    bench_die("usage: grow append|turns|vectors SIZE ROUNDS");
}

int main(int argc, char **argv)
{
    size_t size = bench_arg(argc, argv, 2, "MEBIBYTES or COUNT");
    size_t n_rounds = bench_arg(argc, argv, 3, "ROUNDS");
    uint64_t wall_ns, cpu_ns, sum = 0;
    size_t i;

    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    for (i = 0; i < n_rounds; i++)
        sum += run(argv[1], size);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - wall_ns;
    bench_check("sum", sum);
    bench_metric("seconds", (double)wall_ns / 1e9, "s");
    bench_metric("cpu_seconds", (double)cpu_ns / 1e9, "s");
    return 0;
}
