#!/bin/bash
# SPDX-License-Identifier: MIT
# Forks from a signal handler while the collector marks, with one marker and with four.
set -eu
. "$top_srcdir/tests/stress/common.sh"

both markers=1 handler_forks --forks=$((60 * more))
both markers=4:verify=1 handler_forks --forks=$((100 * more))
finish
