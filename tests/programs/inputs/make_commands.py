# SPDX-License-Identifier: MIT
"""Prints redis commands that fill a database with every type of value, always the same ones."""

import random

rng = random.Random(79)
for number in range(25000):
    print(f"SET key:{number} {'v' * rng.randrange(300)}{number}")
for number in range(15000):
    print(f"HSET hash:{number % 300} field{rng.randrange(5000)} {'h' * rng.randrange(90)}x")
    print(f"ZADD zset:{number % 20} {rng.randrange(10**6)} member{rng.randrange(9000)}")
    print(f"RPUSH list {'l' * rng.randrange(60)}{number}")
    print(f"SADD set:{number % 50} {rng.randrange(10**6)}")
for number in range(0, 25000, 3):
    print(f"DEL key:{number}")
for number in range(1, 25000, 9):
    print(f"APPEND key:{number} {'a' * 200}")
