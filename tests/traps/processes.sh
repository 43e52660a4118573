#!/bin/bash
# SPDX-License-Identifier: MIT
# Processes that are made, replaced and ended in every way.
set -eu
. "$top_srcdir/tests/traps/common.sh"

ulimit -c 0
try_all processes
finish
