/* SPDX-License-Identifier: MIT */
/*
 * os/stop.c - how the world is stopped.
 *
 * The stopping thread lists /proc/self/task, signals every thread that it has not met in this
 * stop, and waits until each stands: *parked* in the handler, *held* in a blocking region, dead,
 * or a worker of the kernel. Threads may be born and die all the while, so it is done only when
 * one of these is true:
 *   - by count: the process has exactly as many threads as stand (they cannot end or make others
 *     while they stand, so nobody else is there); the usual case, one system call;
 *   - by list: a list that was begun when all known threads stood has no unknown thread, and is
 *     as long as the process has threads.
 *
 * A thread parks by pushing a node, which lies on its own stack, on the list `parked`. The word
 * says CLOSED while no stop is under way: a signal that arrives late finds that, and its handler
 * returns. Each node is released by itself (a thread that is slow to leave cannot be mistaken for
 * one of the next stop); all then wake by one system call on `resume_epoch`.
 *
 * One thread at a time stops the world: the caller holds the lock GL_RANK_COLLECT. Nothing here
 * allocates from a heap, takes a lock or touches errno.
 */
#include <errno.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/lock.h"
#include "base/syscall.h"
#include "os/interrupted.h"
#include "os/system.h"
#include "os/tasks.h"
#include "os/threads_internal.h"
#include "os/tids.h"

typedef struct parked_node {
    gl_stopped_thread thread; /* first: the list leads from one to the next. Written by the owner
                                 before it is on the list */
    volatile uint32_t released; /* by the thread that stops the world */
    uintptr_t registers[GL_SPILLED_WORDS];
} parked_node;

enum { CLOSED = 1 }; /* no address of a node */

static volatile gl_word parked = CLOSED; /* gl_stopped_thread *, or CLOSED */
static volatile uint32_t resume_epoch;   /* changes when threads may go on */
static volatile uint32_t n_joined;       /* nodes pushed so far, ever; wraps around */
static volatile uint32_t n_wanted;       /* the value of n_joined that wakes the stopping thread */

/* The rest belongs to the thread that stops the world. */
static volatile gl_word is_stopped;       /* read by anybody, for checks */
static const gl_stopped_thread *stopped;  /* held threads, then parked ones */
static bool is_main_dead;                 /* the main thread is a zombie: for good */

/* Threads that took no signal in an earlier stop: they are looked at before they get another, or
 * signals would pile up in them, and each stop would wait for them anew. */
enum { SUSPECTS = 32 };
static int suspects[SUSPECTS];
static unsigned next_suspect;

/* --- The side of the threads -------------------------------------------------------------------- */

bool gl_stop_is_open(void) { return gl_load_acquire(&parked) != CLOSED; }

uint32_t gl_stop_epoch(void) { return gl_load32_acquire(&resume_epoch); }

void gl_stop_wait(uint32_t epoch) { gl_futex_wait(&resume_epoch, epoch, 0); }

/* What the interrupted code may use begins below its stack pointer, by the width of the red zone
 * of the ABI. */
static uintptr_t interrupted_stack_pointer(const void *signal_context)
{
    const ucontext_t *context = signal_context;
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP] - 128;
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#else
    return (uintptr_t)context;
#endif
}

static bool push(parked_node *node)
{
    size_t first;
    do {
        first = gl_load_acquire(&parked);
        if (first == CLOSED)
            return false;
        node->thread.next = (gl_stopped_thread *)first;
    } while (!gl_cas_full(&parked, first, (size_t)&node->thread));
    return true;
}

/* All registers of the interrupted code are in the signal frame, above the node. */
static GL_ON_REAL_STACK void park(const void *signal_context)
{
    if (!gl_stop_is_open())
        return;
    parked_node node;
    gl_spill_registers(node.registers);
    node.thread.stack_pointer = (uintptr_t)&node;
    node.thread.interrupted_stack_pointer = interrupted_stack_pointer(signal_context);
    node.thread.thread_pointer = gl_spill_thread_pointer();
    /* Not the cached id: a thread made by a raw clone may share the storage of its maker. */
    node.thread.tid = gl_tasks_self();
    node.released = 0;
    if (!push(&node))
        return;
    if (gl_add32_full(&n_joined, 1) + 1 == gl_load32_acquire(&n_wanted))
        gl_futex_wake(&n_joined, 1);
    for (;;) {
        uint32_t epoch = gl_stop_epoch();
        if (gl_load32_acquire(&node.released))
            return;
        gl_futex_wait(&resume_epoch, epoch, 0);
    }
}

