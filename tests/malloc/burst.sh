#!/bin/bash
# SPDX-License-Identifier: MIT
# What a burst of allocations took goes back to the system, in each mode, and with huge pages.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

for what in small large; do
    for mode in malloc collect; do
        for huge in never auto always; do
            preloaded $mode huge_pages=$huge "$here/burst" $what ||
                fails "$what objects, mode $mode, huge_pages=$huge: status $?"
        done
    done
done

# The test can fail: nothing goes back at once, nor later, if so much is to be kept.
if preloaded malloc retain_bytes=1g "$here/burst" large >/dev/null; then
    fails "with retain_bytes=1g the burst is gone at once"
fi
finish
