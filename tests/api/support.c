/* SPDX-License-Identifier: MIT */
/* tests/api/support.c - see support.h. */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gleaner/gc.h>

extern char **environ;

/* ---- Garbage --------------------------------------------------------------------------------- */

enum { DEPTH = 20, FRAME_BYTES = 1024, CLEAR_BYTES = 64 * 1024 };

__attribute__((noinline)) static void descend(void (*fn)(void *), void *arg, int depth)
{
    volatile char frame[FRAME_BYTES];
    frame[0] = (char)depth;
    if (depth > 0) {
        descend(fn, arg, depth - 1);
    } else {
        fn(arg);
    }
    frame[1] = frame[0]; /* no tail call */
}

__attribute__((noinline)) static void clear_stack(void)
{
    volatile char frame[CLEAR_BYTES];
    for (size_t i = 0; i < sizeof frame; i++) {
        frame[i] = 0;
    }
}

void call_deep(void (*fn)(void *arg), void *arg)
{
    gc_disable();
    descend(fn, arg, DEPTH);
    clear_stack();
    gc_enable();
}

static void make_batch(void *arg)
{
    batch *b = arg;
    for (size_t i = 0; i < MANY; i++) {
        b->hidden[i] = hide(b->make(b->size));
    }
}

void make_garbage(batch *b, void *(*make)(size_t size), size_t size)
{
    b->make = make;
    b->size = size;
    call_deep(make_batch, b);
}

size_t count_alive(const uintptr_t *hidden, size_t n)
{
    size_t n_alive = 0;
    for (size_t i = 0; i < n; i++) {
        n_alive += gc_sizeof(reveal(hidden[i])) != 0;
    }
    return n_alive;
}

bool is_all_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* ---- The process ----------------------------------------------------------------------------- */

bool is_malloc_ours(void)
{
    void *volatile p = malloc(1); /* volatile: the compiler may drop a malloc that it sees freed */
    bool is_ours = gc_sizeof(p) != 0;
    free(p);
    return is_ours;
}

bool is_stressed(void)
{
    const char *options = getenv("GLEANER_OPTIONS");
    return options && strstr(options, "stress_every");
}

/* ---- Children -------------------------------------------------------------------------------- */

static void append(char *text, size_t size, const char *piece, ssize_t n)
{
    size_t length = strlen(text);
    for (ssize_t i = 0; i < n && length + 1 < size; i++) {
        text[length++] = piece[i];
    }
    text[length] = '\0';
}

/* Until both pipes are at their end. */
static void drain(const int fds[2], outcome *o)
{
    struct pollfd polls[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
    while (polls[0].fd >= 0 || polls[1].fd >= 0) {
        if (poll(polls, 2, -1) < 0 && errno != EINTR) {
            ck_abort_msg("poll: %s", strerror(errno));
        }
        for (int i = 0; i < 2; i++) {
            char piece[1024];
            if (polls[i].fd < 0 || !polls[i].revents) {
                continue;
            }
            ssize_t n = read(polls[i].fd, piece, sizeof piece);
            if (n <= 0) {
                polls[i].fd = -1;
            } else if (i == 0) {
                append(o->out, sizeof o->out, piece, n);
            } else {
                append(o->err, sizeof o->err, piece, n);
            }
        }
    }
}

static void take_status(pid_t pid, outcome *o)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    o->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    o->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void run_forked(void (*fn)(void *arg), void *arg, outcome *o)
{
    int out[2], err[2];
    memset(o, 0, sizeof *o);
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(err), 0);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(out[1], 1);
        dup2(err[1], 2);
        close(out[0]);
        close(err[0]);
        fn(arg);
        fflush(NULL);
        _exit(0);
    }
    close(out[1]);
    close(err[1]);
    drain((const int[]){out[0], err[0]}, o);
    close(out[0]);
    close(err[0]);
    take_status(pid, o);
}

typedef struct exec_request {
    const char *name;
    const char *const *variables;
} exec_request;

enum { VARIABLES_MAX = 1000 };

static void exec_child(void *arg)
{
    const exec_request *request = arg;
    char *environment[VARIABLES_MAX];
    size_t n = 0;
    for (char **e = environ; *e && n < VARIABLES_MAX / 2; e++) {
        if (strncmp(*e, "GLEANER_", 8) != 0) {
            environment[n++] = *e;
        }
    }
    for (const char *const *v = request->variables; v && *v && n < VARIABLES_MAX - 1; v++) {
        environment[n++] = (char *)(uintptr_t)*v;
    }
    environment[n] = NULL;
    char *arguments[] = {(char[]){"child"}, (char *)(uintptr_t)request->name, NULL};
    execve("/proc/self/exe", arguments, environment);
    perror("execve");
    _exit(126);
}

void run_child(const char *name, const char *const variables[], outcome *o)
{
    exec_request request = {name, variables};
    run_forked(exec_child, &request, o);
}

void run_as_child(int argc, char **argv, const child *const lists[])
{
    if (argc != 2 || strcmp(argv[0], "child") != 0) {
        return;
    }
    for (const child *const *list = lists; *list; list++) {
        for (const child *c = *list; c->name; c++) {
            if (strcmp(c->name, argv[1]) == 0) {
                c->run();
                exit(0);
            }
        }
    }
    fprintf(stderr, "no child named %s\n", argv[1]);
    exit(126);
}

void ck_assert_exited(const outcome *o, int status)
{
    ck_assert_msg(o->signal == 0 && o->exit_status == status,
                  "status %d, signal %d, wanted status %d; stderr: %s", o->exit_status, o->signal,
                  status, o->err);
}
