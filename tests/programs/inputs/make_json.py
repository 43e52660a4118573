# SPDX-License-Identifier: MIT
"""Prints a JSON array of 12,000 objects, always the same one."""

import json
import random

rng = random.Random(61)
print(json.dumps([{
    "id": number, "name": "".join(rng.choices("abcdeé ", k=rng.randrange(4, 30))),
    "city": f"city {rng.randrange(80)}", "amount": rng.randrange(100000),
    "tags": [f"t{rng.randrange(12)}" for _ in range(rng.randrange(6))],
    "nested": {"deep": [rng.random() > 0.5, rng.randrange(9), None, {"z": "text" * 5, "a": {}}]},
} for number in range(12000)]))
