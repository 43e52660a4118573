# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: postgresql: makes a cluster, runs queries in several sessions, with parallel workers
# needs: /usr/lib/postgresql/*/bin/initdb /usr/bin/psql /usr/bin/setpriv
# timeout: 120
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

# The server refuses to run as root.
as_user=()
if [ "$(id -u)" = 0 ]; then
    as_user=(/usr/bin/setpriv --reuid postgres --regid postgres --clear-groups)
fi

binaries() {
    printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1
}

client() {
    under -n 0 -p 'psql*' /usr/bin/psql -X -q -A -t -h "$PWD/data" -U tester -d postgres -v ON_ERROR_STOP=1 "$@"
}

# Its own folder is closed to all others; what the server of a mode leaves in it is not compared.
workload() {
    mkdir -m 777 data
    [ ${#as_user[@]} = 0 ] || chown postgres data
    under -n 0 -p 'postgres*' "${as_user[@]}" "$(binaries)/initdb" -D "$PWD/data" -U tester -A trust \
        -E UTF8 --no-locale --no-sync --no-instructions > initdb.log
    under -n 1 -p 'postgres*' "${as_user[@]}" "$(binaries)/postgres" -D "$PWD/data" -h '' -k "$PWD/data" \
        -c fsync=off -c max_parallel_workers_per_gather=2 -c shared_buffers=16MB -c min_parallel_table_scan_size=0 \
        -c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c jit=off > server.log 2>&1 &
    for _ in {1..300}; do
        "$(binaries)/pg_isready" -q -U tester -d postgres -h "$PWD/data" && break
        sleep 0.02
    done
    client -f "$scripts/work_pg.sql"
    for i in 1 2 3 4; do
        client -c "insert into log select $i, g from generate_series(1, 2000) g; select sum(length(repeat(md5(n::text), 20))) from numbers where n % 4 = $i - 1" > "session.$i" &
        sessions[i]=$!
    done
    wait "${sessions[@]}"
    cat session.*
    client -c 'select who, count(*), sum(what) from log group by who order by who'
    kill -INT "$(head -n 1 data/postmaster.pid)"
    wait
    grep -E 'FATAL|PANIC|terminated|crash' server.log | grep -v 'starting up' || true
}
