#!/bin/bash
# SPDX-License-Identifier: MIT
# The life of a process and of a thread: before main(), after it, and destructors of thread data.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

try early_late
try threads
finish
