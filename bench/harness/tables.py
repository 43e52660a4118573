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
    package: str = None
    repeat: int = 1             # runs per measurement, for very short programs
    env: dict = field(default_factory=dict)
    # The program is linked with an allocator of its own: a peer without a library then needs libc
    # preloaded, or that other allocator would be measured under libc's name.
    libc_first: bool = False

    def wants(self, peer):
        """Whether `peer` takes part."""
        if self.kind != "collecting":
            return peer.kind == ALLOCATOR
        return peer.kind == COLLECTOR or (peer.like or peer.name) in self.by_hand


def collecting(name, group, command, metric, quick, **more):
    return Workload(name, group, "collecting", command, metric, quick, **more)


def allocating(name, group, command, metric, quick, **more):
    return Workload(name, group, "allocating", command, metric, quick, **more)


def real(name, group, command, metric, quick, **more):
    return Workload(name, group, "real", command, metric, quick, **more)


def server(name, group, command, metric, quick, **more):
    return Workload(name, group, "server", command, metric, quick, **more)


@dataclass(frozen=True)
class Goal:
    text: str
    of: str                     # workload or group
    subject: str
    peer: str
    figure: str                 # time, cpu or rss
    limit: float
    is_ratio: bool


def ratio(text, of, subject, peer, figure, limit):
    return Goal(text, of, subject, peer, figure, limit, True)


def extra(text, of, subject, peer, figure, limit):
    return Goal(text, of, subject, peer, figure, limit, False)
