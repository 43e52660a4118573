#!/bin/bash
# SPDX-License-Identifier: MIT
# A module loaded with RTLD_DEEPBIND, and one found by the search path of who opens it.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$top_srcdir/tests/malloc/deepbind_module.c
mkdir "$work/inside"
$CC -shared -fPIC -O1 -fno-builtin -o "$work/module.so" "$source"
$CC -shared -fPIC -O1 -DINNER -o "$work/inside/libgleaner-test-inner.so" "$source"
$CC -shared -fPIC -O1 -DOPENER -Wl,--enable-new-dtags,-rpath,'$ORIGIN/inside' \
    -o "$work/opener.so" "$source"
try deepbind "$work/module.so" "$work/opener.so"
finish
