# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: rsync: copies a tree, then what has changed of it, by checksum and with compression
# needs: /usr/bin/rsync
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    mkdir -p tree/a/b tree/c
    /usr/bin/python3 "$scripts/make_log.py" > log
    head -c 3000000 log | split -b 20000 -d -a 3 - tree/a/part
    rm log
    cp tree/a/part0* tree/c
    ln -s ../a/part000 tree/c/link
    touch tree/a/b/empty
}

copy() {
    under -n 0 -p 'rsync*' /usr/bin/rsync --archive --itemize-changes --delete "$@" | sort
}

workload() {
    copy "$inputs/tree/" copy | wc -l
    copy "$inputs/tree/" copy
    echo more >> copy/a/part010
    rm copy/c/part003
    touch -d 2001-01-01 copy/a/part020
    mkdir copy/extra
    touch -d 2001-01-01 copy copy/a copy/c copy/a/part010 # or the second in which it changed would matter
    copy --checksum --no-whole-file --compress "$inputs/tree/" copy
    (cd copy && find . -type f | sort | xargs cat) | digest files
}
