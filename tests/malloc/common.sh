# SPDX-License-Identifier: MIT
# For the tests of this folder: runs a compiled program with glibc's malloc, to see that what it
# expects is right, and then with Gleaner's, in each mode and collecting so often that it shows.

if [ -n "${GL_SANITIZE-}" ]; then
    echo "skipped: a sanitizer brings its own malloc"
    exit 77
fi

here=$top_builddir/tests/malloc
n_faults=0

# fails WHAT: notes a fault.
fails() {
    echo "FAILED: $*"
    n_faults=$((n_faults + 1))
}

# preloaded MODE OPTIONS COMMAND...: runs it on Gleaner's heap.
preloaded() {
    mode=$1
    options=$2
    shift 2
    timeout -k 5 "${GL_TEST_SECONDS-120}" env GLEANER_MODE="$mode" \
        GLEANER_OPTIONS="${GLEANER_OPTIONS:+$GLEANER_OPTIONS:}$options" \
        LD_PRELOAD="$GLEANER_PRELOAD" "$@"
}

# try NAME [ARGUMENT...]: the program in all ways; its output must be empty.
try() {
    program=$1
    shift
    timeout -k 5 120 "$here/$program" "$@" || fails "$program with glibc: status $?"
    for way in malloc: collect:trigger_bytes=64k collect:stress_every=97:clobber=1:verify=1 \
        safe:quarantine_bytes=64k safe:stress_every=97:clobber=1:verify=1; do
        preloaded "${way%%:*}" "${way#*:}" "$here/$program" "$@" ||
            fails "$program, mode and options $way: status $?"
    done
}

finish() {
    exit $((n_faults > 0))
}
