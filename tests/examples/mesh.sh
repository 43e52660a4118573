#!/bin/bash
# SPDX-License-Identifier: MIT
# The mesh: the three ways compute the same, with falling peaks; files that are not as they should be.
set -eu
. "$top_srcdir/tests/examples/common.sh"
mesh=$examples/mesh

runs 0 "$mesh" 100000
says out "nothing released"
says out "streaming, a collection every 1000"

# off NAME: standard input as a file, with "|" for the ends of lines.
off() {
    tr '|' '\n' >"$work/$1.off"
}

# A tetrahedron with comments, empty lines, numbers behind OFF, carriage returns and colours of faces.
printf 'OFF 4 4 6 # sizes|# a comment||0 0 0\r|1 0 0|0 1e0 0|0 0 +1.0 # last|3 0 2 1|3 0 1 3 255 0 0|3 0 3 2|3 1 2 3' |
    off good
for mode in keep phases stream; do
    runs 0 "$mesh" --mode $mode "$work/good.off"
    says out "4 triangles, area 2.366025, volume 0.166667, from (0 0 0) to (1 1 1)"
done
printf 'OFF|0 0 0|' | off empty
for mode in keep phases stream; do
    runs 0 "$mesh" --mode $mode "$work/empty.off"
    says out "0 triangles"
done

# bad NAME MESSAGE: standard input is refused in all three ways, with status 1.
bad() {
    off "$1"
    for mode in keep phases stream; do
        runs 1 "$mesh" --mode $mode "$work/$1.off"
        says err "$2"
    done
}
printf '' | bad nothing 'ends after line 0, before it is complete'
printf 'PLY|1 1 1|' | bad magic 'line 1: does not begin with OFF'
printf 'OFF|x|' | bad counts 'line 2: the numbers of vertices and faces should be here'
printf 'OFF|3|' | bad faces-missing 'line 2: the numbers of vertices and faces should be here'
printf 'OFF|-3 1 0|' | bad negative 'line 2: the numbers of vertices and faces should be here'
printf 'OFF|99999999999999999999 1 0|' | bad huge 'line 2: the numbers of vertices and faces should be here'
printf 'OFF|3 1 0|0 0 0|1 0 0|' | bad truncated 'ends after line 4, before it is complete'
printf 'OFF|3 1 0|0 0 0|1 0 0|0 1 0|3 0 1' | bad cut 'face 0: "3 0 1" names no vertex'
printf 'OFF|3 1 0|0 0 0|1 0|0 1 0|3 0 1 2|' | bad two-numbers 'vertex 1: "1 0" is not three numbers'
printf 'OFF|3 1 0|0 0 0|1 x 0|0 1 0|3 0 1 2|' | bad letter 'is not three numbers'
printf 'OFF|3 1 0|0 0 0|1 nan 0|0 1 0|3 0 1 2|' | bad nan 'is not three numbers'
printf 'OFF|3 1 0|0 0 0|1 0 0|0 1 0|3 0 1 3|' | bad index 'names no vertex'
printf 'OFF|3 1 0|0 0 0|1 0 0|0 1 0|3 0 1 -1|' | bad negative-index 'names no vertex'
printf 'OFF|3 1 0|0 0 0|1 0 0|0 1 0|4 0 1 2 0|' | bad quad 'face 0: "4 0 1 2 0" is not a triangle'
printf 'OFF|0 1 0|3 0 0 0|' | bad no-vertices 'face 0: "3 0 0 0" names no vertex'
printf 'OFF|%03000d|' 1 | bad long 'line 2: is too long'

runs 1 "$mesh" --mode keep "$work/missing.off"
says err "missing.off: No such file or directory"
runs 1 "$mesh" --mode keep "$work"
says err "Is a directory"
runs 1 "$mesh" --mode all "$work/good.off"
says err '"all" is not keep, phases or stream'
runs 1 "$mesh" --make 1000 "$work/no/folder.off"
says err "No such file or directory"
runs 1 "$mesh" --make 1000 /dev/full
says err "/dev/full: cannot be written: No space left on device"
runs 1 env TMPDIR="$work/missing" "$mesh" 50000
says err "no temporary file"

# What is made can be read, and nothing is left behind.
runs 0 "$mesh" --make 500 "$work/made.off"
runs 0 "$mesh" --mode stream "$work/made.off"
says out "512 triangles"
mkdir "$work/tmp"
runs 0 env TMPDIR="$work/tmp" "$mesh" 50000
[ -z "$(ls "$work/tmp")" ] || fails "mesh leaves files behind"
finish
