# SPDX-License-Identifier: MIT
"""Prints a log of 80,000 lines, always the same one."""

import random

rng = random.Random(41)
for number in range(80000):
    print(f"{number} host{rng.randrange(600)} {rng.choice('GET PUT POST'.split())} "
          f"/{rng.randrange(30000):x}/{'p' * rng.randrange(30)} {rng.randrange(200, 600)} "
          f"{rng.randrange(10**6)} \"agent {rng.randrange(50)}\"")
