# SPDX-License-Identifier: MIT
# For the tests of this folder: runs a program linked with libgleaner, and the same program with the
# malloc library preloaded, so that malloc shares its heap. The environment's GLEANER_OPTIONS come
# first; where `make check-stress` sets them, each test does more.

case ${GL_SANITIZE-} in
*thread*)
    echo "skipped: ThreadSanitizer does not know that the world is stopped, and delays signals"
    exit 77
    ;;
esac

here=$top_builddir/tests/stress
n_faults=0
more=1
[ -z "${GLEANER_OPTIONS-}" ] || more=5

# fails WHAT: notes a fault.
fails() {
    echo "FAILED: $*"
    n_faults=$((n_faults + 1))
}

# with OPTIONS COMMAND...: runs it with these options added.
with() {
    options=${GLEANER_OPTIONS:+$GLEANER_OPTIONS:}$1
    shift
    timeout -k 5 "${GL_TEST_SECONDS-240}" env GLEANER_OPTIONS="$options" "$@"
}

# linked OPTIONS PROGRAM [ARGUMENT...]
linked() {
    options=$1
    program=$2
    shift 2
    with "$options" "$here/$program" "$@" ||
        fails "$program $*, linked, options '$options': status $?"
}

# preloaded OPTIONS PROGRAM [ARGUMENT...]
preloaded() {
    [ -z "${GL_SANITIZE-}" ] || return 0 # a sanitizer brings its own malloc
    options=$1
    program=$2
    shift 2
    with "$options" env LD_PRELOAD="$GLEANER_PRELOAD" "$here/$program" "$@" ||
        fails "$program $*, preloaded, options '$options': status $?"
}

# both OPTIONS PROGRAM [ARGUMENT...]
both() {
    linked "$@"
    preloaded "$@"
}

# must_fail PROGRAM [ARGUMENT...]: its checks must find the fault that it is asked to make.
must_fail() {
    program=$1
    shift
    status=0
    with '' "$here/$program" "$@" >/dev/null 2>&1 || status=$?
    [ $status -eq 1 ] || fails "$program $*: status $status, should be 1"
}

finish() {
    exit $((n_faults > 0))
}
