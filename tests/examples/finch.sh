#!/bin/bash
# SPDX-License-Identifier: MIT
# The interpreter: scripts and what they print, also with a collection at every allocation; errors; the
# conversation.
set -eu
. "$top_srcdir/tests/examples/common.sh"
scripts=$top_srcdir/tests/examples/finch
finch=$examples/interpreter/finch
cd "$work"

# script NAME [VARIABLE=VALUE]...: prints what it should.
script() {
    local name=$1
    shift
    runs 0 env "$@" "$finch" --heap-max $heap_max "$scripts/$name.fn"
    cmp -s "$work/out" "$scripts/$name.out" ||
        fails "$name $*: $(diff "$scripts/$name.out" "$work/out" | head -n 10)"
}

heap_max=16
for file in "$scripts"/*.fn; do
    script "$(basename "$file" .fn)"
done
for name in files weak; do
    script $name GLEANER_MODE=safe
    script $name GLEANER_OPTIONS=stress_every=7:clobber=1:verify=1
done

# With a collection at every allocation, or at fewer where a sanitizer makes each one slow. What fills
# the stack or the memory gets less of it, for every collection reads all of it.
every=1
[ -z "${GL_SANITIZE-}" ] || every=101
for name in closures fib files maps strings weak; do
    script $name GLEANER_OPTIONS=stress_every=$every
done
heap_max=4
[ -n "${GL_SANITIZE-}" ] || script memory GLEANER_OPTIONS=stress_every=101
(
    ulimit -s 256
    script errors GLEANER_OPTIONS=stress_every=$every
    finish
) || faults=1

# input TEXT ARGUMENT...: Finch reads the text.
input() {
    local text=$1
    shift
    status=0
    printf -- "$text" | timeout "$seconds" "$finch" "$@" >"$work/out" 2>"$work/err" || status=$?
}

# wrong TEXT MESSAGE: the program ends with status 1 and this message.
wrong() {
    input "$1"
    [ $status -eq 1 ] || fails "$1: status $status"
    says err "finch: standard input: $2"
}
wrong 'print(1' "line 1: the text ends where ) should be"
wrong 'let x = 1\nlet = 2' "line 2: a name should be here"
wrong 'x = = 2' "line 1: an expression should be here"
wrong '1 = 2' "line 1: only a variable or an entry can be set"
wrong 'print("a\nb")' "line 1: a string has no end"
wrong 'let x = 12abc' "line 1: a number is malformed"
wrong 'let x = 1 ? 2' "line 1: the character '?' has no meaning"
wrong '\n\nreturn 1' "line 3: return outside of a function"
wrong 'break' "line 1: break outside of a loop"
wrong 'fn f() {\n  unknown()\n}\nf()' "line 2: unknown name 'unknown'"
wrong 'a\0b' "the text contains a zero byte"
wrong 'fn deep() { deep() }\ndeep()' "line 1: too deep: the stack is used up"
for nested in '(' '-' 'not ' 'if 1 {} else ' '{ ' 'fn() {' 'f({a: ' 'f('; do
    printf "%020000d" 0 | sed "s/0/$nested/g" >nested.fn
    (
        ulimit -s 256
        runs 1 "$finch" nested.fn
        says err "line 1: too deep: the stack is used up"
        finish
    ) || faults=1
done
input 'print("out")'
[ $status -eq 0 ] && says out out

input 'let a = 20\na + 1\nfn twice(x) {\n    return 2 * x\n}\ntwice(a +\n1)\nmissing\n(1\n\n"still here"' -
[ $status -eq 0 ] || fails "conversation: status $status"
printf '21\n42\nerror: line 1: unknown name '"'missing'"'\nerror: line 3: the text ends where ) should be\nstill here\n' |
    cmp -s - "$work/out" || fails "conversation: $(cat "$work/out")"

runs 0 "$finch" --help
says out "usage: finch "
runs 1 "$finch" missing.fn
says err "finch: missing.fn: No such file or directory"
runs 1 "$finch" .
says err "Is a directory"
runs 1 "$finch" --heap-max x "$scripts/fib.fn"
says err "finch: x: is not a number of megabytes from 1 to 1048576"
runs 1 "$finch" --nonsense
status=0
"$finch" "$scripts/fib.fn" >/dev/full 2>"$work/err" || status=$?
[ $status -eq 1 ] || fails "full disk: status $status"
says err "standard output: could not be written"
input 'write(open("/dev/full", "w"), "text")'
[ $status -eq 1 ] || fails "full disk, a file of the program: status $status"
says err "a file: could not be written"
finish
