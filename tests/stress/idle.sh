#!/bin/bash
# SPDX-License-Identifier: MIT
# Threads that wait in the system while the world is stopped again and again.
set -eu
. "$top_srcdir/tests/stress/common.sh"

both '' idle
must_fail idle --fault=signal
finish
