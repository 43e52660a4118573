#!/bin/bash
# SPDX-License-Identifier: MIT
# The tests of a program that links libgleaner.so, with libgleaner-malloc.so preloaded: then the
# preloaded copy serves both the gc_ calls and malloc(), and the other one stays idle.
set -eu
cd "${top_builddir:-.}"
for program in tests/api/api tests/api/early tests/death/misuse; do
    echo "$program with $GLEANER_PRELOAD"
    LD_PRELOAD=$GLEANER_PRELOAD "$program"
done
