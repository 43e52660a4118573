# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: openssl: keys and certificates, signatures, ciphers, a TLS server and its client
# needs: /usr/bin/openssl
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/openssl genrsa -out key.pem 2048 2> /dev/null
    head -c 2000000 /dev/zero | /usr/bin/openssl enc -aes-128-ctr -K 00 -iv 00 2> /dev/null > data
}

run() {
    under -n 0 /usr/bin/openssl "$@"
}

workload() {
    for digest in md5 sha1 sha256 sha3-512 blake2b512; do run dgst -$digest -r < "$inputs/data"; done
    for cipher in aes-256-cbc chacha20 camellia-128-cbc; do
        run enc -$cipher -pbkdf2 -pass pass:secret -S 0123456789abcdef -in "$inputs/data" -out sealed
        run enc -d -$cipher -pbkdf2 -pass pass:secret -S 0123456789abcdef -in sealed | digest $cipher
    done
    run rsa -in "$inputs/key.pem" -check -noout
    run dgst -sha256 -sign "$inputs/key.pem" -out signature "$inputs/data"
    digest signature < signature
    run rsa -in "$inputs/key.pem" -pubout -out public.pem
    run dgst -sha256 -verify public.pem -signature signature "$inputs/data"
    run req -x509 -new -key "$inputs/key.pem" -subj /CN=localhost -days 2 -out certificate.pem
    run verify -CAfile certificate.pem certificate.pem
    run ecparam -name prime256v1 -genkey -noout -out ec.pem
    run pkcs12 -export -inkey "$inputs/key.pem" -in certificate.pem -passout pass:x -out all.p12
    run pkcs12 -in all.p12 -passin pass:x -nodes -nocerts | run pkey -pubout | digest public

    # A server on a unix socket that ends after one connection.
    under -n 0 -p 'openssl*' /usr/bin/openssl s_server -unix socket -naccept 1 -key "$inputs/key.pem" \
        -cert certificate.pem -rev -quiet > server.log 2>&1 &
    for _ in {1..200}; do
        [ -S socket ] && break
        sleep 0.02
    done
    { echo "over the wire"; sleep 0.3; } | run s_client -unix socket -CAfile certificate.pem \
        -verify_return_error -quiet -no_ign_eof 2> client.log | sed -n 1p
    wait
}
