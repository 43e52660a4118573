#!/bin/bash
# SPDX-License-Identifier: MIT
# Every call of the malloc family, and what is in the memory that they give.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

try semantics
try contents
finish
