/* SPDX-License-Identifier: MIT */
/*
 * malloc/calls_io.c - reading and writing as if the world had not been stopped meanwhile.
 *
 * Two things are ours to mend. A socket with a timeout of its own (SO_RCVTIMEO, SO_SNDTIMEO) gives
 * EINTR after any handler; the call is made again when the socket is ready, within the time that is
 * left. And a blocking call that has moved a part of its data when the signal comes returns early
 * with that part, which programs that use no signals do not expect of write(), or of recv() with
 * MSG_WAITALL; the rest is moved by further calls. If one of those fails, the program gets the part,
 * as it would have, and meets the failure at its next call.
 *
 * All else is repeated by the kernel. stdio calls the C library's own functions, which are not
 * these; it writes the rest itself.
 */
#include "malloc/calls.h"

/* ---- Sockets with a timeout ------------------------------------------------------------------ */

/* Only then a call looks at the clock before it starts. Set once, never reset. */
static volatile uint32_t has_socket_timeouts;

GL_MALLOC_PUBLIC int setsockopt(int fd, int level, int option, const void *value, socklen_t bytes)
{
    if (level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO)) {
        gl_store32_release(&has_socket_timeouts, 1);
    }
    return gl_real()->setsockopt(fd, level, option, value, bytes);
}

static inline gl_call begin(void)
{
    return gl_call_begin(GL_UNLIKELY(gl_load32_relaxed(&has_socket_timeouts) != 0));
}

typedef struct direction {
    int option;   /* of the timeout */
    short events; /* what the socket is ready for then */
    int error;    /* when the time is over */
} direction;

static const direction inwards = {SO_RCVTIMEO, POLLIN, EAGAIN};
static const direction outwards = {SO_SNDTIMEO, POLLOUT, EAGAIN};
static const direction connecting = {SO_SNDTIMEO, POLLOUT, EINPROGRESS};

static uint64_t timeout_ns_of(int fd, int option)
{
    struct timeval t = {0, 0};
    socklen_t bytes = sizeof t;
    if (getsockopt(fd, SOL_SOCKET, option, &t, &bytes) != 0) {
        return 0;
    }
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

/* After a call that failed with EINTR: true if it is to be made again; else errno says why not. A
 * socket that was given its timeout by another program starts to count here. */
static bool may_go_on(gl_call *call, int fd, const direction *d)
{
    uint64_t timeout_ns = timeout_ns_of(fd, d->option);
    if (timeout_ns == 0) {
        return true;
    }
    if (call->start_ns == 0) {
        call->start_ns = gl_os_coarse_ns();
    }
    struct timespec left = gl_call_timespec(gl_call_left_ns(call, timeout_ns));
    struct pollfd ready = {.fd = fd, .events = d->events};
    bool is_over = left.tv_sec == 0 && left.tv_nsec == 0;
    int r = is_over ? 0 : ppoll(&ready, 1, &left, NULL);
    if (r == 0) {
        errno = d->error;
    }
    return r > 0;
}

/* True if a call that returned `result` is to be made again. */
static inline bool is_to_repeat(gl_call *call, int fd, const direction *d, ssize_t result)
{
    return GL_UNLIKELY(gl_call_was_cut(call, result)) && may_go_on(call, fd, d);
}

/* Adds up the pieces of a call. True if it goes on: some were moved and some are missing, or it is
 * to be repeated. */
static bool has_more(gl_call *call, int fd, const direction *d, ssize_t result, size_t wanted,
                     ssize_t *total)
{
    bool was_met = gl_call_was_met(call);
    if (result <= 0) {
        if (was_met && result == -1 && errno == EINTR && may_go_on(call, fd, d)) {
            return true;
        }
        *total = *total > 0 ? *total : result;
        return false;
    }
    *total += result;
    return was_met && (size_t)*total < wanted;
}

/* ---- Read ------------------------------------------------------------------------------------ */

GL_MALLOC_PUBLIC ssize_t read(int fd, void *buffer, size_t bytes)
{
    gl_call call = begin();
    ssize_t r;
    do {
        r = gl_real()->read(fd, buffer, bytes);
    } while (is_to_repeat(&call, fd, &inwards, r));
    return r;
}

GL_MALLOC_PUBLIC ssize_t readv(int fd, const struct iovec *pieces, int n)
{
    gl_call call = begin();
    ssize_t r;
    do {
        r = gl_real()->readv(fd, pieces, n);
    } while (is_to_repeat(&call, fd, &inwards, r));
    return r;
}

GL_MALLOC_PUBLIC ssize_t recvfrom(int fd, void *restrict buffer, size_t bytes, int flags,
                                  __SOCKADDR_ARG from, socklen_t *restrict from_bytes)
{
    bool wants_all = (flags & MSG_WAITALL) && !(flags & (MSG_PEEK | MSG_DONTWAIT));
    gl_call call = begin();
    ssize_t total = 0, r;
    do {
        r = gl_real()->recvfrom(fd, (char *)buffer + total, bytes - (size_t)total, flags, from,
                                from_bytes);
    } while (has_more(&call, fd, &inwards, r, wants_all ? bytes : 0, &total));
    return total;
}

GL_MALLOC_PUBLIC ssize_t recv(int fd, void *buffer, size_t bytes, int flags)
{
    bool wants_all = (flags & MSG_WAITALL) && !(flags & (MSG_PEEK | MSG_DONTWAIT));
    gl_call call = begin();
    ssize_t total = 0, r;
    do {
        r = gl_real()->recv(fd, (char *)buffer + total, bytes - (size_t)total, flags);
    } while (has_more(&call, fd, &inwards, r, wants_all ? bytes : 0, &total));
    return total;
}

GL_MALLOC_PUBLIC ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    gl_call call = begin();
    ssize_t r;
    do {
        r = gl_real()->recvmsg(fd, message, flags);
    } while (is_to_repeat(&call, fd, &inwards, r));
    return r;
}

