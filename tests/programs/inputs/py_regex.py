# SPDX-License-Identifier: MIT
"""Searches, splits and rewrites a generated log with many regular expressions."""

import collections
import hashlib
import random
import re

rng = random.Random(23)
LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]
lines = []
for number in range(25000):
    address = ".".join(str(rng.randrange(256)) for _ in range(4))
    path = "/".join(rng.choice(["img", "api", "user", "v1", "long-name"]) for _ in range(4))
    lines.append(f"2024-03-{rng.randrange(1, 29):02d} {address} {rng.choice(LEVELS)} "
                 f"GET /{path}?id={rng.randrange(99999)} took={rng.random():.6f}")
text = "\n".join(lines)

pattern = re.compile(r"^(?P<day>\S+) (?P<host>\d+\.\d+)\.\S+ (?P<level>[A-Z]+) .*took=(?P<t>\S+)$",
                     re.MULTILINE)
slowest = collections.defaultdict(list)
for match in pattern.finditer(text):
    slowest[match["level"], match["day"]].append((float(match["t"]), match["host"]))
for key in sorted(slowest)[:5]:
    print(key, len(slowest[key]), max(slowest[key]))

swapped = re.sub(r"(\d+)\.(\d+)\.(\d+)\.(\d+)", lambda m: ".".join(m.groups()[::-1]), text)
print("swapped", hashlib.sha256(swapped.encode()).hexdigest())
print("fields", sum(len(re.split(r"[ /?=]+", line)) for line in lines))
found = 0
for number in range(300):
    found += len(re.findall(rf"id={number}\d\b|v1/user\?id={number}", text[number * 900:][:90000]))
print("found", found)
