/* SPDX-License-Identifier: MIT */
/* Helpers: they run beside their maker, cannot be signalled, and are gone after the join. */
#include "os/helper.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/syscall.h"
#include "unit.h"

static _Alignas(16) char stacks[8][GL_HELPER_STACK_BYTES];

typedef struct job {
    volatile uint32_t tid, pid, sum;
    volatile uint32_t may_go;
    uint64_t blocked;
} job;

static void work(void *arg)
{
    job *j = arg;
    uint64_t blocked = 0;
    gl_syscall4(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&blocked, sizeof blocked);
    j->blocked = blocked;
    gl_store32_relaxed(&j->tid, (uint32_t)gl_syscall3(SYS_gettid, 0, 0, 0));
    gl_store32_relaxed(&j->pid, (uint32_t)gl_syscall3(SYS_getpid, 0, 0, 0));
    for (uint32_t i = 1; i <= 1000; i++) {
        gl_store32_relaxed(&j->sum, j->sum + i);
    }
    while (!gl_load32_acquire(&j->may_go)) {
        gl_spin_hint();
    }
}

static size_t count_tasks(void)
{
    size_t n = 0;
    DIR *tasks = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    closedir(tasks);
    return n;
}

START_TEST(a_helper_runs_beside_its_maker)
{
    gl_helper helper;
    job j = {0};
    sigset_t before, after;
    sigprocmask(SIG_BLOCK, NULL, &before);
    uint64_t saved;
    gl_helpers_begin(&saved);
    ck_assert(gl_helper_start(&helper, stacks[0], work, &j));
    ck_assert_uint_eq(count_tasks(), 2);
    gl_store32_release(&j.may_go, 1);
    gl_helper_join(&helper);
    gl_helpers_end(&saved);
    ck_assert_uint_eq(count_tasks(), 1);
    ck_assert_uint_eq(j.sum, 500500);
    ck_assert_uint_eq(j.pid, (uint32_t)getpid());
    ck_assert_uint_ne(j.tid, (uint32_t)getpid());
    ck_assert_uint_ne(j.blocked & (uint64_t)1 << (SIGTERM - 1), 0);
    ck_assert_uint_ne(j.blocked & (uint64_t)1 << (SIGRTMAX - 1), 0);
    sigprocmask(SIG_BLOCK, NULL, &after);
    ck_assert_int_eq(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}
END_TEST

START_TEST(many_come_and_go)
{
    enum { ROUNDS = 500, N = 8 };
    for (int round = 0; round < ROUNDS; round++) {
        gl_helper helpers[N];
        job jobs[N] = {{0}};
        for (int i = 0; i < N; i++) {
            gl_store32_relaxed(&jobs[i].may_go, 1);
            ck_assert(gl_helper_start(&helpers[i], stacks[i], work, &jobs[i]));
        }
        for (int i = 0; i < N; i++) {
            gl_helper_join(&helpers[i]);
            ck_assert_uint_eq(jobs[i].sum, 500500);
        }
    }
    ck_assert_uint_eq(count_tasks(), 1);
}
END_TEST

START_TEST(there_is_a_processor)
{
    ck_assert_uint_ge(gl_helper_count_processors(), 1);
    ck_assert_uint_le(gl_helper_count_processors(), (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}
END_TEST

int main(void)
{
    if (GL_HAS_TSAN) {
        return 77; /* it keeps its state in the storage that helpers share */
    }
    Suite *suite = suite_create("os/helper");
    TCase *tests = unit_case(suite, "helper", 60);
    tcase_add_test(tests, a_helper_runs_beside_its_maker);
    tcase_add_test(tests, many_come_and_go);
    tcase_add_test(tests, there_is_a_processor);
    return unit_run(suite);
}