void gl_stop_handler(void *signal_context)
{
    park(signal_context);
    gl_interrupted_note(signal_context);
}

/* --- The side of the stopping thread ------------------------------------------------------------ */

typedef struct stop {
    int process;
    int self;
    uint64_t deadline_ns;
    gl_stopped_thread *held;      /* list of held slots; ends with NULL until the stop is done */
    gl_stopped_thread *last_held;
    const gl_stopped_thread *seen; /* the first node of `parked` that has been counted */
    size_t n_pending;             /* signalled, and no answer yet */
    size_t n_standing;            /* parked or held */
    size_t n_kernel;
    bool is_main_gone;            /* the main thread is a zombie, and listed */
    bool has_list;                /* the last pass had a list with this thread in it */
    bool was_quiet;               /* nothing was pending when the last pass began */
    size_t n_listed;              /* in the last pass */
    size_t n_new;                 /* of them met for the first time */
    bool has_failed;
} stop;

static bool is_suspect(int tid)
{
    for (unsigned i = 0; i < SUSPECTS; i++) {
        if (suspects[i] == tid)
            return true;
    }
    return false;
}

static void add_suspect(int tid)
{
    if (!is_suspect(tid))
        suspects[next_suspect++ % SUSPECTS] = tid;
}

static void drop_suspect(int tid)
{
    for (unsigned i = 0; i < SUSPECTS; i++) {
        if (suspects[i] == tid)
            suspects[i] = 0;
    }
}

/* Books what gl_tasks_kind() said of a thread; false if it is an ordinary one. */
static bool settle_by_kind(stop *s, gl_tid_entry *entry)
{
    switch (gl_tasks_kind(entry->tid)) {
    case GL_TASK_DEAD:
        entry->state = GL_TID_GONE;
        if (entry->tid == s->process)
            is_main_dead = s->is_main_gone = true;
        return true;
    case GL_TASK_KERNEL:
        entry->state = GL_TID_KERNEL;
        s->n_kernel++;
        add_suspect(entry->tid);
        return true;
    default:
        return false;
    }
}

#define NO_PROGRESS_NS ((uint64_t)4000000)

/* The queue of real-time signals (RLIMIT_SIGPENDING) may be full: then others must take theirs. It
 * may be full of signals that are not ours, or have no room at all: then waiting is in vain. */
static int suspend_when_there_is_room(const stop *s, int tid)
{
    static volatile uint32_t nobody_wakes;
    uint32_t joined = gl_load32_acquire(&n_joined);
    uint64_t end_ns = 0;
    for (;;) {
        int error = gl_tasks_suspend(s->process, tid, gl_threads_signal());
        if (error != -EAGAIN)
            return error;
        uint64_t now_ns = gl_os_now_ns();
        uint32_t joined_now = gl_load32_acquire(&n_joined);
        if (end_ns == 0 || joined_now != joined)
            end_ns = now_ns + NO_PROGRESS_NS;
        joined = joined_now;
        if (now_ns >= end_ns || now_ns >= s->deadline_ns)
            return error;
        gl_futex_wait(&nobody_wakes, 0, 100000);
    }
}

static void signal_thread(stop *s, gl_tid_entry *entry)
{
    int error = suspend_when_there_is_room(s, entry->tid);
    if (error == 0) {
        entry->state = GL_TID_SIGNALLED;
        s->n_pending++;
    } else if (error == -ESRCH) {
        entry->state = GL_TID_GONE;
    } else {
        s->has_failed = true;
    }
}

/* For a thread that blocks the suspend signal. It keeps the signal that it has, and must not get
 * another in each stop. */
