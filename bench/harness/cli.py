# SPDX-License-Identifier: MIT
"""The command line of bench/run."""
import argparse
import dataclasses
import os
import shutil
import sys
import time

import goals as goal_table
import peers as peer_table
import workloads as workload_table

from . import plot, report, site
from .drivers import DRIVERS
from .markdown import markdown_report
from .measure import Runner, base_environment
from .session import Session
from .site import Trouble

DESCRIPTION = """\
Measures Gleaner and its peers on the same workloads, interleaved, and prints medians, spread,
peak memory and ratios. Results of different invocations are never compared.
With no WORKLOAD, all run; a WORKLOAD may also be the name of a group. bench/README explains what
each workload measures and how to read the figures."""

EPILOG = """\
examples:
  bench/run --quick                       a first look, about a minute
  bench/run churn-1 mark                  two groups
  bench/run perl git --peers glibc,gleaner-collect -n 9
  bench/run trees --env gleaner:GLEANER_OPTIONS=trigger_bytes=64m
  bench/run churn-1 --variant before=gleaner-malloc@/path/to/old/build
  bench/run trees --variant small=gleaner,GLEANER_OPTIONS=trigger_bytes=1m

exit status: 0 if all was measured; 1 if Gleaner failed in a workload; 2 for a wrong call"""


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="bench/run", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("names", nargs="*", metavar="WORKLOAD", help="workloads or groups (default: all)")
    add("--list", action="store_true", help="show workloads, groups and peers, and stop")
    add("-n", "--runs", type=int, default=5, metavar="N", help="runs per peer (default 5)")
    add("--quick", action="store_true", help="a short set with small sizes")
    add("--peers", metavar="A,B", help="only these peers")
    add("--builddir", metavar="DIR", help="the configured build (default: build in the source)")
    add("--gleaner", metavar="DIR", help="where libgleaner is (default: .libs of the build)")
    add("--env", action="append", default=[], metavar="[PEER:]NAME=VALUE",
        help="environment of the measured programs, of all peers or of one")
    add("--variant", action="append", default=[], metavar="NAME=PEER[@DIR][,VAR=VALUE]...",
        help="one more peer: PEER with another library folder or environment")
    add("--timeout", type=float, default=120, metavar="S", help="for one run (default 120)")
    add("--output", metavar="DIR",
        help="where results go (default: bench-results/DATE of the build)")
    add("--no-plots", action="store_true", help="do not draw")
    add("--no-build", action="store_true", help="do not run make bench-programs first")
    options = parser.parse_args(argv)
    if options.runs < 1:
        parser.error("-n must be at least 1")
    if options.timeout <= 0:
        parser.error("--timeout must be above 0")
    return options


def assignment(text, what):
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Trouble("%s %s: NAME=VALUE is expected" % (what, text))
    return name, value


def parse_env(texts, peers):
    """[(peer name or None, variable, value)] of the --env options."""
    known = {peer.name for peer in peers}
    parsed = []
    for text in texts:
        name, value = assignment(text, "--env")
        peer, colon, variable = name.partition(":")
        if colon and peer not in known:
            raise Trouble("--env %s: no peer is called %s" % (text, peer))
        parsed.append((peer if colon else None, variable if colon else name, value))
    return parsed


def parse_variant(text, peers):
    name, rest = assignment(text, "--variant")
    spec, *variables = rest.split(",")
    base_name, at, directory = spec.partition("@")
    base = next((peer for peer in peers if peer.name == base_name), None)
    if base is None or any(peer.name == name for peer in peers):
        raise Trouble("--variant %s: %s" % (text, "no peer is called " + base_name if base is None
                                            else "there is a peer %s already" % name))
    if at and not base.ours:
        raise Trouble("--variant %s: a folder can only be given for Gleaner's own peers" % text)
    env = dict(base.env, **dict(assignment(variable, "--variant") for variable in variables))
    return dataclasses.replace(base, name=name, env=env, like=base.like or base.name,
                               directory=site.find_gleaner_dir(None, directory) if at else None)


def choose_peers(options):
    peers = list(peer_table.PEERS)
    for text in options.variant:
        peers.append(parse_variant(text, peers))
    if options.peers is None:
        return peers
    wanted = options.peers.split(",") + [text.partition("=")[0] for text in options.variant]
    unknown = [name for name in wanted if name not in {peer.name for peer in peers}]
    if unknown:
        raise Trouble("no peer is called %s (see --list)" % unknown[0])
    return [peer for peer in peers if peer.name in wanted]


def choose_workloads(options):
    table = workload_table.WORKLOADS
    for name in options.names:
        if not any(name in (workload.name, workload.group) for workload in table):
            raise Trouble("no workload or group is called %s (see --list)" % name)
    chosen = [workload for workload in table if not options.names
              or workload.name in options.names or workload.group in options.names]
    if options.quick:
        chosen = [workload for workload in chosen if workload.quick]
        if not chosen:
            raise Trouble("none of these workloads is in the quick set")
    return chosen


