# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: jq: groups, sorts and rewrites a large generated document
# needs: /usr/bin/jq
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_json.py" > data.json
}

workload() {
    under -n 2 /usr/bin/jq -S . "$inputs/data.json" | digest pretty
    under -n 2 /usr/bin/jq -c '
        group_by(.city) | map({city: .[0].city, n: length, sum: (map(.amount) | add),
                               names: (map(.name) | unique | length)}) | sort_by(-.sum) | .[:5][]
    ' "$inputs/data.json"
    under -n 2 /usr/bin/jq -r '
        [.[] | select(.tags | index("t7")) | .name |= (ascii_upcase | sub("(?<a>E+)"; "<\(.a)>"))]
        | length, (.[:4][] | @csv "\([.id, .name, .nested.deep[1]])")
    ' "$inputs/data.json"
    under -n 0 /usr/bin/jq '.[0].id | error("on purpose")' "$inputs/data.json" || echo "status $?"
}
