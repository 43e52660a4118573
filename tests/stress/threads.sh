#!/bin/bash
# SPDX-License-Identifier: MIT
# Threads that come and go while collections run.
set -eu
. "$top_srcdir/tests/stress/common.sh"

both '' threads --short=$((3000 * more))
both clobber=1:verify=1 threads --short=500
both stress_every=50:clobber=1 threads --short=500 --starts=50
both stress_every=1 threads --short=16 --threads=4 --starts=50
both mode=safe:quarantine_bytes=64k:verify=1 threads --short=500
must_fail threads --short=100 --fault=hide
finish
