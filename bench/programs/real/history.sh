# SPDX-License-Identifier: MIT
# Reads and packs a repository: history.sh REPOSITORY (which it changes; give it a copy)
cd "$1" || exit 1
git log --stat --format='%h %an %s' | tail -n 20
git log -p --format=%H | git hash-object --stdin
git blame --line-porcelain HEAD -- src/file0.txt | git hash-object --stdin
git -c pack.threads=2 gc --quiet --aggressive --prune=now || exit 1
git fsck --full --no-progress || exit 1
git cat-file --batch-all-objects --batch-check | git hash-object --stdin
