# SPDX-License-Identifier: MIT
"""The figures as Markdown tables, for a README: one table per group, then the means and goals."""
from . import stats
from .report import header_lines, number


def row(cells):
    return "| " + " | ".join(cells) + " |"


def head(cells):
    return [row(cells), "|" + "---|" * len(cells)]


def cell(result, name):
    """Median of the workload's metric, and the peak RSS behind it."""
    entry = result.entry(name)
    if entry is None:
        return ""
    if entry.error:
        return "failed"
    time, rss = (entry.figure(figure, result.workload) for figure in ("time", "rss"))
    return "%s (%s)" % (number(time.median), number(rss.median))


def group_lines(group, results):
    members = [result for result in results if result.workload.group == group]
    names = list(dict.fromkeys(entry.peer.name for result in members for entry in result.entries))
    lines = ["", "### %s" % group, ""] + head(["workload", "unit"] + names)
    for result in members:
        lines.append(row([result.workload.name, result.unit()]
                         + [cell(result, name) for name in names]))
    return lines


def means_lines(results, subjects, peers):
    means = stats.all_means(results, subjects, peers)
    if not means:
        return []
    lines = ["", "### Geometric means, ours / peer", ""]
    lines += head(["group", "ours", "peer", "workloads", "time", "CPU", "RSS"])
    for mean in means:
        ratios = [mean.ratios[figure] for figure in stats.FIGURES]
        lines.append(row([mean.group, mean.subject, mean.peer,
                          "%d of %d" % (mean.counts["time"], mean.n_workloads)]
                         + ["" if ratio is None else "%.2f" % ratio for ratio in ratios]))
    return lines


def goals_lines(goals, results):
    measured = [(goal, stats.goal_value(goal, results)) for goal in goals]
    lines = [row([goal.text, "%.3f" % value, "%.3f" % goal.limit,
                  "reached" if value <= goal.limit else "**missed**"])
             for goal, value in measured if value is not None]
    heads = head(["goal", "measured", "at most", ""])
    return ["", "### Goals", ""] + heads + lines if lines else []


def markdown_report(run_info, results, subjects, goals):
    lines = header_lines(run_info)[:2] + [
        "", "Medians of %d runs, in brackets the peak RSS in MiB. Less is better." %
        run_info["runs"]]
    for group in stats.groups_of(results):
        lines += group_lines(group, results)
    lines += means_lines(results, subjects, [peer["name"] for peer in run_info["peers"]])
    lines += goals_lines(goals, results)
    return "\n".join(lines) + "\n"
