/* SPDX-License-Identifier: MIT */
/*
 * os/sigaction.c - the suspend signals: their handler, and what becomes of a program that uses the
 * same signal, or sets the action of every signal there is.
 *
 * The kernel's action for the suspend signal is ours for good: were it the default one for a moment
 * only, a stop in that moment would kill the program. What the program asks for is kept here as its
 * *claim*. sigaction() reports the claim, and a signal that is not from the collector (those carry
 * a mark) does what the claim says. Every signal set that a handler is to block loses the suspend
 * signal, or a handler that runs for long could not be stopped.
 *
 * The claim is read by the handler, so writers block all signals, and readers take a copy that no
 * writer has disturbed. Nothing here allocates; the handler leaves errno alone.
 */
#include <signal.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/sanitize.h"
#include "base/syscall.h"
#include "os/handlers.h"
#include "os/tasks.h"
#include "os/threads_internal.h"

enum { KERNEL_SIGSET_BYTES = 8 };

static int suspend_signal;              /* 0: not initialised */
static volatile gl_word kernel_handler; /* what the kernel calls: ours, or a sanitizer's around it */

int gl_threads_signal(void) { return suspend_signal; }

/* --- The claim ----------------------------------------------------------------------------------- */

static struct sigaction claim; /* zero: the default action */
static volatile uint32_t claim_version; /* odd: being written */

static struct sigaction read_claim(void)
{
    for (;;) {
        uint32_t before = gl_load32_acquire(&claim_version);
        struct sigaction copy = claim;
        gl_fence_full();
        if (before % 2 == 0 && gl_load32_acquire(&claim_version) == before)
            return copy;
        gl_spin_hint();
    }
}

static void set_mask(uint64_t mask, uint64_t *old)
{
    gl_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, (long)old, KERNEL_SIGSET_BYTES);
}

static void write_claim(const struct sigaction *action)
{
    uint64_t saved = 0;
    set_mask(UINT64_MAX, &saved);
    uint32_t version;
    do {
        version = gl_load32_acquire(&claim_version) & ~UINT32_C(1);
    } while (!gl_cas32_full(&claim_version, version, version + 1));
    claim = *action;
    gl_store32_release(&claim_version, version + 2);
    set_mask(saved, NULL);
}

/* --- Signals that are not ours --------------------------------------------------------------------- */

/* What the default action does to a process that has not thought of a real-time signal. */
static void end_by_signal(int signal)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    gl_libc_sigaction(signal, &usual, NULL);
    gl_syscall3(SYS_tgkill, gl_tasks_process(), gl_tasks_self(), signal);
    set_mask(~(UINT64_C(1) << (signal - 1)), NULL);
}

/* As the kernel would have called the program's handler: in the mask that the interrupted code had,
 * with the signals of the action added, itself among them. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    struct sigaction action = read_claim();
    if (action.sa_handler == SIG_IGN)
        return;
    if (action.sa_handler == SIG_DFL) {
        end_by_signal(signal);
        return;
    }
    if ((unsigned)action.sa_flags & SA_RESETHAND) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        write_claim(&usual);
    }
    uint64_t interrupted, added;
    __builtin_memcpy(&interrupted, &((ucontext_t *)context)->uc_sigmask, sizeof interrupted);
    __builtin_memcpy(&added, &action.sa_mask, sizeof added);
    if (!(action.sa_flags & SA_NODEFER))
        added |= UINT64_C(1) << (signal - 1);
    set_mask(interrupted | added, NULL);
    gl_handled_signals++;
    if (action.sa_flags & SA_SIGINFO)
        action.sa_sigaction(signal, info, context);
    else
        action.sa_handler(signal);
}

/* --- The handler ----------------------------------------------------------------------------------- */

static void on_suspend(int signal, siginfo_t *info, void *context)
{
    if (gl_tasks_is_ours(info))
        gl_stop_handler(context);
    else
        pass_on(signal, info, context);
}

/* The kernel's own struct sigaction. We read the handler only; the rest comes along. */
typedef struct kernel_action {
    uintptr_t handler;
    unsigned long rest[7];
} kernel_action;

/* False: the system refuses to tell. */
static bool read_action(int signal, kernel_action *action)
{
    return gl_syscall4(SYS_rt_sigaction, signal, 0, (long)action, KERNEL_SIGSET_BYTES) == 0;
}

/* A program whose own handler is to interrupt system calls gets that; so do then our signals. */
static bool install_handler(struct sigaction *old)
{
    int saved_errno = errno;
    struct sigaction claimed = read_claim();
    bool interrupts = claimed.sa_handler != SIG_DFL && claimed.sa_handler != SIG_IGN &&
                      !(claimed.sa_flags & SA_RESTART);
    struct sigaction action = {0};
    action.sa_sigaction = on_suspend;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (interrupts ? 0 : SA_RESTART);
    /* Not sigfillset(), which leaves the signals 32 and 33 out: a thread that stands must not take the
     * second signal as well, or it would count as two. */
    __builtin_memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
    kernel_action in_force;
    bool is_done = gl_libc_sigaction(suspend_signal, &action, old) == 0;
    if (is_done && read_action(suspend_signal, &in_force))
        gl_store_relaxed(&kernel_handler, in_force.handler);
    errno = saved_errno;
    return is_done;
}

