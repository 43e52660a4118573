# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: nodejs: JSON, buffers, streams, compression, workers, a child process
# needs: /usr/bin/node
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 2 /usr/bin/node "$scripts/work.js"
}
