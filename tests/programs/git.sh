# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: git: clone, log, blame, repack and gc of a generated local repository
# needs: /usr/bin/git
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    /usr/bin/git init -q --bare -b main origin.git
    /usr/bin/python3 "$scripts/make_history.py" | /usr/bin/git -C origin.git fast-import --quiet
}

workload() {
    export GIT_AUTHOR_NAME=one GIT_AUTHOR_EMAIL=one@example.org GIT_AUTHOR_DATE="1700500000 +0000"
    export GIT_COMMITTER_NAME=two GIT_COMMITTER_EMAIL=two@example.org
    export GIT_COMMITTER_DATE="1700500000 +0000"
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=pack.threads GIT_CONFIG_VALUE_0=2
    under -p git /usr/bin/git clone -q "file://$inputs/origin.git" copy
    cd copy
    under -n 0 /usr/bin/git status
    under /usr/bin/git log --stat --format='%H %an %s' | digest log
    under /usr/bin/git log -p --all -S'word 77' --format=%h | digest pickaxe
    under /usr/bin/git blame -s src/file3.txt | digest blame
    under /usr/bin/git diff --stat main~150 main
    under -n 0 /usr/bin/git merge -q --no-edit -m merged origin/side
    under -n 0 /usr/bin/git rev-list --objects --all | sort | digest objects
    under -p git /usr/bin/git repack -q -a -d -f
    under -p git /usr/bin/git gc -q --prune=now
    under /usr/bin/git fsck --full --strict
    under -n 0 /usr/bin/git rev-list --objects --all | sort | digest objects
    under /usr/bin/git archive --format=tar main | digest archive
    under -n 0 /usr/bin/git checkout -q no-such-branch || echo "status $?"
}
