#!/bin/bash
# SPDX-License-Identifier: MIT
# Libraries with thread-local storage, loaded and unloaded while threads run.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
$CC -shared -fPIC -O1 -o "$work/module0.so" "$top_srcdir/tests/malloc/tls_module.c"
for i in $(seq 1 39); do
    cp "$work/module0.so" "$work/module$i.so"
done
try loader "$work"
finish
