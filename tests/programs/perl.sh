# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: perl: hashes, sorting, regular expressions, closures, reference cycles
# needs: /usr/bin/perl
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 2 /usr/bin/perl "$scripts/work.pl"
}
