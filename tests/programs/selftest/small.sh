# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: the smallest case, for the test of the driver
# needs: /usr/bin/tr /bin/ls
. "$(dirname "${BASH_SOURCE[0]}")/../case.sh"

prepare() {
    echo "an input" > input
}

workload() {
    under -n 2 /usr/bin/tr a-z A-Z < "$inputs/input"
    under -n 0 /bin/ls no-such-file || echo "status $?"
}
