# SPDX-License-Identifier: MIT
"""The words that the tables peers.py, workloads.py and goals.py are written in."""
from dataclasses import dataclass, field

ALLOCATOR = "allocator"
COLLECTOR = "collector"


@dataclass(frozen=True)
class Peer:
    name: str
    kind: str                   # ALLOCATOR or COLLECTOR
    library: str = None         # preloaded (allocators)
    variant: str = None         # suffix of the programs built for it (collectors)
    package: str = None         # Debian package that brings it
    subject: bool = False       # ours: the others are compared with it
    ours: bool = False          # its library comes from Gleaner's build
    by_name: bool = False       # takes part only in workloads that name it (also, only)
    cpu_flag: str = None        # runs only where /proc/cpuinfo lists this flag
    env: dict = field(default_factory=dict)
    directory: str = None       # where its library is, if not the default (--variant)
    like: str = None            # the peer of the table that it is a variant of (--variant)


def allocator(name, library, package=None, **more):
    return Peer(name, ALLOCATOR, library=library, package=package, **more)


def collector(name, variant, package=None, **more):
    return Peer(name, COLLECTOR, variant=variant, package=package, **more)


@dataclass(frozen=True)
class Workload:
    name: str
    group: str
    kind: str                   # collecting, allocating, real or server
    command: str
    metric: str                 # the figure that is compared; less is better
    quick: str                  # smaller command, or None: not in the quick set
    by_hand: tuple = ()         # allocators that run the malloc variant (collecting)
    also: tuple = ()            # peers with by_name that take part
    only: tuple = ()            # if given: the peers that take part, and no others
    shows: tuple = ()           # more metrics of the program that the report prints
    package: str = None
    repeat: int = 1             # runs per measurement, for very short programs
    max_runs: int = None        # for long workloads whose figure hardly varies
    memory_gib: float = 0       # free memory without which it is left out
    env: dict = field(default_factory=dict)
    # The program is linked with an allocator of its own: a peer without a library then needs libc
    # preloaded, or that other allocator would be measured under libc's name.
    libc_first: bool = False

    def wants(self, peer):
        """Whether `peer` takes part."""
        name = peer.like or peer.name
        if self.only:
            return name in self.only
        if name in self.also or name in self.by_hand:
            return True
        if peer.by_name:
            return False
        return peer.kind == (COLLECTOR if self.kind == "collecting" else ALLOCATOR)

    def runs(self, n_runs):
        return min(n_runs, self.max_runs or n_runs)

    def is_in(self, names):
        """Whether one of `names` is this workload or its group."""
        return self.name in names or self.group in names


def collecting(name, group, command, metric, quick, **more):
    return Workload(name, group, "collecting", command, metric, quick, **more)


def allocating(name, group, command, metric, quick, **more):
    return Workload(name, group, "allocating", command, metric, quick, **more)


def real(name, group, command, metric, quick, **more):
    return Workload(name, group, "real", command, metric, quick, **more)


def server(name, group, command, metric, quick, **more):
    return Workload(name, group, "server", command, metric, quick, **more)


RATIO = "ratio"                 # subject / peer; of several workloads the geometric mean
EXTRA = "extra"                 # subject - peer
OWN = "own"                     # the subject's figure alone


@dataclass(frozen=True)
class Goal:
    """`limit` and `stretch` are costs: reached if the measured value is at most that."""
    text: str
    of: tuple                   # workloads or groups
    subject: str
    peer: str                   # None for OWN
    figure: str                 # time, cpu, rss, or a metric that the programs print
    measure: str
    limit: float
    stretch: float = None       # a second, harder limit
    is_speed: bool = False      # shown as 1 / value: "3.20x" as fast


def names(of):
    return (of,) if isinstance(of, str) else tuple(of)


def ratio(text, of, subject, peer, figure, limit, stretch=None):
    return Goal(text, names(of), subject, peer, figure, RATIO, limit, stretch)


def faster(text, of, subject, peer, figure, times, stretch=None):
    return Goal(text, names(of), subject, peer, figure, RATIO, 1 / times,
                1 / stretch if stretch else None, is_speed=True)


def extra(text, of, subject, peer, figure, limit, stretch=None):
    return Goal(text, names(of), subject, peer, figure, EXTRA, limit, stretch)


def own(text, of, subject, figure, limit, stretch=None):
    return Goal(text, names(of), subject, None, figure, OWN, limit, stretch)


def own_speed(text, of, subject, figure, times, stretch=None):
    return Goal(text, names(of), subject, None, figure, OWN, 1 / times,
                1 / stretch if stretch else None, is_speed=True)
