/* SPDX-License-Identifier: MIT */
/* tests/malloc/calls_waiting.c - calls that sleep, or wait for something to happen. */
#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "calls.h"

static struct timespec span(void)
{
    struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    return t;
}

/* ---- Sleep ----------------------------------------------------------------------------------- */

static void call_nanosleep(attempt *a)
{
    struct timespec t = span();
    a->result = CALL(nanosleep)(&t, &t); /* as programs do */
    REQUIRE(a->result == -1 || (t.tv_sec == timeout_ms / 1000 && t.tv_nsec > 0));
}

static void call_clock_nanosleep(attempt *a)
{
    struct timespec t = span();
    a->result = CALL(clock_nanosleep)(CLOCK_MONOTONIC, 0, &t, NULL);
}

static void call_clock_nanosleep_until(attempt *a)
{
    struct timespec t = after_ms(CLOCK_REALTIME, timeout_ms);
    a->result = CALL(clock_nanosleep)(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
}

static void call_usleep(attempt *a)
{
    a->result = CALL(usleep)((useconds_t)timeout_ms * 1000);
}

/* Whole seconds only. */
static void call_sleep(attempt *a)
{
    unsigned left = CALL(sleep)(timeout_ms > WAIT_MS ? (unsigned)timeout_ms / 1000 : 1);
    a->result = left == 0 ? 0 : -1;
    errno = EINTR;
}

static void call_thrd_sleep(attempt *a)
{
    struct timespec t = span();
    a->result = CALL(thrd_sleep)(&t, NULL);
    errno = EINTR;
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static void make_pipe(attempt *a)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    a->fd = fds[0];
    a->other_fd = fds[1];
}

static void call_poll(attempt *a)
{
    struct pollfd p = {.fd = a->fd, .events = POLLIN};
    a->result = CALL(poll)(&p, 1, (int)timeout_ms);
}

static void call_poll_for_ever(attempt *a)
{
    struct pollfd p = {.fd = a->fd, .events = POLLIN};
    a->result = CALL(poll)(&p, 1, -1);
}

extern int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t bytes);
extern int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                       const sigset_t *mask, size_t bytes);

static void call_poll_chk(attempt *a)
{
    struct pollfd p = {.fd = a->fd, .events = POLLIN};
    a->result = CALL(__poll_chk)(&p, 1, (int)timeout_ms, sizeof p);
}

static void call_ppoll_chk(attempt *a)
{
    struct pollfd p = {.fd = a->fd, .events = POLLIN};
    struct timespec t = span();
    a->result = CALL(__ppoll_chk)(&p, 1, &t, NULL, sizeof p);
}

static void call_ppoll(attempt *a)
{
    struct pollfd p = {.fd = a->fd, .events = POLLIN};
    struct timespec t = span();
    a->result = CALL(ppoll)(&p, 1, &t, NULL);
}

static void call_select(attempt *a)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(a->fd, &set);
    struct timeval t = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    a->result = CALL(select)(a->fd + 1, &set, NULL, NULL, &t);
    REQUIRE(a->result != 0 || (t.tv_sec == 0 && t.tv_usec == 0));
}

static void call_pselect(attempt *a)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(a->fd, &set);
    struct timespec t = span();
    a->result = CALL(pselect)(a->fd + 1, &set, NULL, NULL, &t, NULL);
}

static void make_epoll(attempt *a)
{
    make_pipe(a);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    REQUIRE(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, a->fd, &event) == 0);
    a->fd = epoll;
}

static void call_epoll_wait(attempt *a)
{
    struct epoll_event event;
    a->result = CALL(epoll_wait)(a->fd, &event, 1, (int)timeout_ms);
}

static void call_epoll_wait_for_ever(attempt *a)
{
    struct epoll_event event;
    a->result = CALL(epoll_wait)(a->fd, &event, 1, -1);
}

static void call_epoll_pwait(attempt *a)
{
    struct epoll_event event;
    a->result = CALL(epoll_pwait)(a->fd, &event, 1, (int)timeout_ms, NULL);
}

static void call_epoll_pwait2(attempt *a)
{
    struct epoll_event event;
    struct timespec t = span();
    a->result = CALL(epoll_pwait2)(a->fd, &event, 1, &t, NULL);
}

static void write_byte(attempt *a)
{
    REQUIRE(write(a->other_fd, "x", 1) == 1);
}

static void call_read(attempt *a)
{
    char byte;
    a->result = CALL(read)(a->fd, &byte, 1);
}

/* ---- Signals, semaphores, children ----------------------------------------------------------- */

static void call_pause(attempt *a)
{
    a->result = CALL(pause)();
}

static void call_sigsuspend(attempt *a)
{
    sigset_t none;
    sigemptyset(&none);
    a->result = CALL(sigsuspend)(&none);
}

static void call_sigtimedwait(attempt *a)
{
    sigset_t set;
    struct timespec t = span();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    a->result = CALL(sigtimedwait)(&set, NULL, &t);
}

enum { N_SEMAPHORES = 1024 };
static sem_t semaphores[N_SEMAPHORES];

