/* SPDX-License-Identifier: MIT */
/* tests/stress/roots_kernel.c - places that only the kernel sees: what it gives back with an event,
 * a timer or a signal. */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/epoll.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "roots.h"

/* Functions that hand the pointer over take it from here: it is revealed for that moment. */
typedef struct hand_over {
    const trial *t;
    int fds[2], epoll;
    int operation;
    timer_t timer;
    mqd_t queue;
    int notify;
    pthread_t thread;
} hand_over;

static void *revealed(const trial *t) { return (void *)~(t->hidden ^ t->erase); }

/* ---- epoll ----------------------------------------------------------------------------------- */

static void control(void *arg)
{
    hand_over *h = arg;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = revealed(h->t)};
    REQUIRE(epoll_ctl(h->epoll, h->operation, h->fds[0], &event) == 0);
    memset(&event, 0, sizeof event);
}

static hand_over open_epoll(const trial *t)
{
    hand_over h = {.t = t, .operation = EPOLL_CTL_ADD};
    h.epoll = epoll_create1(0);
    REQUIRE(h.epoll >= 0 && pipe(h.fds) == 0);
    return h;
}

static void close_epoll(hand_over *h)
{
    close(h->fds[0]);
    close(h->fds[1]);
    close(h->epoll);
}

/* What the kernel gives back is what it was given. */
static void look_at_event(void *arg)
{
    hand_over *h = arg;
    struct epoll_event event;
    REQUIRE(write(h->fds[1], "x", 1) == 1);
    REQUIRE(epoll_wait(h->epoll, &event, 1, 0) == 1 && event.data.ptr == revealed(h->t));
    memset(&event, 0, sizeof event);
}

static void in_epoll(trial *t)
{
    hand_over h = open_epoll(t);
    stress_deep(control, &h);
    collect_and_look(t);
    stress_deep(look_at_event, &h);
    close_epoll(&h);
}

/* Another word first, then the pointer. */
static void in_changed_epoll(trial *t)
{
    hand_over h = open_epoll(t);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5};
    REQUIRE(epoll_ctl(h.epoll, EPOLL_CTL_ADD, h.fds[0], &event) == 0);
    h.operation = EPOLL_CTL_MOD;
    stress_deep(control, &h);
    collect_and_look(t);
    stress_deep(look_at_event, &h);
    close_epoll(&h);
}

static void after_epoll(trial *t)
{
    hand_over h = open_epoll(t);
    stress_deep(control, &h);
    REQUIRE(epoll_ctl(h.epoll, EPOLL_CTL_DEL, h.fds[0], NULL) == 0);
    collect_and_look(t);
    close_epoll(&h);
}

/* So many that the table grows. */
static void among_many_in_epoll(trial *t)
{
    enum { N_PIPES = 300 };
    static int fds[N_PIPES][2];
    hand_over h = open_epoll(t);
    struct epoll_event event = {.events = EPOLLIN};
    for (int i = 0; i < N_PIPES; i++) {
        event.data.u64 = (uint64_t)i;
        REQUIRE(pipe(fds[i]) == 0 && epoll_ctl(h.epoll, EPOLL_CTL_ADD, fds[i][0], &event) == 0);
    }
    stress_deep(control, &h);
    collect_and_look(t);
    stress_deep(look_at_event, &h);
    for (int i = 0; i < N_PIPES; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    close_epoll(&h);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static void on_timer(union sigval value) { (void)value; }

static void make_timer(void *arg)
{
    hand_over *h = arg;
    struct sigevent event = {.sigev_notify = h->notify, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_ptr = revealed(h->t);
    if (h->notify == SIGEV_THREAD) {
        event.sigev_notify_function = on_timer;
    }
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &h->timer) == 0);
    memset(&event, 0, sizeof event);
}

static void in_timer_of(trial *t, int notify)
{
    hand_over h = {.t = t, .notify = notify};
    stress_deep(make_timer, &h);
    collect_and_look(t);
    timer_delete(h.timer);
}

static void in_timer(trial *t) { in_timer_of(t, SIGEV_SIGNAL); }

static void after_timer(trial *t)
{
    hand_over h = {.t = t, .notify = SIGEV_SIGNAL};
    stress_deep(make_timer, &h);
    timer_delete(h.timer);
    collect_and_look(t);
}

/* ---- Notifications and queued signals -------------------------------------------------------- */

static void notify(void *arg)
{
    hand_over *h = arg;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_ptr = revealed(h->t);
    REQUIRE(mq_notify(h->queue, &event) == 0);
    memset(&event, 0, sizeof event);
}

static void in_notification(trial *t)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    char name[32];
    hand_over h = {.t = t};
    snprintf(name, sizeof name, "/gleaner-roots-%d", (int)getpid());
    h.queue = mq_open(name, O_RDWR | O_CREAT, 0600, &attributes);
    REQUIRE(h.queue >= 0);
    mq_unlink(name);
    stress_deep(notify, &h);
    collect_and_look(t);
    mq_notify(h.queue, NULL);
    mq_close(h.queue);
}

static void send_value(void *arg)
{
    hand_over *h = arg;
    union sigval value = {.sival_ptr = revealed(h->t)};
    REQUIRE(h->notify ? pthread_sigqueue(h->thread, SIGRTMIN + 5, value) == 0
                      : sigqueue(getpid(), SIGRTMIN + 5, value) == 0);
    memset(&value, 0, sizeof value);
}

static void take_value(void *arg)
{
    const trial *t = arg;
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    REQUIRE(sigwaitinfo(&set, &info) == SIGRTMIN + 5 && info.si_value.sival_ptr == revealed(t));
    memset(&info, 0, sizeof info);
}

static void in_signal(trial *t, int is_for_thread)
{
    hand_over h = {.t = t, .notify = is_for_thread, .thread = pthread_self()};
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    stress_deep(send_value, &h);
    collect_and_look(t);
    stress_deep(take_value, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void in_queued_signal(trial *t) { in_signal(t, 0); }
static void in_queued_signal_of_thread(trial *t) { in_signal(t, 1); }

const place kernel_places[] = {
    {"data of epoll", in_epoll, NEEDS_MALLOC},
    {"data of epoll, changed", in_changed_epoll, NEEDS_MALLOC},
    {"data of epoll, among many", among_many_in_epoll, NEEDS_MALLOC},
    {"data of epoll that was removed", after_epoll, NEEDS_MALLOC | IS_NO_ROOT},
    {"value of a timer", in_timer, NEEDS_MALLOC},
    {"value of a timer that was deleted", after_timer, NEEDS_MALLOC | IS_NO_ROOT},
    {"value of a notification", in_notification, NEEDS_MALLOC},
    {"value of a queued signal", in_queued_signal, NEEDS_MALLOC},
    {"value of a thread's queued signal", in_queued_signal_of_thread, NEEDS_MALLOC},
    {NULL, NULL, 0},
};
