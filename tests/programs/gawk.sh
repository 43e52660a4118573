# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: gawk: fields, associative arrays, sorting, substitution
# needs: /usr/bin/gawk
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_log.py" > log.txt
}

workload() {
    under -n 2 /usr/bin/gawk -f "$scripts/work.awk" "$inputs/log.txt"
}
