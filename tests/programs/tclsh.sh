# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: tclsh: lists, dictionaries, strings, events, slave interpreters
# needs: /usr/bin/tclsh
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -p 'tclsh*' /usr/bin/tclsh "$scripts/work.tcl"
}
