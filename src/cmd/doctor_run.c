/* SPDX-License-Identifier: MIT */
/* cmd/doctor_run.c - runs the program on Gleaner's heap, waits for it, and says how it ended. */
#include "cmd/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Files that the library writes ----------------------------------------------------------- */

typedef struct figures {
    const char *folder, *stats, *findings;
} figures;

/* Also for processes that have given up their privileges: whoever knows the name may append. */
static bool make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_made = fd >= 0 && fchmod(fd, 0622) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_made;
}

static bool make_figures(figures *f)
{
    const char *parent = getenv("TMPDIR");
    char *folder = gl_cmd_format("%s/gleaner-doctor-XXXXXX",
                                 parent != NULL && parent[0] == '/' ? parent : "/tmp");
    f->folder = mkdtemp(folder);
    f->stats = gl_cmd_format("%s/stats", folder);
    f->findings = gl_cmd_format("%s/findings", folder);
    if (f->folder == NULL || chmod(folder, 0711) != 0 || !make_file(f->stats) ||
        !make_file(f->findings)) {
        gl_cmd_say("cannot write to %s: %s", folder, strerror(errno));
        return false;
    }
    return true;
}

static void remove_figures(const figures *f)
{
    if (f->folder != NULL) {
        unlink(f->stats);
        unlink(f->findings);
        rmdir(f->folder);
    }
}

/* ---- The run --------------------------------------------------------------------------------- */

static volatile sig_atomic_t running; /* the process */

static void pass_on(int signal)
{
    if (running != 0) {
        kill((pid_t)running, signal);
    }
}

/* The terminal sends these to both; who ends us by hand means the program. */
static void set_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGQUIT, &action, NULL);
    action.sa_handler = pass_on;
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

/* In the child. What cannot be started says so through the pipe, which a start closes. */
static void become(const char *path, char **argv, int failure)
{
    unsigned char status = (unsigned char)gl_become(path, argv);
    ssize_t n = write(failure, &status, 1);
    _exit(n == 1 ? status : GL_EXIT_FAILED);
}

/* 0 with how it ended, or an exit status. */
static int run(const char *path, char **argv, int *ended)
{
    int ends[2];
    unsigned char status = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        gl_cmd_say("cannot make a pipe: %m");
        return GL_EXIT_FAILED;
    }
    pid_t child = fork();
    if (child < 0) {
        gl_cmd_say("cannot make a process: %m");
        return GL_EXIT_FAILED;
    }
    if (child == 0) {
        become(path, argv, ends[1]);
    }
    running = child;
    set_signals();
    close(ends[1]);
    if (read(ends[0], &status, 1) != 1) {
        status = 0;
    }
    close(ends[0]);
    while (waitpid(child, ended, 0) < 0 && errno == EINTR) {
    }
    running = 0;
    return status;
}

/* ---- How it ended ---------------------------------------------------------------------------- */

static bool is_crash(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
           signal == SIGABRT || signal == SIGSYS || signal == SIGTRAP;
}

static void describe_end(int ended, gl_report *report)
{
    if (WIFEXITED(ended)) {
        gl_report_add(report, GL_NOTE, NULL, "it ended with exit status %d", WEXITSTATUS(ended));
    } else if (WIFSIGNALED(ended)) {
        int signal = WTERMSIG(ended);
        gl_report_add(report, is_crash(signal) ? GL_AGAINST : GL_REMARK,
                      is_crash(signal) ? "If it does not do so without Gleaner, it hides pointers"
                                         " or uses memory wrongly: try the modes safe and malloc."
                                       : NULL,
                      "it ended by signal %d: %s", signal, strsignal(signal));
    }
}

int gl_doctor_run(const char *path, char **argv, const char *library, gl_report *report)
{
    figures f = {NULL, NULL, NULL};
    int ended = 0, status = GL_EXIT_FAILED;
    if (make_figures(&f) && gl_set_named("stats_file", f.stats) &&
        gl_set_named("findings_file", f.findings) && gl_set_preload(library)) {
        status = run(path, argv, &ended);
    }
    if (status == 0) {
        describe_end(ended, report);
        gl_doctor_read_figures(f.stats, f.findings, report);
    }
    remove_figures(&f);
    return status;
}
