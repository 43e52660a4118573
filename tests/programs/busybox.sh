# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: busybox and coreutils: a shell that forks, awk, sort with threads
# needs: /usr/bin/busybox /usr/bin/sort
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_log.py" > log
}

workload() {
    under -n 0 -p '*' /usr/bin/busybox sh -c '
        total=0
        for i in $(seq 1 100); do total=$((total + $(echo $i | sed "s/1/2/"))); done
        echo $total
        awk "{ n[\$2] += length(\$0) } END { for (k in n) print k, n[k] }" "$1" | sort | md5sum
        gzip -c "$1" | gunzip | sha256sum
        grep -c POST "$1"
    ' sh "$inputs/log"
    under -n 0 /usr/bin/sort --parallel=4 -S 2M -T . -k 2,2 -k 1n "$inputs/log" | digest sorted
    under -n 0 /usr/bin/sort --parallel=3 -u -k 3 "$inputs/log" | wc -l
}
