/* SPDX-License-Identifier: MIT */
/*
 * tests/traps/processes.c - processes that are made by any route, become others, close all their
 * descriptors, and end in any way, while their threads allocate and collect.
 */
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>

#include "traps.h"

extern char **environ;

enum { N_THREADS = 2, N_CHILDREN = 30, N_ENDS = 10, STACK_BYTES = 64 * 1024 };

static pthread_t threads[N_THREADS];
static cell *kept;

static void *churn_and_collect(void *arg)
{
    cell *list = make_list((uintptr_t)arg);
    __atomic_add_fetch(&n_churning, 1, __ATOMIC_SEQ_CST);
    while (!is_over) {
        free_list(make_list(3));
        make_list(4);
        try_collect();
        EXPECT(is_list_whole(list, (uintptr_t)arg));
    }
    return NULL;
}

/* Threads that make the heap busy. */
static void start_threads(void)
{
    kept = make_list(21);
    for (size_t i = 0; i < N_THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, i == 0 ? churn_and_collect : churn,
                               (void *)(100 + i)) == 0);
    while (n_churning < N_THREADS)
        sched_yield();
}

static void join_threads(void)
{
    is_over = true;
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    EXPECT(is_list_whole(kept, 21));
}

/* What a child does to see that its heap is in order. */
static int allocate_and_collect(void)
{
    EXPECT(is_list_whole(kept, 21));
    for (int i = 0; i < 5; i++) {
        cell *list = make_list(33);
        COLLECT();
        overwrite_free_memory();
        EXPECT(is_list_whole(list, 33));
    }
    is_over = false;
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, churn, (void *)1) == 0);
    COLLECT();
    is_over = true;
    pthread_join(thread, NULL);
    EXPECT(is_list_whole(kept, 21));
    return traps_status();
}

static bool has_left_with(pid_t child, int wanted)
{
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == wanted;
}

/* ---- Making processes ------------------------------------------------------------------------------ */

static void *fork_often(void *unused)
{
    (void)unused;
    for (int i = 0; i < N_CHILDREN; i++)
        EXPECT(status_of_child(allocate_and_collect) == 0);
    return NULL;
}

static void fork_from_thread(void)
{
    pthread_t forking;
    start_threads();
    REQUIRE(pthread_create(&forking, NULL, fork_often, NULL) == 0);
    fork_often(NULL);
    pthread_join(forking, NULL);
    join_threads();
}

/* fork() past the C library, in a process of one thread. */
static void raw_fork(void)
{
    kept = make_list(21);
    COLLECT();
    for (int i = 0; i < 5; i++) {
        pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0)
            _exit(allocate_and_collect());
        EXPECT(has_left_with(child, 0));
    }
    EXPECT(allocate_and_collect() == 0);
}

/* ... and in one of several, where the child only becomes another program. */
static void raw_fork_from_thread(void)
{
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    start_threads();
    for (int i = 0; i < N_CHILDREN; i++) {
        pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            execv("/bin/true", arguments);
            _exit(9);
        }
        EXPECT(has_left_with(child, 0));
    }
    join_threads();
}

/* The child takes its time. Its parent cannot be stopped meanwhile: collections may be given up,
 * and the other threads must not wait for it. */
static void slow_vfork(void)
{
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    start_threads();
    pid_t child = vfork();
    if (child == 0) {
        struct timespec time = {0, 300000000};
        nanosleep(&time, NULL);
        execv("/bin/true", arguments);
        _exit(9);
    }
    EXPECT(has_left_with(child, 0));
    for (int i = 0; i < 10; i++)
        COLLECT();
    join_threads();
}

