# SPDX-License-Identifier: MIT
"""The run on one page of plain text, for a README: three digits, one line per workload."""
import math

from . import stats
from .report import GOAL_HEADS, goal_cells, table

# Groups that share their columns stand in one table; each with the peers in table order.
TABLES = (
    ("collectors", ("trees", "mark", "mark-2", "long", "weak", "counted")),
    ("malloc", ("churn-1", "churn-2", "scale", "special", "burst", "small")),
)
MEANS_ONLY = "programs"         # a group of which only the means and the extremes are told
LEFT_OUT = (("scale", "gleaner-safe"),)  # no room, and it has no goal there
WITH_RSS = ("trees", "special")  # groups in which memory stands beside time


def short(value):
    """Three significant digits, without an exponent."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return "%.*f" % (max(0, min(3, digits)), value)


def cell(result, name):
    """Median of the workload's metric; in brackets what else it shows, or peak RSS."""
    entry = result.entry(name)
    if entry is None:
        return ""
    if entry.error:
        return "failed"
    workload = result.workload
    text = short(entry.figure("time", workload).median)
    if workload.shows:
        return "%s (%.2f)" % (text, entry.figure(workload.shows[0], workload).median)
    if workload.group in WITH_RSS:
        return "%s (%.0f)" % (text, entry.figure("rss", workload).median)
    return text


def columns_of(members):
    """Who takes part. Of those that free by hand only those that do so wherever it is done, last:
    all allocators beside all collectors would not fit."""
    names = list(dict.fromkeys(entry.peer.name for result in members for entry in result.entries))
    hands = [result.workload.by_hand for result in members if result.workload.by_hand]
    by_hand = [name for name in names if any(name in hand for hand in hands)]
    return [name for name in names if name not in by_hand] + \
        [name for name in by_hand if all(name in hand for hand in hands)]


def table_lines(title, groups, results):
    lines = []
    for group in groups:
        members = [result for result in results if result.workload.group == group]
        if not members:
            continue
        names = [name for name in columns_of(members) if (group, name) not in LEFT_OUT]
        rows = []
        for result in members:
            label = result.workload.name
            if result.unit() and result.unit() != "ratio":
                label += ", " + result.unit()
            rows.append([label] + [cell(result, name) for name in names])
        heads = [name.replace("gleaner-", "gl-") for name in names]  # the page is narrow
        lines += [""] + table(rows, ["%s: %s" % (title, group)] + heads, 1)
    return lines


def extremes(results, subject, peer):
    ratios = [(ratio, result.workload.name) for result in results
              for ratio in [result.ratio(subject, peer, "cpu")] if ratio]
    (low, best), (high, worst) = min(ratios), max(ratios)
    return "best %.2f %s, worst %.2f %s" % (low, best, high, worst)


def means_lines(results, subjects, run_info):
    members = [result for result in results if result.workload.group == MEANS_ONLY]
    means = stats.all_means(members, subjects, stats.rivals(run_info))
    if not means:
        return []
    rows = [[mean.subject, mean.peer] + ["-" if mean.ratios[figure] is None
                                         else "%.2f" % mean.ratios[figure]
                                         for figure in ("cpu", "rss")]
            + [extremes(members, mean.subject, mean.peer)] for mean in means]
    heads = ["%d real programs" % len(members), "to", "CPU time", "RSS", "CPU time"]
    return [""] + table(rows, heads, 2)


def goals_lines(goals, results):
    rows = [goal_cells(outcome) for outcome in stats.outcomes(goals, results)]
    return [""] + table(rows, GOAL_HEADS, 1) if rows else []


def brief_lines(run_info, results, subjects, goals):
    machine = run_info["machine"]
    lines = ["  Medians of %d interleaved runs, %s. %s, %s CPUs," % (
        run_info["runs"], machine["date"][:10], machine["cpu"], machine["cpus"]),
        "  %s GiB, Linux %s, %s. Less is better. In brackets" % (
            machine["memory_gib"], machine["kernel"].split("-")[0], machine["system"]),
        "  peak RSS in MiB; in `long`, how a collection makes memory grow; in `scale`, time of two",
        "  threads at once by that of one after the other (0.50 is perfect); in `weak`, what a",
        "  million add to a full collection, and the collection that finds half of their objects dead."]
    lines += ["  Small sizes: a first look, not for publishing."] if run_info["quick"] else []
    for title, groups in TABLES:
        lines += table_lines(title, groups, results)
    lines += means_lines(results, subjects, run_info)
    lines += goals_lines(goals, results)
    return ["  " + line if line else "" for line in lines]
