/* SPDX-License-Identifier: MIT */
/* api/write.c - append a line to a file, without the C library: this runs inside malloc. */
#include "api/write.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/syscall.h"
#include "os/system.h"

enum { FILE_MODE = 0666 }; /* less the umask */

static char program[64];

/* At the start: servers write what they do over their arguments, and the name is one of them. One
 * word: a blank in it would end it. */
__attribute__((constructor)) static void note_program(void)
{
    gl_os_program_name(program, sizeof program);
    for (char *c = program; *c; c++) {
        if (*c <= ' ') {
            *c = '_';
        }
    }
}

void gl_write_begin(gl_fmt *line)
{
    gl_fmt_init(line);
    gl_fmt_str(line, "pid=");
    gl_fmt_dec(line, (uint64_t)getpid());
    if (program[0] == '\0') {
        note_program(); /* before the constructors */
    }
    gl_fmt_str(line, " program=");
    gl_fmt_str(line, program[0] ? program : "?");
}

void gl_write_complain(const char *path)
{
    static gl_word has_complained;
    if (!gl_cas_full(&has_complained, 0, 1)) {
        return;
    }
    gl_fmt line;
    gl_fmt_init(&line);
    gl_fmt_str(&line, "gleaner: warning: cannot write to '");
    gl_fmt_str(&line, path);
    gl_fmt_str(&line, "'\n");
    gl_fmt_write(&line, 2);
}

int gl_write_open(const char *path)
{
    long fd = gl_syscall4(SYS_openat, AT_FDCWD, (long)path,
                          O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, FILE_MODE);
    if (gl_syscall_failed(fd)) {
        gl_write_complain(path);
    }
    return (int)fd;
}

void gl_write_append(const char *path, const gl_fmt *line)
{
    int fd = gl_write_open(path);
    if (fd < 0) {
        return;
    }
    if (!gl_fmt_write(line, fd)) {
        gl_write_complain(path); /* a full disk, say */
    }
    gl_syscall3(SYS_close, fd, 0, 0);
}