static void spawn(void)
{
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t) "exit 7", NULL};
    start_threads();
    for (int i = 0; i < N_CHILDREN; i++) {
        pid_t child;
        EXPECT(posix_spawnp(&child, "sh", NULL, NULL, arguments, environ) == 0);
        EXPECT(has_left_with(child, 7));
    }
    for (int i = 0; i < 5; i++) {
        FILE *pipe = popen("echo word", "r");
        char text[20] = "";
        EXPECT(pipe && fgets(text, sizeof text, pipe) && strcmp(text, "word\n") == 0);
        EXPECT(pipe && pclose(pipe) == 0);
        EXPECT(system("exit 3") == 3 << 8);
    }
    join_threads();
}

/* A process that shares the memory, and computes in it while collections run. */
static int compute(void *counter)
{
    for (int i = 0; i < 20000000; i++)
        ++*(volatile int *)counter;
    return 5;
}

static void process_in_same_memory(void)
{
    static int counter;
    start_threads();
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t child = clone(compute, stack + STACK_BYTES, CLONE_VM | SIGCHLD, &counter);
    REQUIRE(child > 0);
    for (int i = 0; i < 10; i++)
        COLLECT();
    EXPECT(has_left_with(child, 5) && counter == 20000000);
    join_threads();
}

/* A daemon: two forks, a session of its own, and no descriptor but those that it opens itself. */
static int be_daemon(void)
{
    setsid();
    pid_t child = fork();
    if (child != 0)
        return has_left_with(child, 0) ? 0 : 1;
    syscall(SYS_close_range, 0, ~0U, 0);
    EXPECT(allocate_and_collect() == 0);
    for (int fd = 0; fd < 3; fd++)
        EXPECT(open("/dev/null", O_RDWR) == fd);
    EXPECT(allocate_and_collect() == 0);
    _exit(traps_status());
}

static void daemon_closes_all(void)
{
    kept = make_list(21);
    COLLECT();
    EXPECT(status_of_child(be_daemon) == 0);
}

/* One that closes everything while its other threads collect. */
static void thread_closes_all(void)
{
    start_threads();
    for (int i = 0; i < 200; i++)
        syscall(SYS_close_range, 3, ~0U, 0);
    join_threads();
}

/* A child without the preloaded library. */
static void exec_without_preload(void)
{
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t) "! grep -q libgleaner /proc/self/maps", NULL};
    char *none[] = {(char *)(uintptr_t) "PATH=/bin:/usr/bin", NULL};
    start_threads();
    pid_t child = fork();
    if (child == 0) {
        execve("/bin/sh", arguments, none);
        _exit(9);
    }
    EXPECT(has_left_with(child, 0));
    join_threads();
}

/* Replaces itself while its threads collect. */
static int become_another(void)
{
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t) "exit 6", NULL};
    start_threads();
    execv("/bin/sh", arguments);
    return 9;
}

static void exec_under_collections(void)
{
    for (int i = 0; i < N_CHILDREN; i++) {
        int status = status_of_child(become_another);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 6);
    }
}

/* Each of the exec functions, found and not found. */
static int which_exec;

static int call_exec(void)
{
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t) "exit ${CODE-6}", NULL};
    char *code[] = {(char *)(uintptr_t) "CODE=16", NULL};
    int fd = open("/bin/sh", O_RDONLY);
    switch (which_exec) {
    case 0:
        return execv("/bin/sh", arguments);
    case 1:
        return execve("/bin/sh", arguments, code);
    case 2:
        return execvp("sh", arguments);
    case 3:
        return execvpe("sh", arguments, code);
    case 4:
        return execl("/bin/sh", "sh", "-c", "exit 6", NULL);
    case 5:
        return execlp("sh", "sh", "-c", "exit 6", NULL);
    case 6:
        return execle("/bin/sh", "sh", "-c", "exit ${CODE-6}", NULL, code);
    case 7:
        return fexecve(fd, arguments, code);
    case 8:
        return execveat(fd, "", arguments, code, 0x1000 /* AT_EMPTY_PATH */);
    case 9: /* no header: a script */
        return execvp("./traps-script", arguments);
    default:
        execvp("no-such-program", arguments);
        EXPECT(errno == ENOENT);
        execvp("./traps-no-script", arguments);
        EXPECT(errno == EACCES);
        execv("/dev/null/x", arguments);
        EXPECT(errno == ENOTDIR);
        execlp("", "x", NULL);
        EXPECT(errno == ENOENT);
        COLLECT();
        return traps_status();
    }
}

