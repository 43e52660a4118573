# SPDX-License-Identifier: MIT
"""What Python programs do with memory: JSON, regular expressions, sorting, dictionaries, strings.

    mix.py RECORDS JSON_FILE
"""
import json
import re
import sys


def main():
    count = int(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as source:
        records = json.load(source)
    print("records", len(records))

    by_tag = {}
    for record in records:
        for tag in record["tags"]:
            by_tag.setdefault(tag, []).append(record["id"])
    print("tags", [(tag, len(ids), sum(ids)) for tag, ids in sorted(by_tag.items())[:5]])

    text = json.dumps(records, sort_keys=True)
    again = json.loads(text)
    print("round trip", again == records, len(text))

    words = re.compile(r"[a-z]{4,}").findall(text)
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    print("words", sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5])

    points = [(i * 7919 % count, str(i), float(i)) for i in range(count)]
    points.sort(key=lambda point: (point[0] % 100, point[1]))
    print("sorted", points[0], points[count // 2], points[-1])

    class Node:
        def __init__(self, value, parent):
            self.value = value
            self.parent = parent
            self.children = []
            if parent is not None:
                parent.children.append(self)

    total = 0
    for start in range(0, count, 1000):
        nodes = [Node(start, None)]
        for i in range(1, 1000):
            nodes.append(Node(start + i, nodes[(i - 1) // 2]))
        total += sum(len(node.children) * node.value for node in nodes)
    print("trees", total)

    pieces = []
    for i in range(count):
        pieces.append("line %d of %s" % (i, "x" * (i % 50)))
    joined = "\n".join(pieces)
    print("text", len(joined), sum(map(len, joined.split("\n"))))


main()
