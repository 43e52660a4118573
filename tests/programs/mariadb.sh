# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: mariadbd: a server of many threads, told by its own start-up file what to do
# needs: /usr/sbin/mariadbd
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_mariadb.py" > work.sql
}

# --bootstrap: it reads statements, runs them and ends; no clients, and nothing to log in with.
workload() {
    mkdir data
    under -n 1 -p 'mariadbd*' /usr/sbin/mariadbd --no-defaults --bootstrap --user="$(id -un)" \
        --datadir="$PWD/data" --tmpdir="$PWD" --secure-file-priv= --skip-log-bin \
        --innodb-buffer-pool-size=8M --innodb-log-file-size=4M --innodb-flush-method=nosync \
        --lc-messages-dir=/usr/share/mysql/english < "$inputs/work.sql" 2> log
    cat data/work/result.* 2> /dev/null || cat log
    grep -iE 'signal|corrupt|assert' log || true
}
