# SPDX-License-Identifier: MIT
"""What the project wants to reach. bench/run says of each whether this run reached it.

ratio: the subject's figure divided by the peer's (of a group: geometric mean) is at most `limit`.
extra: the subject's figure minus the peer's is at most `limit`.
"""
from harness.tables import extra, ratio

GOALS = [
    ratio("binary trees depth 20 without frees: 2x faster than libgc", "binary-trees-20", "gleaner", "libgc", "time", 1 / 2),
    ratio("marking a tree: 2x faster than libgc", "mark-tree", "gleaner", "libgc", "time", 1 / 2),
    ratio("marking a random graph: 6x faster than libgc", "mark-graph", "gleaner", "libgc", "time", 1 / 6),
    ratio("malloc churn, 1 thread, mode malloc: level with glibc", "churn-1", "gleaner-malloc", "glibc", "time", 1),
    ratio("malloc churn, 1 thread, mode collect: level with glibc", "churn-1", "gleaner-collect", "glibc", "time", 1),
    ratio("malloc churn, 2 threads, mode malloc: level with glibc", "churn-2", "gleaner-malloc", "glibc", "time", 1),
    ratio("malloc churn, 2 threads, mode collect: level with glibc", "churn-2", "gleaner-collect", "glibc", "time", 1),
    ratio("real programs, mode collect, CPU time: level with glibc", "programs", "gleaner-collect", "glibc", "cpu", 1),
    ratio("real programs, mode collect, peak RSS: within 20% of glibc", "programs", "gleaner-collect", "glibc", "rss", 1.2),
    extra("start-up of true, mode collect: under 3 ms more than without", "start-up", "gleaner-collect", "glibc", "time", 3),
]
