#!/bin/bash
# SPDX-License-Identifier: MIT
# Debuggers, tracers, valgrind, and other libraries that are preloaded together with ours.
set -eu
. "$top_srcdir/tests/traps/common.sh"

ulimit -c 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
script=$top_srcdir/src/cmd/gleaner.gdb

# has COMMAND: whether it is there.
has() {
    command -v "$1" >/dev/null || {
        echo "not tested: there is no $1"
        return 1
    }
}

# debug ARGUMENT...: runs a case with threads and collections under gdb.
debug() {
    timeout -k 5 60 gdb -q -nx -batch -ex 'set startup-with-shell off' \
        -ex 'set debuginfod enabled off' -ex "set environment LD_PRELOAD $GLEANER_PRELOAD" \
        -ex 'set environment GLEANER_OPTIONS trigger_bytes=256k' "$@" -ex run \
        --args "$here/threads" c11_thread >"$work/gdb" 2>&1 </dev/null || :
}

if has gdb && gdb -q -nx -batch -ex 'set startup-with-shell off' -ex run /bin/true 2>&1 |
    grep -q 'exited normally'; then
    debug -x "$script"
    grep -q 'exited normally' "$work/gdb" || fails "under gdb: $(tail -3 "$work/gdb")"
    ! grep -q 'received signal' "$work/gdb" || fails "under gdb: $(grep 'received' "$work/gdb")"
    # What the script is for.
    debug
    grep -q 'received signal SIG60' "$work/gdb" || fails "without the script gdb does not stop"

    preloaded $collecting "$here/threads" main_waits >"$work/out" 2>&1 &
    runner=$!
    for i in $(seq 50); do
        program=$(pgrep -P $runner -x timeout | xargs -r pgrep -P || :)
        [ -z "$program" ] || break
        sleep 0.1
    done
    timeout -k 5 60 gdb -q -nx -batch -x "$script" -ex 'set debuginfod enabled off' \
        -p "$program" -ex 'thread apply all backtrace 1' -ex detach >"$work/gdb" 2>&1 </dev/null ||
        fails "gdb cannot attach: $(tail -3 "$work/gdb")"
    grep -q 'Thread 2' "$work/gdb" || fails "attached: no second thread"
    status=0
    wait $runner || status=$?
    [ $status -eq 0 ] || fails "after gdb: status $status, $(cat "$work/out")"
fi

if has strace && strace -o "$work/strace" /bin/true 2>/dev/null; then
    timeout -k 5 60 strace -f -o "$work/strace" -E LD_PRELOAD="$GLEANER_PRELOAD" \
        -E GLEANER_OPTIONS=trigger_bytes=256k "$here/threads" c11_thread ||
        fails "under strace: status $?"
    grep -q 'rt_tgsigqueueinfo.*SIGRT' "$work/strace" || fails "strace has seen no stop"
fi

# Without memcheck, which puts its own malloc in place of ours, and takes long to begin. Valgrind reads debug
# information by itself, and before 3.21 ends the program where it is clang's.
if has valgrind; then
    status=0
    GL_TEST_SECONDS=300 preloaded collect: valgrind -q --tool=none "$here/threads" c11_thread \
        >"$work/out" 2>&1 || status=$?
    if grep -q 'debuginfo reader: Possibly corrupted' "$work/out"; then
        echo "not tested: this valgrind cannot read the debug information of this compiler"
    elif [ $status -ne 0 ]; then
        fails "under valgrind: status $status, $(head -3 "$work/out")"
    fi
fi

# A library that counts calls and passes them on, as fakeroot, heap profilers and the like do.
cat >"$work/count.c" <<'END_OF_C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static int n;
void *malloc(size_t bytes)
{
    static void *(*next)(size_t);
    if (!next)
        next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    n++;
    return next(bytes);
}
__attribute__((destructor)) static void tell(void)
{
    if (n > 100 && write(2, "counted\n", 8) != 8)
        _exit(1);
}
END_OF_C
$CC -shared -fPIC -O1 -w -o "$work/count.so" "$work/count.c" -ldl
for order in "$work/count.so:$GLEANER_PRELOAD" "$GLEANER_PRELOAD:$work/count.so"; do
    status=0
    timeout 60 env GLEANER_OPTIONS=trigger_bytes=256k LD_PRELOAD="$order" "$here/threads" \
        short_threads >"$work/out" 2>&1 || status=$?
    [ $status -eq 0 ] || fails "with LD_PRELOAD=$order: status $status, $(cat "$work/out")"
    case $order in
    "$work"*) grep -q counted "$work/out" || fails "the other library has not been called" ;;
    esac
done

# Another malloc: the command puts ours in front of it.
jemalloc=$(ldconfig -p 2>/dev/null | sed -n 's/.*libjemalloc\.so.* => //p' | head -1)
if [ -n "$jemalloc" ]; then
    timeout 60 env LD_PRELOAD="$jemalloc" "$GLEANER" run -o gctrace=1 -o trigger_bytes=64k \
        "$here/threads" c11_thread 2>"$work/out" || fails "gleaner run beside jemalloc: status $?"
    grep -q '^gleaner: gc ' "$work/out" || fails "gleaner run beside jemalloc: no collection"
fi
finish
