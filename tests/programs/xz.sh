# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: xz: compresses with two threads, tests and unpacks
# needs: /usr/bin/xz
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_log.py" > log.txt
    head -c 1500000 log.txt > small.txt
}

workload() {
    under /usr/bin/xz -2 -T2 --block-size=1MiB --keep --stdout "$inputs/log.txt" > log.xz
    digest compressed < log.xz
    under -n 0 /usr/bin/xz --robot --list log.xz
    under /usr/bin/xz -d -T2 --stdout log.xz | digest again
    under /usr/bin/xz -6 -T1 --stdout "$inputs/small.txt" | digest single
    head -c 400000 log.xz > short.xz
    under -n 0 /usr/bin/xz --test short.xz || echo "status $?"
}
