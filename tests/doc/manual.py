#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages against what they describe: every function as declared, every option, every
option of the command; the example compiles; and the pages are clean roff, as far as groff and
mandoc are installed."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("top_builddir", os.getcwd())
CC = os.environ.get("CC", "cc").split()
COMMAND = os.path.join(ROOT, "doc/gleaner.1")
CONCEPTS = os.path.join(BUILD, "doc/gleaner.7")
INTERFACE = os.path.join(ROOT, "doc/libgleaner.3")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def squeeze(text):
    """One spelling of a declaration: no space where none is needed."""
    return re.sub(r"\s*([*(),\[\]])\s*", r"\1", re.sub(r"\s+", " ", text)).strip()


def declared():
    """The functions of the public headers: name to declaration."""
    found = {}
    folder = os.path.join(ROOT, "include/gleaner")
    for header in sorted(os.listdir(folder)):
        text = read(os.path.join(folder, header)).replace("GC_BEGIN_DECLS", ";")
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        text = re.sub(r"(?m)^#(\\\n|.)*$", "", text)
        for line in re.findall(r"[^;{}]*\bGC_SYMBOL\(gc_\w+\)", text):
            declaration, name = re.match(r"\s*(.*?)\s*GC_SYMBOL\((\w+)\)$", line, re.S).groups()
            found[name] = squeeze(declaration)
        for line in re.findall(r"static inline ([^{;]*?\))\s*\{", text):
            found[re.search(r"(\w+)\(", line).group(1)] = squeeze(line)
    return found


def documented():
    """The same from the manual page."""
    found = {}
    for line in re.findall(r"(?m)^\.It Ft (.*)$", read(INTERFACE)):
        words = shlex.split(line)
        result, name, arguments = words[0], words[2], words[3:]
        found[name] = squeeze(f"{result} {name}({', '.join(arguments)})")
    return found


class Manual(unittest.TestCase):
    maxDiff = None

    def test_functions(self):
        functions = declared()
        self.assertGreater(len(functions), 50)
        self.assertEqual(documented(), functions)

    def test_options_of_the_library(self):
        knobs = re.findall(r'^GL_KNOB\((\w+),.*"(.*)"\)$',
                           read(os.path.join(ROOT, "src/base/knobs.def")), re.M)
        page = read(CONCEPTS)
        self.assertNotIn("@OPTIONS@", page)
        self.assertEqual(re.findall(r"(?m)^\.It Cm (\w+) Ns = ", page), [name for name, _ in knobs])
        text = page.replace("\n", " ").lower()
        for _, help_text in knobs:
            self.assertTrue(help_text.lower() in text, help_text)

    def test_options_of_the_command(self):
        command = os.environ.get("GLEANER", os.path.join(BUILD, "gleaner"))
        text = "".join(subprocess.run([command, word, "--help"], capture_output=True, text=True,
                                      check=True).stdout for word in ("run", "doctor"))
        options = re.findall(r"(?m)^ .*?--([a-z-]+)", text)
        self.assertGreater(len(options), 5)
        page = read(COMMAND)
        for option in options:
            self.assertRegex(page, rf"(?m)^\.It .*Fl -{option}\b")

    def test_example_compiles(self):
        block = re.search(r"(?s)\.Bd [^\n]*\n(#include.*?)\.Ed", read(INTERFACE)).group(1)
        source = block.replace("\\e", "\\")
        subprocess.run([*CC, "-std=c11", "-Wall", "-Werror", "-fsyntax-only",
                        "-I" + os.path.join(ROOT, "include"), "-x", "c", "-"],
                       input=source, text=True, check=True)

    def test_pages_are_clean(self):
        checkers = [["groff", "-mandoc", "-ww", "-Tutf8", "-z"], ["mandoc", "-Tlint", "-Wwarning"]]
        there = [checker for checker in checkers if shutil.which(checker[0])]
        if not there:
            self.skipTest("neither groff nor mandoc is installed")
        with tempfile.TemporaryDirectory() as folder:
            wrong = os.path.join(folder, "wrong.7")
            with open(wrong, "w", encoding="utf-8") as file:
                file.write(read(CONCEPTS).replace(".El\n", "", 1).replace(".Nm gleaner\n", ".Nm\n"))
            for checker in there:
                for page, is_clean in ((COMMAND, True), (CONCEPTS, True), (INTERFACE, True),
                                       (wrong, False)):
                    done = subprocess.run([*checker, page], capture_output=True, text=True,
                                          check=False)
                    complaints = [line for line in (done.stdout + done.stderr).splitlines()
                                  if "mandoc.db" not in line]
                    self.assertEqual(not complaints, is_clean, [checker, page, complaints])


if __name__ == "__main__":
    sys.exit(unittest.main())
