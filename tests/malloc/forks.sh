#!/bin/bash
# SPDX-License-Identifier: MIT
# Forks in a program whose other threads allocate.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

try forks
finish
