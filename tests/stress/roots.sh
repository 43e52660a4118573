#!/bin/bash
# SPDX-License-Identifier: MIT
# Is every place seen where a program may keep a pointer, and no other?
set -eu
. "$top_srcdir/tests/stress/common.sh"

module=$here/.libs/roots_module.so
both '' roots --module="$module" --trials=$((8 * more))
both clobber=1:verify=1 roots --module="$module"
must_fail roots --module="$module" --fault=lose
must_fail roots --module="$module" --fault=keep
finish
