/* SPDX-License-Identifier: MIT */
/*
 * base/confine.c - seccomp filters, kept and run.
 *
 * A filter is a program of the classic Berkeley packet filter (McCanne and Jacobson 1993) over the
 * number and the arguments of a call; the kernel has checked it: every jump goes forward and stays
 * inside, and it ends with a return. It is checked here once more by its length alone.
 */
#include "base/confine.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/syscall.h"

enum { MAX_FILTERS = 32, MEMORY_WORDS = BPF_MEMWORDS };

typedef struct filter {
    const struct sock_filter *code; /* NULL: the strict mode */
    unsigned n;
} filter;

static filter filters[MAX_FILTERS];
static volatile gl_word n_filters; /* stored after the entry is complete */
volatile bool gl_confine_is_on;

/* ---- The machine ------------------------------------------------------------------------------ */

typedef struct machine {
    uint32_t a, x;
    uint32_t memory[MEMORY_WORDS];
} machine;

static uint32_t compute(uint16_t operation, uint32_t a, uint32_t b)
{
    switch (operation) {
    case BPF_ADD:
        return a + b;
    case BPF_SUB:
        return a - b;
    case BPF_MUL:
        return a * b;
    case BPF_DIV:
        return b != 0 ? a / b : 0; /* 0: see divides_by_zero() */
    case BPF_AND:
        return a & b;
    case BPF_OR:
        return a | b;
    case BPF_XOR:
        return a ^ b;
    case BPF_LSH:
        return a << (b & 31);
    case BPF_RSH:
        return a >> (b & 31);
    default:
        return 0 - a; /* BPF_NEG */
    }
}

static bool holds(uint16_t condition, uint32_t a, uint32_t b)
{
    switch (condition) {
    case BPF_JEQ:
        return a == b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    default:
        return (a & b) != 0; /* BPF_JSET */
    }
}

static uint32_t load(const machine *m, const struct sock_filter *f, const struct seccomp_data *data)
{
    switch (BPF_MODE(f->code)) {
    case BPF_ABS: {
        uint32_t word = 0;
        if (f->k <= sizeof *data - sizeof word)
            __builtin_memcpy(&word, (const char *)data + f->k, sizeof word);
        return word;
    }
    case BPF_LEN:
        return sizeof *data;
    case BPF_MEM:
        return m->memory[f->k % MEMORY_WORDS];
    default:
        return f->k; /* BPF_IMM */
    }
}

/* Runs one instruction that is no return; says how many to skip after it. */
static uint32_t step(machine *m, const struct sock_filter *f, const struct seccomp_data *data)
{
    uint32_t operand = BPF_SRC(f->code) == BPF_X ? m->x : f->k;
    switch (BPF_CLASS(f->code)) {
    case BPF_LD:
        m->a = load(m, f, data);
        return 0;
    case BPF_LDX:
        m->x = load(m, f, data);
        return 0;
    case BPF_ST:
        m->memory[f->k % MEMORY_WORDS] = m->a;
        return 0;
    case BPF_STX:
        m->memory[f->k % MEMORY_WORDS] = m->x;
        return 0;
    case BPF_ALU:
        m->a = compute(BPF_OP(f->code), m->a, operand);
        return 0;
    case BPF_JMP:
        if (BPF_OP(f->code) == BPF_JA)
            return f->k;
        return holds(BPF_OP(f->code), m->a, operand) ? f->jt : f->jf;
    default:
        if (BPF_MISCOP(f->code) == BPF_TAX)
            m->x = m->a;
        else
            m->a = m->x;
        return 0;
    }
}

static bool divides_by_zero(const machine *m, const struct sock_filter *f)
{
    return f->code == (BPF_ALU | BPF_DIV | BPF_X) && m->x == 0;
}

static uint32_t run(const filter *f, const struct seccomp_data *data)
{
    machine m = {0};
    for (uint64_t at = 0; at < f->n; at++) {
        const struct sock_filter *instruction = &f->code[at];
        if (BPF_CLASS(instruction->code) == BPF_RET)
            return BPF_RVAL(instruction->code) == BPF_A ? m.a : instruction->k;
        if (divides_by_zero(&m, instruction))
            return SECCOMP_RET_KILL_THREAD;
        at += step(&m, instruction, data);
    }
    return SECCOMP_RET_KILL_PROCESS;
}

/* ---- The question ------------------------------------------------------------------------------ */

/* An error is what we can deal with, unless it is "no error", for a call that has not been made.
 * TRAP may end the process, and a supervisor (USER_NOTIF) should hear of the program's calls only. */
static bool is_harmless(uint32_t verdict)
{
    switch (verdict & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
    case SECCOMP_RET_TRACE:
        return true;
    case SECCOMP_RET_ERRNO:
        return (verdict & SECCOMP_RET_DATA) != 0;
    default:
        return false;
    }
}

static bool is_strict_call(long number)
{
    return number == SYS_read || number == SYS_write || number == SYS_exit ||
           number == SYS_rt_sigreturn;
}

#if defined(__x86_64__)
#define THIS_MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_MACHINE AUDIT_ARCH_AARCH64
#else
#define THIS_MACHINE 0
#endif

bool gl_confine_forbids(long number, const long arguments[6])
{
    struct seccomp_data data = {.nr = (int)number, .arch = THIS_MACHINE};
    data.instruction_pointer = (uintptr_t)__builtin_return_address(0);
    for (int i = 0; i < 6; i++)
        data.args[i] = (uint64_t)arguments[i];
    size_t n = gl_load_acquire(&n_filters);
    for (size_t i = 0; i < n; i++) {
        if (filters[i].code ? !is_harmless(run(&filters[i], &data)) : !is_strict_call(number))
            return true;
    }
    return false;
}

/* ---- The filters ------------------------------------------------------------------------------- */

/* Two threads that confine the process at once: the program's own order decides, there is none to
 * keep here. A place that is lost counts as strict, for its code is NULL. */
static void append(const struct sock_filter *code, unsigned n)
{
    size_t at = gl_load_acquire(&n_filters);
    size_t last = at < MAX_FILTERS ? at : MAX_FILTERS - 1;
    filters[last] = (filter){at < MAX_FILTERS ? code : NULL, n};
    gl_store_release(&n_filters, last + 1);
    gl_confine_is_on = true;
}

void gl_confine_add(const struct sock_fprog *program)
{
    size_t bytes = program->len * sizeof program->filter[0];
    long memory = gl_syscall6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (gl_syscall_failed(memory) || memory == 0) {
        append(NULL, 0);
        return;
    }
    __builtin_memcpy((void *)memory, program->filter, bytes);
    append((const struct sock_filter *)memory, program->len);
}

void gl_confine_add_strict(void) { append(NULL, 0); }

/* Its memory stays: a thread may be running it. */
void gl_confine_withdraw(void)
{
    size_t n = gl_load_acquire(&n_filters);
    if (n > 0)
        gl_store_release(&n_filters, n - 1);
    gl_confine_is_on = n > 1;
}
