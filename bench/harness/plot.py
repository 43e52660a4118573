# SPDX-License-Identifier: MIT
"""Bar charts, one per group and figure, as SVG; gnuplot draws them."""
import os
import shutil
import subprocess

from .stats import groups_of

COLOURS = ["#999999", "#88ccee", "#ddaa33", "#bb5566", "#117733", "#332288", "#aa4499", "#44aa99",
           "#882255", "#6699cc", "#999933", "#661100"]

SCRIPT = """\
set terminal svg size %(width)d,420 font 'sans,12' background 'white'
set output '%(svg)s'
set title '%(title)s' noenhanced
set style data histograms
set style histogram clustered gap 1
set style fill solid border rgb 'white'
set boxwidth 0.95
set key outside right noenhanced
set xtics rotate by -35 noenhanced
set ylabel 'relative to %(baseline)s'
set yrange [0:*]
set grid ytics
set datafile separator tab
set datafile missing '-'
plot 1 with lines linecolor rgb 'black' notitle, %(series)s
"""


def baseline_of(results, group):
    """The peer that finished most workloads of the group; of equals the first in the table."""
    finished = {}
    for result in results:
        if result.workload.group == group:
            for entry in result.entries:
                if entry.figure("time", result.workload):
                    finished[entry.peer.name] = finished.get(entry.peer.name, 0) + 1
    return max(finished, key=finished.get, default=None)


def write_data(path, members, peers, baseline, figure):
    with open(path, "w", encoding="utf-8") as out:
        out.write("\t".join(["workload"] + peers) + "\n")
        for result in members:
            cells = []
            for peer in peers:
                ratio = result.ratio(peer, baseline, figure)
                cells.append("-" if ratio is None else "%.4f" % ratio)
            out.write("\t".join([result.workload.name] + cells) + "\n")


def draw(folder, group, figure, members, baseline):
    peers = list(dict.fromkeys(entry.peer.name for result in members for entry in result.entries))
    stem = os.path.join(folder, "%s-%s" % (group, figure))
    write_data(stem + ".tsv", members, peers, baseline, figure)
    series = ", ".join("'%s' using %d:xtic(1) title columnheader(%d) linecolor rgb '%s'"
                       % (stem + ".tsv", i + 2, i + 2, COLOURS[i % len(COLOURS)])
                       for i in range(len(peers)))
    title = {"time": "time", "rss": "peak resident memory"}[figure]
    with open(stem + ".gp", "w", encoding="utf-8") as out:
        out.write(SCRIPT % {
            "width": 360 + 24 * len(members) * (len(peers) + 1), "svg": stem + ".svg",
            "title": "%s: %s relative to %s (lower is better)" % (group, title, baseline),
            "baseline": baseline, "series": series})
    done = subprocess.run(["gnuplot", stem + ".gp"], capture_output=True, text=True)
    if done.returncode != 0:
        return "gnuplot failed on %s.gp: %s" % (stem, done.stderr.strip())
    return None


def draw_all(folder, results):
    """Draws into `folder`; returns sentences about what could not be drawn."""
    if not shutil.which("gnuplot"):
        return ["No plots: gnuplot is not installed (Debian: gnuplot-nox)."]
    os.makedirs(folder, exist_ok=True)
    troubles = []
    for group in groups_of(results):
        baseline = baseline_of(results, group)
        members = [result for result in results if result.workload.group == group
                   and baseline and result.entry(baseline)]
        if not members:
            troubles.append("No plot of %s: no peer finished." % group)
            continue
        troubles += [draw(folder, group, figure, members, baseline) for figure in ("time", "rss")]
    return [trouble for trouble in troubles if trouble]
