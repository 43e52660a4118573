#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmark runner: its tables agree with each other, goals are judged rightly, options that a
build does not have are noticed. Nothing is measured here."""
import os
import sys
import types
import unittest
import unittest.mock

sys.dont_write_bytecode = True      # the source tree may be read-only
ROOT = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(ROOT, "bench"))

import goals  # noqa: E402
import peers  # noqa: E402
import workloads  # noqa: E402
from harness import brief, markdown, measure, report, site, stats, tables  # noqa: E402
from harness.session import Session  # noqa: E402

PRELOAD = os.environ.get("GLEANER_PRELOAD", "")
MACHINE = {"date": "2026-01-01 00:00:00 +0000", "cpu": "A Processor", "cpus": 2,
           "memory_gib": 8.0, "kernel": "6.1.0-1", "system": "A System", "load_at_start": 0.0}
RUN_INFO = {"machine": MACHINE, "runs": 5, "quick": False, "absent": [], "failures": "",
            "peers": [{"name": peer.name, "ours": peer.ours, "available": True, "version": "1",
                       "reason": None, "env": peer.env} for peer in peers.PEERS]}


def peer(name):
    return next(one for one in peers.PEERS if one.name == name)


def workload(name):
    return next(one for one in workloads.WORKLOADS if one.name == name)


def result(name, costs):
    """A workload's result in which each peer of `costs` needs so much of everything."""
    of = workload(name)
    entries = []
    for peer_name, cost in costs.items():
        metrics = {metric: cost for metric in (of.metric, "cpu_s", "rss_mib") + of.shows}
        entries.append(stats.Entry(peer(peer_name), [measure.Run(metrics, {of.metric: "ns"})]))
    return stats.Result(of, of.command, entries, [])


def full_results(cost):
    """Every workload, with every peer that wants it."""
    return [result(of.name, {one.name: cost(of, one) for one in peers.PEERS if of.wants(one)})
            for of in workloads.WORKLOADS]


class Tables(unittest.TestCase):
    def test_names_are_unique(self):
        for table in (peers.PEERS, workloads.WORKLOADS):
            names = [one.name for one in table]
            self.assertEqual(len(names), len(set(names)))

    def test_named_peers_exist(self):
        known = {one.name for one in peers.PEERS}
        for of in workloads.WORKLOADS:
            self.assertLessEqual(set(of.also + of.only + of.by_hand), known, of.name)

    def test_goals_can_be_judged(self):
        """A full run has a figure for each goal, from every workload that it is about."""
        outcomes = stats.outcomes(goals.GOALS, full_results(lambda of, one: 1.0))
        self.assertEqual([one.goal for one in outcomes], goals.GOALS)
        for one in outcomes:
            self.assertEqual(one.n_measured, one.n_workloads, one.goal.text)

    def test_stretch_is_harder(self):
        for goal in goals.GOALS:
            if goal.stretch is not None:
                self.assertLess(goal.stretch, goal.limit, goal.text)

    def test_settings_take_part_by_name_only(self):
        settings = [one for one in peers.PEERS if one.by_name]
        self.assertTrue(settings)
        for one in settings:
            takers = [of.name for of in workloads.WORKLOADS if of.wants(one)]
            self.assertEqual(takers, [of.name for of in workloads.WORKLOADS
                                      if one.name in of.also + of.only])
            self.assertTrue(takers, one.name)

    def test_only_is_exclusive(self):
        takers = {one.name for one in peers.PEERS if workload("mark-2-tree").wants(one)}
        self.assertEqual(takers, {"libgc", "gleaner-1", "gleaner-2"})


