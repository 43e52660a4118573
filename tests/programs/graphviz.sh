# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: graphviz: dot, neato and circo; fontconfig and pango behind them hide pointers
# needs: /usr/bin/dot /usr/bin/neato
# often: 2000
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/python3 "$scripts/make_graph.py" > graph.dot
}

workload() {
    under -p 'dot*' /usr/bin/dot -Tsvg "$inputs/graph.dot" | digest svg
    under -p 'dot*' /usr/bin/dot -Tplain "$inputs/graph.dot"
    under -p 'neato*' /usr/bin/neato -Gstart=7 -Gmaxiter=40 -Tplain "$inputs/graph.dot" | digest neato
    under -p 'dot*' /usr/bin/dot -Kcirco -Tjson "$inputs/graph.dot" | digest circo
}
