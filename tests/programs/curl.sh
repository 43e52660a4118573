# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: curl: many transfers at once from a local server
# needs: /usr/bin/curl /usr/bin/python3
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    mkdir files
    /usr/bin/python3 "$scripts/make_log.py" | split -b 20000 -d -a 3 - files/part
}

workload() {
    /usr/bin/python3 "$scripts/serve.py" "$inputs/files" address &
    local server=$!
    for _ in {1..200}; do
        [ -s address ] && break
        sleep 0.02
    done
    local base names
    base=$(cat address)
    under -n 0 /usr/bin/curl --silent --fail "$base/part[000-020]" | digest row
    names=$(printf "$base/part%03d\n" {0..20} | sed 's/.*/url = "&"\noutput = "&"/; s#output = ".*/#output = "#')
    under -n 0 /usr/bin/curl --silent --fail --no-progress-meter --parallel --parallel-max 8 --config - <<< "$names"
    cat part0* | digest parallel
    under -n 0 /usr/bin/curl --silent --include "$base/nothing" | sed -n 1p
    kill "$server"
    wait "$server" || true
}
