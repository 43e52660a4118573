# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: groff: a manual page and a page with tables, to text and to PostScript
# needs: /usr/bin/groff
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    cp "$here/../../doc/gleaner.1" page.1
    {
        echo '.TH TABLE 7 2020-01-01'
        for i in {1..30}; do
            printf '.SH SECTION %s\n.TS\nallbox; l c r.\n' "$i"
            for k in {1..20}; do printf 'row %s\tT{\nsome text\nT}\t%s\n' "$k" "$((i * k))"; done
            echo '.TE'
        done
    } > tables.7
}

workload() {
    under -n 0 -p '*troff' /usr/bin/groff -t -mandoc -Tutf8 "$inputs/page.1" | digest text
    under -n 0 -p '*troff' /usr/bin/groff -t -man -Tascii "$inputs/tables.7" | digest tables
    under -n 0 -p '*troff' /usr/bin/groff -t -man -Tps "$inputs/tables.7" | grep -v '^%%' | digest postscript
}
