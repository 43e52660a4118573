# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: tar, zstd and pigz with threads, gzip, bzip2: packs and unpacks a tree of files
# needs: /usr/bin/tar /usr/bin/zstd /usr/bin/pigz /usr/bin/bzip2
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    mkdir tree
    /usr/bin/python3 "$scripts/make_log.py" > log
    head -c 4000000 log | split -b 30000 -d -a 3 - tree/part
    rm log
}

tar_options=(--sort=name --mtime=2020-01-01 --owner=0 --group=0 --numeric-owner --mode=644)

workload() {
    under -n 0 /usr/bin/tar "${tar_options[@]}" -C "$inputs" -cf all.tar tree
    digest tar < all.tar
    under -n 0 /usr/bin/zstd -q -T2 -9 all.tar -o all.zst
    under -n 0 /usr/bin/zstd -q -dc all.zst | digest zstd
    under -n 0 /usr/bin/pigz -p 3 -b 128 -n -c all.tar > all.gz
    digest pigz < all.gz
    under -n 0 /usr/bin/pigz -dc all.gz | digest unpacked
    under -n 0 /usr/bin/bzip2 -c all.tar | digest bzip2
    mkdir back
    under -n 0 -p 'tar*' /usr/bin/tar -C back -I 'pigz -d' -xf all.gz
    cat back/tree/* | digest files
}
