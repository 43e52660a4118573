# SPDX-License-Identifier: MIT
"""From runs to figures: medians, ratios, geometric means, wins and losses, goals."""
import math
import statistics
from dataclasses import dataclass, field

from workloads import WORKLOADS

LEVEL = 0.03            # ratios within 3% count as level: less than runs differ among themselves
FIGURES = ("time", "cpu", "rss")
MEMORY_METRICS = ("rss_mib", "rss_per_heap")    # a workload's metric that says the same as rss


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


def rivals(run_info):
    """Names of the peers that are not ours: means and losses are about them."""
    return [peer["name"] for peer in run_info["peers"] if not peer["ours"]]


def all_means(results, subjects, peers):
    means = [group_mean(results, group, subject, peer) for group in groups_of(results)
             for subject in subjects for peer in peers]
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
                if entry.peer.ours:
                    continue
                is_memory = result.workload.metric in MEMORY_METRICS
                for figure in ("rss",) if is_memory else ("time", "rss"):
                    ratio = result.ratio(subject, entry.peer.name, figure)
                    if ratio is not None:
                        ours = result.entry(subject).figure(figure, result.workload)
                        found.append(Comparison(
                            result, subject, entry.peer.name, figure, ratio,
                            ours.overlaps(entry.figure(figure, result.workload))))
    return sorted(found, key=lambda comparison: -comparison.ratio)


@dataclass
class Outcome:
    """What a run says about a goal."""
    goal: object
    value: float
    n_measured: int                             # workloads that have a figure here,
    n_workloads: int                            # of so many that the goal is about
    worst: str                                  # of several: which is the worst, and how bad

    def is_met(self, limit):
        return self.value <= limit

    def verdict(self):
        """`target met`, `stretch met` or `missed by 12%`: by so much the cost is too high."""
        part = "" if self.n_measured == self.n_workloads else \
            " (%d of %d)" % (self.n_measured, self.n_workloads)
        if not self.is_met(self.goal.limit):
            return "missed by %.0f%%" % max(1, 100 * (self.value / self.goal.limit - 1)) + part
        is_stretch = self.goal.stretch is not None and self.is_met(self.goal.stretch)
        return ("stretch met" if is_stretch else "target met") + part

    def text(self, cost):
        """A cost as the goal speaks of it."""
        if cost is None:
            return ""
        if self.goal.is_speed:
            return "%.2fx" % (1 / cost)
        return "%.2f" % cost if self.goal.measure == "extra" else "%.3f" % cost


def goal_figures(goal, results):
    """[(workload name, figure)] of the workloads that the goal is about and that have it here."""
    found = []
    for result in results:
        if not result.workload.is_in(goal.of):
            continue
        pair = [entry and entry.figure(goal.figure, result.workload)
                for entry in map(result.entry, (goal.subject, goal.peer))]
        if goal.measure == "ratio":
            value = result.ratio(goal.subject, goal.peer, goal.figure)
        elif goal.measure == "extra":
            value = pair[0].median - pair[1].median if all(pair) else None
        else:
            value = pair[0].median if pair[0] else None
        if value is not None:
            found.append((result.workload.name, value))
    return found


def goal_outcome(goal, results):
    """An Outcome, or None if this run has no figure for the goal."""
    figures = goal_figures(goal, results)
    if not figures:
        return None
    values = [value for _, value in figures]
    about = [workload for workload in WORKLOADS if workload.is_in(goal.of)]
    outcome = Outcome(goal, values[0] if len(values) == 1 else geometric_mean(values),
                      len(values), len(about), "")
    if len(values) > 1:
        name, value = max(figures, key=lambda pair: pair[1])
        outcome.worst = "%s %s" % (name, outcome.text(value))
    return outcome


def outcomes(goals, results):
    return [outcome for outcome in (goal_outcome(goal, results) for goal in goals) if outcome]
