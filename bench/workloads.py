# SPDX-License-Identifier: MIT
"""What is measured. A new workload is one more line here; bench/README says what each one means.

collecting(name, group, command, metric, quick, by_hand=..., also=..., only=..., env=...)
    a program of bench/programs that is built once per collector; `by_hand` names allocators that
    run its malloc/free variant in the same comparison, `also` peers that take part only by name;
    with `only` nobody else takes part
allocating(name, group, command, metric, quick)
    a program of bench/programs, run under every allocator
real(name, group, command, metric, quick, package=..., repeat=...)
    any other program, run under every allocator; its output must not differ between them
server(name, group, driver, metric, quick, package=...)
    a server that harness/drivers.py starts and talks to; only the server counts

Everywhere: shows=... names more metrics of the program for the report, max_runs=... caps the runs of
a long workload whose figure hardly varies, memory_gib=... is the free memory that it needs.

quick: the smaller command of --quick, or None. Every metric is a cost: less is better. It is one
that the program prints, or one of the runner's own: cpu_s, wall_s, rss_mib, ms_per_run.
In a command, {name:size} is an input that harness/inputs.py makes, {copy:name:size} a fresh copy
of it for each run, {real} the folder bench/programs/real.
"""
from harness.tables import allocating, collecting, real, server

# One marker for everybody, two where the peer does not say otherwise (gleaner-1, gleaner-2).
ONE_MARKER = {"GC_MARKERS": "1", "GLEANER_MARKERS": "1"}
TWO_MARKERS = {"GC_MARKERS": "2"}
MARKERS = ("libgc", "gleaner-1", "gleaner-2")
LESSER = ("gleaner-avx2", "gleaner-portable")
WEAK = ("dying_ms", "make_ns", "collection_ms")
SCALING = ("scaling_cost", "machine_cost")
COUNTED = ("gleaner", "mimalloc")
PAIR = ("to_plain", "to_atomic", "plain_call_ns", "plain_inline_ns", "atomic_call_ns", "atomic_inline_ns")
MALLOCS = ("glibc", "mimalloc", "jemalloc", "tcmalloc", "gleaner-malloc", "gleaner-collect")