static void send_second(const stop *s, int tid)
{
    int signal = gl_threads_second_signal();
    add_suspect(tid);
    if (signal != 0 && !gl_tasks_has_pending(tid, signal))
        gl_tasks_suspend(s->process, tid, signal);
}

/* Deals with one thread of the list. */
static bool meet_thread(int tid, void *arg)
{
    stop *s = arg;
    if (tid == s->self) {
        s->has_list = true;
        return true;
    }
    gl_tid_entry *entry = gl_tids_at(tid);
    if (!entry) {
        s->has_failed = true;
        return false;
    }
    if (entry->state != GL_TID_NEW)
        return true;
    s->n_new++;
    if (tid == s->process && is_main_dead) {
        entry->state = GL_TID_GONE;
        s->is_main_gone = true;
        return true;
    }
    if (is_suspect(tid)) {
        if (settle_by_kind(s, entry))
            return true;
        if (gl_tasks_has_pending(tid, gl_threads_signal())) {
            entry->state = GL_TID_SIGNALLED;
            s->n_pending++;
            send_second(s, tid);
            return true;
        }
        drop_suspect(tid);
    }
    signal_thread(s, entry);
    return !s->has_failed;
}

/* Holds the thread of a slot if it is in a blocking region. */
static void try_hold(gl_slot *slot, void *arg)
{
    stop *s = arg;
    uint32_t word = gl_load32_acquire(&slot->word);
    int tid = gl_slot_tid_of(word, s->process);
    if (gl_slot_state_of(word) != GL_SLOT_BLOCKED || tid == s->self)
        return;
    /* A slot outlives a thread that ended without giving it back. */
    if (gl_tasks_kill(s->process, tid, 0) != 0)
        return;
    gl_tid_entry *entry = gl_tids_at(tid);
    if (!entry || entry->state != GL_TID_NEW)
        return;
    if (!gl_cas32_full(&slot->word, word, gl_slot_word(slot->thread.tid, GL_SLOT_HELD)))
        return;
    entry->state = GL_TID_HELD;
    s->n_standing++;
    slot->thread.next = s->held;
    if (!s->held)
        s->last_held = &slot->thread;
    s->held = &slot->thread;
}

static void meet_slot(gl_slot *slot, void *arg)
{
    const stop *s = arg;
    uint32_t word = gl_load32_acquire(&slot->word);
    if (gl_slot_state_of(word) == GL_SLOT_RUNNING)
        meet_thread(gl_slot_tid_of(word, s->process), arg);
}

/* One pass: signals every thread that this stop has not met. */
static void meet_all(stop *s)
{
    s->was_quiet = s->n_pending == 0;
    s->n_new = 0;
    s->has_list = false;
    gl_slots_each(try_hold, s);
    s->n_listed = gl_tasks_list(meet_thread, s);
    if (!s->has_list)
        gl_slots_each(meet_slot, s); /* no list, or that of another PID namespace */
}

/* Counts the nodes that have come since the last call. */
static void count_parked(stop *s)
{
    const gl_stopped_thread *first = (const gl_stopped_thread *)gl_load_acquire(&parked);
    for (const gl_stopped_thread *t = first; t != s->seen; t = t->next) {
        gl_tid_entry *entry = gl_tids_at(t->tid);
        if (!entry) {
            s->has_failed = true;
            return;
        }
        if (entry->state == GL_TID_HELD || entry->state == GL_TID_PARKED)
            continue; /* stopped in two ways, by a signal of an earlier stop */
        s->n_pending -= entry->state == GL_TID_SIGNALLED;
        s->n_kernel -= entry->state == GL_TID_KERNEL;
        s->n_standing++;
        entry->state = GL_TID_PARKED;
    }
    s->seen = first;
}

static bool is_complete(const stop *s)
{
    size_t n_threads = gl_tasks_count();
    size_t n_expected = 1 + s->n_standing + s->is_main_gone;
    /* Kernel workers may end, and leave their place in the count to a thread unknown to us. */
    if (n_threads != 0 && n_threads == n_expected && s->n_kernel == 0)
        return true;
    if (s->n_pending != 0 || !s->was_quiet || s->n_new != 0)
        return false;
    if (s->has_list)
        return n_threads == 0 || n_threads == s->n_listed;
    /* No list: the registry must be all there is, as far as that can be told. */
    return n_threads == 0 || n_threads == n_expected;
}

