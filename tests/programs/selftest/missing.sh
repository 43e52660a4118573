# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: a case for a program that no system has, for the test of the driver
# needs: /nonexistent/program
. "$(dirname "${BASH_SOURCE[0]}")/../case.sh"

workload() {
    under /nonexistent/program
}
