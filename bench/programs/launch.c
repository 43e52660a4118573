/* SPDX-License-Identifier: MIT */
/*
 * Runs a program and writes down what it cost.
 *
 *     launch RESULT REPEAT [NAME=VALUE]... -- PROGRAM [ARG]...
 *
 * The program's environment is this one's plus the given variables; so a preloaded library is in
 * the program and not in the launcher. One line goes to the file RESULT:
 *
 *     status wall_ns user_ns system_ns peak_rss_kib runs
 *
 * status is the exit status, or 128 plus the signal. The program runs REPEAT times, one after the
 * other, times are sums, and the first failure ends it. Times and peak memory cover the program
 * and every child that it waited for (wait4); the peak is that of the largest process.
 *
 * Why not from the harness itself: a process inherits the peak memory of the one that it was forked
 * from, and Python's is larger than that of many programs measured here.
 */
#include "bench.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    int status;
    uint64_t wall_ns;
    uint64_t user_ns;
    uint64_t system_ns;
    long peak_rss_kib;
    size_t n_runs;
} cost;

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

_Noreturn static void become(char **variables, size_t n_variables, char **command)
{
    size_t i;

    for (i = 0; i < n_variables; i++)
        putenv(variables[i]);
    execvp(command[0], command);
    fprintf(stderr, "error: %s: %s\n", command[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

static void run_once(char **variables, size_t n_variables, char **command, cost *c)
{
    uint64_t start_ns = bench_wall_ns();
    struct rusage usage;
    int status;
    pid_t pid = fork();

    if (pid < 0)
        bench_die("fork failed");
    if (pid == 0)
        become(variables, n_variables, command);
    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            bench_die("wait4 failed");
    c->wall_ns += bench_wall_ns() - start_ns;
    c->user_ns += timeval_ns(usage.ru_utime);
    c->system_ns += timeval_ns(usage.ru_stime);
    if (usage.ru_maxrss > c->peak_rss_kib)
        c->peak_rss_kib = usage.ru_maxrss;
    c->n_runs++;
    c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void write_result(const char *path, const cost *c)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        bench_die("cannot write the result");
    fprintf(f, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %ld %zu\n", c->status, c->wall_ns,
            c->user_ns, c->system_ns, c->peak_rss_kib, c->n_runs);
    if (fclose(f) != 0)
        bench_die("cannot write the result");
}

int main(int argc, char **argv)
{
    size_t n_repeat = bench_arg(argc, argv, 2, "REPEAT");
    int first = 3, separator = 3;
    cost c = {0, 0, 0, 0, 0, 0};

    while (separator < argc && strcmp(argv[separator], "--") != 0)
        separator++;
    if (separator + 1 >= argc)
        bench_die("usage: launch RESULT REPEAT [NAME=VALUE]... -- PROGRAM [ARG]...");
    while (c.n_runs < n_repeat && c.status == 0)
        run_once(argv + first, (size_t)(separator - first), argv + separator + 1, &c);
    write_result(argv[1], &c);
    return 0;
}
