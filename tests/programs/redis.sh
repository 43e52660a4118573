# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: redis-server under redis-benchmark, with background saves (fork), restarted from its file
# needs: /usr/bin/redis-server /usr/bin/redis-benchmark /usr/bin/redis-cli
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

# Only this case's own unix socket and folder: no port, no configuration of the system.
socket=redis.socket

server() {
    under -n 2 -p 'redis-*' /usr/bin/redis-server --port 0 --unixsocket "$socket" --dir . \
        --save '' --logfile server.log --enable-debug-command yes --daemonize no &
    for _ in {1..200}; do
        [ "$(client ping 2> /dev/null)" = PONG ] && return
        sleep 0.05
    done
    cat server.log >&2
    return 1
}

client() {
    /usr/bin/redis-cli -s "$socket" "$@"
}

background_save() {
    client bgsave
    while client info persistence | grep -q rdb_bgsave_in_progress:1; do sleep 0.02; done
    client info persistence | tr -d '\r' | grep rdb_last_bgsave_status
}

benchmark() {
    under -n 0 -p 'redis-*' /usr/bin/redis-benchmark -s "$socket" -q -c 20 -P 16 -r 20000 "$@" \
        > benchmark.log 2>&1 || cat benchmark.log >&2
}

prepare() {
    /usr/bin/python3 "$scripts/make_commands.py" > commands.txt
}

workload() {
    server
    benchmark -n 120000 -d 100 -t set,get,incr,lpush,rpop,sadd,hset,zadd,spop,mset &
    local load=$!
    for _ in 1 2 3; do
        sleep 0.2
        background_save
    done
    wait "$load"
    client flushall
    client --pipe < "$inputs/commands.txt"
    client debug digest
    client dbsize
    client lrange list 0 4
    client eval 'local n = 0 for i = 1, 50000 do n = n + #redis.call("get", "key:1") end return n' 0
    background_save
    client shutdown nosave
    wait

    server
    client debug digest
    client memory doctor > /dev/null
    client object encoding list
    client flushall async
    client shutdown nosave
    wait
}