static void examine(gl_tid_entry *entry, void *arg)
{
    stop *s = arg;
    if (gl_tasks_kill(s->process, entry->tid, 0) == -ESRCH)
        entry->state = GL_TID_GONE;
    else if (!settle_by_kind(s, entry)) {
        if (gl_tasks_has_pending(entry->tid, gl_threads_signal()))
            send_second(s, entry->tid);
        return;
    }
    s->n_pending--;
}

enum { SPINS = 400 };
#define FIRST_SLEEP_NS ((uint64_t)50000)
#define FIRST_EXAMINATION_NS ((uint64_t)1000000)

/* Waits until as many nodes have come as are pending, or until a time has passed. */
static void wait_for_nodes(stop *s, uint64_t sleep_ns)
{
    static int spins = -1; /* on one processor nobody can answer while we spin */
    if (spins < 0)
        spins = gl_os_processors() > 1 ? SPINS : 0;
    uint32_t joined = gl_load32_acquire(&n_joined);
    count_parked(s); /* after the load: who pushes in between is counted twice, and we wake early */
    if (s->n_pending == 0)
        return;
    uint32_t wanted = joined + (uint32_t)s->n_pending;
    for (int i = 0; i < spins; i++) {
        if ((int32_t)(gl_load32_acquire(&n_joined) - wanted) >= 0)
            return;
        gl_spin_hint();
    }
    gl_store32_release(&n_wanted, wanted);
    gl_fence_full();
    uint64_t end_ns = gl_os_now_ns() + sleep_ns;
    for (;;) {
        joined = gl_load32_acquire(&n_joined);
        uint64_t now_ns = gl_os_now_ns();
        if ((int32_t)(joined - wanted) >= 0 || now_ns >= end_ns)
            return;
        gl_futex_wait(&n_joined, joined, end_ns - now_ns);
    }
}

/* Meets and waits until the world stands; false: the time is over, or it cannot be done. */
static bool bring_to_stand(stop *s)
{
    uint64_t sleep_ns = FIRST_SLEEP_NS;
    uint64_t examination_ns = gl_os_now_ns() + FIRST_EXAMINATION_NS;
    uint64_t between_ns = FIRST_EXAMINATION_NS;
    uint64_t lonely_ns = 0; /* since when there is no list, and a thread too many */
    meet_all(s);
    while (!s->has_failed) {
        wait_for_nodes(s, sleep_ns);
        count_parked(s);
        if (is_complete(s))
            return !s->has_failed;
        uint64_t now_ns = gl_os_now_ns();
        if (now_ns >= s->deadline_ns)
            return false;
        if (s->n_pending != 0) {
            sleep_ns = sleep_ns < FIRST_EXAMINATION_NS ? sleep_ns * 2 : sleep_ns;
            if (now_ns >= examination_ns) {
                gl_tids_each_signalled(examine, s);
                between_ns *= 2;
                examination_ns = now_ns + between_ns;
            }
            continue;
        }
        if (s->was_quiet && s->n_new == 0) {
            /* A thread is about to end, or to begin: let it. Without a list it may as well be one
             * that nothing is known of. */
            lonely_ns = s->has_list ? 0 : lonely_ns != 0 ? lonely_ns : now_ns;
            if (lonely_ns != 0 && now_ns - lonely_ns > NO_PROGRESS_NS)
                return false;
            static volatile uint32_t nobody_wakes;
            gl_futex_wait(&nobody_wakes, 0, FIRST_SLEEP_NS);
        }
        meet_all(s);
    }
    return false;
}

