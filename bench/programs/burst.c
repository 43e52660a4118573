/* SPDX-License-Identifier: MIT */
/*
 * A burst and what is left of it: MEBIBYTES are allocated and written, then all freed but one small
 * object in a thousand. Either the program sleeps then, or goes on with a little work.
 *
 *     burst small|large|mixed sleep|trickle|again MEBIBYTES
 *
 * small: objects of up to 8 KiB; large: of 100 KiB to 8 MiB; mixed: half and half by bytes.
 * sleep, trickle: prints the resident memory, without the program's own table, right after the
 * burst, a second later and three seconds later. trickle: a hundred times a second, 2,000 small objects come
 * and go meanwhile.
 * again: no waiting; ten bursts, one after the other, and their time. This is the steady state that
 * an allocator harms that gives everything back at once.
 */
#include "bench.h"

#include <stdbool.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, KEEP_ONE_OF = 1000, N_AGAIN = 10, N_BATCH = 2000 };

typedef struct object {
    unsigned char *bytes;
    size_t size_bytes;
} object;

typedef struct burst {
    object *objects;
    size_t n, max, live_bytes;
} burst;

static double rss_mib(void)
{
    char line[256];
    double mib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    if (file == NULL)
        bench_die("no /proc/self/status");
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            mib = strtod(line + 6, NULL) / 1024;
    fclose(file);
    return mib;
}

static size_t random_size(bench_rng *rng, const char *what, size_t done_bytes)
{
    bool is_large = what[0] == 'l' || (what[0] == 'm' && (done_bytes >> 20) % 2 == 0);
    unsigned shift = (unsigned)bench_below(rng, 6);

    if (!is_large)
        return bench_random_size(rng);
    return ((size_t)100 << 10 << shift) + bench_below(rng, (size_t)100 << 10 << shift);
}

static void make(burst *b, const char *what, size_t bytes, bench_rng *rng)
{
    size_t i, done = 0;

    for (b->n = 0; done < bytes && b->n < b->max; b->n++) {
        object *o = &b->objects[b->n];

        o->size_bytes = random_size(rng, what, done);
        o->bytes = bench_need(malloc(o->size_bytes));
        for (i = 0; i < o->size_bytes; i += PAGE_BYTES)
            o->bytes[i] = (unsigned char)(b->n + i / PAGE_BYTES);
        done += o->size_bytes;
    }
}

static void check(const object *o, size_t number)
{
    size_t i;

    for (i = 0; i < o->size_bytes; i += PAGE_BYTES)
        if (o->bytes[i] != (unsigned char)(number + i / PAGE_BYTES))
            bench_die("an object changed under its owner");
}

/* In the order in which they were made, as a program that drops a table would. */
static void drop(burst *b, size_t keep_one_of)
{
    size_t i;

    b->live_bytes = 0;
    for (i = 0; i < b->n; i++) {
        object *o = &b->objects[i];

        check(o, i);
        if (keep_one_of && i % keep_one_of == 0 && o->size_bytes < 100 << 10) {
            b->live_bytes += o->size_bytes;
            continue;
        }
        free(o->bytes);
        o->bytes = NULL;
    }
}

static void trickle(bench_rng *rng, uint64_t for_ns)
{
    uint64_t end_ns = bench_wall_ns() + for_ns;
    void *batch[N_BATCH];
    int i;

    while (bench_wall_ns() < end_ns) {
        for (i = 0; i < N_BATCH; i++)
            batch[i] = bench_need(malloc(bench_random_size(rng)));
        for (i = 0; i < N_BATCH; i++)
            free(batch[i]);
        usleep(10000);
    }
}

static void wait_for(bench_rng *rng, bool is_trickle, unsigned n_seconds)
{
    if (is_trickle)
        trickle(rng, n_seconds * UINT64_C(1000000000));
    else
        sleep(n_seconds);
}

static void again(burst *b, const char *what, size_t bytes, bench_rng *rng)
{
    uint64_t cpu_ns = bench_cpu_ns();
    int i;

    for (i = 0; i < N_AGAIN; i++) {
        make(b, what, bytes, rng);
        drop(b, 0);
    }
    bench_metric("cpu_ms_per_burst", (double)(bench_cpu_ns() - cpu_ns) / 1e6 / N_AGAIN, "ms");
}

int main(int argc, char **argv)
{
    size_t bytes = bench_arg(argc, argv, 3, "MEBIBYTES") << 20;
    burst b = {.max = bytes / 64};
    bench_rng rng = {7};
    double table_mib;
    uint64_t cpu_ns;

    b.objects = bench_scratch(b.max * sizeof *b.objects);
    if (argv[2][0] == 'a') {
        again(&b, argv[1], bytes, &rng);
        return 0;
    }
    cpu_ns = bench_cpu_ns();
    make(&b, argv[1], bytes, &rng);
    table_mib = (double)(b.n * sizeof *b.objects >> 10) / 1024;
    drop(&b, KEEP_ONE_OF);
    bench_metric("cpu_ms", (double)(bench_cpu_ns() - cpu_ns) / 1e6, "ms");
    bench_metric("rss_at_once_mib", rss_mib() - table_mib, "MiB");
    wait_for(&rng, argv[2][0] == 't', 1);
    bench_metric("rss_after_1s_mib", rss_mib() - table_mib, "MiB");
    wait_for(&rng, argv[2][0] == 't', 2);
    bench_metric("rss_after_3s_mib", rss_mib() - table_mib, "MiB");
    bench_check("live", b.live_bytes);
    return 0;
}
