/* SPDX-License-Identifier: MIT */
/*
 * Short threads: TOTAL threads are born, two at a time, each allocates OBJECTS objects, frees half
 * of them and leaves the others to the main thread, which frees them. The cost of a thread's first
 * allocation and of its end is what counts here.
 *
 *     short_threads TOTAL OBJECTS
 */
#include "bench.h"

#include <pthread.h>

enum { AT_ONCE = 2 };

static size_t n_objects;

/* Two cache lines apart (they are fetched in pairs): threads must not share what they write. */
typedef struct {
    _Alignas(128) uint64_t **kept;
    bench_rng rng;
} job;

static void *work(void *arg)
{
    job *j = arg;
    size_t i;

    for (i = 0; i < n_objects; i++) {
        uint64_t *object = bench_need(malloc(bench_random_size(&j->rng)));

        *object = i;
        if (i % 2 == 0)
            j->kept[i / 2] = object;
        else
            free(object);
    }
    return NULL;
}

static uint64_t take_back(job *j)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < (n_objects + 1) / 2; i++) {
        if (*j->kept[i] != 2 * i)
            bench_die("an object changed after its thread ended");
        sum += *j->kept[i];
        free(j->kept[i]);
    }
    return sum;
}

static uint64_t run_pair(job *jobs)
{
    pthread_t threads[AT_ONCE];
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < AT_ONCE; i++)
        if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0)
            bench_die("pthread_create failed");
    for (i = 0; i < AT_ONCE; i++) {
        pthread_join(threads[i], NULL);
        sum += take_back(&jobs[i]);
    }
    return sum;
}

int main(int argc, char **argv)
{
    size_t n_total = bench_arg(argc, argv, 1, "TOTAL"), n_done, i;
    uint64_t wall_ns, cpu_ns, sum = 0;
    job jobs[AT_ONCE];

    n_objects = bench_arg(argc, argv, 2, "OBJECTS");
    for (i = 0; i < AT_ONCE; i++) {
        jobs[i].kept = bench_scratch((n_objects + 1) * sizeof *jobs[i].kept);
        jobs[i].rng.state = i;
    }
    wall_ns = bench_wall_ns();
    cpu_ns = bench_cpu_ns();
    for (n_done = 0; n_done < n_total; n_done += AT_ONCE)
        sum += run_pair(jobs);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - wall_ns;
    bench_check("sum", sum);
    bench_metric("us_per_thread", (double)wall_ns / 1e3 / (double)n_done, "us");
    bench_metric("cpu_us_per_thread", (double)cpu_ns / 1e3 / (double)n_done, "us");
    return 0;
}
