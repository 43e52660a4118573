#!/bin/bash
# SPDX-License-Identifier: MIT
# Threads by every route, stacks that are no thread's, jumps and exceptions.
set -eu
. "$top_srcdir/tests/traps/common.sh"

ulimit -c 0
try_all threads
try exceptions ""
finish
