#!/bin/bash
# SPDX-License-Identifier: MIT
# A pointer that free() and realloc() must not get stops the program, in every mode, with one line
# that names the call and the address.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ulimit -c 0
SIGABRT=134

for mode in collect malloc; do
    for call in free realloc; do
        for kind in double double-large delayed interior interior-large misaligned static mapped \
            wild stack; do
            status=0
            preloaded $mode "" "$here/misuse" $call $kind >"$work/out" 2>"$work/all" || status=$?
            grep -v -e 'Aborted' -e 'dumped core' "$work/all" >"$work/err" || : # the shell's line
            address=$(cat "$work/out")
            [ $status -eq $SIGABRT ] || fails "$mode, $call, $kind: status $status"
            [ "$(wc -l <"$work/err")" -eq 1 ] || fails "$mode, $call, $kind: not one line"
            grep -q "$call.*$address" "$work/err" ||
                fails "$mode, $call, $kind: $(cat "$work/err") does not name $call and $address"
        done
    done
done
finish
