#!/bin/bash
# SPDX-License-Identifier: MIT
# operator new and delete: all forms, replaced ones, and in a C++ library that comes late.
set -eu
. "$top_srcdir/tests/malloc/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
try cxx
try cxx_replaced
$CXX -std=c++17 -shared -fPIC -O1 -w -o "$work/module.so" "$top_srcdir/tests/malloc/cxx_module.cc"
try late_cxx "$work/module.so"

# With a bounded heap, the same exception comes from a heap that is really full.
cat >"$work/full.cc" <<'END'
#include <cstdio>
#include <new>
#include <vector>
int main()
{
    std::vector<char *> kept;
    kept.reserve(100000);
    try {
        for (;;) {
            kept.push_back(new char[10000]);
        }
    } catch (const std::bad_alloc &) {
        std::printf("full\n");
    }
    char *none = new (std::nothrow) char[1 << 20];
    __asm__ volatile("" : "+r"(none)); /* or clang leaves the allocation out, and takes it for good */
    for (char *p : kept) {
        delete[] p;
    }
    char *again = new char[1 << 20];
    delete[] again;
    return none != nullptr || kept.size() < 500;
}
END
$CXX -std=c++17 -O1 -w -o "$work/full" "$work/full.cc"
for mode in malloc collect; do
    output=$(preloaded $mode heap_max=20m "$work/full") || fails "a full heap, mode $mode: status $?"
    [ "$output" = full ] || fails "a full heap, mode $mode: no std::bad_alloc"
done
finish
