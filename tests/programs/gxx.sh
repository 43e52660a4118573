# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: g++: compiles a large generated C++ file full of templates, and links it
# needs: /usr/bin/g++
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_cxx.py" > large.cc
}

workload() {
    cp "$inputs/large.cc" .
    under -p cc1plus -n 2 /usr/bin/g++ -std=c++17 -Wall -O1 -c large.cc -o large.o
    digest object < large.o
    under -n 0 /usr/bin/g++ large.o -o large
    ./large
}
