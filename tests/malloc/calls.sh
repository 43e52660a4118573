#!/bin/bash
# SPDX-License-Identifier: MIT
# System calls that wait, while the world is stopped some hundred times a second.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

for what in '' --aio --signals --cancel --atomic --idiom; do
    timeout -k 5 60 "$here/calls" $what || fails "calls $what with glibc: status $?"
    preloaded collect '' "$here/calls" $what || fails "calls $what: status $?"
done
preloaded collect '' "$here/calls" --bare || fails "calls --bare: status $?"
finish
