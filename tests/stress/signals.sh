#!/bin/bash
# SPDX-License-Identifier: MIT
# Signals a thousand times in a second, while threads allocate and collect.
set -eu
. "$top_srcdir/tests/stress/common.sh"

both '' signals --ms=$((1000 * more))
both clobber=1:stress_every=50 signals --ms=$((600 * more))
must_fail signals --ms=300 --fault=clobber
finish
