#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory that runs out at any request, under a hard limit, and under RLIMIT_AS.
set -eu
. "$top_srcdir/tests/stress/common.sh"

step=$((more > 1 ? 1 : 7))
for n in 1 2 3 4 5 6 7 8 9 10 $(seq 11 $step 100) 150 200 300; do
    linked fail_every="$n" oom --way=injected
    linked fail_after="$n" oom --way=injected
done >/dev/null
for n in 2 3 5 9 17 33 65 129; do
    linked fail_every="$n":clobber=1 oom --way=injected --threads=4
    linked fail_after="$n":verify=1 oom --way=injected --threads=4
done >/dev/null
both '' oom --way=heap_max
both '' oom --way=heap_max --threads=4 --seed=5
both clobber=1:verify=1 oom --way=heap_max --seed=9
if [ -z "${GL_SANITIZE-}" ]; then # shadow memory does not fit under RLIMIT_AS
    both '' oom --way=rlimit
    both '' oom --way=rlimit --threads=3
fi
both mode=safe:verify=1 oom --way=heap_max --seed=11
must_fail oom --way=heap_max --fault=write
finish
