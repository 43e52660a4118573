# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: R: matrices, models, closures, data frames; its own collector runs over malloc
# needs: /usr/bin/Rscript
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 2 -p 'R*' /usr/bin/Rscript --vanilla "$scripts/work.R"
}
