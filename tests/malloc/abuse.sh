#!/bin/bash
# SPDX-License-Identifier: MIT
# The table of doc/misuse.md: what comes of mistakes with freed memory, by allocator. What Gleaner does is
# tested, in each mode; what others do is printed.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ulimit -c 0
mimalloc=$(ls /usr/lib/*/libmimalloc.so.2 /usr/lib/*/libmimalloc.so.3 2>/dev/null | head -1)

# play ALLOCATOR CASE...: in words what came of it.
play() {
    allocator=$1
    shift
    status=0
    case $allocator in
    glibc) timeout -k 5 60 "$here/abuse" "$@" ;;
    mimalloc) LD_PRELOAD=$mimalloc timeout -k 5 60 "$here/abuse" "$@" ;;
    safe) preloaded safe quarantine_bytes=64k "$here/abuse" "$@" ;;
    *) preloaded "$allocator" "" "$here/abuse" "$@" ;;
    esac >"$work/out" 2>"$work/err" || status=$?
    lines=$(grep -c -v -e Aborted -e 'Segmentation fault' -e 'dumped core' "$work/err" || :)
    case $status in
    0) outcome=$(cat "$work/out") ;;
    134) outcome="stops" ;;
    139) outcome="crashes" ;;
    *) outcome="status $status" ;;
    esac
    [ "$lines" -eq 0 ] || outcome="$outcome, said"
}

# row 'CASE [BYTES]' MALLOC COLLECT SAFE: what each mode is to do.
row() {
    name=$1
    printf '%-22s' "$name"
    for allocator in glibc ${mimalloc:+mimalloc}; do
        # shellcheck disable=SC2086 # the size is a word of its own
        play $allocator $name
        printf ' | %s: %s' $allocator "$outcome"
    done
    for mode in malloc collect safe; do
        shift
        # shellcheck disable=SC2086
        play $mode $name
        printf ' | %s: %s' $mode "$outcome"
        [ "$outcome" = "$1" ] || fails "$name, mode $mode: '$outcome', should be '$1'"
    done
    echo
}

same() {
    row "$1" "$2" "$2" "$2"
}

other="another's content"
row read-at-once 'old content' 'old content' 'zero, then old content'
row read-later "$other" "$other" 'zero, then old content'
row 'read-at-once 1000000' 'old content' 'old content' 'old content'
row 'read-later 1000000' "$other" "$other" 'old content'
row 'read-at-once 8000000' 'old content' 'old content' 'zeroes'
row 'read-later 8000000' "$other" "$other" 'zeroes'
same write-at-once 'no harm'
row write-later 'corrupts another object' 'corrupts another object' 'no harm'
row 'write-later 1000000' 'corrupts another object' 'corrupts another object' 'no harm'
row double-at-once 'stops, said' 'stops, said' 'no harm, said'
row double-later 'takes another object away' 'takes another object away' 'no harm, said'
row 'double-later 1000000' 'takes another object away' 'takes another object away' 'no harm, said'
row reuse 'handed out' 'handed out' 'not handed out'
row 'reuse 1000000' 'handed out' 'handed out' 'not handed out'
row confusion 'calls a forged address' 'calls a forged address' 'calls address 0'
same interior 'stops, said'
same foreign 'stops, said'
same wild 'stops, said'
finish
