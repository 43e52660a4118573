# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: gcc: compiles a large generated C file, with and without optimisation, and links it
# needs: /usr/bin/gcc
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_c.py" > large.c
}

workload() {
    cp "$inputs/large.c" .
    under -p cc1 -n 2 /usr/bin/gcc -Wall -O1 -c large.c -o large.o
    digest object < large.o
    under -p cc1 -n 2 /usr/bin/gcc -Wextra -O0 -S large.c -o large.s
    digest assembly < large.s
    under -n 0 /usr/bin/gcc large.o -o large
    ./large
}