static void make_semaphore(attempt *a)
{
    make_pipe(a);
    REQUIRE(a->fd < N_SEMAPHORES && sem_init(&semaphores[a->fd], 0, 0) == 0);
}

static void post_semaphore(attempt *a)
{
    sem_post(&semaphores[a->fd]);
}

static void call_sem_wait(attempt *a)
{
    a->result = CALL(sem_wait)(&semaphores[a->fd]);
}

static void call_sem_timedwait(attempt *a)
{
    struct timespec t = after_ms(CLOCK_REALTIME, timeout_ms);
    a->result = CALL(sem_timedwait)(&semaphores[a->fd], &t);
}

static void call_sem_clockwait(attempt *a)
{
    struct timespec t = after_ms(CLOCK_MONOTONIC, timeout_ms);
    a->result = CALL(sem_clockwait)(&semaphores[a->fd], CLOCK_MONOTONIC, &t);
}

static void make_child(attempt *a)
{
    a->fd = fork();
    REQUIRE(a->fd >= 0);
    if (a->fd == 0) {
        pause();
    }
}

static void end_child(attempt *a)
{
    kill(a->fd, SIGKILL);
}

static void call_waitpid(attempt *a)
{
    int status;
    a->result = CALL(waitpid)(a->fd, &status, 0) == a->fd ? 1 : -1;
}

/* ---- Queues ---------------------------------------------------------------------------------- */

static void make_mq(attempt *a)
{
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    char name[32];
    make_pipe(a);
    snprintf(name, sizeof name, "/gleaner-%d-%d", (int)getpid(), a->fd);
    a->fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    REQUIRE(a->fd >= 0);
    mq_unlink(name);
}

static void make_full_mq(attempt *a)
{
    make_mq(a);
    REQUIRE(mq_send(a->fd, "x", 1, 0) == 0);
}

static void call_mq_timedreceive(attempt *a)
{
    char text[8];
    struct timespec t = after_ms(CLOCK_REALTIME, timeout_ms);
    a->result = CALL(mq_timedreceive)(a->fd, text, sizeof text, NULL, &t);
}

static void call_mq_timedsend(attempt *a)
{
    struct timespec t = after_ms(CLOCK_REALTIME, timeout_ms);
    a->result = CALL(mq_timedsend)(a->fd, "y", 1, 0, &t);
}

typedef struct message {
    long type;
    char text[64];
} message;

static void make_queue(attempt *a)
{
    a->fd = msgget(IPC_PRIVATE, 0600);
    REQUIRE(a->fd >= 0);
}

static void make_full_queue(attempt *a)
{
    message m = {1, "x"};
    make_queue(a);
    struct msqid_ds limits;
    REQUIRE(msgctl(a->fd, IPC_STAT, &limits) == 0);
    limits.msg_qbytes = sizeof m.text;
    REQUIRE(msgctl(a->fd, IPC_SET, &limits) == 0 && msgsnd(a->fd, &m, sizeof m.text, 0) == 0);
}

static void call_msgrcv(attempt *a)
{
    message m;
    a->result = CALL(msgrcv)(a->fd, &m, sizeof m.text, 0, 0);
    msgctl(a->fd, IPC_RMID, NULL);
}

static void call_msgsnd(attempt *a)
{
    message m = {1, "y"};
    a->result = CALL(msgsnd)(a->fd, &m, sizeof m.text, 0);
    msgctl(a->fd, IPC_RMID, NULL);
}

static void send_message(attempt *a)
{
    message m = {1, "z"};
    REQUIRE(msgsnd(a->fd, &m, sizeof m.text, 0) == 0 || is_bare); /* which is over, and gone */
}

static void take_message(attempt *a)
{
    message m;
    REQUIRE(msgrcv(a->fd, &m, sizeof m.text, 0, 0) == sizeof m.text || is_bare);
}

static void make_semaphore_set(attempt *a)
{
    a->fd = semget(IPC_PRIVATE, 1, 0600);
    REQUIRE(a->fd >= 0);
}

static void raise_semaphore_set(attempt *a)
{
    struct sembuf up = {0, 1, 0};
    REQUIRE(semop(a->fd, &up, 1) == 0 || is_bare);
}

static void call_semop(attempt *a)
{
    struct sembuf down = {0, -1, 0};
    a->result = CALL(semop)(a->fd, &down, 1);
    semctl(a->fd, 0, IPC_RMID);
}

static void call_semtimedop(attempt *a)
{
    struct sembuf down = {0, -1, 0};
    struct timespec t = span();
    a->result = CALL(semtimedop)(a->fd, &down, 1, &t);
    semctl(a->fd, 0, IPC_RMID);
}

/* ---- Asynchronous input and output ----------------------------------------------------------- */

