# SPDX-License-Identifier: MIT
"""The suites that tests/suites/run knows: their units, how to run one, how to read what it says."""

import collections
import os
import re
import xml.etree.ElementTree

PYTHON = "/usr/bin/python3.11"
SEED = "R02S" + "00000001" * 4  # of GLib's tests, which otherwise differ from run to run


def numbered(pairs):
    """A dict of (name, outcome); a name that comes again gets a number."""
    seen = collections.Counter()
    tests = {}
    for name, outcome in pairs:
        seen[name] += 1
        tests[name if seen[name] == 1 else f"{name} ({seen[name]})"] = outcome
    return tests


class PythonSuite:
    """Python's own tests, module by module (Debian: libpython3.11-testsuite)."""

    needs = PYTHON + " with its tests"
    folder = "/usr/lib/python3.11/test"
    modules = """
        array ast bigmem bisect builtin bytes call class codecs collections compile complex
        contextlib coroutines copy csv ctypes decimal deque dict dictviews embed enumerate exceptions
        faulthandler float fork1 functools gc generators genexps hashlib heapq int io isinstance
        itertools json list long marshal memoryio memoryview mmap opcodes ordered_dict pickle
        posix range re resource richcmp set slice sort str struct structseq subprocess super sys
        tempfile thread thread_local threading threadsignals tracemalloc tuple unicode unpack userdict
        weakref weakset with xml_etree xml_etree_c zlib
        asyncio concurrent_futures multiprocessing_fork multiprocessing_forkserver
        multiprocessing_spawn queue selectors signal socket ssl
    """.split()

    def __init__(self, name, environment, quick):
        self.name = name
        self.environment = environment
        self.quick = quick

    def is_there(self):
        return os.access(PYTHON, os.X_OK) and os.path.isfile(self.folder + "/test_gc.py")

    def units(self):
        names = ["test_" + module for module in self.modules]
        return [name for name in names if os.path.exists(f"{self.folder}/{name}.py")
                or os.path.isdir(f"{self.folder}/{name}")]

    def command(self, unit, folder):
        return [PYTHON, "-m", "test", "--timeout", "300", "--junit-xml", folder + "/tests.xml", unit]

    def read_tests(self, _unit, folder):
        try:
            root = xml.etree.ElementTree.parse(folder + "/tests.xml").getroot()
        except (FileNotFoundError, xml.etree.ElementTree.ParseError):
            return {}
        pairs = []
        for case in root.iter("testcase"):
            parts = {child.tag for child in case}
            outcome = ("error" if "error" in parts else "failed" if "failure" in parts
                       else "skipped" if "skipped" in parts else "ok")
            pairs.append((case.get("name"), outcome))
        return numbered(pairs)


class GLibSuite:
    """GLib's installed tests (Debian: libglib2.0-tests): each a program that reports in TAP."""

    name = "glib"
    needs = "installed tests of GLib"
    environment = {"G_SLICE": "always-malloc"}
    folder = "/usr/share/installed-tests/glib"
    # The first three measure, or want all memory; two change the system outside their folder if they may;
    # one sets an LD_PRELOAD of its own; the last asks that freed memory is used again at once, which is
    # what the mode safe does not do.
    left_out = ("performance", "performance-threaded", "mem-overflow",
                "fileutils", "g-file-info-filesystem-readonly", "gsocketclient-slow",
                "slice-known-pages")
    quick = ["asyncqueue", "hash", "thread-pool", "signals"]

    def is_there(self):
        return os.path.isdir(self.folder)

    def units(self):
        names = sorted(name[:-len(".test")] for name in os.listdir(self.folder)
                       if name.endswith(".test"))
        return [name for name in names if name not in self.left_out]

    def command(self, unit, _folder):
        with open(f"{self.folder}/{unit}.test", encoding="utf-8") as stream:
            words = re.search(r"^Exec=(.*)$", stream.read(), re.M)[1].split()
        return words if words[0].endswith(("sh", "env")) else words + ["--tap", "--seed", SEED]

    def read_tests(self, _unit, folder):
        pairs = []
        with open(folder + "/output", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                found = re.match(r"(not ok|ok)\b *\d* *-? *([^#\n]*)(# *(SKIP|TODO))?", line, re.I)
                if found:
                    outcome = ("skipped" if (found[4] or "").upper() == "SKIP"
                               else "ok" if found[1].lower() == "ok" else "failed")
                    pairs.append((found[2].strip(), outcome))
        return numbered(pairs)


SUITES = {suite.name: suite for suite in (
    PythonSuite("python", {}, ["test_thread", "test_memoryview"]),
    # Every object of Python comes from malloc, not from arenas of its own.
    PythonSuite("python-malloc", {"PYTHONMALLOC": "malloc"}, ["test_json", "test_memoryview"]),
    GLibSuite(),
)}
