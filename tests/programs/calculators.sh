# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: bc, dc, m4 and ed: long numbers, macros that grow, a line editor
# needs: /usr/bin/bc /usr/bin/dc /usr/bin/m4 /usr/bin/ed
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 0 /usr/bin/bc -q <<< 'scale=300; 4*a(1); e(1); define f(n) { if (n < 2) return 1; return n * f(n - 1); }; f(300)' -l |
        digest bc
    under -n 0 /usr/bin/dc -e '3 2000 ^ 7 1500 ^ * d 10 ~ + p [d 1 - d 1 <a *] sa 2 500 ^ v p' | digest dc
    under -n 0 /usr/bin/m4 <<'END' | digest m4
define(`forloop', `pushdef(`$1', `$2')_forloop(`$1', `$2', `$3', `$4')popdef(`$1')')
define(`_forloop', `$4`'ifelse($1, `$3', `', `define(`$1', incr($1))$0($@)')')
define(`name', `item_$1`'format(`_%05d', eval($1 * $1 % 997))')
forloop(`i', `1', `3000', `name(i) ')
forloop(`i', `1', `500', `define(`var'i, name(i))defn(`var'i)')
END
    {
        echo a
        seq 1 5000
        printf '.\n1,$s/\\([0-9]\\)$/\\1 is last/\ng/7/m0\n1,10p\n$=\n1,2000d\nu\n$=\nw out\nq\n'
    } | under -n 0 /usr/bin/ed -s
    digest ed < out
}
