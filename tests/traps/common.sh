# SPDX-License-Identifier: MIT
# For the tests of this folder: runs each case of a program with glibc's malloc, to see that what it
# expects is right, and with Gleaner's, collecting often. A case that finds that the system does not
# let it do what it needs ends with status 77.

if [ -n "${GL_SANITIZE-}" ]; then
    echo "skipped: a sanitizer brings its own malloc"
    exit 77
fi

here=$top_builddir/tests/traps
n_faults=0
collecting=collect:trigger_bytes=256k:clobber=1:stop_timeout_ms=10000

# fails WHAT: notes a fault.
fails() {
    echo "FAILED: $*"
    n_faults=$((n_faults + 1))
}

# preloaded MODE:OPTIONS COMMAND...: runs it on Gleaner's heap.
preloaded() {
    way=$1
    shift
    timeout -k 5 "${GL_TEST_SECONDS-60}" env GLEANER_MODE="${way%%:*}" \
        GLEANER_OPTIONS="${GLEANER_OPTIONS:+$GLEANER_OPTIONS:}${way#*:}" \
        LD_PRELOAD="$GLEANER_PRELOAD" "$@"
}

# try NAME CASE [WAY...]: with glibc, then preloaded in these ways.
try() {
    program=$1
    name=$2
    shift 2
    [ $# -gt 0 ] || set -- $collecting
    status=0
    timeout -k 5 60 "$here/$program" "$name" || status=$?
    if [ $status -eq 77 ]; then
        echo "not possible here: $program $name"
        return
    fi
    [ $status -eq 0 ] || fails "$program $name with glibc: status $status"
    for way; do
        status=0
        preloaded "$way" "$here/$program" "$name" || status=$?
        [ $status -eq 0 ] || fails "$program $name, $way: status $status"
    done
}

# try_all NAME [WAY...]: every case of the program.
try_all() {
    all=$1
    shift
    for each in $("$here/$all" --list); do
        try "$all" "$each" "$@"
    done
}

finish() {
    exit $((n_faults > 0))
}
