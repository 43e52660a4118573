# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What every case in this folder begins with: `. "$(dirname "${BASH_SOURCE[0]}")/case.sh"`.
#
# A case started by hand or by `make check` hands itself over to the driver (./run). The driver
# then starts it again for each phase, with CASE_PHASE set, and calls these functions:
#   prepare   makes the input files in the current folder, once, never under the preload library
#   workload  runs the programs, once per mode; $inputs is the folder that prepare filled
# What `workload` prints must not depend on time, addresses, process numbers or the path.

set -euo pipefail

if [ -z "${CASE_PHASE:-}" ]; then
    exec "${PYTHON3:-/usr/bin/python3}" "$(dirname "${BASH_SOURCE[0]}")/run" "$0" "$@"
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scripts=$here/inputs
inputs=$CASE_INPUTS

prepare() { :; }

# under [-n MIN] [-p PROGRAM] COMMAND... - runs COMMAND under the preload library (in the glibc
# mode: without). In collect mode one of the processes called PROGRAM (a pattern; default: the
# base name of COMMAND and what follows) must have seen at least MIN (default 1) collections.
under() {
    local min=1 program=
    while :; do
        case $1 in
        -n) min=$2; shift 2 ;;
        -p) program=$2; shift 2 ;;
        *) break ;;
        esac
    done
    if [ "$CASE_MODE" = glibc ]; then
        "$@"
        return
    fi
    local stats options
    stats=$(mktemp "$CASE_STATS/XXXXXX")
    chmod 666 "$stats" # for processes that drop their privileges
    options=trigger_bytes=$CASE_TRIGGER:stats_file=$stats
    options+=${CASE_OPTIONS:+:$CASE_OPTIONS}
    printf '%s\t%s\t%s\n' "$stats" "$min" "${program:-$(basename "$1")*}" \
        >> "$CASE_STATS/calls"
    LD_PRELOAD=$CASE_PRELOAD GLEANER_MODE=$CASE_MODE GLEANER_OPTIONS=$options "$@"
}

# digest NAME - prints the checksum of standard input, so that large outputs are compared too.
digest() {
    printf '%s %s\n' "$1" "$(sha256sum | cut -d' ' -f1)"
}