class Goals(unittest.TestCase):
    def verdict(self, goal, results):
        outcome = stats.goal_outcome(goal, results)
        return outcome.text(outcome.value), outcome.verdict()

    def test_ratio(self):
        goal = tables.ratio("", "large", "gleaner-malloc", "mimalloc", "time", 1.0, 0.7)
        for cost, text, verdict in ((1.2, "1.200", "missed by 20%"),
                                    (1.001, "1.001", "missed by 1%"),
                                    (0.8, "0.800", "target met"), (0.7, "0.700", "stretch met")):
            results = [result("large", {"gleaner-malloc": cost, "mimalloc": 1.0})]
            self.assertEqual(self.verdict(goal, results), (text, verdict))

    def test_faster(self):
        goal = tables.faster("", "gcbench", "gleaner", "libgc", "time", 3, 5)
        for cost, text, verdict in ((4.0, "2.50x", "missed by 20%"), (2.5, "4.00x", "target met"),
                                    (1.6, "6.25x", "stretch met")):
            results = [result("gcbench", {"gleaner": cost, "libgc": 10.0})]
            self.assertEqual(self.verdict(goal, results), (text, verdict))

    def test_extra(self):
        goal = tables.extra("", "start-up", "gleaner-collect", "glibc", "time", 1)
        for cost, verdict in ((1.9, "target met"), (2.5, "missed by 50%")):
            results = [result("start-up", {"gleaner-collect": cost, "glibc": 1.0})]
            self.assertEqual(self.verdict(goal, results)[1], verdict)

    def test_own_speed(self):
        goal = tables.own_speed("", "scale-lifo", "gleaner-malloc", "scaling_cost", 1.9)
        for cost, expected in ((0.5, ("2.00x", "target met")), (0.8, ("1.25x", "missed by 52%"))):
            results = [result("scale-lifo", {"gleaner-malloc": cost})]
            self.assertEqual(self.verdict(goal, results), expected)

    def test_geometric_mean_and_worst(self):
        goal = tables.ratio("", ("lifo", "fifo"), "gleaner-malloc", "mimalloc", "time", 1.0)
        results = [result("lifo", {"gleaner-malloc": 2.0, "mimalloc": 1.0}),
                   result("fifo", {"gleaner-malloc": 1.0, "mimalloc": 8.0})]
        outcome = stats.goal_outcome(goal, results)
        self.assertAlmostEqual(outcome.value, 0.5)
        self.assertEqual(outcome.worst, "lifo 2.000")
        self.assertEqual(outcome.verdict(), "target met")
        self.assertEqual(stats.goal_outcome(goal, results[:1]).verdict(), "missed by 100% (1 of 2)")

    def test_without_figures(self):
        goal = tables.faster("", "gcbench", "gleaner", "libgc", "time", 3)
        self.assertIsNone(stats.goal_outcome(goal, [result("gcbench", {"gleaner": 1.0})]))


class Reports(unittest.TestCase):
    SUBJECTS = [one.name for one in peers.PEERS if one.subject]

    def test_brief_fits_a_readme(self):
        results = full_results(lambda of, one: 123.4)
        lines = brief.brief_lines(RUN_INFO, results, self.SUBJECTS, goals.GOALS)
        for line in lines:
            self.assertLessEqual(len(line), 110, line)
        text = "\n".join(lines)
        for goal in goals.GOALS:
            self.assertIn(goal.text, text)
        for of in workloads.WORKLOADS:
            if of.group != brief.MEANS_ONLY:
                self.assertIn("\n    %s" % of.name, text)

    def test_brief_is_in_the_markdown(self):
        results = full_results(lambda of, one: 2.0)
        text = markdown.markdown_report(RUN_INFO, results, self.SUBJECTS, goals.GOALS)
        self.assertIn("\n".join(brief.brief_lines(RUN_INFO, results, self.SUBJECTS, goals.GOALS)),
                      text)

    def test_settings_are_no_losses(self):
        """Another setting of our own stands in the table, but counts in no mean and no loss."""
        results = [result("binary-trees-20", {"gleaner": 3.0, "gleaner-2x": 1.0, "libgc": 2.0})]
        lines = report.workload_lines(results[0], ["gleaner"])
        self.assertIn("3.00", next(line for line in lines if line.startswith("  gleaner-2x")))
        self.assertNotIn("LOSS", next(line for line in lines if line.startswith("  gleaner-2x")))
        self.assertEqual({one.peer for one in stats.comparisons(results, ["gleaner"])}, {"libgc"})
        means = stats.all_means(results, ["gleaner"], stats.rivals(RUN_INFO))
        self.assertEqual({mean.peer for mean in means}, {"libgc"})

    def test_short(self):
        for value, text in ((0, "0"), (0.01234, "0.012"), (0.5, "0.500"), (1.234, "1.23"),
                            (12.34, "12.3"), (123.4, "123"), (12345, "12345")):
            self.assertEqual(brief.short(value), text)


