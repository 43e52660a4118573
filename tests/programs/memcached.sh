# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: memcached: four worker threads, expiry, eviction, under load by several clients
# needs: /usr/bin/memcached /usr/bin/python3
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    # Its own user, where it may not be root.
    under -n 0 -p 'memcached*' /usr/bin/memcached -u "$(id -un)" -s "$PWD/socket" -a 0700 -t 4 -m 8 \
        -P "$PWD/pid" &
    for _ in {1..200}; do
        [ -S socket ] && [ -s pid ] && break
        sleep 0.02
    done
    /usr/bin/python3 "$scripts/memcached_load.py" socket
    kill -TERM "$(cat pid)"
    wait
}