static void call_aio_suspend(attempt *a)
{
    char byte;
    struct aiocb request = {.aio_fildes = a->fd, .aio_buf = &byte, .aio_nbytes = 1};
    const struct aiocb *list[] = {&request};
    struct timespec t = span();
    REQUIRE(aio_read(&request) == 0);
    a->result = CALL(aio_suspend)(list, 1, &t);
    a->error = errno;
    write_byte(a);
    while (aio_error(&request) == EINPROGRESS) {
        usleep(1000);
    }
    errno = a->error;
}

/* libaio's function, which the library brings; without it, the same system call by hand. */
extern int io_getevents(void *context, long n_min, long n_max, void *events,
                        struct timespec *timeout) __attribute__((weak));

static int io_getevents_by_hand(void *context, long n_min, long n_max, void *events,
                                struct timespec *timeout)
{
    long r = syscall(SYS_io_getevents, context, n_min, n_max, events, timeout);
    return r < 0 ? -errno : (int)r;
}

static void call_io_getevents(attempt *a)
{
    unsigned long context = 0;
    uint64_t events[4];
    struct timespec t = span();
    REQUIRE(syscall(SYS_io_setup, 1, &context) == 0);
    int r = io_getevents && !is_bare
                ? io_getevents((void *)context, 1, 1, events, &t)
                : io_getevents_by_hand((void *)context, 1, 1, events, &t);
    syscall(SYS_io_destroy, context);
    a->result = r < 0 ? -1 : r;
    errno = -r;
}

/* ---- The table ------------------------------------------------------------------------------- */

const row waiting_rows[] = {
    {"nanosleep", NULL, call_nanosleep, NULL, 0, 0, 0},
    {"clock_nanosleep", NULL, call_clock_nanosleep, NULL, 0, 0, 0},
    {"clock_nanosleep, absolute", NULL, call_clock_nanosleep_until, NULL, 0, 0, 0},
    {"usleep", NULL, call_usleep, NULL, 0, 0, 0},
    {"sleep", NULL, call_sleep, NULL, 0, 0, 0},
    {"thrd_sleep", NULL, call_thrd_sleep, NULL, 0, 0, 0},
    {"poll", make_pipe, call_poll, NULL, 0, 0, 0},
    {"poll without timeout", make_pipe, call_poll_for_ever, write_byte, 1, 0, 0},
    {"poll, fortified", make_pipe, call_poll_chk, NULL, 0, 0, 0},
    {"ppoll", make_pipe, call_ppoll, NULL, 0, 0, 0},
    {"ppoll, fortified", make_pipe, call_ppoll_chk, NULL, 0, 0, 0},
    {"select", make_pipe, call_select, NULL, 0, 0, 0},
    {"pselect", make_pipe, call_pselect, NULL, 0, 0, 0},
    {"epoll_wait", make_epoll, call_epoll_wait, NULL, 0, 0, 0},
    {"epoll_wait without timeout", make_epoll, call_epoll_wait_for_ever, write_byte, 1, 0, 0},
    {"epoll_pwait", make_epoll, call_epoll_pwait, NULL, 0, 0, 0},
    {"epoll_pwait2", make_epoll, call_epoll_pwait2, NULL, 0, 0, 0},
    {"read from a pipe", make_pipe, call_read, write_byte, 1, 0, BY_KERNEL},
    {"pause", NULL, call_pause, NULL, -1, EINTR, ENDS_BY_SIGNAL},
    {"sigsuspend", NULL, call_sigsuspend, NULL, -1, EINTR, ENDS_BY_SIGNAL},
    {"sigtimedwait", NULL, call_sigtimedwait, NULL, -1, EAGAIN, 0},
    {"sem_wait", make_semaphore, call_sem_wait, post_semaphore, 0, 0, BY_KERNEL},
    {"sem_timedwait", make_semaphore, call_sem_timedwait, NULL, -1, ETIMEDOUT, 0},
    {"sem_clockwait", make_semaphore, call_sem_clockwait, NULL, -1, ETIMEDOUT, 0},
    {"waitpid", make_child, call_waitpid, end_child, 1, 0, BY_KERNEL},
    {"mq_timedreceive", make_mq, call_mq_timedreceive, NULL, -1, ETIMEDOUT, BY_KERNEL},
    {"mq_timedsend", make_full_mq, call_mq_timedsend, NULL, -1, ETIMEDOUT, BY_KERNEL},
    {"msgrcv", make_queue, call_msgrcv, send_message, sizeof(((message *)0)->text), 0, 0},
    {"msgsnd", make_full_queue, call_msgsnd, take_message, 0, 0, 0},
    {"semop", make_semaphore_set, call_semop, raise_semaphore_set, 0, 0, NO_POINT},
    {"semtimedop", make_semaphore_set, call_semtimedop, NULL, -1, EAGAIN, NO_POINT},
    {"io_getevents", NULL, call_io_getevents, NULL, 0, 0, NO_POINT},
    {NULL, NULL, NULL, NULL, 0, 0, 0},
};

/* The C library does its work in a thread of its own, which blocks all signals. */
const row helped_rows[] = {
    {"aio_suspend", make_pipe, call_aio_suspend, NULL, -1, EAGAIN, 0},
    {NULL, NULL, NULL, NULL, 0, 0, 0},
};
