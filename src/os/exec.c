/* SPDX-License-Identifier: MIT */
/*
 * os/exec.c - the exec functions, called in a blocking region.
 *
 * A signal that is sent to a thread inside of execve() is still pending when the new program begins,
 * where no handler is left: a suspend signal would kill it. In a blocking region none is sent. What
 * has been pending for longer (the thread has blocked the signal) is taken away.
 *
 * The child of a vfork() has the memory of its parent, thread-local storage included, and must not
 * touch it: no thread of its own process is in its way. It is told by its thread id.
 *
 * All else is as in the C library. Nothing here allocates.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "base/syscall.h"
#include "os/tasks.h"
#include "os/threads_internal.h"

enum { KERNEL_SIGSET_BYTES = 8 };

typedef struct exec_call {
    int directory; /* AT_FDCWD, or a descriptor for execveat() */
    int flags;
    const char *path;
    char *const *argv;
    char *const *envp;
} exec_call;

static void *call_kernel(void *arg)
{
    const exec_call *c = arg;
    long r;
    if (c->directory == AT_FDCWD && c->flags == 0)
        r = gl_syscall6_always(SYS_execve, (long)c->path, (long)c->argv, (long)c->envp, 0, 0, 0);
    else
        r = gl_syscall6_always(SYS_execveat, c->directory, (long)c->path, (long)c->argv,
                               (long)c->envp, c->flags, 0);
    return (void *)r;
}

static void *drop_pending_and_call(void *arg)
{
    uint64_t ours = UINT64_C(1) << (gl_threads_signal() - 1);
    struct timespec at_once = {0, 0};
    while (gl_syscall4(SYS_rt_sigtimedwait, (long)&ours, 0, (long)&at_once, KERNEL_SIGSET_BYTES) > 0) {
    }
    return call_kernel(arg);
}

/* Returns only if it fails: -1, and errno. */
static int execute(const exec_call *call)
{
    exec_call own = *call;
    bool is_ours = gl_threads_signal() != 0 && gl_threads_is_known_self();
    void *r = is_ours ? gl_threads_blocking(drop_pending_and_call, &own) : call_kernel(&own);
    errno = (int)-(intptr_t)r;
    return -1;
}

static int execute_path(const char *path, char *const argv[], char *const envp[])
{
    exec_call call = {.directory = AT_FDCWD, .path = path, .argv = argv, .envp = envp};
    return execute(&call);
}

/* ---- Along the PATH --------------------------------------------------------------------------------- */

/* A file without a header that the kernel knows is a script for the shell. */
static void execute_script(const char *path, char *const argv[], char *const envp[])
{
    size_t n = 0;
    while (argv[n])
        n++;
    const char *script[n + 3];
    script[0] = "/bin/sh";
    script[1] = path;
    for (size_t i = 1; i <= n; i++)
        script[i + 1] = argv[i];
    script[n > 0 ? n + 1 : 2] = NULL;
    execute_path(script[0], (char *const *)(uintptr_t)script, envp);
}

static void execute_or_script(const char *path, char *const argv[], char *const envp[])
{
    execute_path(path, argv, envp);
    if (errno == ENOEXEC)
        execute_script(path, argv, envp);
}

/* Errors after which the next folder may have it. */
static bool is_passed_over(int error)
{
    return error == EACCES || error == ENOENT || error == ESTALE || error == ENOTDIR ||
           error == ENODEV || error == ETIMEDOUT;
}

static const char *search_path(char *const *environment)
{
    for (; environment && *environment; environment++) {
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    }
    return "/bin:/usr/bin";
}

static int execute_found(const char *file, char *const argv[], char *const envp[])
{
    if (file[0] == '\0') {
        errno = ENOENT;
        return -1;
    }
    if (strchr(file, '/')) {
        execute_or_script(file, argv, envp);
        return -1;
    }
    size_t length = strlen(file);
    bool is_refused = false;
    if (length > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (const char *at = search_path(environ);; at++) {
        size_t n = strcspn(at, ":");
        char path[PATH_MAX + NAME_MAX + 2];
        if (n < PATH_MAX) {
            memcpy(path, at, n);
            path[n] = '/';
            memcpy(path + n + (n > 0), file, length + 1);
            execute_or_script(path, argv, envp);
            is_refused |= errno == EACCES;
            if (!is_passed_over(errno))
                return -1;
        }
        at += n;
        if (*at == '\0')
            break;
    }
    if (is_refused)
        errno = EACCES;
    return -1;
}

/* ---- The functions ---------------------------------------------------------------------------------- */

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int execve(const char *path, char *const argv[], char *const envp[])
{
    return execute_path(path, argv, envp);
}

EXPORTED int execv(const char *path, char *const argv[])
{
    return execute_path(path, argv, environ);
}

EXPORTED int execvpe(const char *file, char *const argv[], char *const envp[])
{
    return execute_found(file, argv, envp);
}

EXPORTED int execvp(const char *file, char *const argv[])
{
    return execute_found(file, argv, environ);
}

EXPORTED int execveat(int directory, const char *path, char *const argv[], char *const envp[],
                      int flags)
{
    exec_call call = {directory, flags, path, argv, envp};
    return execute(&call);
}

EXPORTED int fexecve(int fd, char *const argv[], char *const envp[])
{
    if (fd < 0) {
        errno = EINVAL;
        return -1;
    }
    return execveat(fd, "", argv, envp, AT_EMPTY_PATH);
}

static size_t count_arguments(va_list *list)
{
    size_t n = 1;
    while (va_arg(*list, const char *))
        n++;
    return n;
}

static void copy_arguments(const char **argv, const char *first, size_t n, va_list *list)
{
    argv[0] = first;
    for (size_t i = 1; i <= n; i++)
        argv[i] = va_arg(*list, const char *); /* the last is NULL */
}

/* The arguments as an array in the frame of the function that has them in a list; the list goes on
 * behind the NULL. */
#define TAKE_ARGUMENTS(first, argv, list)        \
    va_list list;                                \
    va_start(list, first);                       \
    size_t n_arguments = count_arguments(&list); \
    va_end(list);                                \
    const char *argv[n_arguments + 1];           \
    va_start(list, first);                       \
    copy_arguments(argv, first, n_arguments, &list)

EXPORTED int execl(const char *path, const char *first, ...)
{
    TAKE_ARGUMENTS(first, argv, list);
    va_end(list);
    return execute_path(path, (char *const *)(uintptr_t)argv, environ);
}

EXPORTED int execlp(const char *file, const char *first, ...)
{
    TAKE_ARGUMENTS(first, argv, list);
    va_end(list);
    return execute_found(file, (char *const *)(uintptr_t)argv, environ);
}

EXPORTED int execle(const char *path, const char *first, ...)
{
    TAKE_ARGUMENTS(first, argv, list);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    return execute_path(path, (char *const *)(uintptr_t)argv, envp);
}
