/* SPDX-License-Identifier: MIT */
/*
 * tests/traps/sandbox.c - programs that confine themselves: by seccomp filters that kill or answer
 * with an error, by giving up privileges, by chroot; and programs that confine malloc's file
 * descriptors, threads and signals by limits.
 *
 * A collection may be given up where it lacks what it needs. It must not kill the program, must not
 * hold it up, and must not reclaim what is in use.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "traps.h"

enum { NOT_POSSIBLE = 77, N_ROUNDS = 20, NOBODY = 65534 };

/* In .data, which is a private mapping of a file: a list must be safe if this alone refers to it. */
static cell *in_data = (cell *)8;

/* Works as a program does: allocates much, drops half of it, keeps a list. */
static void work_for(int n_rounds)
{
    for (int i = 0; i < n_rounds; i++) {
        for (int j = 0; j < 200; j++) {
            cell *dropped = make_list(5);
            if (j % 2 == 0)
                free_list(dropped);
        }
        try_collect();
        EXPECT(is_list_whole(in_data, 77));
    }
    overwrite_free_memory();
    EXPECT(is_list_whole(in_data, 77));
}

static void work(void) { work_for(N_ROUNDS); }


/* ---- Filters -------------------------------------------------------------------------------------- */

#define ALLOW(number)                                      \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),   \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* What a simple program needs with glibc's malloc; the last instruction is the answer to the rest. */
static struct sock_filter simple[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_read),
    ALLOW(SYS_write),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    ALLOW(SYS_brk),
    ALLOW(SYS_mmap),
    ALLOW(SYS_munmap),
    ALLOW(SYS_futex),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

/* Everything but one call. */
static struct sock_filter all_but_one[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

#define LENGTH_OF(array) (sizeof(array) / sizeof(array)[0])

static void confine(struct sock_filter *code, size_t n, uint32_t answer, bool by_syscall)
{
    code[n - 1].k = answer;
    struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (by_syscall)
        REQUIRE(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
                        &program) == 0);
    else
        REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
}

static void filter_kills(void)
{
    confine(simple, LENGTH_OF(simple), SECCOMP_RET_KILL_PROCESS, false);
    work();
}

static void filter_kills_by_syscall(void)
{
    confine(simple, LENGTH_OF(simple), SECCOMP_RET_KILL_PROCESS, true);
    work();
}

static void filter_traps(void)
{
    confine(simple, LENGTH_OF(simple), SECCOMP_RET_TRAP, false);
    work();
}

static void filter_refuses(void)
{
    confine(simple, LENGTH_OF(simple), SECCOMP_RET_ERRNO | EPERM, false);
    work();
}

/* "No error", for calls that have not been made: a descriptor 0, nothing in any buffer. */
static void filter_lies(void)
{
    confine(simple, LENGTH_OF(simple), SECCOMP_RET_ERRNO, false);
    work();
}

/* What a collection uses, and malloc does not. */
static const int used_calls[] = {
    SYS_openat,        SYS_close,       SYS_newfstatat,     SYS_ioctl,
    SYS_pread64,       SYS_getdents64,  SYS_gettid,         SYS_getpid,
    SYS_tgkill,        SYS_clone,       SYS_madvise,        SYS_mremap,
    SYS_mincore,       SYS_rt_sigaction,   SYS_rt_sigprocmask,
    SYS_clock_gettime, SYS_sysinfo,     SYS_rt_tgsigqueueinfo, SYS_sched_getaffinity,
};

static uint32_t answer_for_one;

static int work_in_threads_without_one(void)
{
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    while (n_churning < 2)
        sched_yield(); /* a thread that begins makes some of these calls */
    confine(all_but_one, LENGTH_OF(all_but_one), answer_for_one, true);
    work_for(2); /* each attempt to stop the threads may take some time */
    _exit(traps_status()); /* a join needs some of these calls */
}

static void without_each(uint32_t answer)
{
    answer_for_one = answer;
    int n_bad = 0;
    for (size_t i = 0; i < LENGTH_OF(used_calls); i++) {
        int number = used_calls[i];
        all_but_one[1].k = (uint32_t)number;
        int status = status_of_child(work_in_threads_without_one);
        if (status != 0)
            fprintf(stderr, "without system call %d: wait status %#x\n", number, status);
        n_bad += status != 0;
    }
    EXPECT(n_bad == 0);
}

static void threads_without_each_kill(void) { without_each(SECCOMP_RET_KILL_PROCESS); }
static void threads_without_each_error(void) { without_each(SECCOMP_RET_ERRNO | EPERM); }

/* The strict mode knows read, write and exit; what is allocated by then can be given back. */
static int be_strict(void)
{
    cell *lists[100];
    for (int i = 0; i < 100; i++)
        lists[i] = make_list(9);
    REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0);
    for (int i = 0; i < 100; i++)
        free_list(lists[i]);
    for (int i = 0; i < 100; i++)
        free(malloc(40));
    try_collect();
    syscall(SYS_exit, traps_status());
    return 1;
}

static void strict_mode(void) { EXPECT(status_of_child(be_strict) == 0); }

/* A filter that the kernel does not take changes nothing. */
static void refused_filter(void)
{
    struct sock_filter wrong[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 3)};
    struct sock_fprog program = {.len = 1, .filter = wrong};
    errno = 0;
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == -1 && errno == EINVAL);
    COLLECT();
    work();
}

/* ---- Privileges ----------------------------------------------------------------------------------- */

/* A list to which only a page of a file's mapping, or a mapping of the program's own, refers. */
static cell **kept_in_mapping;

