# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: clang: compiles the same large C file, with optimisation and to text
# needs: /usr/bin/clang
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_c.py" > large.c
    head -n 1500 large.c | tac | sed -n '/^}/,$p' | tac > part.c
}

workload() {
    cp "$inputs/part.c" .
    under -n 1 -p 'clang*' /usr/bin/clang -O1 -c part.c -o part.o
    digest object < part.o
    under -n 1 -p 'clang*' /usr/bin/clang -O0 -S -emit-llvm part.c -o part.ll
    digest text < part.ll
    under -n 1 -p 'clang*' /usr/bin/clang -fsyntax-only -Weverything part.c 2>&1 | tail -n 1
}
