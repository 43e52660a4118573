# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: java: compiled code, threads, its own heap beside malloc, two of its collectors
# needs: /usr/bin/java /usr/bin/javac
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/javac -d . "$scripts/Work.java"
}

workload() {
    under -n 1 -p java /usr/bin/java -XX:+UseSerialGC -Xmx200m -cp "$inputs" Work
    under -n 1 -p java /usr/bin/java -XX:+UseParallelGC -Xmx200m -XX:TieredStopAtLevel=1 -cp "$inputs" Work
}