static void keep_in_mapping(void)
{
    kept_in_mapping =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(kept_in_mapping != MAP_FAILED);
    kept_in_mapping[100] = make_list(88);
}

static void work_and_check_mapping(void)
{
    work();
    EXPECT(is_list_whole(kept_in_mapping[100], 88));
}

/* The files in /proc/self belong to root now. */
static int work_as_nobody(void)
{
    pthread_t thread;
    keep_in_mapping();
    REQUIRE(pthread_create(&thread, NULL, churn, (void *)1) == 0);
    REQUIRE(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    EXPECT(open("/proc/self/pagemap", O_RDONLY) < 0);
    for (int i = 0; i < N_ROUNDS; i++)
        COLLECT();
    work_and_check_mapping();
    is_over = true;
    pthread_join(thread, NULL);
    return traps_status();
}

static void dropped_privileges(void)
{
    if (geteuid() != 0)
        exit(NOT_POSSIBLE);
    EXPECT(status_of_child(work_as_nobody) == 0);
}

/* The threads change their user id while the world stops and goes on. */
static void *change_user(void *unused)
{
    (void)unused;
    for (int i = 0; i < 200; i++)
        EXPECT(seteuid(i % 2 == 0 ? NOBODY : 0) == 0);
    is_over = true;
    return NULL;
}

static void user_of_all_threads(void)
{
    if (geteuid() != 0)
        exit(NOT_POSSIBLE);
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, i == 2 ? change_user : churn, (void *)i) == 0);
    while (!is_over)
        COLLECT();
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void not_dumpable(void)
{
    keep_in_mapping();
    REQUIRE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
    COLLECT();
    work_and_check_mapping();
}

static int work_without_proc(void)
{
    REQUIRE(chroot("/sys") == 0 && chdir("/") == 0);
    work();
    return traps_status();
}

static void chroot_without_proc(void)
{
    if (geteuid() != 0)
        exit(NOT_POSSIBLE);
    EXPECT(status_of_child(work_without_proc) == 0);
}

static int work_in_namespaces(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return NOT_POSSIBLE;
    COLLECT();
    work();
    return traps_status();
}

static void own_namespaces(void)
{
    int status = status_of_child(work_in_namespaces);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_POSSIBLE)
        exit(NOT_POSSIBLE);
    EXPECT(status == 0);
}

/* ---- Limits --------------------------------------------------------------------------------------- */

static void set_limit(int resource, rlim_t value)
{
    struct rlimit limit = {value, value};
    REQUIRE(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
}

static void no_descriptors(void)
{
    set_limit(RLIMIT_NOFILE, 0);
    work();
}

static void three_descriptors(void)
{
    set_limit(RLIMIT_NOFILE, 3);
    work();
}

/* No thread can be made, the collector's helpers among them. Root is exempt. */
static int work_without_threads(void)
{
    set_limit(RLIMIT_NPROC, 0);
    if (geteuid() == 0)
        REQUIRE(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, churn, NULL) == EAGAIN);
    COLLECT();
    work();
    return traps_status();
}

static void no_more_threads(void) { EXPECT(status_of_child(work_without_threads) == 0); }

/* A real-time signal cannot be queued then: no thread can be stopped, and no time may be lost. */
static void no_queued_signals(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, churn, (void *)1) == 0);
    set_limit(RLIMIT_SIGPENDING, 0);
    uint64_t start = now_ms();
    work_for(4);
    EXPECT(now_ms() - start < 5000);
    is_over = true;
    pthread_join(thread, NULL);
}

static void small_stack(void)
{
    struct rlimit limit = {256 * 1024, RLIM_INFINITY};
    REQUIRE(setrlimit(RLIMIT_STACK, &limit) == 0);
    COLLECT();
    work();
}

/* Memory is short for a while: malloc says so, and goes on when there is some again. */
static void data_limit(void)
{
    struct rlimit limit = {64 << 20, RLIM_INFINITY};
    REQUIRE(setrlimit(RLIMIT_DATA, &limit) == 0);
    void **chain = NULL;
    size_t n = 0;
    for (;; n++) {
        void **next = malloc(100000);
        if (next == NULL)
            break;
        *next = chain;
        chain = next;
    }
    EXPECT(errno == ENOMEM && n > 100);
    while (chain) {
        void **next = *chain;
        free(chain);
        chain = next;
    }
    void *again = malloc(1000000);
    EXPECT(again != NULL);
    free(again);
    work();
}

static const traps_case cases[] = {
    {"filter_kills", filter_kills},
    {"filter_kills_by_syscall", filter_kills_by_syscall},
    {"filter_traps", filter_traps},
    {"filter_refuses", filter_refuses},
    {"filter_lies", filter_lies},
    {"threads_without_each_kill", threads_without_each_kill},
    {"threads_without_each_error", threads_without_each_error},
    {"strict_mode", strict_mode},
    {"refused_filter", refused_filter},
    {"dropped_privileges", dropped_privileges},
    {"user_of_all_threads", user_of_all_threads},
    {"not_dumpable", not_dumpable},
    {"chroot_without_proc", chroot_without_proc},
    {"own_namespaces", own_namespaces},
    {"no_descriptors", no_descriptors},
    {"three_descriptors", three_descriptors},
    {"no_more_threads", no_more_threads},
    {"no_queued_signals", no_queued_signals},
    {"small_stack", small_stack},
    {"data_limit", data_limit},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    in_data = make_list(77);
    return traps_main(argc, argv, cases);
}
