# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: bash: a script with many forks, pipes, background jobs and large arrays
# needs: /usr/bin/bash
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 1 /usr/bin/bash "$scripts/work.bash"
}
