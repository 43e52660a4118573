# SPDX-License-Identifier: MIT
# What the tests of the examples share. $examples is where the programs are, $work a folder that goes.

examples=$top_builddir/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
faults=0
seconds=${EXAMPLE_SECONDS-60} # one run may take so long

fails() {
    echo "FAIL: $*" >&2
    faults=$((faults + 1))
}

# runs STATUS COMMAND...: it must end with that status; its output is in $work/out and $work/err.
runs() {
    local wanted=$1 status=0
    shift
    timeout "$seconds" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
    [ $status -eq "$wanted" ] || fails "$*: status $status, should be $wanted: $(tail -n 3 "$work/err")"
}

# says FILE TEXT: the line is in the output ("out") or among the errors ("err") of the last run.
says() {
    grep -qF -- "$2" "$work/$1" || fails "\"$2\" is not in $1, which is: $(head -c 300 "$work/$1")"
}

finish() {
    [ $faults -eq 0 ] || exit 1
}