static int call_exec_among_threads(void)
{
    start_threads();
    return call_exec();
}

static void write_script(const char *name, int mode)
{
    char text[] = "exit 26\n";
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    REQUIRE(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1 && close(fd) == 0);
}

static void exec_functions(void)
{
    static const int wanted[] = {6, 16, 6, 16, 6, 6, 16, 16, 16, 26, 0};
    char folder[] = "/tmp/trapsXXXXXX";
    REQUIRE(mkdtemp(folder) != NULL && chdir(folder) == 0);
    write_script("traps-script", 0755);
    write_script("traps-no-script", 0644);
    for (which_exec = 0; which_exec <= 10; which_exec++) {
        int status = status_of_child(which_exec % 2 == 0 ? call_exec : call_exec_among_threads);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == wanted[which_exec]);
    }
    unlink("traps-script");
    unlink("traps-no-script");
    rmdir(folder);
}

/* ---- Ends ------------------------------------------------------------------------------------------- */

static int (*way_to_end)(void);

static int end_among_threads(void)
{
    start_threads();
    sleep_ms(1);
    return way_to_end();
}

/* The wait status of several children that end in this way must be the same as without us. */
static void ends_with(int (*way)(void), int wanted)
{
    way_to_end = way;
    for (int i = 0; i < N_ENDS; i++)
        EXPECT((status_of_child(end_among_threads) & ~0x80) == wanted); /* with or without a core */
}

static int by_exit(void) { exit(3); }
static int by_quick_exit(void) { quick_exit(4); }
static int by_underscore(void) { _exit(5); }
static int by_abort(void) { abort(); }

static int by_crash(void)
{
    static volatile int *volatile nowhere;
    *nowhere = 1;
    return 0;
}

static int by_kill(void)
{
    kill(getpid(), SIGKILL);
    return 0;
}

static void *exit_in_thread(void *unused)
{
    (void)unused;
    exit(6);
}

static int by_exit_of_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, exit_in_thread, NULL);
    pthread_join(thread, NULL);
    return 9;
}

static void allocate_at_exit(void)
{
    free_list(make_list(2));
    try_collect();
}

static void exit_again(void)
{
    allocate_at_exit();
    exit(8);
}

static int by_handlers_at_exit(void)
{
    atexit(exit_again);
    atexit(allocate_at_exit);
    exit(7);
}

static void ends(void)
{
    ends_with(by_exit, 3 << 8);
    ends_with(by_quick_exit, 4 << 8);
    ends_with(by_underscore, 5 << 8);
    ends_with(by_exit_of_thread, 6 << 8);
    ends_with(by_handlers_at_exit, 8 << 8);
    ends_with(by_abort, SIGABRT);
    ends_with(by_crash, SIGSEGV);
    ends_with(by_kill, SIGKILL);
}

static const traps_case cases[] = {
    {"fork_from_thread", fork_from_thread},
    {"raw_fork", raw_fork},
    {"raw_fork_from_thread", raw_fork_from_thread},
    {"slow_vfork", slow_vfork},
    {"spawn", spawn},
    {"process_in_same_memory", process_in_same_memory},
    {"daemon_closes_all", daemon_closes_all},
    {"thread_closes_all", thread_closes_all},
    {"exec_without_preload", exec_without_preload},
    {"exec_under_collections", exec_under_collections},
    {"exec_functions", exec_functions},
    {"ends", ends},
    {NULL, NULL},
};

int main(int argc, char **argv) { return traps_main(argc, argv, cases); }
