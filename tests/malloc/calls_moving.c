/* SPDX-License-Identifier: MIT */
/* tests/malloc/calls_moving.c - calls that move data: sockets with a timeout of their own, and large
 * amounts that another thread takes or gives slowly. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "calls.h"

/* ---- Sockets with a timeout ------------------------------------------------------------------ */

static void set_timeouts(int fd)
{
    struct timeval t = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == 0);
}

static void make_sockets(attempt *a)
{
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    a->fd = fds[0];
    a->other_fd = fds[1];
    set_timeouts(a->fd);
}

static void make_full_sockets(attempt *a)
{
    static char data[65536];
    make_sockets(a);
    while (send(a->fd, data, sizeof data, MSG_DONTWAIT) > 0) {
    }
    while (send(a->fd, data, 1, MSG_DONTWAIT) > 0) {
    }
}

static void call_read(attempt *a)
{
    char byte;
    a->result = CALL(read)(a->fd, &byte, 1);
}

extern ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t buffer_bytes);
extern ssize_t __recv_chk(int fd, void *buffer, size_t bytes, size_t buffer_bytes, int flags);
extern ssize_t __recvfrom_chk(int fd, void *buffer, size_t bytes, size_t buffer_bytes, int flags,
                              void *from, socklen_t *from_bytes);

static void call_read_chk(attempt *a)
{
    char byte;
    a->result = CALL(__read_chk)(a->fd, &byte, 1, 1);
}

static void call_recv_chk(attempt *a)
{
    char byte;
    a->result = CALL(__recv_chk)(a->fd, &byte, 1, 1, 0);
}

static void call_recvfrom_chk(attempt *a)
{
    char byte;
    a->result = CALL(__recvfrom_chk)(a->fd, &byte, 1, 1, 0, NULL, NULL);
}

static void call_readv(attempt *a)
{
    char byte;
    struct iovec piece = {&byte, 1};
    a->result = CALL(readv)(a->fd, &piece, 1);
}

static void call_recv(attempt *a)
{
    char byte;
    a->result = CALL(recv)(a->fd, &byte, 1, 0);
}

static void call_recvfrom(attempt *a)
{
    char byte;
    a->result = CALL(recvfrom)(a->fd, &byte, 1, 0, NULL, NULL);
}

static void call_recvmsg(attempt *a)
{
    char byte;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    a->result = CALL(recvmsg)(a->fd, &message, 0);
}

static void call_recvmmsg(attempt *a)
{
    char byte;
    struct iovec piece = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};
    a->result = CALL(recvmmsg)(a->fd, &message, 1, 0, NULL);
}

static void call_write(attempt *a)
{
    a->result = CALL(write)(a->fd, "x", 1);
}

static void call_writev(attempt *a)
{
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    a->result = CALL(writev)(a->fd, &piece, 1);
}

static void call_send(attempt *a)
{
    a->result = CALL(send)(a->fd, "x", 1, 0);
}

static void call_sendto(attempt *a)
{
    a->result = CALL(sendto)(a->fd, "x", 1, 0, NULL, 0);
}

static void call_sendmsg(attempt *a)
{
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    a->result = CALL(sendmsg)(a->fd, &message, 0);
}

static void call_sendmmsg(attempt *a)
{
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};
    a->result = CALL(sendmmsg)(a->fd, &message, 1, 0);
}

/* ---- Connections ----------------------------------------------------------------------------- */

/* A listening socket of which nobody takes connections; its address is asked for. */
static int listen_somewhere(int domain)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un local = {.sun_family = AF_UNIX}; /* the kernel chooses a name */
    int fd = socket(domain, SOCK_STREAM, 0);
    REQUIRE(fd >= 0);
    REQUIRE(domain == AF_INET
                ? bind(fd, (struct sockaddr *)&inet, sizeof inet) == 0
                : bind(fd, (struct sockaddr *)&local, sizeof local.sun_family) == 0);
    REQUIRE(listen(fd, 0) == 0);
    return fd;
}

static int connect_to(int fd, int listener, int flags)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof address;
    REQUIRE(getsockname(listener, (struct sockaddr *)&address, &bytes) == 0);
    if (flags) {
        REQUIRE(fcntl(fd, F_SETFL, flags) == 0);
        return connect(fd, (struct sockaddr *)&address, bytes);
    }
    return CALL(connect)(fd, (struct sockaddr *)&address, bytes);
}