class Runs(unittest.TestCase):
    def test_max_runs(self):
        ran = []

        def run(of, command, located, stats_file=None):
            ran.append(located.peer.name)
            return measure.Run({of.metric: 1.0}, digest="same")

        runner = types.SimpleNamespace(run=run, scratch="/nowhere", site=site.Site("/", "/", "/"))
        located = [site.Located(peer("glibc"), None, {}, "1")]
        session = Session(runner, located, {}, 5, False)
        progress = types.SimpleNamespace(workload=lambda name: None, step=lambda *_: None,
                                         skip=lambda count: None)
        long = tables.allocating("long", "special", "x", "ns", None, max_runs=2)
        entry = session.run_workload(long, progress).entries[0]
        self.assertEqual((len(ran), len(entry.runs)), (3, 2))       # and a warm-up
        usual = tables.allocating("usual", "special", "x", "ns", None)
        self.assertEqual(len(session.run_workload(usual, progress).entries[0].runs), 5)

    def test_options_of_the_workload(self):
        """Gleaner's options go to Gleaner only; what a peer says comes before the workload."""
        runner = measure.Runner(site.Site("/", "/", "/"), [], 1)
        theirs = site.Located(peer("libgc"), None, {}, "1")
        of = tables.collecting("x", "mark", "x", "ns", None, env={"GC_MARKERS": "1",
                                                                  "GLEANER_MARKERS": "1"})
        self.assertEqual(runner.variables(of, theirs, None), {"GC_MARKERS": "1"})
        with unittest.mock.patch.object(measure, "option_is_taken", return_value=True):
            two = site.Located(peer("gleaner-2"), None, {"GLEANER_MARKERS": "2"}, "1", ["x"])
            self.assertEqual(runner.variables(of, two, None)["GLEANER_MARKERS"], "2")
        with unittest.mock.patch.object(measure, "option_is_taken", return_value=False):
            old = site.Located(peer("gleaner"), None, {}, "1", ["x"])
            self.assertEqual(runner.variables(of, old, None), {"GC_MARKERS": "1"})


@unittest.skipIf(os.environ.get("GL_SANITIZE") or not os.path.exists(PRELOAD),
                 "the library cannot be preloaded here")
class Options(unittest.TestCase):
    def refusal(self, **env):
        return site.refusal(["/bin/true"], dict(env, LD_PRELOAD=PRELOAD))

    def test_known(self):
        self.assertIsNone(self.refusal())
        self.assertIsNone(self.refusal(GLEANER_PERCENT="100"))

    def test_unknown(self):
        self.assertEqual(self.refusal(GLEANER_NO_SUCH="1"),
                         "this build has no option GLEANER_NO_SUCH")

    def test_bad_value(self):
        self.assertIn("GLEANER_PERCENT", self.refusal(GLEANER_PERCENT="x"))

    def test_bad_library(self):
        self.assertIn("ld.so", site.refusal(["/bin/true"], {"LD_PRELOAD": "/no/such.so"}))

    def test_of_a_workload(self):
        located = site.Located(peer("gleaner"), None, {"LD_PRELOAD": PRELOAD}, "1", ["/bin/true"])
        self.assertTrue(site.option_is_taken(located, "GLEANER_PERCENT", "100"))
        self.assertFalse(site.option_is_taken(located, "GLEANER_NO_SUCH", "1"))


if __name__ == "__main__":
    unittest.main()
