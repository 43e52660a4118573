# SPDX-License-Identifier: MIT
"""The measurements of one invocation: every workload, its peers interleaved, round by round."""
import os
import sys

from .measure import read_stats
from .stats import Entry, Result
from .tables import COLLECTOR


class Progress:
    """Says on stderr what runs now; on a terminal on one line that is written over."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.is_terminal = sys.stderr.isatty()

    def step(self, workload, peer, round_name):
        self.done += 1
        if self.is_terminal:
            text = "[%d/%d] %s: %s, %s" % (self.done, self.total, workload, peer, round_name)
            sys.stderr.write("\r\033[K" + text)
            sys.stderr.flush()

    def workload(self, name):
        if not self.is_terminal:
            sys.stderr.write("[%d/%d] %s\n" % (self.done, self.total, name))
            sys.stderr.flush()

    def skip(self, count):
        self.done += count

    def finish(self):
        if self.is_terminal:
            sys.stderr.write("\r\033[K")


class Session:
    def __init__(self, runner, located, missing, n_runs, is_quick):
        self.runner = runner
        self.located = located              # peers that can run, in table order
        self.missing = missing              # peer name -> (peer, reason)
        self.n_runs = n_runs
        self.is_quick = is_quick

    def takers(self, workload):
        """Peers of this workload that can run it, and those that cannot, with the reason."""
        entries = []
        skipped = [(name, reason) for name, (peer, reason) in self.missing.items()
                   if workload.wants(peer)]
        for located in self.located:
            peer = located.peer
            if not workload.wants(peer):
                continue
            program = workload.command.split()[0]
            if workload.kind == "collecting":
                variant = peer.variant if peer.kind == COLLECTOR else "malloc"
                path = self.runner.site.program("%s_%s" % (program, variant))
                if not os.path.exists(path):
                    skipped.append((peer.name, "%s is not built" % os.path.basename(path)))
                    continue
            entries.append((located, Entry(peer)))
        return entries, skipped

    def run_workload(self, workload, progress):
        command = workload.quick if self.is_quick else workload.command
        takers, skipped = self.takers(workload)
        result = Result(workload, command, [entry for _, entry in takers], skipped)
        progress.workload(workload.name)
        reference = None                    # (peer name, digest) of the first good run
        for number in range(-1, workload.runs(self.n_runs)):
            for located, entry in takers:
                if entry.error:
                    progress.skip(1)
                    continue
                progress.step(workload.name, entry.peer.name,
                              "warm-up" if number < 0 else "run %d" % (number + 1))
                reference = self.run_entry(workload, command, located, entry, number, reference)
        return result

    def run_entry(self, workload, command, located, entry, number, reference):
        """One run, number -1 for the warm-up, whose figures are not kept."""
        stats_file = os.path.join(self.runner.scratch, ".bench-stats") if number < 0 else None
        run = self.runner.run(workload, command, located, stats_file)
        if run.error is None and reference and run.digest != reference[1]:
            run.error = "its output differs from that of %s" % reference[0]
        if run.error:
            entry.error = "%s: %s" % ("warm-up" if number < 0 else "run %d" % (number + 1),
                                      run.error)
            self.runner.keep_output(workload, entry.peer)
        if number < 0:
            entry.stats = read_stats(stats_file)
        else:
            entry.runs.append(run)
        return reference or (None if run.error else (entry.peer.name, run.digest))

    def run(self, workloads):
        progress = Progress(sum(len(self.takers(workload)[0]) * (workload.runs(self.n_runs) + 1)
                                for workload in workloads))
        try:
            return [self.run_workload(workload, progress) for workload in workloads]
        finally:
            progress.finish()
