#!/bin/bash
# SPDX-License-Identifier: MIT
# The small examples: each checks what it prints; here they are run with small sizes, and misused.
set -eu
. "$top_srcdir/tests/examples/common.sh"

runs 0 "$examples/cycle" 1000
says out "destructors run by counts alone: 0"
says out "destructors run by counts alone: 2000"
runs 0 "$examples/smartcache" 100
says out "one is asked for twice:"
runs 0 "$examples/lru" 5000
says out "under a limit of 2 MB:"
runs 0 "$examples/leak" 1000
says out "Cured by weak references:"
runs 0 "$examples/strings" 3000
says out "list of pieces, joined once"
runs 0 "$examples/resource" 50
says out "given back twice, or never: 0 of 102"

for name in cycle leak lru mesh resource smartcache strings; do
    program=$examples/$name
    runs 0 "$program" --help
    says out "usage: $name "
    for wrong in 0 -1 12x "" 99999999999999999999999 1e3; do
        runs 1 "$program" "$wrong"
        says err "error: "
    done
    runs 1 "$program" --nonsense
    runs 1 "$program" 1000 1000
    status=0
    "$program" --help >/dev/full 2>"$work/err" || status=$?
    [ $status -eq 1 ] || fails "$name on a full disk: status $status"
    says err "No space left on device"
done
finish
