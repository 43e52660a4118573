# SPDX-License-Identifier: MIT
"""Prints a history for git fast-import: 700 commits to 40 files, and a branch beside."""

import random

rng = random.Random(71)
files = {f"src/file{i}.txt": [f"line {j} word {rng.randrange(999)}" for j in range(200)]
         for i in range(40)}


def commit(branch, number, parent, changed):
    message = f"change {number}\n\n{'reason ' * rng.randrange(30)}\n"
    print(f"commit refs/heads/{branch}\nmark :{number + 1}\n"
          f"author A {number % 5} <a{number % 5}@example.org> {1700000000 + number * 60} +0000\n"
          f"committer C <c@example.org> {1700000000 + number * 60} +0000\n"
          f"data {len(message)}\n{message}{parent}", end="")
    for name in sorted(changed):
        text = "\n".join(files[name]) + "\n"
        print(f"M 100644 inline {name}\ndata {len(text)}\n{text}")
    print()


for number in range(700):
    names = rng.sample(sorted(files), 5) if number else list(files)
    for name in names:
        for _ in range(4):
            files[name][rng.randrange(200)] = f"line {number} word {rng.randrange(999)}"
    commit("main", number, f"from :{number}\n" if number else "", names)
files["src/side.txt"] = ["beside"] * 50
commit("side", 700, "from :600\n", ["src/side.txt"])
