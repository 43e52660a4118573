# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: php: modules loaded with RTLD_DEEPBIND, objects, regular expressions, its own collector
# needs: /usr/bin/php
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

# As it comes, with an allocator of its own for what scripts use; and with all of it from malloc.
workload() {
    under -n 0 -p 'php*' /usr/bin/php "$scripts/work.php"
    USE_ZEND_ALLOC=0 under -n 2 -p 'php*' /usr/bin/php "$scripts/work.php"
}
