#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs into a temporary folder, and builds and runs small programs there in each way that a
# user would: pkg-config, the static archive, CMake, Autoconf. Then uninstalls: nothing may stay.
set -eu

if [ ! -e "$GLEANER_PRELOAD" ] && [ -e "${GLEANER_PRELOAD%.so}.a" ]; then
    echo "skipped: configured with --disable-shared"
    exit 77
fi
if [ -n "${GL_SANITIZE-}" ]; then
    echo "skipped: programs of others are not built with a sanitizer"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
make=${MAKE:-make}

step() {
    echo "--- $*"
}

step "make install DESTDIR="
"$make" -C "$top_builddir" --no-print-directory install DESTDIR="$root" >"$work/install.log" 2>&1 ||
    { cat "$work/install.log"; exit 1; }
pc=$(find "$root" -name gleaner.pc)
libdir=$(dirname "$(dirname "$pc")")
version=$(sed -n 's/^Version: //p' "$pc")
export PKG_CONFIG_LIBDIR=$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1

# Prints the version, and whether malloc is on the collected heap.
cat >"$work/program.c" <<'END'
#include <gleaner/gc.h>
#include <gleaner/roots.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *text = gc_strdup("kept");
    void *other = malloc(100);
    gc_collect();
    if (text == NULL || strcmp(text, "kept") != 0 || gc_base(text) != text) {
        return 1;
    }
    printf("%s %s\n", gc_version(), gc_base(other) == other ? "one heap" : "two heaps");
    free(other);
    return 0;
}
END

# expect "one heap"|"two heaps" COMMAND...: the program says its version and this.
expect() {
    wanted="$version $1"
    shift
    got=$(env LD_LIBRARY_PATH="$libdir" "$@") || { echo "failed: $*"; exit 1; }
    if [ "$got" != "$wanted" ]; then
        echo "$*: '$got' in place of '$wanted'"
        exit 1
    fi
}

cd "$work"
cc=${CC:-cc}
warnings="-std=c11 -Wall -Wextra -Wpedantic -Werror"
# The lists of flags below are split on purpose.
step "pkg-config, shared"
$cc $warnings $(pkg-config --cflags gleaner) program.c -o plain $(pkg-config --libs gleaner)
expect "two heaps" ./plain
expect "one heap" "LD_PRELOAD=$libdir/libgleaner-malloc.so" ./plain
readelf -d plain | grep -qF '[libgleaner.so.1]' || { echo "the soname is not 1"; exit 1; }
readelf -V plain | grep -q 'Name: GLEANER_1' || { echo "no version node is asked for"; exit 1; }
nm -D plain | grep -q 'U gleaner_gc_collect' || { echo "the label is missing"; exit 1; }

step "pkg-config, the malloc library"
$cc $warnings $(pkg-config --cflags gleaner-malloc) program.c -o full \
    $(pkg-config --libs gleaner-malloc)
expect "one heap" ./full

step "C++"
${CXX:-c++} -x c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror \
    $(pkg-config --cflags gleaner-malloc) program.c -o cxx $(pkg-config --libs gleaner-malloc)
expect "one heap" ./cxx

if [ -e "$libdir/libgleaner.a" ]; then
    step "the static archives"
    $cc $warnings $(pkg-config --cflags gleaner) program.c -o static "$libdir/libgleaner.a" -pthread
    expect "two heaps" ./static
    $cc $warnings $(pkg-config --cflags gleaner) program.c -o static-full \
        "$libdir/libgleaner-malloc.a" -pthread
    expect "one heap" ./static-full
fi

if command -v cmake >/dev/null; then
    step "CMake"
    mkdir cmake
    cp program.c cmake
    cat >cmake/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.13)
project(consumer C)
find_package(Gleaner 0.1 REQUIRED)
add_executable(plain program.c)
target_link_libraries(plain Gleaner::gleaner)
add_executable(full program.c)
target_link_libraries(full Gleaner::malloc)
END
    cmake -S cmake -B cmake/build "-DGleaner_DIR=$libdir/cmake/Gleaner" >cmake.log 2>&1 &&
        cmake --build cmake/build >>cmake.log 2>&1 || { cat cmake.log; exit 1; }
    expect "two heaps" ./cmake/build/plain
    expect "one heap" ./cmake/build/full
    sed -i 's/Gleaner 0.1/Gleaner 9.0/' cmake/CMakeLists.txt
    if cmake -S cmake -B cmake/other "-DGleaner_DIR=$libdir/cmake/Gleaner" >/dev/null 2>&1; then
        echo "CMake takes this for version 9.0"
        exit 1
    fi
fi

if command -v autoconf >/dev/null && command -v aclocal >/dev/null; then
    step "Autoconf"
    mkdir autoconf
    cd autoconf
    cat >configure.ac <<'END'
AC_INIT([consumer], [1])
AC_PROG_CC
GLEANER_CHECK
AC_CONFIG_FILES([flags])
AC_OUTPUT
END
    echo 'cflags="@GLEANER_CFLAGS@" libs="@GLEANER_LIBS@" malloc_libs="@GLEANER_MALLOC_LIBS@"' \
        >flags.in
    m4=$(dirname "$(find "$root" -name gleaner.m4)")
    { aclocal -I "$m4" && autoconf && ./configure "CC=$cc"; } >log 2>&1 || { cat log; exit 1; }
    . ./flags
    $cc $cflags ../program.c -o plain $libs
    expect "two heaps" ./plain
    $cc $cflags ../program.c -o full $malloc_libs
    expect "one heap" ./full
    sed 's/GLEANER_CHECK/GLEANER_CHECK([], [AC_MSG_ERROR([too old])], [9.0])/' -i configure.ac
    rm -rf autom4te.cache # its times have a resolution of a second
    autoconf --force
    if ./configure "CC=$cc" >/dev/null 2>&1; then
        echo "GLEANER_CHECK takes this for version 9.0"
        exit 1
    fi
    cd ..
fi

step "make uninstall"
"$make" -C "$top_builddir" --no-print-directory uninstall DESTDIR="$root" >"$work/uninstall.log" 2>&1
rest=$(find "$root" ! -type d)
if [ -n "$rest" ]; then
    echo "left behind:"
    echo "$rest"
    exit 1
fi
echo "consumers: all built, ran, and nothing stayed"