GL_MALLOC_PUBLIC int recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags,
                              struct timespec *timeout)
{
    gl_call call = begin();
    int r;
    do {
        r = gl_real()->recvmmsg(fd, messages, n, flags, timeout);
    } while (is_to_repeat(&call, fd, &inwards, r));
    return r;
}

/* What programs compiled with _FORTIFY_SOURCE call: the buffer must be as large as is said. */
extern _Noreturn void __chk_fail(void);
GL_MALLOC_PUBLIC ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t buffer_bytes);
GL_MALLOC_PUBLIC ssize_t __recv_chk(int fd, void *buffer, size_t bytes, size_t buffer_bytes,
                                    int flags);
GL_MALLOC_PUBLIC ssize_t __recvfrom_chk(int fd, void *restrict buffer, size_t bytes,
                                        size_t buffer_bytes, int flags, __SOCKADDR_ARG from,
                                        socklen_t *restrict from_bytes);

ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t buffer_bytes)
{
    if (bytes > buffer_bytes) {
        __chk_fail();
    }
    return read(fd, buffer, bytes);
}

ssize_t __recv_chk(int fd, void *buffer, size_t bytes, size_t buffer_bytes, int flags)
{
    if (bytes > buffer_bytes) {
        __chk_fail();
    }
    return recv(fd, buffer, bytes, flags);
}

ssize_t __recvfrom_chk(int fd, void *restrict buffer, size_t bytes, size_t buffer_bytes, int flags,
                       __SOCKADDR_ARG from, socklen_t *restrict from_bytes)
{
    if (bytes > buffer_bytes) {
        __chk_fail();
    }
    return recvfrom(fd, buffer, bytes, flags, from, from_bytes);
}

GL_MALLOC_PUBLIC ssize_t getrandom(void *buffer, size_t bytes, unsigned flags)
{
    gl_call call = gl_call_begin(false);
    size_t total = 0;
    for (;;) {
        ssize_t r = gl_real()->getrandom((char *)buffer + total, bytes - total, flags);
        bool was_met = gl_call_was_met(&call);
        total += r > 0 ? (size_t)r : 0;
        bool is_short = r > 0 ? total < bytes : r == -1 && errno == EINTR;
        if (!was_met || !is_short) {
            return total > 0 ? (ssize_t)total : r;
        }
    }
}

/* ---- Write ----------------------------------------------------------------------------------- */

GL_MALLOC_PUBLIC ssize_t write(int fd, const void *buffer, size_t bytes)
{
    gl_call call = begin();
    ssize_t total = 0, r;
    do {
        r = gl_real()->write(fd, (const char *)buffer + total, bytes - (size_t)total);
    } while (has_more(&call, fd, &outwards, r, bytes, &total));
    return total;
}

GL_MALLOC_PUBLIC ssize_t send(int fd, const void *buffer, size_t bytes, int flags)
{
    gl_call call = begin();
    ssize_t total = 0, r;
    do {
        r = gl_real()->send(fd, (const char *)buffer + total, bytes - (size_t)total, flags);
    } while (has_more(&call, fd, &outwards, r, bytes, &total));
    return total;
}

