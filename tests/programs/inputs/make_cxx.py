# SPDX-License-Identifier: MIT
"""Prints a C++ program that makes the compiler instantiate many templates."""

import random

rng = random.Random(59)
KEYS = ["int", "std::string", "long", "std::pair<int, int>"]

print("""#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

template <int N> struct power { static constexpr unsigned value = 3 * power<N - 1>::value + N; };
template <> struct power<0> { static constexpr unsigned value = 1; };
template <typename K, int N> struct table {
    std::map<K, std::vector<std::unique_ptr<K>>> entries;
    void add(const K &key) { entries[key].push_back(std::make_unique<K>(key)); }
    template <typename F> unsigned sum(F f) const
    {
        unsigned total = power<N>::value;
        for (const auto &[key, list] : entries)
            total += std::count_if(list.begin(), list.end(), [&](const auto &p) { return f(*p); });
        return total;
    }
};
""")
for number in range(45):
    key = rng.choice(KEYS)
    depth = rng.randrange(20, 200)
    print(f"""static unsigned f{number}(unsigned x)
{{
    table<{key}, {depth}> t;
    std::function<unsigned(unsigned)> next = [x](unsigned y) {{ return x * {depth}u + y; }};
    for (unsigned i = 0; i < 20; i++)
        t.add({key}{{}});
    return t.sum([&](const {key} &k) {{ return k == {key}{{}} && next(x) % 2 == 0; }});
}}
""")
print("int main()\n{\n    unsigned x = 1;")
for number in range(45):
    print(f"    x = x * 7 + f{number}(x);")
print('    std::printf("%u\\n", x);\n}')
