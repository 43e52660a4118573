# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: lua5.4: tables, strings, closures, coroutines, its own collector
# needs: /usr/bin/lua5.4
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 2 /usr/bin/lua5.4 "$scripts/work.lua"
}