GL_MALLOC_PUBLIC ssize_t sendto(int fd, const void *buffer, size_t bytes, int flags,
                                __CONST_SOCKADDR_ARG to, socklen_t to_bytes)
{
    gl_call call = begin();
    ssize_t total = 0, r;
    do {
        r = gl_real()->sendto(fd, (const char *)buffer + total, bytes - (size_t)total, flags, to,
                              to_bytes);
    } while (has_more(&call, fd, &outwards, r, bytes, &total));
    return total;
}

/* What a call that was met has left: the piece that it stopped in, from `skipped` on. */
typedef struct rest {
    const struct iovec *pieces;
    size_t n, skipped;
} rest;

static rest rest_after(const struct iovec *pieces, size_t n, size_t done)
{
    while (n > 0 && done >= pieces->iov_len) {
        done -= pieces->iov_len;
        pieces++;
        n--;
    }
    rest left = {pieces, n, done};
    return left;
}

static ssize_t send_piece(int fd, const char *at, size_t bytes, const int *flags)
{
    return flags ? send(fd, at, bytes, *flags) : write(fd, at, bytes);
}

/* Ends a piece that was cut, and moves the following ones. Returns what was moved, at least `done`. */
static ssize_t move_rest(int fd, const struct iovec *pieces, size_t n, size_t done, const int *flags)
{
    size_t total = done;
    rest left = rest_after(pieces, n, done);
    for (; left.n > 0; left.n--, left.pieces++, left.skipped = 0) {
        size_t bytes = left.pieces->iov_len - left.skipped;
        const char *at = (const char *)left.pieces->iov_base + left.skipped;
        ssize_t r = bytes > 0 ? send_piece(fd, at, bytes, flags) : 0;
        total += r > 0 ? (size_t)r : 0;
        if (r < (ssize_t)bytes) {
            break;
        }
    }
    return (ssize_t)total;
}

GL_MALLOC_PUBLIC ssize_t writev(int fd, const struct iovec *pieces, int n)
{
    gl_call call = begin();
    for (;;) {
        ssize_t r = gl_real()->writev(fd, pieces, n);
        if (GL_LIKELY(!gl_call_was_met(&call))) {
            return r;
        }
        if (r > 0) {
            return move_rest(fd, pieces, (size_t)n, (size_t)r, NULL);
        }
        if (r != -1 || errno != EINTR || !may_go_on(&call, fd, &outwards)) {
            return r;
        }
    }
}

GL_MALLOC_PUBLIC ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    gl_call call = begin();
    for (;;) {
        ssize_t r = gl_real()->sendmsg(fd, message, flags);
        if (GL_LIKELY(!gl_call_was_met(&call))) {
            return r;
        }
        if (r > 0) {
            return move_rest(fd, message->msg_iov, message->msg_iovlen, (size_t)r, &flags);
        }
        if (r != -1 || errno != EINTR || !may_go_on(&call, fd, &outwards)) {
            return r;
        }
    }
}

GL_MALLOC_PUBLIC int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
    gl_call call = begin();
    int r;
    do {
        r = gl_real()->sendmmsg(fd, messages, n, flags);
    } while (is_to_repeat(&call, fd, &outwards, r));
    return r;
}

/* ---- Connections ----------------------------------------------------------------------------- */

GL_MALLOC_PUBLIC int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict bytes)
{
    gl_call call = begin();
    int r;
    do {
        r = gl_real()->accept(fd, address, bytes);
    } while (is_to_repeat(&call, fd, &inwards, r));
    return r;
}

GL_MALLOC_PUBLIC int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict bytes, int flags)
{
    gl_call call = begin();
    int r;
    do {
        r = gl_real()->accept4(fd, address, bytes, flags);
    } while (is_to_repeat(&call, fd, &inwards, r));
    return r;
}

/* A local connection is made at once, or waits for room in the listener's queue; others are made by
 * the kernel, which goes on with it when connect() is called again. */
static const direction *connecting_of(int fd)
{
    int domain = 0;
    socklen_t bytes = sizeof domain;
    (void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes);
    return domain == AF_UNIX ? &outwards : &connecting;
}

GL_MALLOC_PUBLIC int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t bytes)
{
    gl_call call = begin();
    for (;;) {
        int r = gl_real()->connect(fd, address, bytes);
        if (GL_LIKELY(!gl_call_was_cut(&call, r)) ||
            !may_go_on(&call, fd, connecting_of(fd))) {
            return r;
        }
    }
}
