# SPDX-License-Identifier: MIT
"""Who is measured. A new peer is one more line here.

allocator(name, library, package): runs unmodified programs with the library preloaded. The first
    allocator is the baseline of plots and of goals. `library` None: whatever libc brings.
collector(name, variant): runs the programs that are built for it (bench/programs/*_<variant>).

Ours are the subjects (subject=True): every other peer is reported as a ratio to them.
A library is looked for in the linker's cache, one with ours=True in Gleaner's build or --gleaner.
"""
from harness.tables import allocator, collector

PEERS = [
    allocator("glibc", None, "libc6"),
    allocator("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"),
    allocator("jemalloc", "libjemalloc.so.2", "libjemalloc2"),
    allocator("tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    allocator("gleaner-malloc", "libgleaner-malloc.so", subject=True, ours=True, env={"GLEANER_MODE": "malloc"}),
    allocator("gleaner-collect", "libgleaner-malloc.so", subject=True, ours=True, env={"GLEANER_MODE": "collect"}),
    collector("libgc", "libgc", "libgc-dev"),
    collector("gleaner", "gleaner", subject=True, ours=True),
]
