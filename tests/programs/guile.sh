# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: guile: another conservative collector in the same process, with threads
# needs: /usr/bin/guile
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    GUILE_AUTO_COMPILE=0 under -n 0 -p 'guile*' /usr/bin/guile --no-auto-compile "$scripts/work.scm"
}
