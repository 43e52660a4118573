/* SPDX-License-Identifier: MIT */
/*
 * base/confine.c: what it says of a filter is what the kernel does.
 *
 * Random filters answer a call with the error EPERM or with "no error"; the second counts as
 * forbidden. The kernel runs the same filter in a child.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/syscall.h"
#include "unit.h"

enum { FIRST_ARGUMENT = offsetof(struct seccomp_data, args) };
enum { MAX_LENGTH = 40, N_FILTERS = 300, N_CALLS = 20, NOT_TAKEN = 77 };

static uint64_t seed;

static uint32_t random_below(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

/* An instruction that changes the accumulator, the index or the memory. It does not ask for the
 * address of the call, which is not the same for both. */
static struct sock_filter random_step(void)
{
    static const uint16_t operations[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
                                          BPF_OR,  BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG};
    uint16_t source = random_below(2) ? BPF_X : BPF_K;
    switch (random_below(7)) {
    case 0:
        return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                            FIRST_ARGUMENT + 4 * random_below(12));
    case 1:
        return (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, random_below(1000));
    case 2:
        return (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0);
    case 3:
        return (struct sock_filter)BPF_STMT(
            (uint16_t)(BPF_MISC | (random_below(2) ? BPF_TAX : BPF_TXA)), 0);
    case 4:
        return (struct sock_filter)BPF_STMT((uint16_t)(random_below(2) ? BPF_ST : BPF_STX),
                                            random_below(2));
    case 5:
        return (struct sock_filter)BPF_STMT(
            (uint16_t)(random_below(2) ? BPF_LD | BPF_MEM : BPF_LDX | BPF_MEM), random_below(2));
    default: {
        uint16_t operation = operations[random_below(10)];
        if (operation == BPF_DIV)
            source = BPF_K; /* a division by zero would end the child */
        return (struct sock_filter)BPF_STMT((uint16_t)(BPF_ALU | operation | source),
                                            1 + random_below(31));
    }
    }
}

static struct sock_filter random_jump(unsigned left)
{
    static const uint16_t conditions[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
    uint16_t source = random_below(2) ? BPF_X : BPF_K;
    uint16_t code = (uint16_t)(BPF_JMP | conditions[random_below(4)] | source);
    return (struct sock_filter)BPF_JUMP(code, random_below(400), (uint8_t)random_below(left),
                                        (uint8_t)random_below(left));
}

/* All calls but getppid() are allowed; the last bit of what is left decides about that. */
static struct sock_fprog random_filter(struct sock_filter *code)
{
    unsigned n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_ST, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_ST, 1);
    unsigned end = n + 5 + random_below(25);
    while (n < end) {
        code[n] = random_below(3) == 0 ? random_jump(end - n) : random_step();
        n++;
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
    return (struct sock_fprog){.len = (unsigned short)n, .filter = code};
}

/* In a child: both are asked about the same calls. */
static int compare(const struct sock_fprog *filter)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        gl_syscall6_always(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)filter, 0, 0, 0) != 0)
        return NOT_TAKEN;
    gl_confine_add(filter);
    for (int i = 0; i < N_CALLS; i++) {
        long a[6];
        for (int j = 0; j < 6; j++)
            a[j] = (long)random_below(random_below(2) ? 10 : 1u << 30) << random_below(33);
        long r = gl_syscall6_always(SYS_getppid, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (gl_confine_forbids(SYS_getppid, a) != (r == 0) || gl_confine_forbids(SYS_getpid, a))
            return 1;
    }
    return 0;
}

START_TEST(the_kernel_agrees)
{
    int n_compared = 0;
    for (int i = 0; i < N_FILTERS; i++) {
        struct sock_filter code[MAX_LENGTH];
        seed = (uint64_t)i;
        struct sock_fprog filter = random_filter(code);
        pid_t child = fork();
        if (child == 0)
            _exit(compare(&filter));
        int status = -1;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(status == 0 || status == NOT_TAKEN << 8, "filter %d: status %#x", i, status);
        n_compared += status == 0;
    }
    ck_assert_int_gt(n_compared, N_FILTERS / 3);
}
END_TEST

/* A filter that divides by zero kills. */
START_TEST(division_by_zero)
{
    static const long none[6];
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_IMM, 5),
        BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {3, code};
    gl_confine_add(&filter);
    ck_assert(gl_confine_forbids(SYS_getpid, none));
}
END_TEST

static struct sock_filter allow_all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static struct sock_filter kill_all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD)};

START_TEST(the_strictest_counts)
{
    static const long none[6];
    struct sock_fprog all = {1, allow_all}, nothing = {1, kill_all};
    ck_assert(!gl_confine_is_on);
    gl_confine_add(&all);
    ck_assert(gl_confine_is_on && !gl_confine_forbids(SYS_getpid, none));
    gl_confine_add(&nothing);
    ck_assert(gl_confine_forbids(SYS_getpid, none));
    ck_assert_int_eq(gl_syscall3(SYS_getpid, 0, 0, 0), -EPERM);
    gl_confine_withdraw();
    ck_assert_int_eq(gl_syscall3(SYS_getpid, 0, 0, 0), getpid());
    gl_confine_add_strict();
    ck_assert(gl_confine_forbids(SYS_getpid, none) && !gl_confine_forbids(SYS_write, none));
    gl_confine_withdraw();
    for (int i = 0; i < 100; i++)
        gl_confine_add(&all);
    /* More than can be kept: better too strict. */
    ck_assert(gl_confine_forbids(SYS_getpid, none));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/confine");
    TCase *tests = unit_case(suite, "confine", 60);
    tcase_add_test(tests, the_kernel_agrees);
    tcase_add_test(tests, division_by_zero);
    tcase_add_test(tests, the_strictest_counts);
    return unit_run(suite);
}
