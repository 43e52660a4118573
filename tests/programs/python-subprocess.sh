# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: python3, its own allocator and malloc: subprocesses, forks in a threaded program
# needs: /usr/bin/python3
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under /usr/bin/python3 "$scripts/py_subprocess.py"
    PYTHONMALLOC=malloc under -n 2 /usr/bin/python3 "$scripts/py_subprocess.py"
}
