#!/bin/bash
# SPDX-License-Identifier: MIT
# Two libraries in a process, one heap.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

"$here/one_heap" no || fails "libgleaner alone: status $?"
for mode in malloc collect; do
    preloaded $mode "" "$here/one_heap" yes || fails "both, mode $mode: status $?"
done
finish
