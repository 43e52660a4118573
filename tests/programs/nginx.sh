# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: nginx: a master and workers that drop their privileges, under load, with reloads
# needs: /usr/sbin/nginx /usr/bin/curl
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

# No port: nginx listens on a unix socket in this case's own folder, and passes on to itself.
prepare() {
    mkdir files
    /usr/bin/python3 "$scripts/make_log.py" > files/log
    head -c 1000 files/log > files/short
    echo '<!--#include virtual="/short" --><!--#echo var="REQUEST_URI" -->' > files/page
}

configure() {
    cat <<END
daemon off;
worker_processes 2;
pid $PWD/pid;
error_log $PWD/errors notice;
events { worker_connections 64; }
http {
    access_log $PWD/access;
    default_type text/plain;
    gzip on; gzip_min_length 100; gzip_types *;
    client_body_temp_path $PWD/temporary; proxy_temp_path $PWD/temporary;
    fastcgi_temp_path $PWD/temporary; uwsgi_temp_path $PWD/temporary; scgi_temp_path $PWD/temporary;
    server {
        listen unix:$PWD/socket;
        root $inputs/files;
        location = /page { ssi on; ssi_types *; }
        location /again/ { proxy_pass http://unix:$PWD/socket:/; }
    }
}
END
}

fetch() {
    /usr/bin/curl --silent --show-error --fail --unix-socket socket "$@"
}

# Many requests over few connections: each of curl's ranges is a request.
load() {
    fetch "http://localhost/short?[1-60]" | digest short
    fetch --compressed "http://localhost/again/log?[1-2]" | digest passed-on
    fetch "http://localhost/page?[1-40]" | digest page
}

workload() {
    configure > conf
    chmod 777 .
    under -n 1 -p 'nginx*' /usr/sbin/nginx -p "$PWD" -c "$PWD/conf" &
    for _ in {1..200}; do
        [ -S socket ] && [ -s pid ] && break
        sleep 0.02
    done
    local master
    master=$(cat pid)
    load
    for _ in 1 2; do
        load > load.log & # while the configuration is loaded anew
        local client=$!
        kill -HUP "$master"
        wait "$client"
        cat load.log
    done
    /usr/bin/curl --silent --unix-socket socket --data-binary @"$inputs/files/log" \
        --output answer --write-out 'a post: %{http_code}\n' http://localhost/short
    kill -QUIT "$master"
    wait
    grep -cE '\[(error|crit|alert|emerg)\]|exited (on|with code [^0])' errors || true
}
