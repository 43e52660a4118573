# SPDX-License-Identifier: MIT
"""Sorts numbers, strings and tuples in several ways, with heaps and bisection beside."""

import bisect
import functools
import hashlib
import heapq
import random

rng = random.Random(37)
numbers = [rng.randrange(10**12) for _ in range(120000)]
words = ["".join(rng.choices("abcdefgh", k=rng.randrange(1, 20))) for _ in range(60000)]
digest = hashlib.sha256()

digest.update(repr(sorted(numbers)[::97]).encode())
digest.update(repr(sorted(numbers, key=lambda n: (n % 1000, -n))[::97]).encode())
digest.update(" ".join(sorted(words, key=str.swapcase)).encode())
digest.update(" ".join(sorted(set(words), key=lambda w: (len(w), w), reverse=True)).encode())
pairs = sorted(zip(words, numbers), key=functools.cmp_to_key(
    lambda a, b: (a[0] > b[0]) - (a[0] < b[0]) or a[1] - b[1]))
digest.update(repr(pairs[::31]).encode())

heap = []
for number in numbers:
    heapq.heappush(heap, number)
    if len(heap) > 5000:
        heapq.heappop(heap)
digest.update(repr([heapq.heappop(heap) for _ in range(5000)]).encode())
ordered = []
for number in numbers[:15000]:
    bisect.insort(ordered, number)
digest.update(repr(ordered[::7]).encode())
print("sorted", len(numbers), len(words), len(pairs), digest.hexdigest())
