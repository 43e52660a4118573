#!/bin/bash
# SPDX-License-Identifier: MIT
# The preloaded library is what the program, libc itself and the C++ library really call: checked
# with the dynamic loader's own account of which reference it bound to which library.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
library=$GLEANER_PRELOAD
if [ ! -e "$GLEANER_PRELOAD" ] && [ -e "${GLEANER_PRELOAD%.so}.a" ]; then
    echo "skipped: configured with --disable-shared"
    exit 77
fi
if [ -n "${GL_SANITIZE-}" ]; then
    echo "skipped: a sanitizer brings its own malloc"
    exit 77
fi

cat >"$work/program.cc" <<'END'
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>

int main()
{
    std::string text(100, 'x');
    char *copy = strdup(text.c_str());
    std::thread thread([] { std::free(std::calloc(10, 10)); });
    thread.join();
    std::FILE *file = std::fopen("/dev/null", "w");
    std::fputs(copy, file);
    std::fclose(file);
    void *grown = std::realloc(copy, 1000);
    std::free(grown);
    int *one = new (std::nothrow) int(1);
    delete one;
    try {
        volatile std::size_t huge = static_cast<std::size_t>(-1) / 2;
        char *block = new char[huge];
        std::printf("%p\n", static_cast<void *>(block));
        return 1;
    } catch (const std::bad_alloc &) {
        std::puts("caught");
    }
    return 0;
}
END
${CXX:-c++} -std=c++17 -O1 -w "$work/program.cc" -o "$work/program" -pthread

# bound WHO NAME LIBRARY: whether a reference of WHO to NAME went to this library.
bound() {
    grep -q "binding file [^ ]*$1[^ ]* \[0\] to $3 \[0\]: normal symbol \`$2'" "$work"/log.*
}

# account LIBRARY: runs the program with this library preloaded, and keeps the loader's account.
account() {
    rm -f "$work"/log.*
    LD_BIND_NOW=1 LD_DEBUG=bindings LD_DEBUG_OUTPUT=$work/log LD_PRELOAD=$1 \
        "$work/program" >"$work/output"
}

account "$library"
n_faults=0
if ! grep -qx caught "$work/output"; then
    echo "operator new did not throw std::bad_alloc through the library"
    n_faults=$((n_faults + 1))
fi
expect() {
    if ! bound "$1" "$2" "$library"; then
        echo "a reference of $1 to $2 is not bound to the preloaded library"
        n_faults=$((n_faults + 1))
    fi
}
for name in malloc calloc realloc free; do
    expect 'libc\.so' "$name"
    expect program "$name" # the loader's own references count for the program
done
for name in malloc free _Znwm _ZdlPv; do
    expect 'libstdc++' "$name"
done
expect program _Znwm
expect program _ZnwmRKSt9nothrow_t

# The check itself: the same definition under a version of ours is one that the loader refuses.
cat >"$work/own.c" <<'END'
extern void *__libc_malloc(unsigned long size);
void *malloc(unsigned long size);
void *malloc(unsigned long size)
{
    return __libc_malloc(size);
}
END
echo 'GLEANER_1 { global: malloc; };' >"$work/own.map"
${CC:-cc} -shared -fPIC -w "$work/own.c" -o "$work/base.so"
${CC:-cc} -shared -fPIC -w "$work/own.c" -o "$work/own.so" "-Wl,--version-script=$work/own.map"
account "$work/base.so"
if ! bound 'libstdc++' malloc "$work/base.so"; then
    echo "the check does not see a definition that the loader takes"
    n_faults=$((n_faults + 1))
fi
account "$work/own.so"
if bound 'libstdc++' malloc "$work/own.so"; then
    echo "the check takes a definition that the loader refuses for one that it takes"
    n_faults=$((n_faults + 1))
fi
echo "interpose: $n_faults faults"
exit $((n_faults > 0))
