# SPDX-License-Identifier: MIT
"""What the project wants to reach. bench/run says of each whether this run reached it.

ratio: the subject's figure divided by the peer's is at most `limit`.
faster: the subject needs at most 1/`times` of the peer's figure; shown as "3.20x".
extra: the subject's figure minus the peer's is at most `limit`.
own: the subject's own figure is at most `limit`.
own_speed: the subject's own figure, a quotient of times, is at most 1/`times`.

A figure is time (the metric of the workload), cpu, rss, or a metric that the program prints. Of a
group, or of several, it is the geometric mean. The last number, where there is one, is the stretch
goal: reaching it is a bonus.
"""
from harness.tables import extra, faster, own, own_speed, ratio

# Everything that mallocs by itself, but `scale`, which repeats the patterns of churn, and `small`,
# where a millisecond and a page more or less decide.
MALLOC_WORK = ("churn-1", "churn-2", "special")
MODES = ("malloc", "collect")

# Rate of one marker: workload, what it is, times libgc's, stretch.
MARK_RATES = (
    ("mark-tree", "a tree in order", 3, 3.5),
    ("mark-shuffled", "a shuffled tree", 10, 12),
    ("mark-graph", "a random graph", 16, 25),
    ("mark-mixed", "a mixed heap", 12, 20),
    ("mark-numbers", "mostly numbers", 8, 11),
)
# Instruction sets that must reach a part of these rates: peer, its name, which part.
MARK_LESSER = (("gleaner-avx2", "AVX2 only", 0.75), ("gleaner-portable", "portable", 0.60))

GOALS = [
    ratio("binary trees 20, heap 2x live, to mimalloc by hand", "binary-trees-20", "gleaner-2x", "mimalloc", "time", 1.0, 0.7),
    ratio("binary trees 20, default heap, to mimalloc by hand", "binary-trees-20", "gleaner", "mimalloc", "time", 1.0, 0.7),
    faster("binary trees 20, heap 2x live, to libgc", "binary-trees-20", "gleaner-2x", "libgc", "time", 5, 7),
    faster("binary trees 20, default heap, to libgc", "binary-trees-20", "gleaner", "libgc", "time", 5, 7),
    faster("GCBench, to libgc", "gcbench", "gleaner", "libgc", "time", 3, 5),

    *[faster("mark %s, to libgc" % what, workload, "gleaner", "libgc", "time", times, stretch)
      for workload, what, times, stretch in MARK_RATES],
    *[faster("mark %s, %s, to libgc" % (what, name), workload, peer, "libgc", "time", part * times)
      for peer, name, part in MARK_LESSER for workload, what, times, stretch in MARK_RATES],

    faster("two markers to one, a tree", "mark-2-tree", "gleaner-2", "gleaner-1", "time", 1.8, 2),
    faster("two markers to one, a mixed heap", "mark-2-mixed", "gleaner-2", "gleaner-1", "time", 1.6, 1.85),
    faster("two markers to one, a random graph", "mark-2-graph", "gleaner-2", "gleaner-1", "time", 1.5, 1.9),

    *[ratio("malloc churn, %s, %s mode, to mimalloc" % (what, mode), of, "gleaner-" + mode, "mimalloc", "time", 1.1, 1.0)
      for of, what in (("churn-1", "1 thread"), ("churn-2", "2 threads"), ("producer-consumer", "producer/consumer"))
      for mode in MODES],
    *[own_speed("allocation, 2 threads to 1, %s mode" % mode, "scale", "gleaner-" + mode, "scaling_cost", 1.9)
      for mode in MODES],
    ratio("all malloc workloads, malloc mode, time to mimalloc", MALLOC_WORK, "gleaner-malloc", "mimalloc", "time", 1.05, 1.0),
    ratio("all malloc workloads, collect mode, time to mimalloc", MALLOC_WORK, "gleaner-collect", "mimalloc", "time", 1.08, 1.0),
    *[ratio("all malloc workloads, %s mode, peak RSS to mimalloc" % mode, MALLOC_WORK, "gleaner-" + mode, "mimalloc", "rss", 1.1, 1.0)
      for mode in MODES],

    *[ratio("%s, safe mode to malloc mode, %s" % (what, figure), of, "gleaner-safe", "gleaner-malloc", figure, limit, stretch)
      for figure, limit, stretch in (("time", 1.05, 1.02), ("rss", 1.15, 1.05))
      for of, what in ((MALLOC_WORK + ("programs",), "malloc and programs"), (("programs",), "real programs"))],

    *[own("a million weak %s, ms more for a full collection" % what, "weak-" + what, "gleaner", "added_ms", 15, 1)
      for what in ("references", "slots", "ephemerons")],
    own("retain and release, to a plain increment and decrement, x", "count-pair", "gleaner", "to_plain", 1.5, 1.1),
    own("retain and release, to atomic ones, x", "count-pair", "gleaner", "to_atomic", 0.5, 0.3),
    ratio("counted trees, to mimalloc by hand", "counted-trees-plain", "gleaner", "mimalloc", "time", 1.3, 1.1),
    ratio("counted trees, each node retained once, to mimalloc by hand", "counted-trees", "gleaner", "mimalloc", "time", 1.3, 1.1),
    own("a million finalizers, ms more for a full collection", "weak-finalizers", "gleaner", "added_ms", 15, 1),
    own("to follow a weak reference, ns", "weak-references", "gleaner", "get_ns", 5),

    ratio("real programs, collect mode, CPU time to glibc", "programs", "gleaner-collect", "glibc", "cpu", 0.92, 0.86),
    ratio("real programs, collect mode, peak RSS to glibc", "programs", "gleaner-collect", "glibc", "rss", 1.12, 1.05),
    extra("start of true, collect mode, ms more than without", "start-up", "gleaner-collect", "glibc", "time", 1),
]