WORKLOADS = [
    collecting("binary-trees-20", "trees", "binary_trees 20 keep", "seconds", None, by_hand=("mimalloc",), also=("gleaner-2x",)),
    collecting("binary-trees-small", "trees", "binary_trees 16 keep", "seconds", "binary_trees 15 keep", by_hand=("mimalloc",)),
    collecting("binary-trees-free", "trees", "binary_trees 17 free", "seconds", None, by_hand=MALLOCS),
    collecting("gcbench", "trees", "gcbench 19", "seconds", "gcbench 17"),
    collecting("gc-threads-2", "trees", "gc_threads 2 2 16 60", "seconds", None),
    collecting("gc-threads-short", "trees", "gc_threads 2000 2 6 4", "us_per_thread", None),

    collecting("mark-tree", "mark", "mark tree 16000000 3", "cpu_ns_per_object", "mark tree 3000000 3", also=LESSER, env=ONE_MARKER),
    collecting("mark-shuffled", "mark", "mark shuffled 8000000 1", "cpu_ns_per_object", None, also=LESSER, env=ONE_MARKER),
    collecting("mark-graph", "mark", "mark graph 2000000 1", "cpu_ns_per_object", "mark graph 600000 1", also=LESSER, env=ONE_MARKER),
    collecting("mark-list", "mark", "mark list 3000000 1", "cpu_ns_per_object", None, env=ONE_MARKER),
    collecting("mark-array", "mark", "mark array 4000000 3", "cpu_ns_per_object", None, env=ONE_MARKER),
    collecting("mark-mixed", "mark", "mark mixed 400000 1", "cpu_ns_per_object", "mark mixed 100000 1", also=LESSER, env=ONE_MARKER),
    collecting("mark-numbers", "mark", "mark numbers 2000000 3", "cpu_ns_per_object", None, also=LESSER, env=ONE_MARKER),
    collecting("mark-2-tree", "mark-2", "mark tree 16000000 3", "ns_per_object", "mark tree 3000000 3", only=MARKERS, env=TWO_MARKERS),
    collecting("mark-2-graph", "mark-2", "mark graph 2000000 1", "ns_per_object", None, only=MARKERS, env=TWO_MARKERS),
    collecting("mark-2-mixed", "mark-2", "mark mixed 400000 1", "ns_per_object", None, only=MARKERS, env=TWO_MARKERS),
    collecting("long-chain", "long", "mark chain 100000000 1", "rss_per_heap", "mark chain 20000000 1", shows=("rss_growth", "ns_per_object"), max_runs=1, memory_gib=5),
    collecting("long-spine", "long", "mark spine 20000000 1", "rss_per_heap", None, shows=("rss_growth", "ns_per_object"), max_runs=1, memory_gib=2),

    collecting("weak-references", "weak", "weak references 1000000 9", "added_ms", "weak references 200000 5", shows=WEAK + ("get_ns",)),
    collecting("weak-slots", "weak", "weak slots 1000000 9", "added_ms", None, shows=WEAK),
    collecting("weak-finalizers", "weak", "weak finalizers 1000000 9", "added_ms", "weak finalizers 200000 5", shows=WEAK),
    collecting("weak-ephemerons", "weak", "weak ephemerons 1000000 9", "added_ms", None, only=("gleaner",), shows=WEAK),

    collecting("counted-trees", "counted", "counted trees 18 60", "cpu_ns_per_node", "counted trees 16 60", by_hand=("mimalloc",), only=COUNTED),
    collecting("counted-trees-small", "counted", "counted trees 10 12000", "cpu_ns_per_node", None, by_hand=("mimalloc",), only=COUNTED),
    collecting("counted-trees-plain", "counted", "counted plain 18 60", "cpu_ns_per_node", None, by_hand=("mimalloc",), only=COUNTED),
    collecting("counted-trees-hand", "counted", "counted hand 18 60", "cpu_ns_per_node", None, by_hand=("mimalloc",), only=COUNTED),
    collecting("counted-handover", "counted", "counted handover 60000", "ns_per_object", None, by_hand=("mimalloc",), only=COUNTED),
    collecting("count-pair", "counted", "count_pair 16 10000000", "ns_per_pair", "count_pair 16 3000000", only=("gleaner",), shows=PAIR),
    collecting("count-pair-64k", "counted", "count_pair 65536 10000000", "ns_per_pair", None, only=("gleaner",), shows=PAIR),
    collecting("count-pair-2t", "counted", "count_pair 0 5000000", "ns_per_pair", None, only=("gleaner",), shows=("atomic_call_ns", "to_atomic")),

    allocating("replace-1k", "churn-1", "churn replace 1 1000 8000000", "cpu_ns_per_op", "churn replace 1 1000 1500000"),
    allocating("replace-30k", "churn-1", "churn replace 1 30000 6000000", "cpu_ns_per_op", None),
    allocating("replace-1m", "churn-1", "churn replace 1 1000000 4000000", "cpu_ns_per_op", None),
    allocating("lifo", "churn-1", "churn lifo 1 10000 6000000", "cpu_ns_per_op", "churn lifo 1 10000 1500000"),
    allocating("fifo", "churn-1", "churn fifo 1 10000 6000000", "cpu_ns_per_op", None),
    allocating("batch", "churn-1", "churn batch 1 10000 6000000", "cpu_ns_per_op", None),
    allocating("replace-2t", "churn-2", "churn replace 2 10000 3000000", "ns_per_op", "churn replace 2 10000 600000"),
    allocating("batch-2t", "churn-2", "churn batch 2 10000 3000000", "ns_per_op", None),
    allocating("larson-2t", "churn-2", "larson 2 5000 20 150000", "ns_per_op", None),
    allocating("producer-consumer", "churn-2", "handover 30000", "ns_per_op", "handover 6000"),

    allocating("large", "special", "large 16 3000", "cpu_us_per_op", None),
    allocating("burst-small", "burst", "burst small trickle 400", "rss_after_3s_mib", "burst small trickle 100"),
    allocating("burst-large", "burst", "burst large trickle 400", "rss_after_3s_mib", None),
    allocating("burst-sleep", "burst", "burst mixed sleep 400", "rss_at_once_mib", None),
    allocating("burst-again-small", "special", "burst small again 400", "cpu_ms_per_burst", None),
    allocating("burst-again-large", "special", "burst large again 400", "cpu_ms_per_burst", None),
    allocating("realloc-append", "special", "grow append 32 3", "cpu_seconds", None),
    allocating("realloc-turns", "special", "grow turns 32 3", "cpu_seconds", None),
    allocating("realloc-vectors", "special", "grow vectors 1000 30", "cpu_seconds", None),
    allocating("short-threads", "special", "short_threads 6000 100", "us_per_thread", "short_threads 600 100"),

    allocating("scale-replace", "scale", "scale replace 2 10000 1000000 3", "ns_per_op", "scale replace 2 10000 300000 3", shows=SCALING),
    allocating("scale-lifo", "scale", "scale lifo 2 1000 1000000 3", "ns_per_op", None, shows=SCALING),
    allocating("scale-batch", "scale", "scale batch 2 10000 1000000 3", "ns_per_op", None, shows=SCALING),
    allocating("scale-deep", "scale", "scale batch 2 300000 600000 3", "ns_per_op", None, shows=SCALING),

    real("start-up", "small", "/bin/true", "ms_per_run", "/bin/true", package="coreutils", repeat=100),
    real("true-memory", "small", "/bin/true", "rss_mib", "/bin/true", package="coreutils"),
    allocating("one-mebibyte", "small", "small 1024", "rss_mib", "small 1024"),

    real("python3", "programs", "python3 {real}/mix.py 60000 {records:20000}", "cpu_s", "python3 {real}/mix.py 12000 {records:3000}", package="python3"),
    real("python3-malloc", "programs", "python3 {real}/mix.py 60000 {records:20000}", "cpu_s", None, package="python3", env={"PYTHONMALLOC": "malloc"}),
    real("perl", "programs", "perl {real}/mix.pl 60000 {text:20000}", "cpu_s", None, package="perl"),
    real("sqlite3", "programs", "sqlite3 :memory: -init {sql:60000} .exit", "cpu_s", "sqlite3 :memory: -init {sql:10000} .exit", package="sqlite3"),
    real("lua5.4", "programs", "lua5.4 {real}/mix.lua 100000", "cpu_s", None, package="lua5.4"),
    real("gawk", "programs", "gawk -f {real}/mix.awk {text:40000}", "cpu_s", None, package="gawk"),
    real("gcc", "programs", "gcc -O2 -w -S -o - {c_source:70}", "cpu_s", None, package="gcc"),
    real("g++", "programs", "g++ -std=c++17 -O1 -S -o - {cxx_source:2}", "cpu_s", None, package="g++"),
    real("git", "programs", "bash {real}/history.sh {copy:repository:400}", "cpu_s", None, package="git"),
    real("jq", "programs", "jq -c [.[]|select(.price>300)|{id,name,n:(.tags|length)}]|sort_by(.name)|group_by(.n)|map(length,.[0]) {records:20000}", "cpu_s", None, package="jq"),
    real("xmllint", "programs", "xmllint --format {xml:40000}", "cpu_s", None, package="libxml2-utils"),
    real("bash", "programs", "bash {real}/forks.sh 600", "cpu_s", None, package="bash"),
    server("redis-server", "programs", "redis 120000", "cpu_s", None, package="redis-server", libc_first=True),
    real("xz", "programs", "xz -T2 -3 --block-size=2MiB -c {text:120000}", "cpu_s", None, package="xz-utils"),
    real("node", "programs", "node {real}/mix.js 6000 {records:10000}", "cpu_s", None, package="nodejs"),
]
