# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: python3, its own allocator and malloc: hundreds of threads, a pool, queues
# needs: /usr/bin/python3
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under /usr/bin/python3 "$scripts/py_threads.py"
    PYTHONMALLOC=malloc under -n 2 /usr/bin/python3 "$scripts/py_threads.py"
}
