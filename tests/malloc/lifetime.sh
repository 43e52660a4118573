#!/bin/bash
# SPDX-License-Identifier: MIT
# The life of a process and of a thread: before main(), after it, and destructors of thread data;
# and the last word on it, the line of statistics.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

try early_late
try threads

stats=$(mktemp)
trap 'rm -f "$stats"' EXIT
preloaded collect "stats_file=$stats" "$here/title" with-room-for-a-title-behind-the-name ||
    fails "title: status $?"
grep -q ' program=title ' "$stats" || fails "a program with a title has these statistics: $(cat "$stats")"
finish
