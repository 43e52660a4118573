#!/bin/bash
# SPDX-License-Identifier: MIT
# Weak references, slots and finalizers in random graphs, against a model.
set -eu
. "$top_srcdir/tests/stress/common.sh"

both '' weak --seeds=$((10 * more))
both '' weak --seed=1000 --seeds=$((4 * more)) --threads=4
both verify=1:clobber=1 weak --seed=2000 --seeds=$((5 * more))
both stress_every=7:clobber=1:verify=1 weak --seed=3000 --seeds=$((2 * more)) --steps=1500
both stress_every=1 weak --seed=4000 --seeds=$((2 * more)) --steps=1500
both stress_every=7 weak --seed=5000 --seeds=$((2 * more)) --threads=4 --steps=1000
both mode=safe:quarantine_bytes=64k:verify=1 weak --seed=6000 --seeds=$((4 * more))

must_fail weak --fault=early
must_fail weak --fault=twice
finish
