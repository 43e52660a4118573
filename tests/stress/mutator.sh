#!/bin/bash
# SPDX-License-Identifier: MIT
# A random program against a model of it: hundreds of seeds, thousands in `make check-stress`.
set -eu
. "$top_srcdir/tests/stress/common.sh"

both '' mutator --seeds=$((60 * more))
both '' mutator --seed=1000 --seeds=$((12 * more)) --threads=4
both verify=1:clobber=1 mutator --seed=2000 --seeds=$((15 * more))
both stress_every=100:clobber=1:verify=1 mutator --seed=3000 --seeds=$((15 * more))
both stress_every=7:clobber=1 mutator --seed=4000 --seeds=$((15 * more))
both stress_every=1 mutator --seed=5000 --seeds=$((4 * more)) --steps=700
both stress_every=7:verify=1:clobber=1 mutator --seed=6000 --seeds=$((2 * more)) --threads=4
both percent=10:trigger_bytes=64k:clobber=1 mutator --seed=7000 --seeds=$((10 * more)) --threads=4
both mode=safe:quarantine_bytes=64k:verify=1 mutator --seed=8000 --seeds=$((10 * more)) --threads=4
both mode=safe:stress_every=7:verify=1 mutator --seed=9000 --seeds=$((4 * more))

must_fail mutator --fault=lost
must_fail mutator --fault=lost --threads=4
must_fail mutator --fault=write
finish
