# SPDX-License-Identifier: MIT
"""The report as Markdown: one page of plain text to put into a README, then a table per group."""
from . import stats
from .brief import brief_lines
from .report import GOAL_HEADS, goal_cells, header_lines, number


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


def shown_rows(result, names):
    """One line for each further metric that the workload shows."""
    for metric in result.workload.shows:
        figures = [result.entry(name) and result.entry(name).figure(metric, result.workload)
                   for name in names]
        yield row(["", metric] + [number(figure.median) if figure else "" for figure in figures])


def group_lines(group, results):
    members = [result for result in results if result.workload.group == group]
    names = list(dict.fromkeys(entry.peer.name for result in members for entry in result.entries))
    lines = ["", "### %s" % group, ""] + head(["workload", "unit"] + names)
    for result in members:
        lines.append(row([result.workload.name, result.unit()]
                         + [cell(result, name) for name in names]))
        lines += shown_rows(result, names)
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
    lines = [row(goal_cells(outcome) + [outcome.worst])
             for outcome in stats.outcomes(goals, results)]
    return ["", "### Goals", ""] + head(GOAL_HEADS + ["worst of several"]) + lines if lines else []


def markdown_report(run_info, results, subjects, goals):
    lines = ["## In short", ""] + brief_lines(run_info, results, subjects, goals)
    lines += ["", "## In full", ""] + header_lines(run_info)[:2] + [
        "", "Medians of %d runs, in brackets the peak RSS in MiB. Less is better." %
        run_info["runs"]]
    for group in stats.groups_of(results):
        lines += group_lines(group, results)
    lines += means_lines(results, subjects, stats.rivals(run_info))
    lines += goals_lines(goals, results)
    return "\n".join(lines) + "\n"
