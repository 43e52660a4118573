#!/bin/bash
# SPDX-License-Identifier: MIT
# Mode safe: what a pointer refers to is not used again, wherever the pointer is.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for name in memory stack register heap tagged interior packed chain realloc realloc-large \
    shrink-large large gc-free threads fork released bounded handled; do
    preloaded safe quarantine_bytes=256k "$here/stale" $name || fails "stale $name: status $?"
done
preloaded safe quarantine_bytes=256k:clobber=1:verify=1 "$here/stale" released ||
    fails "stale released, verified: status $?"

# A second free is told once per call, and the program goes on.
preloaded safe quarantine_bytes=256k "$here/stale" reported 2>"$work/err" ||
    fails "stale reported: status $?"
[ "$(grep -c 'free(0x[0-9a-f]*): double free' "$work/err")" -eq 6 ] ||
    fails "stale reported: $(cat "$work/err")"
[ "$(wc -l <"$work/err")" -eq 6 ] || fails "stale reported: something else is said"

# The other modes hand out at once what is freed: the test sees it.
for mode in malloc collect; do
    status=0
    preloaded $mode "" "$here/stale" memory >"$work/out" 2>&1 || status=$?
    [ $status -eq 1 ] || fails "stale memory, mode $mode: status $status, should be 1"
done
finish