static void make_listener(attempt *a)
{
    a->fd = listen_somewhere(AF_UNIX);
    set_timeouts(a->fd);
}

/* Its queue is full: the next connection waits. */
static void make_full_listener(attempt *a, int domain)
{
    a->other_fd = listen_somewhere(domain);
    for (int i = 0; i < 4; i++) {
        connect_to(socket(domain, SOCK_STREAM, 0), a->other_fd, O_NONBLOCK);
    }
    a->fd = socket(domain, SOCK_STREAM, 0);
    REQUIRE(a->fd >= 0);
    set_timeouts(a->fd);
}

static void make_full_local(attempt *a) { make_full_listener(a, AF_UNIX); }
static void make_full_inet(attempt *a) { make_full_listener(a, AF_INET); }

static void call_accept(attempt *a)
{
    a->result = CALL(accept)(a->fd, NULL, NULL);
}

static void call_accept4(attempt *a)
{
    a->result = CALL(accept4)(a->fd, NULL, NULL, SOCK_CLOEXEC);
}

static void call_connect(attempt *a)
{
    a->result = connect_to(a->fd, a->other_fd, 0);
}

/* ---- Large amounts --------------------------------------------------------------------------- */

enum { LARGE_BYTES = 1 << 20, N_PIECES = 7, TAKEN_BYTES = 8192, TAKEN_US = 2000 };

static void make_pipe_to_write(attempt *a)
{
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    a->fd = fds[1];
    a->other_fd = fds[0];
}

static void make_plain_sockets(attempt *a)
{
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    a->fd = fds[0];
    a->other_fd = fds[1];
}

static unsigned char pattern_at(size_t i) { return (unsigned char)(i * 31 + i / 251); }

/* Takes all slowly, and looks at it. */
static void take_all(attempt *a)
{
    unsigned char part[TAKEN_BYTES];
    for (size_t i = 0; i < LARGE_BYTES;) {
        ssize_t n = read(a->other_fd, part, sizeof part);
        REQUIRE(n > 0);
        for (ssize_t k = 0; k < n; k++, i++) {
            REQUIRE(part[k] == pattern_at(i));
        }
        usleep(TAKEN_US);
    }
}

static void give_all(attempt *a)
{
    unsigned char part[TAKEN_BYTES];
    for (size_t i = 0; i < LARGE_BYTES;) {
        for (size_t k = 0; k < sizeof part; k++, i++) {
            part[k] = pattern_at(i);
        }
        REQUIRE(write(a->other_fd, part, sizeof part) == sizeof part);
        usleep(TAKEN_US);
    }
}

static unsigned char *make_data(void)
{
    unsigned char *data = malloc(LARGE_BYTES);
    REQUIRE(data != NULL);
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        data[i] = pattern_at(i);
    }
    return data;
}

/* Pieces of different lengths, one of them empty. */
static void cut(unsigned char *data, struct iovec pieces[N_PIECES])
{
    size_t at = 0;
    for (size_t i = 0; i < N_PIECES; i++) {
        size_t bytes = i == 3 ? 0 : i == N_PIECES - 1 ? LARGE_BYTES - at : 50000 + i * 33333;
        pieces[i].iov_base = data + at;
        pieces[i].iov_len = bytes;
        at += bytes;
    }
}

static void write_large(attempt *a)
{
    unsigned char *data = make_data();
    a->result = CALL(write)(a->fd, data, LARGE_BYTES);
    free(data);
}

static void writev_large(attempt *a)
{
    unsigned char *data = make_data();
    struct iovec pieces[N_PIECES];
    cut(data, pieces);
    a->result = CALL(writev)(a->fd, pieces, N_PIECES);
    free(data);
}

static void send_large(attempt *a)
{
    unsigned char *data = make_data();
    a->result = CALL(send)(a->fd, data, LARGE_BYTES, MSG_NOSIGNAL);
    free(data);
}

static void sendto_large(attempt *a)
{
    unsigned char *data = make_data();
    a->result = CALL(sendto)(a->fd, data, LARGE_BYTES, MSG_NOSIGNAL, NULL, 0);
    free(data);
}

