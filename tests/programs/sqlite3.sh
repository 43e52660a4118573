# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: sqlite3: inserts, joins, sorts and deletes in memory
# needs: /usr/bin/sqlite3
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 2 /usr/bin/sqlite3 -batch :memory: < "$scripts/work.sql"
}
