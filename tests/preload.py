# SPDX-License-Identifier: MIT
"""What the drivers of real programs share: where the malloc library is, and what it can do."""

import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def default_library():
    """GLEANER_PRELOAD, or the library of top_builddir, or that of build/."""
    build = os.environ.get("top_builddir") or os.path.join(HERE, "..", "build")
    return (os.environ.get("GLEANER_PRELOAD")
            or os.path.abspath(os.path.join(build, ".libs", "libgleaner-malloc.so")))


def has_mode(library, mode):
    """Whether the library knows this mode: a process that it serves says which it is in."""
    with tempfile.NamedTemporaryFile() as stats:
        subprocess.run(["/bin/true"], check=False, stderr=subprocess.DEVNULL, env={
            "LD_PRELOAD": library, "GLEANER_MODE": mode,
            "GLEANER_OPTIONS": "stats_file=" + stats.name})
        return f"mode={mode}".encode() in stats.read().split()


def read_stats(path):
    """The lines of a statistics file, each a dict; a value may contain blanks."""
    entries = []
    with open(path, encoding="utf-8", errors="backslashreplace") as stream:
        for line in stream:
            entry, key = {}, None
            for token in line.split():
                if "=" in token:
                    key, value = token.split("=", 1)
                    entry[key] = value
                elif key is not None:
                    entry[key] += " " + token
            entries.append(entry)
    return entries
