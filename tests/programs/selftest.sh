#!/bin/bash
# SPDX-License-Identifier: MIT
# Shows that the driver of these tests (./run) can fail: gives it a preload library with one
# seeded fault after the other, and expects it to notice each, and to pass when there is none.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${CC:-cc} -std=c11 -D_GNU_SOURCE -shared -fPIC -o "$folder/fake.so" "$here/selftest/fake.c"
failed=0

# expect STATUS TEXT CASE [FAULT] [OPTION...] - runs the driver and looks at what it says.
expect() {
    local status=0 wanted=$1 text=$2 case=$3 fault=${4:-none} output
    shift 3
    [ $# -eq 0 ] || shift
    output=$(GLEANER_OPTIONS=fault=$fault "${PYTHON3:-/usr/bin/python3}" "$here/run" \
        --preload "$folder/fake.so" "$@" "$here/selftest/$case.sh" 2>&1) || status=$?
    if [ "$status" -ne "$wanted" ] || ! grep -q -e "$text" <<< "$output"; then
        printf 'case %s, fault %s: status %s and this, not status %s and "%s":\n%s\n' \
            "$case" "$fault" "$status" "$wanted" "$text" "$output"
        failed=1
    else
        echo "as expected, $case, fault $fault: status $status"
    fi
}

expect 0 '^PASS small: .* (2/2 collections, 4 in all 2 processes)' small
expect 1 'collect: standard output differs' small stdout
expect 1 'malloc: standard output differs' small stdout --mode malloc
expect 1 'collect: standard error differs' small stderr
expect 1 'collect: ended with 3, under glibc with 0' small status
expect 1 'collect: ended with 139, under glibc with 0' small crash
expect 1 'collect: still running after 1 s, killed' small hang --timeout 1
expect 1 'processes were left behind' small leftover
expect 1 'collect: no statistics from a process called tr\*' small no_stats
expect 1 'tr\* made 0 collections, expected at least 2' small never_collects
expect 1 'malloc: tr made 2 collections' small always_collects
expect 1 'tr says that its mode is other' small mode
expect 1 'a line of statistics has no collections' small format
expect 0 '^PASS small' small never_collects --no-stats
expect 77 '^SKIP missing: NOT TESTED, this system has no /nonexistent/program' missing
expect 1 'the run under glibc ended with 0 and 0 bytes' silent
expect 2 'there is no preload library' small none --preload "$folder/nothing.so"
exit "$failed"
