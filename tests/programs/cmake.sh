# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: cmake and make: configure a project, build it with two jobs
# needs: /usr/bin/cmake /usr/bin/make /usr/bin/gcc
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    local i
    for i in {1..12}; do echo "int f$i(void) { return $i; }" > "f$i.c"; done
    {
        for i in {1..12}; do echo "int f$i(void);"; done
        echo "#include <stdio.h>"
        echo "int main(void) { printf(\"%d\\n\", f1() + f12()); return 0; }"
    } > main.c
    cat > CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.10)
project(numbers C)
set(names "")
foreach(i RANGE 1 12)
    list(APPEND names f${i}.c)
    foreach(k RANGE 1 400)
        math(EXPR value "${i} * ${k} % 17")
        set(table_${i}_${k} "${value}")
        string(REGEX REPLACE "([0-9])" "<\\1>" value "${value}")
    endforeach()
endforeach()
add_library(numbers STATIC ${names})
add_executable(main main.c)
target_link_libraries(main numbers)
message(STATUS "table ${table_12_400}")
END
}

workload() {
    under -n 1 -p 'cmake*' /usr/bin/cmake -S "$inputs" -B build > log 2>&1
    grep -e table -e 'generating done' -i log
    under -n 0 -p 'make*' /usr/bin/make -C build --no-print-directory -j 2 > log 2>&1 || cat log
    grep -c Building log
    build/main
}
