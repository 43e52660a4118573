#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that confine themselves, and programs under limits.
set -eu
. "$top_srcdir/tests/traps/common.sh"

ulimit -c 0
try_all sandbox
finish
