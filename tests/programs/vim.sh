# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: vim: edits a large file by script, with undo, syntax colouring and folds
# needs: /usr/bin/vim
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_c.py" > large.c
    head -n 3000 large.c > source.c
}

workload() {
    cp "$inputs/source.c" source.c
    under -n 1 -p 'vim*' /usr/bin/vim -es -u NONE -i NONE -n -S "$scripts/work.vim" source.c
    cat report
    digest source < source.c
}
