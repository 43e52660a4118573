#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The `gleaner` command: exit statuses, messages, the environment that it makes.

Run from the build folder; GLEANER names the command. Programs that it must refuse are made here.
"""
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

GLEANER = os.environ.get("GLEANER", os.path.abspath("gleaner"))
PRELOAD = os.environ.get("GLEANER_PRELOAD", os.path.abspath(".libs/libgleaner-malloc.so"))
CC = os.environ.get("CC", "cc").split()
ROOT = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "../.."))

FAILED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127


def clean_environment(**changes):
    """This environment without what would change the answers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GLEANER") and name != "LD_PRELOAD"
    }
    return {**kept, **changes}


class Result:
    """How a run of the command ended."""

    def __init__(self, arguments, command=GLEANER, **options):
        options.setdefault("env", clean_environment())
        done = subprocess.run(
            [command, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
        )
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr


def variables(result):
    """The environment that `env` printed."""
    return dict(line.split("=", 1) for line in result.out.splitlines() if "=" in line)


class Case(unittest.TestCase):
    """A folder of its own, and what is common to all tests."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content, mode=0o755):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def compile(self, name, *flags):
        source = self.write(name + ".c", "int main(void) { return 0; }\n", 0o644)
        subprocess.run([*CC, "-w", source, "-o", self.path(name), *flags], check=True)
        return self.path(name)

    def refuses(self, program, status, *words):
        """The program is not run, and each of the words is in a message that begins properly."""
        result = Result(["run", program])
        self.assertEqual(result.status, status, result.err)
        self.assertEqual(result.out, "")
        for line in result.err.splitlines():
            self.assertRegex(line, "^gleaner: ")
        for word in words:
            self.assertIn(word, result.err)


class Interface(Case):
    """What the command says of itself."""

    def test_version(self):
        result = Result(["--version"])
        self.assertEqual(result.status, 0)
        self.assertRegex(result.out, r"^gleaner \d+\.\d+\.\d+\n$")

    def test_help(self):
        for arguments in (["--help"], ["-h"], ["help"], ["run", "--help"], ["run", "-h"]):
            result = Result(arguments)
            self.assertEqual((result.status, result.err), (0, ""))
            self.assertRegex(result.out, "^usage: gleaner run ")

    def test_options_are_those_of_the_library(self):
        with open(os.path.join(ROOT, "src/base/knobs.def"), encoding="utf-8") as file:
            knobs = re.findall(r'^GL_KNOB\((\w+),.*"(.*)"\)$', file.read(), re.M)
        self.assertGreater(len(knobs), 5)
        for arguments in (["options"], ["run", "--help-options"]):
            result = Result(arguments)
            self.assertEqual((result.status, result.err), (0, ""))
            for name, help_text in knobs:
                self.assertRegex(result.out, rf"(?m)^  {name}=")
                self.assertIn(help_text, result.out)
            self.assertEqual(len(re.findall(r"(?m)^  \w+=", result.out)), len(knobs))

    def test_wrong_use(self):
        for arguments in ([], ["nonsense"], ["--nonsense"], ["run"], ["run", "--"],
                          ["run", "--nonsense", "true"], ["run", "--mode"], ["options", "x"]):
            result = Result(arguments)
            self.assertEqual(result.status, FAILED, arguments)
            self.assertEqual(result.out, "")
            self.assertIn("gleaner", result.err)

    def test_later_commands(self):
        for name in ("check record report stats lines diff why graph top export").split():
            result = Result([name])
            self.assertEqual(result.status, FAILED)
            self.assertIn(name + ": not available in this version", result.err)

    def test_full_output(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([GLEANER, "options"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("cannot write", done.stderr)


class Run(Case):
    """Programs that run."""

    def test_status_is_the_program_s(self):
        for status in (0, 1, 7, 124, 125, 127, 255):
            self.assertEqual(Result(["run", "sh", "-c", f"exit {status}"]).status, status)
        result = Result(["run", "--", "sh", "-c", "kill -TERM $$"])
        self.assertEqual(result.status, -signal.SIGTERM)

    def test_arguments_and_streams(self):
        result = Result(["run", "sh", "-c", 'echo "$0|$1|$2"; echo wrong >&2', "a b", "", "--mode"])
        self.assertEqual((result.out, result.err), ("a b||--mode\n", "wrong\n"))
        result = Result(["run", "--", "cat"], input="through\n")
        self.assertEqual((result.status, result.out), (0, "through\n"))

    def test_library_is_loaded(self):
        result = Result(["run", "cat", "/proc/self/maps"])
        self.assertEqual(result.status, 0)
        self.assertIn("libgleaner-malloc.so", result.out)

    def test_environment(self):
        before = Result(["run", "env"], env=clean_environment(LD_PRELOAD=""))
        preload = variables(before)["LD_PRELOAD"]
        self.assertTrue(os.path.isabs(preload) and os.path.exists(preload), preload)
        self.assertEqual([n for n in variables(before) if n.startswith("GLEANER")], [])
        other = self.path("other.so")
        subprocess.run([*CC, "-shared", "-x", "c", "/dev/null", "-o", other], check=True)
        result = Result(["run", "env"], env=clean_environment(LD_PRELOAD=other))
        self.assertEqual(variables(result)["LD_PRELOAD"], preload + ":" + other)
        twice = Result(["run", GLEANER, "run", "env"], env=clean_environment(LD_PRELOAD=other))
        self.assertEqual(variables(twice)["LD_PRELOAD"], preload + ":" + other)

    def test_options_become_variables(self):
        trace = self.path("a:b")
        result = Result(["run", "-m", "malloc", "--limit=100m", "--trace", "--stats", "stats.txt",
                         "--option", "percent=50", "-o", "trace_file=" + trace, "env"],
                        cwd=self.folder, env=clean_environment(GLEANER_PERCENT="70"))
        found = {n: v for n, v in variables(result).items() if n.startswith("GLEANER")}
        self.assertEqual(found, {
            "GLEANER_MODE": "malloc",
            "GLEANER_MEMORY_LIMIT": "100m",
            "GLEANER_HEAP_MAX": "100m",
            "GLEANER_GCTRACE": "1",
            "GLEANER_STATS_FILE": os.path.join(os.path.realpath(self.folder), "stats.txt"),
            "GLEANER_PERCENT": "50",
            "GLEANER_TRACE_FILE": trace,
        })
        self.assertEqual((result.status, result.err), (0, ""))

    def test_statistics(self):
        for mode in ("malloc", "collect"):
            stats = self.path("stats." + mode)
            result = Result(["run", "--mode", mode, "--stats", stats, "sort", "/dev/null"])
            self.assertEqual((result.status, result.err), (0, ""))
            with open(stats, encoding="utf-8") as file:
                lines = file.read().splitlines()
            self.assertEqual(len(lines), 1)
            values = dict(pair.split("=", 1) for pair in lines[0].split())
            self.assertEqual((values["program"], values["mode"]), ("sort", mode))

    def test_wrong_options(self):
        wrong = {
            ("--mode", "leaks"): "leaks is not available in this version",
            ("--mode", "nonsense"): "'nonsense' is none of collect|malloc",
            ("--limit", "many"): "is not a number of bytes",
            ("--limit", "0"): "is not a number of bytes",
            ("--limit", "99999999999g"): "is not a number of bytes",
            ("--option", "percent"): "is not NAME=VALUE",
            ("--option", "percent=x"): "'x' is not a number",
            ("--option", "percent=-1"): "'-1' is not a number",
            ("--option", "percent="): "'' is not a number",
            ("--option", "triger_bytes=1m"): "is trigger_bytes meant?",
            ("--option", "stats=x"): "is stats_file meant?",
            ("--option", "zzzzzzzzz=1"): "there is no option 'zzzzzzzzz'",
            ("--option", "verify=2"): "is not a number from 0 to 1",
            ("--option", "trace_file=" + "x" * 300): "longer than 255 bytes",
        }
        for arguments, message in wrong.items():
            result = Result(["run", *arguments, "true"])
            self.assertEqual(result.status, FAILED, arguments)
            self.assertIn(message, result.err)


class Programs(Case):
    """Programs that cannot be run, or into which the library does not get."""

    def test_missing(self):
        self.refuses("no-such-program", NOT_FOUND, "no-such-program: not found")
        self.refuses("./no-such-program", NOT_FOUND, "./no-such-program: not found")
        self.refuses("/etc/passwd/x", NOT_FOUND, "not found")
        self.refuses("", NOT_FOUND, "not found")

    def test_not_executable(self):
        self.refuses(self.folder, NOT_EXECUTABLE, "Is a directory")
        self.refuses(self.write("plain", "x\n", 0o644), NOT_EXECUTABLE, "Permission denied")

    def test_path(self):
        os.mkdir(self.path("a"))
        os.mkdir(self.path("b"))
        self.write("a/tool", "#!/bin/sh\necho a\n", 0o644)
        self.write("b/tool", "#!/bin/sh\necho b\n")
        path = f"{self.path('missing')}:{self.path('a')}:{self.path('b')}"
        environment = clean_environment(PATH=path)
        result = Result(["run", "tool"], env=environment)
        self.assertEqual((result.status, result.out), (0, "b\n"))
        os.chmod(self.path("b/tool"), 0o644)
        result = Result(["run", "tool"], env=environment)
        self.assertEqual(result.status, NOT_EXECUTABLE)
        self.assertIn("a/tool: cannot be executed", result.err)
        os.chmod(self.path("b/tool"), 0o755)
        result = Result(["run", "tool"], env=clean_environment(PATH=""), cwd=self.path("b"))
        self.assertEqual((result.status, result.out), (0, "b\n"))

    def test_static(self):
        self.refuses(self.compile("static", "-static"), FAILED, "is statically linked")
        self.refuses(self.compile("pie", "-static-pie", "-fPIE"), FAILED, "is statically linked")

    def test_the_loader_is_not_static(self):
        loader = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True)
        loader = re.search(r"(/\S*/ld-linux\S*)", loader.stdout).group(1)
        self.assertEqual(Result(["run", loader, "/bin/sh", "-c", "exit 3"]).status, 3)

    def test_sanitizers(self):
        for kind, name in (("address", "AddressSanitizer"), ("thread", "ThreadSanitizer"),
                           ("leak", "LeakSanitizer")):
            try:
                program = self.compile(kind, f"-fsanitize={kind}")
            except subprocess.CalledProcessError:
                continue  # this compiler lacks it
            self.refuses(program, FAILED, f"is compiled with {name}")
        try:
            program = self.compile("undefined", "-fsanitize=undefined")
        except subprocess.CalledProcessError:
            return
        self.assertEqual(Result(["run", program]).status, 0)

    def test_privileged(self):
        program = self.compile("program")
        self.assertEqual(Result(["run", program]).status, 0)
        os.chmod(program, 0o4755)
        self.refuses(program, FAILED, "is a set-user-id program")
        os.chmod(program, 0o2755)
        self.refuses(program, FAILED, "is a set-group-id program")

    def test_capabilities(self):
        program = self.compile("program")
        try:
            # Version 2 of the attribute: CAP_NET_BIND_SERVICE permitted, effective.
            value = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
            os.setxattr(program, "security.capability", value)
        except OSError as error:
            self.skipTest(f"no file capabilities here: {error}")
        self.refuses(program, FAILED, "has file capabilities")

    def test_other_machines(self):
        with open(self.compile("program"), "rb") as file:
            image = bytearray(file.read())
        other = bytearray(image)
        other[18:20] = struct.pack("<H", 243)
        self.refuses(self.write("riscv", bytes(other)), NOT_EXECUTABLE, "is a RISC-V program")
        small = bytearray(image)
        small[4] = 1
        small[18:20] = struct.pack("<H", 3)
        self.refuses(self.write("small", bytes(small)), FAILED, "is a 32-bit x86 program")

    def test_missing_loader(self):
        with open(self.compile("program"), "rb") as file:
            image = file.read()
        image = re.sub(rb"/ld-linux(-[^\0]*)\0", rb"/ld-wrong\1\0", image, count=1)
        self.refuses(self.write("odd", image), NOT_EXECUTABLE, "which is missing")

    def test_scripts(self):
        script = self.write("script", "#!/bin/sh -e\necho ran $1\n")
        result = Result(["run", script, "x"])
        self.assertEqual((result.status, result.out), (0, "ran x\n"))
        bare = self.write("bare", "echo bare $1\n")
        result = Result(["run", bare, "x"])
        self.assertEqual((result.status, result.out), (0, "bare x\n"))
        static = self.compile("static", "-static")
        self.refuses(self.write("bad", f"#! {static}\n"), FAILED, "is statically linked",
                     f"bad: is a script for {static}")
        self.refuses(self.write("gone", "#!/no/such/shell\n"), NOT_FOUND, "/no/such/shell")
        self.refuses(self.write("closed", f"#!{self.folder}\n"), NOT_EXECUTABLE, self.folder)


class Library(Case):
    """Where the library is looked for."""

    def test_named(self):
        copy = shutil.copy(os.path.realpath(PRELOAD), self.path("mine.so"))
        result = Result(["run", "env"], env=clean_environment(GLEANER_LIBRARY=copy))
        self.assertEqual((result.status, result.err), (0, ""))
        self.assertEqual(variables(result)["LD_PRELOAD"], os.path.realpath(copy))

    def test_named_and_missing(self):
        environment = clean_environment(GLEANER_LIBRARY=self.path("none.so"))
        result = Result(["run", "true"], env=environment)
        self.assertEqual(result.status, FAILED)
        self.assertIn("none.so", result.err)

    def test_named_and_wrong(self):
        library = self.write("text.so", "text\n")
        result = Result(["run", "true"], env=clean_environment(GLEANER_LIBRARY=library))
        self.assertEqual(result.status, FAILED)
        self.assertIn("is not a shared library", result.err)

    def test_beside_the_command(self):
        for lib in ("lib", f"lib/{os.uname().machine}-linux-gnu", "lib64"):
            prefix = tempfile.mkdtemp(dir=self.folder)
            os.makedirs(os.path.join(prefix, "bin"))
            os.makedirs(os.path.join(prefix, lib))
            command = shutil.copy(GLEANER, os.path.join(prefix, "bin"))
            library = os.path.join(prefix, lib, "libgleaner-malloc.so.1")
            shutil.copy(os.path.realpath(PRELOAD), library)
            result = Result(["run", "env"], command=command)
            self.assertEqual(result.status, 0, result.err)
            self.assertEqual(os.path.realpath(variables(result)["LD_PRELOAD"]),
                             os.path.realpath(library))

    def test_unusable_path(self):
        os.mkdir(self.path("a b"))
        library = shutil.copy(os.path.realpath(PRELOAD), self.path("a b/x.so"))
        result = Result(["run", "true"], env=clean_environment(GLEANER_LIBRARY=library))
        self.assertEqual(result.status, FAILED)
        self.assertIn("a space or a colon", result.err)


if __name__ == "__main__":
    if os.environ.get("GL_SANITIZE"):
        print("skipped: a library with a sanitizer cannot be preloaded into other programs")
        sys.exit(77)
    unittest.main()
