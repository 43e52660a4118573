# SPDX-License-Identifier: MIT
"""Prints a large C program, always the same one. It has a few warnings, on purpose."""

import random

rng = random.Random(53)
FUNCTIONS = 500

print("#include <stdio.h>\n#include <string.h>\nstruct node { struct node *next; int key[4]; };")
print("static unsigned long state = 1;")
for number in range(FUNCTIONS):
    unused = f"    int unused_{number} = {number};\n" if number % 100 == 99 else ""
    arms = "".join(f"    case {arm}: x = x * {rng.randrange(3, 99)}u + {rng.randrange(999)}u;"
                   " break;\n" for arm in range(rng.randrange(3, 9)))
    call = f"    x ^= f{rng.randrange(number)}(x / 7 + {number}u, n / 2);\n" if number else ""
    print(f"""
/* {'text ' * rng.randrange(20)}*/
static unsigned f{number}(unsigned x, int n)
{{
    struct node one = {{ 0, {{ n, {number}, 3, 4 }} }};
    char text[32];
{unused}    if (n <= 0)
        return x;
    for (int i = 0; i < n % {rng.randrange(4, 30)} + 1; i++) {{
        one.key[i & 3] += (int)(x >> (i & 7));
        x += (unsigned)one.key[(i + 1) & 3];
    }}
    switch (x % 11u) {{
{arms}    default: x = x << 3 | x >> 29; break;
    }}
{call}    snprintf(text, sizeof text, "%u-%d", x, {number});
    state = state * 31 + strlen(text);
    return x;
}}""")
print("int main(void)\n{\n    unsigned x = 1;")
for number in range(0, FUNCTIONS, 5):
    print(f"    x += f{number}(x, {number % 9});")
print('    printf("%u %lu\\n", x, state);\n    return 0;\n}')
