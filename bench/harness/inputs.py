# SPDX-License-Identifier: MIT
"""Inputs of the real programs, made here, the same on every machine.

A workload names an input as {name:size}; the function of that name below writes it. Inputs are
made once and kept in the work directory; their file name carries a digest of this file, so that
a changed generator makes new ones.
"""
import hashlib
import json
import os
import random
import shutil
import subprocess


def words(rng, count):
    """`count` made-up words; common ones are short."""
    syllables = ["ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo"]
    return ["".join(rng.choice(syllables) for _ in range(1 + i * 4 // count + rng.randrange(2)))
            for i in range(count)]


def sentence(rng, vocabulary, length):
    last = len(vocabulary) - 1
    return " ".join(vocabulary[int(last * rng.random() ** 3)] for _ in range(length))


def text(path, lines):
    rng = random.Random(1)
    vocabulary = words(rng, 20000)
    with open(path, "w", encoding="ascii") as out:
        for _ in range(lines):
            out.write(sentence(rng, vocabulary, rng.randrange(5, 15)) + "\n")


def record(rng, vocabulary, number):
    return {
        "id": number,
        "name": sentence(rng, vocabulary, 2),
        "price": rng.randrange(100000) / 100,
        "tags": [vocabulary[rng.randrange(50)] for _ in range(rng.randrange(5))],
        "address": {"street": sentence(rng, vocabulary, 3), "number": rng.randrange(500),
                    "position": [rng.randrange(-90000, 90000) / 1000,
                                 rng.randrange(-180000, 180000) / 1000]},
        "note": sentence(rng, vocabulary, rng.randrange(12)) if rng.random() < 0.7 else None,
    }


def records(path, count):
    rng = random.Random(2)
    vocabulary = words(rng, 5000)
    with open(path, "w", encoding="ascii") as out:
        json.dump([record(rng, vocabulary, number) for number in range(count)], out)


def xml(path, count):
    rng = random.Random(3)
    vocabulary = words(rng, 3000)
    with open(path, "w", encoding="ascii") as out:
        out.write('<?xml version="1.0"?>\n<library>')
        for number in range(count):
            out.write('<book id="b%d" shelf="%d"><title>%s</title>'
                      % (number, number % 40, sentence(rng, vocabulary, 4)))
            for _ in range(rng.randrange(1, 4)):
                out.write("<author><name>%s</name><born>%d</born></author>"
                          % (sentence(rng, vocabulary, 2), rng.randrange(1800, 2000)))
            out.write("<text>%s</text></book>" % sentence(rng, vocabulary, rng.randrange(20)))
        out.write("</library>\n")


C_FUNCTION = """
struct record%(n)d { int key; double weight; struct record%(n)d *next; char name[%(name)d]; };

int find%(n)d(struct record%(n)d *list, int key, double *total)
{
    int found = 0;
    for (struct record%(n)d *r = list; r; r = r->next) {
        if (r->key == key) { found++; *total += r->weight * %(factor)d; }
        else if (r->key %% %(mod)d == 0) *total -= r->name[r->key & 7] / (double)(key | 1);
        for (int i = 0; i < %(loop)d; i++)
            r->weight += (r->key ^ i) * 0.5 + (i & 3 ? table%(table)d[i & 7] : -1);
    }
    switch (key %% 5) {
    case 0: return found + helper%(helper)d(key, 3);
    case 1: return found - helper%(helper)d(found, key);
    case 2: *total = -*total; break;
    default: found *= 2;
    }
    return found;
}
"""


def c_source(path, functions):
    rng = random.Random(4)
    with open(path, "w", encoding="ascii") as out:
        for n in range(10):
            out.write("static int table%d[8] = {%s};\n"
                      % (n, ", ".join(str(rng.randrange(1000)) for _ in range(8))))
            out.write("static int helper%d(int a, int b)\n{\n    int c = a * %d + b;\n"
                      "    while (c > b + 7) c -= b & 15 ? 3 : 5;\n    return c ^ table%d[a & 7];"
                      "\n}\n" % (n, rng.randrange(3, 50), n))
        for n in range(functions):
            out.write(C_FUNCTION % {"n": n, "name": 8 + rng.randrange(60),
                                    "factor": rng.randrange(2, 90), "mod": rng.randrange(2, 20),
                                    "loop": rng.randrange(2, 40), "table": rng.randrange(10),
                                    "helper": rng.randrange(10)})


CXX_CLASS = """
struct Item%(n)d { int id; std::string name; std::vector<double> values; };
bool operator<(const Item%(n)d &a, const Item%(n)d &b) { return a.id < b.id; }

double work%(n)d(const std::vector<int> &input)
{
    std::map<std::string, std::vector<Item%(n)d>> groups;
    std::set<Item%(n)d> all;
    for (int i : input) {
        Item%(n)d item{i, "item " + std::to_string(i %% %(mod)d), {1.0 * i, %(a)d.5}};
        groups[item.name].push_back(item);
        all.insert(std::move(item));
    }
    std::function<double(double)> scale = [&](double x) { return x * %(b)d + all.size(); };
    double sum = 0;
    for (auto &[name, items] : groups) {
        std::sort(items.begin(), items.end(), [](auto &x, auto &y) { return y < x; });
        sum += scale(std::accumulate(items.begin(), items.end(), 0.0,
            [](double s, const Item%(n)d &item) { return s + item.values[1] * item.id; }));
    }
    return sum;
}
"""


def cxx_source(path, classes):
    rng = random.Random(5)
    with open(path, "w", encoding="ascii") as out:
        for header in ("algorithm", "functional", "map", "numeric", "set", "string", "vector"):
            out.write("#include <%s>\n" % header)
        for n in range(classes):
            out.write(CXX_CLASS % {"n": n, "mod": rng.randrange(2, 99),
                                   "a": rng.randrange(100), "b": rng.randrange(2, 100)})


def sql(path, count):
    script = os.path.join(os.path.dirname(os.path.dirname(__file__)), "programs", "real", "mix.sql")
    with open(script, encoding="ascii") as source, open(path, "w", encoding="ascii") as out:
        out.write("CREATE TABLE size AS SELECT %d AS count;\n" % count)
        shutil.copyfileobj(source, out)


def redis(path, count):
    """Commands in redis's own protocol, for redis-cli --pipe."""
    rng = random.Random(6)
    with open(path, "wb") as out:
        for number in range(count):
            key = b"%d" % rng.randrange(count // 4 + 1)
            value = b"x" * rng.randrange(10, 200) + b"%d" % number
            command = rng.choice([
                (b"SET", b"s" + key, value),
                (b"HSET", b"h" + key, b"field%d" % rng.randrange(30), value),
                (b"RPUSH", b"l%d" % rng.randrange(100), value),
                (b"ZADD", b"z%d" % rng.randrange(100), b"%d" % rng.randrange(1000), key),
                (b"APPEND", b"s" + key, value[:20]),
                (b"DEL", b"s" + key),
            ])
            out.write(b"*%d\r\n" % len(command))
            for word in command:
                out.write(b"$%d\r\n%s\r\n" % (len(word), word))


def repository(path, commits):
    """A git repository with `commits` commits over 40 files; `git fast-import` makes it."""
    rng = random.Random(7)
    vocabulary = words(rng, 2000)
    files = {n: [sentence(rng, vocabulary, 8) for _ in range(120)] for n in range(40)}
    parts = []
    for commit in range(commits):
        message = "Change %d: %s\n" % (commit, sentence(rng, vocabulary, 6))
        parts.append("commit refs/heads/main\ncommitter A Writer <writer@example.org> %d +0000\n"
                     "data %d\n%s" % (1600000000 + commit * 600, len(message), message))
        for number in rng.sample(range(40), 40 if commit == 0 else 3):
            lines = files[number]
            for _ in range(rng.randrange(1, 6)):
                lines[rng.randrange(len(lines))] = sentence(rng, vocabulary, 8)
            lines.insert(rng.randrange(len(lines)), sentence(rng, vocabulary, 8))
            content = "\n".join(lines) + "\n"
            parts.append("M 100644 inline src/file%d.txt\ndata %d\n%s\n"
                         % (number, len(content), content))
    parts.append("done\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    clean.update(HOME=os.path.dirname(path), GIT_CONFIG_NOSYSTEM="1")
    subprocess.run(["git", "init", "-q", "-b", "main", path], check=True, env=clean)
    subprocess.run(["git", "fast-import", "--quiet", "--done"], check=True, cwd=path, env=clean,
                   input="".join(parts).encode("ascii"))


GENERATORS = {function.__name__: function for function in
              (text, records, xml, c_source, cxx_source, sql, redis, repository)}
SUFFIXES = {"c_source": ".c", "cxx_source": ".cc"}


def generator_digest():
    digest = hashlib.sha256()
    script = os.path.join(os.path.dirname(os.path.dirname(__file__)), "programs", "real", "mix.sql")
    for name in (__file__, script):
        with open(name, "rb") as source:
            digest.update(source.read())
    return digest.hexdigest()[:10]


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)


def make(directory, name, size):
    """Path of the input `name` of that size, made now if it is not there yet."""
    path = os.path.join(directory, "%s-%d-%s%s" % (name, size, generator_digest(),
                                                   SUFFIXES.get(name, "")))
    if not os.path.exists(path):
        os.makedirs(directory, exist_ok=True)
        partial = path + ".partial"
        remove(partial)
        GENERATORS[name](partial, size)
        os.rename(partial, path)
    return path
