# SPDX-License-Identifier: MIT
"""Builds nested documents, writes and reads them as JSON, and drops most of them again."""

import hashlib
import json
import random

rng = random.Random(11)
WORDS = ["alpha", "beta", "gamma \u03b3", "delta\n", "quote\"", "\U0001f600 face", "", "x" * 700]


def document(depth):
    if depth == 0:
        return rng.choice([None, True, rng.random(), rng.randrange(10**18), rng.choice(WORDS)])
    if rng.random() < 0.5:
        return [document(depth - 1) for _ in range(rng.randrange(2, 7))]
    return {f"{rng.choice(WORDS)[:9]}{i}": document(depth - 1) for i in range(rng.randrange(2, 7))}


digest = hashlib.sha256()
kept = []
for turn in range(40):
    text = json.dumps(document(6), indent=turn % 3 or None, sort_keys=turn % 2 == 0)
    again = json.loads(text)
    assert json.loads(json.dumps(again)) == again
    digest.update(text.encode())
    if turn % 8 == 0:
        kept.append(again)
print("documents", len(kept), "bytes", sum(len(json.dumps(one)) for one in kept))
print("digest", digest.hexdigest())
