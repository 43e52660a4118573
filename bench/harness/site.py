# SPDX-License-Identifier: MIT
"""Where things are: the build, the programs, the peers' libraries, and what machine this is."""
import functools
import glob
import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

from .tables import ALLOCATOR

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REAL_DIR = os.path.join(SOURCE_DIR, "bench", "programs", "real")


class Trouble(Exception):
    """Something the user must know and mend; printed without a traceback."""


@dataclass
class Site:
    build_dir: str
    gleaner_dir: str            # holds libgleaner.so and libgleaner-malloc.so
    work_dir: str               # inputs and scratch files

    @property
    def programs_dir(self):
        return os.path.join(self.build_dir, "bench", "programs")

    def program(self, name):
        return os.path.join(self.programs_dir, name)


@dataclass
class Located:
    """A peer that can run here: how."""
    peer: object
    library: str                # path, or None
    env: dict
    version: str
    probe: list = None          # ours: a short command that starts the library


def output_of(command, env=None):
    """What a command prints, or "" where it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def find_gleaner_dir(build_dir, given):
    """The folder of our libraries: --gleaner may name it, a build tree or an install prefix."""
    if given is None:
        return os.path.join(build_dir, ".libs")
    for folder in ("", ".libs", "lib", "build/.libs"):
        path = os.path.abspath(os.path.join(given, folder))
        if glob.glob(os.path.join(path, "libgleaner*.so")):
            return path
    raise Trouble("--gleaner %s: there is no libgleaner*.so in it, its .libs or its lib" % given)


def make_programs(build_dir):
    if not os.path.exists(os.path.join(build_dir, "Makefile")):
        raise Trouble("%s is not a configured build: run ./bootstrap, or configure and make there, "
                      "or name another one with --builddir" % build_dir)
    if subprocess.run(["make", "-s", "-C", build_dir, "bench-programs"]).returncode != 0:
        raise Trouble("the programs of the benchmarks do not build (make bench-programs)")


def system_library(name):
    for line in output_of(["/sbin/ldconfig", "-p"]).splitlines():
        match = re.match(r"\s*(\S+) \(.*x86-64.*\) => (\S+)", line)
        if match and match.group(1) == name:
            return match.group(2)
    return None


def package_version(package):
    return output_of(["dpkg-query", "-W", "-f", "${Version}", package]) if package else ""


def gleaner_version():
    revision = output_of(["git", "-C", SOURCE_DIR, "describe", "--always", "--dirty"])
    return "this build" + (", source " + revision if revision else "")


OPTION_ERROR = 125          # our library's exit status when strict=1 finds a bad option


def refusal(command, env):
    """Why our library, started by `command`, does not take its options in `env`; None if it does.

    An option that it does not know would only make it warn, and its figures would be those of the
    defaults.
    """
    rest = {name: value for name, value in os.environ.items() if not name.startswith("GLEANER_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30,
                          env=dict(rest, GLEANER_STRICT="1", **env))
    if done.returncode == 0 and "ld.so" not in done.stderr:     # it says what it cannot preload
        return None
    unknown = re.search(r"(GLEANER_\w+): no such option", done.stderr)
    if done.returncode == OPTION_ERROR and unknown:
        return "this build has no option %s" % unknown.group(1)
    lines = done.stderr.strip().splitlines() or ["exit status %d" % done.returncode]
    return "%s fails with it: %s" % (command[0], lines[0])


@functools.lru_cache(maxsize=None)
def takes(command, env, name, value):
    """Whether our library takes this option; `command` and `env` start it, as tuples."""
    return refusal(list(command), dict(env, **{name: value})) is None


def option_is_taken(located, name, value):
    return takes(tuple(located.probe), tuple(located.env.items()), name, value)


def locate_allocator(site, peer):
    if peer.library is None:
        return Located(peer, None, dict(peer.env), package_version(peer.package))
    if peer.ours:
        path = os.path.join(peer.directory or site.gleaner_dir, peer.library)
        if not os.path.exists(path):
            return "%s does not exist (not built yet?)" % path
    else:
        path = system_library(peer.library)
        if path is None:
            return "%s is not installed (Debian: %s)" % (peer.library, peer.package)
    env = dict(peer.env, LD_PRELOAD=path)
    if peer.ours:
        return refusal(["/bin/true"], env) or Located(peer, path, env, gleaner_version(),
                                                      ["/bin/true"])
    done = subprocess.run(["/bin/true"], env=dict(os.environ, **env), capture_output=True,
                          text=True)
    if done.returncode != 0 or done.stderr:
        return "/bin/true fails with it: %s" % (done.stderr.strip() or done.returncode)
    return Located(peer, path, env, package_version(peer.package))


def locate_collector(site, peer):
    programs = glob.glob(site.program("*_" + peer.variant))
    if not programs:
        return ("its programs are not built (%s)" %
                ("library missing?" if peer.ours else "libgc-dev was absent at configure time"))
    env = dict(peer.env)
    if peer.ours:
        directory = os.path.realpath(peer.directory or site.gleaner_dir)
        env["LD_LIBRARY_PATH"] = directory
        trace = output_of([programs[0]], dict(os.environ, LD_TRACE_LOADED_OBJECTS="1", **env))
        match = re.search(r"libgleaner\.so\S* => (\S+)", trace)
        if not match or os.path.dirname(os.path.realpath(match.group(1))) != directory:
            return "%s does not use the libgleaner.so of %s" % (programs[0], directory)
        probe = [site.program("binary_trees_" + peer.variant), "4", "keep"]
        return refusal(probe, env) or Located(peer, match.group(1), env, gleaner_version(), probe)
    return Located(peer, None, env, package_version(peer.package))


def locate(site, peer):
    """A Located, or a sentence that says why this peer is skipped."""
    if peer.cpu_flag and not cpu_has(peer.cpu_flag):
        return "this processor has no %s" % peer.cpu_flag
    return locate_allocator(site, peer) if peer.kind == ALLOCATOR else locate_collector(site, peer)


def first_match(path, pattern):
    try:
        with open(path, encoding="utf-8") as source:
            match = re.search(pattern, source.read(), re.MULTILINE)
    except OSError:
        return ""
    return match.group(1).strip() if match else ""


def cpu_has(flag):
    return flag in first_match("/proc/cpuinfo", r"^flags\s*:(.*)$").split()


def free_memory_gib():
    return int(first_match("/proc/meminfo", r"^MemAvailable:\s+(\d+)") or "0") / (1 << 20)


def machine():
    memory_kib = first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)") or "0"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "cpu": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$") or platform.machine(),
        "cpus": os.cpu_count(),
        "memory_gib": round(int(memory_kib) / (1 << 20), 1),
        "kernel": platform.release(),
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "load_at_start": round(os.getloadavg()[0], 2),
        "gnuplot": bool(shutil.which("gnuplot")),
    }