def print_list(peers, place):
    print("Workloads (group, name, metric, command; * is in the quick set):")
    for workload in workload_table.WORKLOADS:
        print("  %-9s %-18s%s %-18s %s" % (workload.group, workload.name,
                                           "*" if workload.quick else " ", workload.metric,
                                           workload.command))
    print("Peers:")
    for peer in peers:
        located = site.locate(place, peer)
        state = "not available: " + located if isinstance(located, str) else \
            located.library or located.version or "available"
        print("  %-16s %-10s %s" % (peer.name, peer.kind, state))


def make_site(options):
    build_dir = os.path.abspath(options.builddir or os.path.join(site.SOURCE_DIR, "build"))
    return site.Site(build_dir, site.find_gleaner_dir(build_dir, options.gleaner),
                     os.path.join(build_dir, "bench-work"))


def locate_all(place, peers):
    located, missing, described = [], {}, []
    for peer in peers:
        found = site.locate(place, peer)
        is_there = not isinstance(found, str)
        if is_there:
            located.append(found)
        else:
            missing[peer.name] = (peer, found)
        described.append({"name": peer.name, "kind": peer.kind, "available": is_there,
                          "ours": peer.ours, "reason": None if is_there else found, "env": peer.env,
                          "version": found.version if is_there else None,
                          "library": found.library if is_there else None})
    return located, missing, described


def needed_programs(workload):
    word = workload.command.split()[0]
    if workload.kind == "server":
        return DRIVERS[word].NEEDS
    return [word] if workload.kind == "real" else []


def drop_absent(workloads):
    """Workloads whose program is not installed here are named and left out."""
    path = base_environment("")["PATH"]
    present, absent = [], []
    for workload in workloads:
        lacks = [program for program in needed_programs(workload)
                 if not shutil.which(program, path=path)]
        free_gib = site.free_memory_gib()
        if workload.memory_gib > free_gib:
            absent.append("%s: skipped: it needs %g GiB of memory, and %.1f are free"
                          % (workload.name, workload.memory_gib, free_gib))
        elif lacks:
            absent.append("%s: skipped: %s is not installed (Debian: %s)"
                          % (workload.name, lacks[0], workload.package))
        else:
            present.append(workload)
    return present, absent


def measure(options, place, peers, workloads):
    extra_env = parse_env(options.env, peers)
    if not options.no_build:
        site.make_programs(place.build_dir)
    if not os.path.exists(place.program("launch")):
        raise Trouble("%s does not exist: run make bench-programs" % place.program("launch"))
    machine = site.machine()
    workloads, absent = drop_absent(workloads)
    located, missing, described = locate_all(place, peers)
    if not located:
        raise Trouble("none of the peers is available")
    runner = Runner(place, extra_env, options.timeout)
    shutil.rmtree(runner.failures, ignore_errors=True)
    session = Session(runner, located, missing, options.runs, options.quick)
    start = time.monotonic()
    results = session.run(workloads)
    run_info = {"machine": machine, "arguments": sys.argv[1:], "runs": options.runs,
                "quick": options.quick, "seconds": round(time.monotonic() - start, 1),
                "environment": [list(item) for item in extra_env], "peers": described,
                "absent": absent, "failures": runner.failures}
    subjects = [found.peer.name for found in located if found.peer.subject]
    return run_info, results, subjects


def save(options, place, run_info, results, subjects, text):
    folder = options.output or os.path.join(place.build_dir, "bench-results",
                                            time.strftime("%Y-%m-%d-%H%M%S"))
    os.makedirs(folder, exist_ok=True)
    goals = goal_table.GOALS
    with open(os.path.join(folder, "report.txt"), "w", encoding="utf-8") as out:
        out.write(text)
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as out:
        out.write(markdown_report(run_info, results, subjects, goals))
    report.write_json(os.path.join(folder, "results.json"),
                      report.json_report(run_info, results, subjects, goals))
    report.write_summary_csv(os.path.join(folder, "summary.csv"), results)
    report.write_runs_csv(os.path.join(folder, "runs.csv"), results)
    troubles = ["Plots: left out."] if options.no_plots else \
        plot.draw_all(os.path.join(folder, "plots"), results) or ["Plots: %s/plots" % folder]
    print("\nResults: %s\n%s" % (folder, "\n".join(troubles)))


def run(argv):
    options = parse(argv)
    place = make_site(options)
    peers = choose_peers(options)
    workloads = choose_workloads(options)
    if options.list:
        print_list(peers, place)
        return 0
    run_info, results, subjects = measure(options, place, peers, workloads)
    text = report.text_report(run_info, results, subjects, goal_table.GOALS)
    print(text, end="")
    save(options, place, run_info, results, subjects, text)
    failed = any(entry.error for result in results for entry in result.entries
                 if entry.peer.subject)
    return 1 if failed else 0


def main(argv):
    try:
        return run(argv)
    except Trouble as trouble:
        print("error: %s" % trouble, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; nothing was written", file=sys.stderr)
        return 130
