# SPDX-License-Identifier: MIT
"""What a person reads (text), and what a program reads (JSON, CSV)."""
import csv
import json

from . import stats
from .stats import FIGURES, verdict


def number(value):
    """Four significant digits, without an exponent."""
    if value is None:
        return "-"
    magnitude = abs(value)
    digits = 0 if magnitude >= 1000 else 1 if magnitude >= 100 else 2 if magnitude >= 10 else 3
    return "%.*f" % (digits, value)


def ratio_text(ratio):
    return "-" if ratio is None else "%.2f %s" % (ratio, verdict(ratio))


def table(rows, heads, left):
    """Columns as wide as they need; the first `left` ones are text."""
    lines = [heads] + rows
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    return ["  " + "  ".join(cell.ljust(width) if i < left else cell.rjust(width)
                             for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
            for line in lines]


def stats_note(entry):
    if not entry.stats.get("processes"):
        return None
    return "%s: %d collections in %d process(es), longest pause %.2f ms, %.1f MiB reclaimed" % (
        entry.peer.name, entry.stats.get("collections", 0), entry.stats["processes"],
        entry.stats.get("pause_max_ns", 0) / 1e6, entry.stats.get("reclaimed_bytes", 0) / (1 << 20))


def ratio_cells(result, subject, peer):
    """Of time and memory; without a verdict where the peer is another setting of our own."""
    if subject == peer.name:
        return ["", ""]
    ratios = [result.ratio(subject, peer.name, figure) for figure in ("time", "rss")]
    if peer.ours and not peer.subject:
        return ["-" if ratio is None else "%.2f" % ratio for ratio in ratios]
    return list(map(ratio_text, ratios))


def workload_lines(result, subjects):
    workload = result.workload
    present = [name for name in subjects if result.entry(name)]
    few = " (%d run)" % workload.max_runs if workload.max_runs else ""
    lines = ["", "%s / %s: %s%s" % (workload.group, workload.name, result.command, few)]
    heads = ["peer", "%s (%s)" % (workload.metric, result.unit()), "min .. max", "CPU s", "RSS MiB"]
    heads += workload.shows
    for name in present:
        heads += [name + "/peer", "RSS"]
    entries = [entry for entry in result.entries if not entry.error]
    rows = []
    for entry in sorted(entries, key=lambda one: one.figure("time", workload).median):
        time, cpu, rss = (entry.figure(name, workload) for name in FIGURES)
        row = [entry.peer.name, number(time.median),
               "%s .. %s" % (number(time.low), number(time.high)), number(cpu.median),
               number(rss.median)]
        row += [number(figure.median) if figure else "" for figure in
                (entry.figure(name, workload) for name in workload.shows)]
        for name in present:
            row += ratio_cells(result, name, entry.peer)
        rows.append(row)
    if rows:
        lines += table(rows, heads, 1)
    lines += ["  %s: FAILED: %s" % (entry.peer.name, entry.error)
              for entry in result.entries if entry.error]
    lines += ["  %s: skipped: %s" % pair for pair in result.skipped]
    lines += ["  (%s)" % note for note in map(stats_note, result.entries) if note]
    return lines


def means_lines(means):
    if not means:
        return []
    rows = []
    for mean in means:
        row = [mean.group, mean.subject, mean.peer,
               "%d of %d" % (mean.counts["time"], mean.n_workloads)]
        rows.append(row + [ratio_text(mean.ratios[figure]) for figure in FIGURES])
    heads = ["group", "ours", "peer", "workloads", "time", "CPU", "RSS"]
    return ["", "Geometric means, ours / peer (below 1: ours is better):"] + table(rows, heads, 3)


def comparison_text(comparison):
    result = comparison.result
    pair = [result.entry(name).figure(comparison.figure, result.workload).median
            for name in (comparison.subject, comparison.peer)]
    unit = "MiB" if comparison.figure == "rss" else result.unit()
    return [comparison.figure, "%.2f" % comparison.ratio, result.workload.name,
            comparison.subject, comparison.peer,
            "%s %s" % (number(pair[0]), unit), "%s %s" % (number(pair[1]), unit),
            "ranges overlap" if comparison.overlap else ""]


def losses_lines(comparisons):
    if not comparisons:
        return []
    lines = [""]
    for figure, title in (("time", "time"), ("rss", "peak RSS")):
        verdicts = [verdict(one.ratio) for one in comparisons if one.figure == figure]
        lines.append("By %s: %d wins, %d level (within %d%%), %d losses." % (
            title, verdicts.count("win"), verdicts.count("level"), round(stats.LEVEL * 100),
            verdicts.count("LOSS")))
    losses = [one for one in comparisons if verdict(one.ratio) == "LOSS"]
    if losses:
        heads = ["what", "ours/peer", "workload", "ours", "peer", "ours", "peer", ""]
        lines += ["", "Losses, worst first:"] + table(list(map(comparison_text, losses)), heads, 1)
    return lines


GOAL_HEADS = ["goal (12.3x: times as fast; others: at most)", "measured", "target", "stretch", ""]


def goal_cells(outcome):
    goal = outcome.goal
    return [goal.text, outcome.text(outcome.value), outcome.text(goal.limit),
            outcome.text(goal.stretch), outcome.verdict()]


def goals_lines(goals, results, is_quick):
    rows = [goal_cells(outcome) + [outcome.worst] for outcome in stats.outcomes(goals, results)]
    heads = GOAL_HEADS + ["worst of several"]
    title = "Goals (small sizes: an indication only):" if is_quick else "Goals:"
    return ["", title] + table(rows, heads, 1) if rows else []


def header_lines(run_info):
    machine = run_info["machine"]
    lines = ["Gleaner benchmarks, %s" % machine["date"],
             "%s, %s CPUs, %s GiB, Linux %s, %s, load %.2f at the start" % (
                 machine["cpu"], machine["cpus"], machine["memory_gib"], machine["kernel"],
                 machine["system"], machine["load_at_start"])]
    if machine["load_at_start"] > 0.5:
        lines.append("The machine was busy at the start: take the figures with care.")
    for peer in run_info["peers"]:
        state = peer["version"] if peer["available"] else "SKIPPED: " + peer["reason"]
        variables = " ".join("%s=%s" % item for item in peer["env"].items()
                             if item[0] != "LD_PRELOAD")
        lines.append("  %s: %s%s" % (peer["name"], state or "version unknown",
                                     " (%s)" % variables if variables else ""))
    lines.append("Median of %d runs after a warm-up, peers interleaved. Less is better everywhere."
                 % run_info["runs"])
    if run_info["quick"]:
        lines.append("Quick set: small sizes; a first look, not for publishing.")
    if run_info["runs"] < 5:
        lines.append("Fewer than 5 runs: not for publishing.")
    return lines


def text_report(run_info, results, subjects, goals):
    lines = header_lines(run_info)
    for result in results:
        lines += workload_lines(result, subjects)
    lines += [""] + run_info["absent"] if run_info["absent"] else []
    lines += means_lines(stats.all_means(results, subjects, stats.rivals(run_info)))
    lines += losses_lines(stats.comparisons(results, subjects))
    lines += goals_lines(goals, results, run_info["quick"])
    failures = [(result.workload.name, entry) for result in results
                for entry in result.entries if entry.error]
    if failures:
        lines += ["", "Failures (what they printed is in %s):" % run_info["failures"]]
        lines += ["  %s, %s: %s" % (name, entry.peer.name, entry.error)
                  for name, entry in failures]
    if not subjects:
        lines += ["", "Gleaner was not measured: there are no ratios, means or goals."]
    return "\n".join(lines) + "\n"


def figure_dict(figure):
    return {"median": figure.median, "min": figure.low, "max": figure.high} if figure else None


def entry_dict(entry, workload):
    return {
        "peer": entry.peer.name, "error": entry.error,
        **{name: figure_dict(entry.figure(name, workload)) for name in FIGURES},
        "wall_s": figure_dict(entry.figure("wall_s", workload)),
        "gleaner_warm_up": entry.stats,
        "runs": [dict(run.metrics, error=run.error) for run in entry.runs],
    }


def json_report(run_info, results, subjects, goals):
    return dict(
        run_info, format="gleaner-bench-1",
        workloads=[{
            "name": result.workload.name, "group": result.workload.group,
            "command": result.command, "metric": result.workload.metric, "unit": result.unit(),
            "peers": [entry_dict(entry, result.workload) for entry in result.entries],
            "skipped": [{"peer": name, "reason": reason} for name, reason in result.skipped],
            "ratios": {name: {entry.peer.name: {
                figure: result.ratio(name, entry.peer.name, figure) for figure in FIGURES}
                for entry in result.entries if entry.peer.name != name}
                for name in subjects if result.entry(name)},
        } for result in results],
        geometric_means=[vars(mean) for mean in
                         stats.all_means(results, subjects, stats.rivals(run_info))],
        goals=[{"goal": outcome.goal.text, "value": outcome.value, "limit": outcome.goal.limit,
                "stretch": outcome.goal.stretch, "verdict": outcome.verdict()}
               for outcome in stats.outcomes(goals, results)])


def write_json(path, report):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(report, out, indent=1)
        out.write("\n")


def write_summary_csv(path, results):
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["group", "workload", "peer", "metric", "unit", "median", "min", "max",
                         "cpu_s", "wall_s", "rss_mib", "runs", "error"])
        for result in results:
            workload = result.workload
            for entry in result.entries:
                time, cpu, wall, rss = (entry.figure(name, workload)
                                        for name in ("time", "cpu", "wall_s", "rss"))
                medians = [figure.median if figure else "" for figure in (cpu, wall, rss)]
                spread = [time.median, time.low, time.high] if time else ["", "", ""]
                writer.writerow([workload.group, workload.name, entry.peer.name, workload.metric,
                                 result.unit(), *spread, *medians, len(entry.runs),
                                 entry.error or ""])


def write_runs_csv(path, results):
    """One line per run and metric."""
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["workload", "peer", "run", "metric", "value", "unit"])
        for result in results:
            for entry in result.entries:
                for index, run in enumerate(entry.runs):
                    for name, value in run.metrics.items():
                        writer.writerow([result.workload.name, entry.peer.name, index + 1, name,
                                         value, run.units.get(name, "s")])
