# SPDX-License-Identifier: MIT
"""From runs to figures: medians, ratios, geometric means, wins and losses, goals."""
import math
import statistics
from dataclasses import dataclass, field

from workloads import WORKLOADS

LEVEL = 0.03            # ratios within 3% count as level: less than runs differ among themselves
FIGURES = ("time", "cpu", "rss")


@dataclass
class Figure:
    """Median and range of one quantity over the runs."""
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values))

    def overlaps(self, other):
        return self.low <= other.high and other.low <= self.high


@dataclass
class Entry:
    """One peer in one workload."""
    peer: object
    runs: list = field(default_factory=list)
    error: str = None
    stats: dict = field(default_factory=dict)   # what our library wrote in the warm-up run

    def figure(self, name, workload):
        """time (the workload's own metric), cpu or rss; None if the peer failed."""
        metric = {"time": workload.metric, "cpu": "cpu_s", "rss": "rss_mib"}.get(name, name)
        values = [run.metrics[metric] for run in self.runs if metric in run.metrics]
        return Figure.of(values) if values and self.error is None else None


@dataclass
class Result:
    """One workload: its peers in table order, and those that could not take part."""
    workload: object
    command: str
    entries: list
    skipped: list                               # (peer name, reason)

    def entry(self, name):
        return next((entry for entry in self.entries if entry.peer.name == name), None)

    def unit(self):
        for entry in self.entries:
            for run in entry.runs:
                if self.workload.metric in run.units:
                    return run.units[self.workload.metric]
        return ""

    def ratio(self, subject, peer, figure):
        """subject / peer, or None where one of them has no figure."""
        pair = [self.entry(name) for name in (subject, peer)]
        if None in pair:
            return None
        a, b = (entry.figure(figure, self.workload) for entry in pair)
        return a.median / b.median if a and b and b.median > 0 and a.median > 0 else None


def verdict(ratio):
    if ratio is None:
        return ""
    if ratio > 1 + LEVEL:
        return "LOSS"
    return "win" if ratio < 1 - LEVEL else "level"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


@dataclass
class Mean:
    group: str
    subject: str
    peer: str
    ratios: dict                                # figure -> geometric mean
    counts: dict                                # figure -> workloads that went into it
    n_workloads: int


def groups_of(results):
    return list(dict.fromkeys(result.workload.group for result in results))


def group_mean(results, group, subject, peer):
    """Geometric means over the workloads of a group in which both have figures."""
    members = [result for result in results if result.workload.group == group
               and result.entry(subject) and result.entry(peer)]
    ratios = {figure: [ratio for ratio in (result.ratio(subject, peer, figure)
                                           for result in members) if ratio] for figure in FIGURES}
    if not members:
        return None
    return Mean(group, subject, peer,
                {figure: geometric_mean(values) for figure, values in ratios.items()},
                {figure: len(values) for figure, values in ratios.items()}, len(members))


def all_means(results, subjects, peers):
    means = [group_mean(results, group, subject, peer) for group in groups_of(results)
             for subject in subjects for peer in peers if peer != subject and peer not in subjects]
    return [mean for mean in means if mean]


@dataclass
class Comparison:
    result: object
    subject: str
    peer: str
    figure: str
    ratio: float
    overlap: bool


def comparisons(results, subjects):
    """Every subject against every other peer, by time and by memory, worst first."""
    found = []
    for result in results:
        for subject in subjects:
            for entry in result.entries:
                if entry.peer.name in subjects:
                    continue
                for figure in ("time", "rss"):
                    ratio = result.ratio(subject, entry.peer.name, figure)
                    if ratio is not None:
                        ours = result.entry(subject).figure(figure, result.workload)
                        found.append(Comparison(
                            result, subject, entry.peer.name, figure, ratio,
                            ours.overlaps(entry.figure(figure, result.workload))))
    return sorted(found, key=lambda comparison: -comparison.ratio)


def goal_value(goal, results):
    """The figure that a goal is about, or None if this run does not have it."""
    result = next((result for result in results if result.workload.name == goal.of), None)
    if result is None:
        mean = group_mean(results, goal.of, goal.subject, goal.peer)
        return mean.ratios[goal.figure] if mean else None
    if goal.is_ratio:
        return result.ratio(goal.subject, goal.peer, goal.figure)
    pair = [result.entry(goal.subject), result.entry(goal.peer)]
    figures = [entry and entry.figure(goal.figure, result.workload) for entry in pair]
    return figures[0].median - figures[1].median if all(figures) else None


def goal_coverage(goal, results):
    """How many of the workloads that a goal is about have a figure here, and how many there are."""
    about = [workload for workload in WORKLOADS if goal.of in (workload.name, workload.group)]
    measured = [result for result in results if result.workload in about
                and result.ratio(goal.subject, goal.peer, goal.figure) is not None]
    return len(measured), len(about)
