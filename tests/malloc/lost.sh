#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory that the program lost, or seems to have lost.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

# one NAME [OPTIONS]
one() {
    preloaded collect "${2-verify=1}" "$here/lost" "$1" || fails "lost $1: status $?"
}

for name in watched found_again free realloc size sizes unusual web; do
    one $name
done
one library verify=1:hiders=libnothing.so,libgleaner-malloc.so
one at_once lost_collections=1
one flat trigger_bytes=1m
# The checks of the library case must find what happens without the option.
status=0
preloaded collect hiders=libnothing.so "$here/lost" library >/dev/null 2>&1 || status=$?
[ $status -eq 1 ] || fails "lost library, without the library: status $status, should be 1"
finish
