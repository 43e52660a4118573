#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that use, reset, block and take all signals.
set -eu
. "$top_srcdir/tests/traps/common.sh"

ulimit -c 0
try_all signals
finish
