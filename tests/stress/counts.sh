#!/bin/bash
# SPDX-License-Identifier: MIT
# Reference counts against a model, and threads that hand counted objects to each other.
set -eu
case ${GL_SANITIZE-} in
*thread*)
    GLEANER_OPTIONS=trigger_bytes=1g timeout 240 \
        "$top_builddir/tests/stress/counts" --seeds=5 --threads=4 --steps=5000 --collect=0
    exit
    ;;
esac
. "$top_srcdir/tests/stress/common.sh"

both '' counts --seeds=$((5 * more))
both '' counts --seed=1000 --seeds=$((3 * more)) --threads=4
both verify=1:clobber=1 counts --seed=2000 --seeds=$((2 * more))
both stress_every=1 counts --seed=3000 --seeds=$((2 * more)) --steps=500
both stress_every=7:clobber=1:verify=1 counts --seed=4000 --seeds=$more --threads=4 --steps=300
both stress_every=50 counts --seed=5000 --seeds=$((2 * more)) --threads=3 --steps=2000
both mode=safe:quarantine_bytes=64k:verify=1 counts --seed=6000 --seeds=$((2 * more))
both mode=safe:quarantine_bytes=64k counts --seed=7000 --seeds=$((2 * more)) --threads=4 --steps=4000
both fail_every=3 counts --seed=8000 --seeds=$((2 * more))

must_fail counts --fault=lost
must_fail counts --fault=twice
must_fail counts --fault=twice --threads=2
finish
