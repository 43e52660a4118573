# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: xmllint: parses, formats, validates and queries a large generated document
# needs: /usr/bin/xmllint
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_xml.py" > data.xml
}

workload() {
    under -n 2 /usr/bin/xmllint --format "$inputs/data.xml" | digest format
    under -n 2 /usr/bin/xmllint --noout --valid "$inputs/data.xml"
    under -n 2 /usr/bin/xmllint --c14n "$inputs/data.xml" | digest c14n
    under -n 2 /usr/bin/xmllint --xpath 'sum(//item[@kind="b"]/price)' "$inputs/data.xml"
    under -n 2 /usr/bin/xmllint --xpath '//item[position() mod 4001 = 7]' "$inputs/data.xml"
    under -n 0 /usr/bin/xmllint --stream --noout "$inputs/data.xml"
    head -c 300000 "$inputs/data.xml" > broken.xml
    under -n 1 /usr/bin/xmllint --recover broken.xml 2> errors | digest recovered
    digest errors < errors
    under -n 0 /usr/bin/xmllint --noout broken.xml || echo "status $?"
}
