#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory that runs out: by RLIMIT_AS, by a bounded heap, by a system that refuses at some point.
# Each time malloc() fails with ENOMEM, and the program goes on; also where files may not grow.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

# The rules of the test itself, with glibc.
(ulimit -v 20480 && "$here/exhaust" 10000000) || fails "with glibc and ulimit -v: status $?"

for mode in malloc collect; do
    (ulimit -v 20480 && preloaded $mode "" "$here/exhaust" 8000000) ||
        fails "ulimit -v 20480, mode $mode: status $?"
    (ulimit -v 200000 && preloaded $mode "" "$here/exhaust" 100000000) ||
        fails "ulimit -v 200000, mode $mode: status $?"
    preloaded $mode heap_max=16m "$here/exhaust" 12000000 ||
        fails "heap_max=16m, mode $mode: status $?"
done

# The system refuses the nth request, or every one from there on. If even the first memory of the
# process is refused, the loader or the C library may give up in an orderly way: what must not
# happen is a crash.
for n in 1 2 3 4 5 6 7 8 10 13 17 25 40; do
    for option in fail_after fail_every; do
        status=0
        preloaded collect heap_max=16m:$option=$n "$here/exhaust" 0 2>/dev/null || status=$?
        [ $status -lt 124 ] || [ $status -eq 127 ] || fails "$option=$n: status $status"
    done
done

# What the library has to say, and cannot, ends nobody: files that may not grow, a pipe that nobody
# reads; in the midst of the program, and at its end.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for options in gctrace=1:stress_every=97 stats_file=/nonexistent/stats stats_file="$folder/stats"; do
    (ulimit -f 0 && preloaded collect $options "$here/early_late" 2>"$folder/errors") ||
        fails "ulimit -f 0, $options: status $?"
    mkfifo "$folder/pipe"
    exec 7<>"$folder/pipe" 8>"$folder/pipe" 7>&-
    preloaded collect $options "$here/early_late" 2>&8 || fails "a closed pipe, $options: status $?"
    exec 8>&-
    rm "$folder/pipe"
done
finish