/* Ends the stop: nobody can park any more, and all that stand go on. */
static void release_all(const gl_stopped_thread *held)
{
    size_t first;
    do {
        first = gl_load_acquire(&parked);
    } while (!gl_cas_full(&parked, first, CLOSED));
    for (const gl_stopped_thread *t = held; t;) {
        const gl_stopped_thread *next = t->next;
        gl_slot *slot = (gl_slot *)(uintptr_t)t;
        gl_store32_release(&slot->word, gl_slot_word(slot->thread.tid, GL_SLOT_BLOCKED));
        t = next;
    }
    for (parked_node *node = (parked_node *)first; node;) {
        parked_node *next = (parked_node *)node->thread.next;
        gl_store32_release(&node->released, 1); /* from here the node may be gone */
        node = next;
    }
    gl_add32_full(&resume_epoch, 1);
    gl_futex_wake(&resume_epoch, UINT32_MAX);
}

static void note_suspect(gl_tid_entry *entry, void *arg)
{
    (void)arg;
    add_suspect(entry->tid);
}

static gl_stopped_thread *held_threads; /* of the stop that stands: the first part of `stopped` */
static gl_stopped_thread *last_held_thread;

/* What the threads cannot stop or go on without, in a process that has confined itself. */
static bool is_stopping_allowed(void)
{
    static const long needed[] = {SYS_gettid, SYS_getpid, SYS_futex, SYS_rt_sigreturn,
                                  SYS_rt_sigaction, SYS_tgkill, SYS_clock_gettime};
    static const long none[6];
    for (size_t i = 0; i < sizeof needed / sizeof needed[0] && gl_confine_is_on; i++) {
        if (gl_confine_forbids(needed[i], none))
            return false;
    }
    return true;
}

bool gl_threads_stop(uint64_t timeout_ns)
{
    gl_check(!gl_load_relaxed(&is_stopped) && gl_threads_signal() != 0, NULL);
    held_threads = NULL;
    last_held_thread = NULL;
    stopped = NULL;
    if (gl_tasks_count() == 1) { /* nobody is there who could make another */
        gl_store_relaxed(&is_stopped, 1);
        return true;
    }
    if (!is_stopping_allowed() || !gl_threads_ensure_handler())
        return false;
    gl_threads_register();
    gl_tids_clear();
    stop s = {.process = gl_tasks_process(), .self = gl_tasks_self()};
    if (s.process <= 0 || s.self <= 0)
        return false; /* a filter that refuses even that */
    s.deadline_ns = gl_os_now_ns() + timeout_ns;
    gl_store_release(&parked, 0);
    gl_fence_full();
    bool stands = bring_to_stand(&s);
    if (!stands) {
        gl_tids_each_signalled(note_suspect, NULL);
        release_all(s.held);
        return false;
    }
    stopped = (const gl_stopped_thread *)gl_load_acquire(&parked);
    if (s.held) {
        held_threads = s.held;
        last_held_thread = s.last_held;
        last_held_thread->next = (gl_stopped_thread *)(uintptr_t)stopped;
        stopped = held_threads;
    }
    gl_store_relaxed(&is_stopped, 1);
    return true;
}

const gl_stopped_thread *gl_threads_stopped(void) { return stopped; }

void gl_threads_resume(void)
{
    gl_check(gl_load_relaxed(&is_stopped), NULL);
    gl_store_relaxed(&is_stopped, 0);
    stopped = NULL;
    if (!gl_stop_is_open())
        return; /* there was nobody to stop */
    if (last_held_thread)
        last_held_thread->next = NULL;
    release_all(held_threads);
}

void gl_threads_each_unstopped(void (*fn)(int tid, void *arg), void *arg)
{
    for (unsigned i = 0; i < SUSPECTS; i++) {
        if (suspects[i] != 0 && gl_tasks_has_pending(suspects[i], gl_threads_signal()))
            fn(suspects[i], arg);
    }
}

bool gl_threads_world_is_stopped(void) { return gl_load_relaxed(&is_stopped) != 0; }

void gl_stop_after_fork(void)
{
    gl_store_relaxed(&is_stopped, 0);
    stopped = NULL;
    is_main_dead = false;
    for (unsigned i = 0; i < SUSPECTS; i++)
        suspects[i] = 0;
    gl_store_release(&parked, CLOSED);
}
