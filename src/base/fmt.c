/* SPDX-License-Identifier: MIT */
/*
 * base/fmt.c - compose a line in a fixed buffer and write it with one system call.
 *
 * Invariant: length < GL_FMT_BYTES and text[length] is NUL, so that a line is also a C string.
 */
#include "base/fmt.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/atomic.h"
#include "base/syscall.h"

enum { FMT_ROOM = GL_FMT_BYTES - 1 };

void gl_fmt_init(gl_fmt *f)
{
    f->length = 0;
    f->text[0] = '\0';
}

/* Appends n characters, or as many as fit. A newline that no longer fits replaces the last one:
 * the reader of a log must not see two lines run together. */
static void append(gl_fmt *f, const char *s, size_t n)
{
    size_t room = FMT_ROOM - f->length;
    size_t taken = n < room ? n : room;
    for (size_t i = 0; i < taken; i++)
        f->text[f->length + i] = s[i];
    f->length += taken;
    if (taken < n && s[n - 1] == '\n')
        f->text[FMT_ROOM - 1] = '\n';
    f->text[f->length] = '\0';
}

void gl_fmt_str(gl_fmt *f, const char *s)
{
    if (!s)
        s = "(null)";
    size_t n = 0;
    while (s[n])
        n++;
    append(f, s, n);
}

enum { DIGITS_MAX = 20 }; /* of a 64-bit number, in decimal */

/* Writes at least `width` digits, right-aligned in digits[]; returns where they start. */
static size_t decimal_digits(char digits[DIGITS_MAX], uint64_t v, unsigned width)
{
    size_t at = DIGITS_MAX;
    while (at > 0 && (v != 0 || DIGITS_MAX - at < width)) {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    }
    return at;
}

void gl_fmt_dec(gl_fmt *f, uint64_t v)
{
    char digits[DIGITS_MAX];
    size_t at = decimal_digits(digits, v, 1);
    append(f, digits + at, DIGITS_MAX - at);
}

void gl_fmt_hex(gl_fmt *f, uintptr_t v)
{
    char digits[2 * sizeof v];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v != 0);
    append(f, "0x", 2);
    append(f, digits + at, sizeof digits - at);
}

void gl_fmt_fixed(gl_fmt *f, uint64_t v, unsigned decimals)
{
    if (decimals >= DIGITS_MAX)
        decimals = DIGITS_MAX - 1;
    char digits[DIGITS_MAX];
    size_t at = decimal_digits(digits, v, decimals + 1);
    append(f, digits + at, DIGITS_MAX - at - decimals);
    if (decimals > 0) {
        append(f, ".", 1);
        append(f, digits + DIGITS_MAX - decimals, decimals);
    }
}

void gl_fmt_bytes(gl_fmt *f, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    if (bytes < 1024) {
        gl_fmt_dec(f, bytes);
        gl_fmt_str(f, units[0]);
        return;
    }
    unsigned unit = 1;
    while (unit < 6 && (bytes >> (10 * unit)) >= 1024)
        unit++;
    uint64_t whole = bytes >> (10 * unit);
    uint64_t rest = bytes & ((UINT64_C(1) << (10 * unit)) - 1);
    uint64_t tenth = (rest * 10) >> (10 * unit); /* rest < 2^60: the product fits */
    gl_fmt_fixed(f, whole * 10 + tenth, 1);
    gl_fmt_str(f, units[unit]);
}

enum { KERNEL_SIGSET_BYTES = 8 };

static uint64_t bit_of(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

static gl_word is_ending;

void gl_fmt_expect_end(void)
{
    gl_store_relaxed(&is_ending, 1);
}

/* Deals with the signals that a failed write has sent to this thread, and that were not blocked before.
 * They are taken away; at the end of the process they stay blocked instead, for that needs no call that
 * a sandbox might not let pass. Returns the mask to go on with. */
static uint64_t forget_signals(uint64_t ours, uint64_t mask)
{
    static const struct timespec at_once = {0, 0};
    if (gl_load_relaxed(&is_ending)) {
        return mask | ours;
    }
    if (ours) {
        gl_syscall4(SYS_rt_sigtimedwait, (long)&ours, 0, (long)&at_once, KERNEL_SIGSET_BYTES);
    }
    return mask;
}

/* 0, or an error as the kernel gives it. */
static long write_all(const char *text, size_t length, int fd)
{
    size_t done = 0;
    while (done < length) {
        long n = gl_syscall3(SYS_write, fd, (long)(text + done), (long)(length - done));
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? n : -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* A closed pipe or a limit of file sizes must not end a program that writes nothing itself: sshd's
 * sandbox has such a limit. */
bool gl_fmt_write(const gl_fmt *f, int fd)
{
    const uint64_t blocked = bit_of(SIGPIPE) | bit_of(SIGXFSZ);
    uint64_t mask = 0;
    gl_syscall4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&blocked, (long)&mask, KERNEL_SIGSET_BYTES);
    long error = write_all(f->text, f->length, fd);
    if (error == -EPIPE || error == -EFBIG) {
        mask = forget_signals(bit_of(error == -EPIPE ? SIGPIPE : SIGXFSZ) & ~mask, mask);
    }
    gl_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, KERNEL_SIGSET_BYTES);
    return error == 0;
}
