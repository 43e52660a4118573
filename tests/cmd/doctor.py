#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`gleaner doctor`: each kind of finding, made by a real little program, and the verdict.

Run from the build folder, as command.py, whose helpers it uses.
"""
import os
import signal
import subprocess
import sys
import unittest

from command import CC, FAILED, GLEANER, NOT_EXECUTABLE, NOT_FOUND, Case, Result, clean_environment

STATUS = {"good": 0, "good with remarks": 0, "not recommended": 1, "not possible": 2}

# Enough allocation for a dozen collections; what is freed at once is no leak.
BUSY = """
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
static void *volatile table[4000];
static void keep_busy(void)
{
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 4000; i++) {
            table[i] = memset(malloc(100), 1, 100);
        }
        for (int i = 0; i < 4000; i++) {
            free(table[i]);
            table[i] = 0;
        }
    }
}
"""

CLEAN = BUSY + "int main(int argc, char **argv) { keep_busy(); return argc > 1 ? atoi(argv[1]) : 0; }\n"

HIDDEN = BUSY + """
static uintptr_t hidden[100];
__attribute__((noinline)) static void hide(void)
{
    for (int i = 0; i < 100; i++) {
        hidden[i] = (uintptr_t)memset(malloc(300), 1, 300) ^ 0x5555555555555555;
    }
}
int main(void)
{
    hide();
    keep_busy();
    for (int i = 0; i < 100; i++) {
        free((void *)(hidden[i] ^ 0x5555555555555555));
    }
    return 0;
}
"""

LEAK = BUSY + """
int main(void)
{
    for (int i = 0; i < 20000; i++) {
        *(void *volatile *)malloc(1000) = 0;
    }
    return 0;
}
"""

# By a system call of its own: the library sees to it that pthread_sigmask() leaves its signal open.
DEAF = BUSY + """
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static volatile int is_deaf;
static void *be_deaf(void *unused)
{
    uint64_t all = ~(uint64_t)0;
    syscall(SYS_rt_sigprocmask, 0, &all, 0, 8);
    is_deaf = 1;
    for (;;) {
        pause();
    }
    return unused;
}
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, be_deaf, 0);
    while (!is_deaf) {
        usleep(1000);
    }
    keep_busy();
    return 0;
}
"""

CONFINED = BUSY + """
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
int main(void)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        return 77;
    }
    keep_busy();
    return 0;
}
"""

DOUBLE_FREE = """
#include <stdlib.h>
int main(void)
{
    void *volatile p = malloc(40);
    free(p);
    free(p);
    return 0;
}
"""

OWN_MALLOC = """
#include <stddef.h>
static char pool[1 << 20];
static size_t used;
void *malloc(size_t n) { used += (n + 15) / 16 * 16; return pool + used - (n + 15) / 16 * 16; }
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t size) { return malloc(n * size); }
void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
int main(void) { return 0; }
"""


class Doctor(Case):
    def build(self, name, text, *flags):
        source = self.write(name + ".c", text, 0o644)
        subprocess.run([*CC, "-O1", "-w", "-pthread", "-fno-builtin", source, "-o", self.path(name),
                        *flags], check=True)
        return self.path(name)

    def library(self, name):
        """A shared library of that name, which does nothing."""
        source = self.write(name + ".c", f"int its_function(void) {{ return {len(name)}; }}\n", 0o644)
        subprocess.run([*CC, "-shared", "-fPIC", source, "-o", self.path(name),
                        "-Wl,-soname," + name], check=True)
        return self.path(name)

    def user_of(self, library):
        """A clean program that is linked with it."""
        return self.build("user", CLEAN.replace("keep_busy();", "keep_busy(); its_function();"),
                          library, "-Wl,-rpath," + self.folder)

    def examine(self, program, verdict, *words, options=(), arguments=(), **changes):
        """The report, which holds each of the words, as it is on stderr and nowhere else."""
        result = Result(["doctor", *options, program, *arguments],
                        env=clean_environment(**changes))
        self.assertTrue(result.err.endswith(f"verdict: {verdict}\n"), result.err)
        self.assertEqual(result.status, STATUS[verdict], result.err)
        self.assertEqual(result.out, "")
        for word in words:
            self.assertIn(word, result.err)
        return result.err

    # ---- What the run shows ------------------------------------------------------------------

    def test_clean(self):
        report = self.examine(self.build("clean", CLEAN), "good", "ended with exit status 0")
        self.assertRegex(report, r"figures: [1-9]\d* collections")
        for weight in ("remark:", "against it:", "impossible:"):
            self.assertNotIn(weight, report)

    def test_status_of_the_program(self):
        self.examine(self.build("clean", CLEAN), "good", "ended with exit status 7", arguments=["7"])

    def test_hidden_pointers(self):
        program = self.build("hidden", HIDDEN)
        report = self.examine(program, "not recommended", "run it in mode malloc".capitalize(),
                              "-o hiders=LIBRARY")
        self.assertRegex(report, r"(?m)^against it: hidden used memory of at most [3-9]\d\d bytes to which"
                                 r" no pointer was found: free\(\), 100 times$")
        # What weighs most comes first.
        self.assertTrue(report.splitlines()[1].startswith("against it: "), report)
        self.examine(program, "good", options=["--mode=malloc"])
        self.examine(program, "good", options=["-o", "trigger_bytes=1g"])

    def test_leak(self):
        report = self.examine(self.build("leak", LEAK), "good")
        self.assertRegex(report, r"[1-9]\d{3,} objects that it had lost were reclaimed \(\d{7,} bytes\)")

    def test_library_named_as_hider(self):
        program = self.user_of(self.library("libnosecret.so"))
        self.examine(program, "good")
        self.examine(program, "good with remarks", "what user loses is kept for good",
                     options=["-o", "hiders=libother.so,libnosecret.so"])

    def test_deaf_thread(self):
        self.examine(self.build("deaf", DEAF), "not recommended", "a thread did not stop",
                     "of deaf does not take the signal", options=["-o", "stop_timeout_ms=50"])

    def test_confined(self):
        self.examine(self.build("confined", CONFINED), "good with remarks",
                     "confined confines itself by seccomp")

    def test_misuse(self):
        program = self.build("twice", DOUBLE_FREE)
        report = self.examine(program, "not recommended",
                              "against it: twice called free() wrongly: double free",
                              f"it ended by signal {int(signal.SIGABRT)}")
        self.assertIn("gleaner: free(0x", report)
        self.examine(program, "good with remarks", "double free", "ended with exit status 0",
                     options=["-m", "safe"])
        wild = self.build("wild", "#include <stdlib.h>\nint main(void) { free((void *)4096); }\n")
        self.examine(wild, "not recommended", "wild pointer", options=["-m", "safe"])

    def test_crash(self):
        program = self.build("crash", "int main(void) { int *volatile p = 0; return *p; }\n")
        self.examine(program, "not recommended", f"it ended by signal {int(signal.SIGSEGV)}")

    def test_processes(self):
        clean = self.build("clean", CLEAN)
        report = self.examine("sh", "good", "ended with exit status 3",
                              arguments=["-c", f"{clean}; {clean} & wait; exit 3"])
        self.assertRegex(report, r"(?m)^note: [23] processes ended")
        killed = self.examine("sh", "good with remarks", "no process ended by exit()",
                              arguments=["-c", "kill -KILL $$"])
        self.assertIn(f"signal {int(signal.SIGKILL)}", killed)

    def test_streams(self):
        result = Result(["doctor", "cat", "-"], input="through\n")
        self.assertEqual((result.status, result.out), (0, "through\n"))

    def test_quarantine(self):
        program = self.build("clean", CLEAN)
        report = self.examine(program, "good", options=["-m", "safe"])
        self.assertRegex(report, r"figures: [1-9]\d* collections")

    # ---- What the files show -----------------------------------------------------------------

    def test_static(self):
        self.examine(self.compile("static", "-static"), "not possible", "is statically linked",
                     "it was not run")

    def test_sanitizer(self):
        self.examine(self.build("asan", CLEAN, "-fsanitize=address"), "not possible",
                     "AddressSanitizer")

    def test_own_malloc(self):
        self.examine(self.build("own", OWN_MALLOC), "not possible", "own defines malloc itself")

    def test_privileged(self):
        program = self.compile("program")
        os.chmod(program, 0o4755)
        self.examine(program, "not possible", "is a set-user-id program", "it was not run")

    def test_script(self):
        static = self.compile("static", "-static")
        self.examine(self.write("bad", f"#! {static}\n"), "not possible", "is statically linked")
        self.examine(self.write("fine", "#!/bin/sh\nexec true\n"), "good")

    def test_known_libraries(self):
        for name, words in (("libjemalloc.so.2", "brings an allocator of its own: jemalloc"),
                            ("liburing.so.2", "user data of io_uring"),
                            ("libfontconfig.so.1", "hides pointers: ")):
            program = self.user_of(self.library(name))
            report = self.examine(program, "good with remarks", words, options=["--no-run"])
            self.assertNotIn("ended", report)
        # A library that the user preloads is there, too.
        self.examine(self.build("clean", CLEAN), "good with remarks", "jemalloc",
                     LD_PRELOAD=self.path("libjemalloc.so.2"))

    def test_unknown_allocator(self):
        source = self.write("pool.c", OWN_MALLOC.replace("int main(void) { return 0; }",
                                                         "int its_function(void) { return 0; }"), 0o644)
        library = self.path("libpool.so")
        subprocess.run([*CC, "-shared", "-fPIC", "-w", source, "-o", library,
                        "-Wl,-soname,libpool.so"], check=True)
        self.examine(self.user_of(library), "good with remarks",
                     "libpool.so brings an allocator of its own")

    def test_missing_library(self):
        program = self.user_of(self.library("libgone.so"))
        os.unlink(self.path("libgone.so"))
        self.examine(program, "good with remarks", "libgone.so is needed and not found",
                     options=["-n"])

    # ---- The command -------------------------------------------------------------------------

    def test_help(self):
        for option in ("--help", "-h"):
            result = Result(["doctor", option])
            self.assertEqual((result.status, result.err), (0, ""))
            self.assertRegex(result.out, "^usage: gleaner doctor ")

    def test_wrong_use(self):
        for arguments in ([], ["--"], ["--nonsense", "true"], ["--mode"], ["--mode=leaks", "true"],
                          ["-o", "triger_bytes=1", "true"], ["-o", "percent", "true"]):
            result = Result(["doctor", *arguments])
            self.assertEqual(result.status, FAILED, arguments)
            self.assertEqual(result.out, "")
            self.assertIn("gleaner", result.err)

    def test_missing_program(self):
        for name, status in (("no-such-program", NOT_FOUND), ("", NOT_FOUND),
                             (self.folder, NOT_EXECUTABLE),
                             (self.write("plain", "x\n", 0o644), NOT_EXECUTABLE)):
            self.assertEqual(Result(["doctor", name]).status, status)

    def test_output(self):
        report = self.path("report")
        result = Result(["doctor", "--output", report, "sh", "-c", "echo out; echo err >&2; exec true"])
        self.assertEqual((result.status, result.out, result.err), (0, "out\n", "err\n"))
        with open(report, encoding="utf-8") as file:
            self.assertRegex(file.read(), r"(?s)^gleaner doctor: .*\nverdict: good\n$")

    def test_unwritable_output(self):
        marker = self.path("marker")
        result = Result(["doctor", "-O", self.path("no/folder"), "touch", marker])
        self.assertEqual(result.status, FAILED)
        self.assertIn("cannot write to", result.err)
        self.assertFalse(os.path.exists(marker), "nothing is run whose report cannot be written")
        result = Result(["doctor", "-O", "/dev/full", "true"])
        self.assertEqual(result.status, FAILED)
        self.assertIn("cannot write to /dev/full", result.err)
        result = Result(["doctor", "true"], env=clean_environment(TMPDIR=self.path("none")))
        self.assertEqual(result.status, FAILED)

    def test_nothing_is_left(self):
        temporary = self.path("temporary")
        os.mkdir(temporary)
        result = Result(["doctor", "true"], env=clean_environment(TMPDIR=temporary))
        self.assertEqual((result.status, os.listdir(temporary)), (0, []))

    def test_termination_is_passed_on(self):
        program = self.write("wait", "#!/bin/sh\ntrap 'exit 9' TERM\necho ready\nsleep 20 & wait\n")
        with subprocess.Popen([GLEANER, "doctor", program], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=clean_environment()) as doctor:
            self.assertEqual(doctor.stdout.readline(), "ready\n")
            doctor.terminate()
            self.assertIn("ended with exit status 9", doctor.stderr.read())
        self.assertEqual(doctor.returncode, 0)


if __name__ == "__main__":
    if os.environ.get("GL_SANITIZE"):
        print("skipped: a library with a sanitizer cannot be preloaded into other programs")
        sys.exit(77)
    unittest.main()
