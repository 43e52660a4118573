#!/bin/bash
# SPDX-License-Identifier: MIT
# The simulation can fail: with bounds that cannot hold it must say so.
set -eu

status=0
"$top_builddir/tests/sim/pacer" --fault 2>/dev/null || status=$?
if [ $status -ne 1 ]; then
    echo "FAILED: pacer --fault: status $status, should be 1"
    exit 1
fi
