#!/bin/bash
# SPDX-License-Identifier: MIT
# The same where malloc is ours, too: then the report itself allocates on the heap that it reports on.
set -eu
if [ -n "${GL_SANITIZE-}" ]; then
    echo "skipped: a sanitizer brings its own malloc"
    exit 77
fi
cd "${top_builddir:-.}"
# The library reads its options before main() does anything.
export GLEANER_PROFILE_FILE=/dev/null
LD_PRELOAD=$GLEANER_PRELOAD tests/profile/profile
