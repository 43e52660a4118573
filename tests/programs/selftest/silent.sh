# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: a case that prints nothing and so compares nothing, for the test of the driver
# needs: /bin/true
. "$(dirname "${BASH_SOURCE[0]}")/../case.sh"

workload() {
    under -n 0 /bin/true
}
