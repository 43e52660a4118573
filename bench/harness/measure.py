# SPDX-License-Identifier: MIT
"""One run of one program under one peer: what it cost, and whether it did the right thing."""
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

from . import drivers, inputs
from .site import REAL_DIR, option_is_taken
from .tables import COLLECTOR

PLACEHOLDER = re.compile(r"\{(copy:)?([a-z_]+):(\d+)\}")
METRIC_LINE = re.compile(rb"^metric (\S+) (\S+) (\S+)\n", re.MULTILINE)
OWN_UNITS = {"cpu_s": "s", "wall_s": "s", "rss_mib": "MiB", "ms_per_run": "ms"}


@dataclass
class Run:
    """Figures of one run. `error` is None if it did what it should."""
    metrics: dict = field(default_factory=dict)
    units: dict = field(default_factory=lambda: dict(OWN_UNITS))
    digest: str = ""
    error: str = None


def base_environment(scratch):
    """The same for everybody: nothing of the caller's environment changes what is measured."""
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin:" + os.environ.get("PATH", ""),
        "HOME": scratch, "TMPDIR": scratch, "LC_ALL": "C", "TZ": "UTC",
        "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PERL_HASH_SEED": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


class Runner:
    def __init__(self, site, extra_env, timeout):
        self.site = site
        self.extra_env = extra_env          # list of (peer name or None, name, value)
        self.timeout = timeout
        self.scratch = os.path.join(site.work_dir, "scratch")
        self.inputs = os.path.join(site.work_dir, "inputs")
        self.failures = os.path.join(site.work_dir, "failures")

    def fresh_scratch(self):
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)

    def input_path(self, match):
        path = inputs.make(self.inputs, match.group(2), int(match.group(3)))
        if match.group(1):
            copy = os.path.join(self.scratch, match.group(2))
            shutil.copytree(path, copy, symlinks=True)
            return copy
        return path

    def argv(self, workload, command, peer):
        words = [PLACEHOLDER.sub(self.input_path, word.replace("{real}", REAL_DIR))
                 for word in command.split()]
        if workload.kind == "collecting":
            variant = peer.variant if peer.kind == COLLECTOR else "malloc"
            words[0] = self.site.program("%s_%s" % (words[0], variant))
        elif workload.kind == "allocating":
            words[0] = self.site.program(words[0])
        return words

    @staticmethod
    def concerns(located, name, value):
        """An option of Gleaner is for Gleaner, and only if that build has it: one marker is what a
        build without the option `markers` has anyway."""
        if not name.startswith("GLEANER_"):
            return True
        return located.peer.ours and option_is_taken(located, name, value)

    def variables(self, workload, located, stats_file):
        """What the measured program has in its environment beyond the base."""
        env = {name: value for name, value in workload.env.items()
               if self.concerns(located, name, value)}
        if workload.libc_first and located.library is None:
            env["LD_PRELOAD"] = "libc.so.6"
        env.update(located.env)
        for peer, name, value in self.extra_env:
            if peer in (None, located.peer.name):
                env[name] = value
        if stats_file and located.peer.ours:
            options = env.get("GLEANER_OPTIONS")
            env["GLEANER_OPTIONS"] = (options + ":" if options else "") + "stats_file=" + stats_file
        return env

    def run(self, workload, command, located, stats_file=None):
        self.fresh_scratch()
        variables = self.variables(workload, located, stats_file)
        driver = None
        if workload.kind == "server":
            driver = drivers.make(command, self)
            argv = driver.argv()
        else:
            argv = self.argv(workload, command, located.peer)
        paths = {name: os.path.join(self.scratch, ".bench-" + name)
                 for name in ("result", "stdout", "stderr")}
        launch = [self.site.program("launch"), paths["result"], str(workload.repeat)]
        launch += ["%s=%s" % item for item in variables.items()] + ["--"] + argv
        run = Run()
        with open(paths["stdout"], "wb") as out, open(paths["stderr"], "wb") as err:
            text = self.wait(launch, out, err, driver, run)
        self.read_costs(paths, workload, run)
        self.read_output(paths, workload, text, run)
        return run

    def wait(self, launch, out, err, driver, run):
        """Runs the launcher to its end; what a driver says of the server's state."""
        child = subprocess.Popen(launch, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 cwd=self.scratch, env=base_environment(self.scratch),
                                 start_new_session=True)
        text = b""
        try:
            deadline = time.monotonic() + self.timeout
            if driver:
                text = driver.drive(deadline)
            child.wait(max(1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            run.error = "no end within %g s" % self.timeout
        except drivers.Failed as failure:
            run.error = str(failure)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(1)       # a server that died itself: its status is worth knowing
        finally:
            # The launcher leads a process group of its own: this ends it and all that it started.
            # Its number is surely still ours, for nobody has waited for it yet.
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        return text

    def keep_output(self, workload, peer):
        """What a failed run printed, for whoever looks for the reason."""
        os.makedirs(self.failures, exist_ok=True)
        for name in ("stdout", "stderr"):
            shutil.copy(os.path.join(self.scratch, ".bench-" + name),
                        os.path.join(self.failures, "%s-%s.%s" % (workload.name, peer.name, name)))

    @staticmethod
    def read_costs(paths, workload, run):
        try:
            with open(paths["result"], encoding="ascii") as result:
                status, wall, user, system, rss, runs = map(int, result.read().split())
        except (OSError, ValueError):
            run.error = run.error or "the launcher failed"
            return
        if status != 0:
            end = "killed by signal %d" % (status - 128) if status > 128 else \
                "exit status %d" % status
            run.error = "%s (%s)" % (run.error, end) if run.error else end
        run.metrics.update(cpu_s=(user + system) / 1e9, user_s=user / 1e9, system_s=system / 1e9,
                           wall_s=wall / 1e9, rss_mib=rss / 1024, ms_per_run=wall / 1e6 / runs)

    @staticmethod
    def read_output(paths, workload, text, run):
        """Metrics are taken out of the output; a digest of the rest is for comparison."""
        with open(paths["stdout"], "rb") as source:
            output = source.read()
        with open(paths["stderr"], "rb") as source:
            errors = source.read()
        if run.error and errors:
            run.error += ": " + errors.decode("utf-8", "replace").strip().splitlines()[-1]
        if workload.kind in ("collecting", "allocating"):
            for name, value, unit in METRIC_LINE.findall(output):
                run.metrics[name.decode()] = float(value)
                run.units[name.decode()] = unit.decode()
            output = METRIC_LINE.sub(b"", output)
        elif workload.kind == "server":
            output = text
        else:
            output += errors
        run.digest = hashlib.sha256(output).hexdigest()
        if run.error is None and workload.metric not in run.metrics:
            run.error = "it did not print the metric %s" % workload.metric


def read_stats(path):
    """Sums over the processes of a run what Gleaner wrote at their exit; {} if it wrote nothing."""
    totals = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            lines = source.read().splitlines()
    except OSError:
        return totals
    totals["processes"] = len(lines)
    for line in lines:
        for name, value in re.findall(r"(\w+)=(\d+)(?!\S)", line):
            if name in ("collections", "reclaimed_objects", "reclaimed_bytes"):
                totals[name] = totals.get(name, 0) + int(value)
            elif name == "pause_max_ns":
                totals[name] = max(totals.get(name, 0), int(value))
    return totals
