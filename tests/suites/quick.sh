#!/bin/bash
# SPDX-License-Identifier: MIT
# A short selection of the suites of other programs, for `make check`; `make check-suites` runs all.
set -eu

if [ -n "${GL_SANITIZE-}" ]; then
    echo "skipped: a sanitizer brings its own malloc"
    exit 77
fi
exec "${PYTHON3:-/usr/bin/python3}" "$(dirname "$0")/run" --quick
