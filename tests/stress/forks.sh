#!/bin/bash
# SPDX-License-Identifier: MIT
# A storm of forks in a program whose threads allocate and collect.
set -eu
. "$top_srcdir/tests/stress/common.sh"

both '' forks --forks=$((60 * more))
both clobber=1:verify=1:stress_every=101 forks --forks=$((10 * more))
both mode=safe:quarantine_bytes=64k:verify=1 forks --forks=$((15 * more))
must_fail forks --forks=2 --fault=damage
finish
