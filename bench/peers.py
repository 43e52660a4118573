# SPDX-License-Identifier: MIT
"""Who is measured. A new peer is one more line here.

allocator(name, library, package): runs unmodified programs with the library preloaded. The first
    allocator is the baseline of plots and of goals. `library` None: whatever libc brings.
collector(name, variant): runs the programs that are built for it (bench/programs/*_<variant>).

Ours are the subjects (subject=True): every other peer is reported as a ratio to them. A peer with
by_name=True takes part only where a workload names it: Gleaner in a setting that answers one
question. If it is not a subject, its line stands in the tables and counts in no mean.
A library is looked for in the linker's cache, one with ours=True in Gleaner's build or --gleaner.
A peer is skipped where the build does not know its options, or the processor lacks its cpu_flag.
"""
from harness.tables import allocator, collector

PEERS = [
    allocator("glibc", None, "libc6"),
    allocator("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"),
    allocator("jemalloc", "libjemalloc.so.2", "libjemalloc2"),
    allocator("tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    allocator("gleaner-malloc", "libgleaner-malloc.so", subject=True, ours=True, env={"GLEANER_MODE": "malloc"}),
    allocator("gleaner-collect", "libgleaner-malloc.so", subject=True, ours=True, env={"GLEANER_MODE": "collect"}),
    allocator("gleaner-safe", "libgleaner-malloc.so", ours=True, env={"GLEANER_MODE": "safe"}),
    collector("libgc", "libgc", "libgc-dev"),
    collector("gleaner", "gleaner", subject=True, ours=True),
    collector("gleaner-2x", "gleaner", ours=True, by_name=True, env={"GLEANER_PERCENT": "100"}),
    collector("gleaner-1", "gleaner", ours=True, by_name=True, env={"GLEANER_MARKERS": "1"}),
    collector("gleaner-2", "gleaner", subject=True, ours=True, by_name=True, env={"GLEANER_MARKERS": "2"}),
    collector("gleaner-avx2", "gleaner", ours=True, by_name=True, cpu_flag="avx2", env={"GLEANER_SIMD": "avx2"}),
    collector("gleaner-portable", "gleaner", ours=True, by_name=True, env={"GLEANER_SIMD": "portable"}),
]
