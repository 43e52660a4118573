#!/bin/bash
# SPDX-License-Identifier: MIT
# Shows that the runner of the suites can fail: gives it the preload library with seeded faults of
# tests/programs, and a unit whose outcome does not depend on memory.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
unit=/usr/share/installed-tests/glib/base64.test
if [ -n "${GL_SANITIZE-}" ] || [ ! -e $unit ]; then
    echo "skipped: no installed tests of GLib, or a sanitizer that brings its own malloc"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
${CC:-cc} -std=c11 -D_GNU_SOURCE -shared -fPIC -o "$folder/fake.so" "$here/../programs/selftest/fake.c"
failed=0

# expect STATUS TEXT FAULT
expect() {
    local status=0 output
    output=$("${PYTHON3:-/usr/bin/python3}" "$here/run" --suite glib --preload "$folder/fake.so" \
        --mode collect --options "fault=$3" base64 2>&1) || status=$?
    if [ "$status" -ne "$1" ] || ! grep -q -e "$2" <<< "$output"; then
        printf 'fault %s: status %s and this, not status %s and "%s":\n%s\n' \
            "$3" "$status" "$1" "$2" "$output"
        failed=1
    else
        echo "as expected, fault $3: status $status"
    fi
}

expect 0 'collect *same, ' none
expect 1 'collect *DIFFERENT' crash
expect 1 'ended with 3, under glibc with 0' status
expect 1 'the library was not there' no_stats
exit "$failed"