bool gl_threads_ensure_handler(void)
{
    kernel_action action;
    return read_action(suspend_signal, &action) &&
           (action.handler == gl_load_relaxed(&kernel_handler) || install_handler(NULL));
}

void gl_threads_init(int signal)
{
    if (suspend_signal != 0)
        return;
    suspend_signal = signal != 0 ? signal : SIGRTMAX - 4;
    struct sigaction old = {0}, ignored = {.sa_handler = SIG_IGN};
    gl_check(install_handler(&old), NULL);
    /* A parent may have started us with every signal blocked; threads inherit it. Such a parent may
     * have left one of its own collector's signals pending. */
    write_claim(&ignored);
    uint64_t set = UINT64_C(1) << (suspend_signal - 1);
    gl_syscall4(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&set, 0, KERNEL_SIGSET_BYTES);
    write_claim(&old); /* of a program that comes to us late */
}

/* --- The second signal ----------------------------------------------------------------------------- */

/* The C library's timers, asynchronous input and name look-ups have threads that block every signal
 * but SIGSETXID, by which it changes the user id of all threads; so do masks that come to a thread
 * by a way that we do not see. For these that signal serves as well: what is not from the collector
 * goes to the C library's handler. */
enum { SIGSETXID_OF_LIBC = 33 };

static volatile gl_word libc_handler; /* of that signal */

static void on_second(int signal, siginfo_t *info, void *context)
{
    size_t handler = gl_load_relaxed(&libc_handler);
    if (gl_tasks_is_ours(info))
        gl_stop_handler(context);
    else if (handler > (size_t)SIG_IGN)
        ((void (*)(int, siginfo_t *, void *))handler)(signal, info, context);
}

/* By a raw call, for the C library's sigaction() refuses this signal. The action for the first
 * signal is the model: it has the address of the code that returns from handlers. */
int gl_threads_second_signal(void)
{
    kernel_action second, first;
    if (!read_action(SIGSETXID_OF_LIBC, &second) || !read_action(suspend_signal, &first))
        return 0;
    if (second.handler != (uintptr_t)on_second) {
        gl_store_relaxed(&libc_handler, second.handler);
        first.handler = (uintptr_t)on_second;
        if (gl_syscall4(SYS_rt_sigaction, SIGSETXID_OF_LIBC, (long)&first, 0,
                        KERNEL_SIGSET_BYTES) != 0)
            return 0;
    }
    return SIGSETXID_OF_LIBC;
}

/* --- What the program calls ------------------------------------------------------------------------- */

int gl_threads_sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    if (suspend_signal == 0)
        return gl_handlers_sigaction(signal, action, old);
    struct sigaction open = {0};
    if (action) {
        open = *action;
        sigdelset(&open.sa_mask, suspend_signal);
    }
    if (signal != suspend_signal)
        return gl_handlers_sigaction(signal, action ? &open : NULL, old);
    struct sigaction before = read_claim();
    if (action) {
        write_claim(&open);
        (void)install_handler(NULL); /* its flags may change; if not, no harm */
    }
    if (old)
        *old = before;
    return 0;
}

#if !GL_HAS_TSAN

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int sigaction(int signal, const struct sigaction *restrict action,
                       struct sigaction *restrict old)
{
    return gl_threads_sigaction(signal, action, old);
}

/* signal() of BSD, and that of System V: the same but for the flags. glibc's are there under their
 * second names, and know what siginterrupt() has asked for. */
extern sighandler_t bsd_signal(int signal, sighandler_t handler);
extern sighandler_t __sysv_signal(int signal, sighandler_t handler);

static sighandler_t claim_by_signal(sighandler_t handler, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct sigaction old;
    gl_threads_sigaction(suspend_signal, &action, &old);
    return old.sa_handler;
}

EXPORTED sighandler_t signal(int signal, sighandler_t handler)
{
    if (signal != suspend_signal || signal == 0 || handler == SIG_ERR)
        return gl_handlers_signal(signal, handler, bsd_signal);
    return claim_by_signal(handler, SA_RESTART);
}

EXPORTED sighandler_t sysv_signal(int signal, sighandler_t handler)
{
    if (signal != suspend_signal || signal == 0 || handler == SIG_ERR)
        return gl_handlers_signal(signal, handler, __sysv_signal);
    return claim_by_signal(handler, (int)(SA_RESETHAND | SA_NODEFER));
}

#endif