static void sendmsg_large(attempt *a)
{
    unsigned char *data = make_data();
    struct iovec pieces[N_PIECES];
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = N_PIECES};
    cut(data, pieces);
    a->result = CALL(sendmsg)(a->fd, &message, MSG_NOSIGNAL);
    free(data);
}

static void look_at(const unsigned char *data, long n)
{
    for (long i = 0; i < n; i++) {
        REQUIRE(data[i] == pattern_at((size_t)i));
    }
}

static void recv_large(attempt *a)
{
    unsigned char *data = malloc(LARGE_BYTES);
    a->result = CALL(recv)(a->fd, data, LARGE_BYTES, MSG_WAITALL);
    look_at(data, a->result);
    free(data);
}

static void recvfrom_large(attempt *a)
{
    unsigned char *data = malloc(LARGE_BYTES);
    a->result = CALL(recvfrom)(a->fd, data, LARGE_BYTES, MSG_WAITALL, NULL, NULL);
    look_at(data, a->result);
    free(data);
}

/* ---- The table ------------------------------------------------------------------------------- */

const row moving_rows[] = {
    {"read with a timeout", make_sockets, call_read, NULL, -1, EAGAIN, 0},
    {"read, fortified", make_sockets, call_read_chk, NULL, -1, EAGAIN, 0},
    {"readv with a timeout", make_sockets, call_readv, NULL, -1, EAGAIN, 0},
    {"recv with a timeout", make_sockets, call_recv, NULL, -1, EAGAIN, 0},
    {"recv, fortified", make_sockets, call_recv_chk, NULL, -1, EAGAIN, 0},
    {"recvfrom with a timeout", make_sockets, call_recvfrom, NULL, -1, EAGAIN, 0},
    {"recvfrom, fortified", make_sockets, call_recvfrom_chk, NULL, -1, EAGAIN, 0},
    {"recvmsg with a timeout", make_sockets, call_recvmsg, NULL, -1, EAGAIN, 0},
    {"recvmmsg with a timeout", make_sockets, call_recvmmsg, NULL, -1, EAGAIN, 0},
    {"write with a timeout", make_full_sockets, call_write, NULL, -1, EAGAIN, 0},
    {"writev with a timeout", make_full_sockets, call_writev, NULL, -1, EAGAIN, 0},
    {"send with a timeout", make_full_sockets, call_send, NULL, -1, EAGAIN, 0},
    {"sendto with a timeout", make_full_sockets, call_sendto, NULL, -1, EAGAIN, 0},
    {"sendmsg with a timeout", make_full_sockets, call_sendmsg, NULL, -1, EAGAIN, 0},
    {"sendmmsg with a timeout", make_full_sockets, call_sendmmsg, NULL, -1, EAGAIN, 0},
    {"accept with a timeout", make_listener, call_accept, NULL, -1, EAGAIN, 0},
    {"accept4 with a timeout", make_listener, call_accept4, NULL, -1, EAGAIN, 0},
    {"connect, local, with a timeout", make_full_local, call_connect, NULL, -1, EAGAIN, 0},
    {"connect, inet, with a timeout", make_full_inet, call_connect, NULL, -1, EINPROGRESS, 0},
    {"write of a megabyte", make_pipe_to_write, write_large, take_all, LARGE_BYTES, 0, WHOLE},
    {"writev of a megabyte", make_pipe_to_write, writev_large, take_all, LARGE_BYTES, 0, WHOLE},
    {"send of a megabyte", make_plain_sockets, send_large, take_all, LARGE_BYTES, 0, WHOLE},
    {"sendto of a megabyte", make_plain_sockets, sendto_large, take_all, LARGE_BYTES, 0, WHOLE},
    {"sendmsg of a megabyte", make_plain_sockets, sendmsg_large, take_all, LARGE_BYTES, 0, WHOLE},
    {"recv of all of a megabyte", make_plain_sockets, recv_large, give_all, LARGE_BYTES, 0, WHOLE},
    {"recvfrom of all of a megabyte", make_plain_sockets, recvfrom_large, give_all, LARGE_BYTES, 0,
     WHOLE},
    {NULL, NULL, NULL, NULL, 0, 0, 0},
};
