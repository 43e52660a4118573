# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: ruby: objects, strings, threads, fibers, its own collector and a compacted heap
# needs: /usr/bin/ruby
# often: 5000
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 2 -p 'ruby*' /usr/bin/ruby "$scripts/work.rb"
}
