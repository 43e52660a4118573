# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: gdb: runs a small program to a breakpoint, looks around, calls a function in it
# needs: /usr/bin/gdb /usr/bin/gcc
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/gcc -g -O0 -o debugged "$scripts/debugged.c"
}

# gdb and what it starts are under the library, both.
workload() {
    under -n 1 -p 'gdb*' /usr/bin/gdb --batch --nx -iex 'set debuginfod enabled off' \
        -ex 'set width 0' -ex 'set print address off' -ex 'set style enabled off' \
        -ex 'set startup-with-shell off' -ex 'break leaf' -ex run -ex backtrace -ex 'info locals' \
        -ex 'print total(list)' -ex 'print *list->next' -ex 'watch list->value' -ex continue \
        -ex 'ptype struct node' -ex delete -ex continue "$inputs/debugged" > log 2>&1
    grep -v -e '^warning' -e 'Using host' -e '^\[Thread' -e '^\[Inferior' -e '^Download' -e '^$' log
}
