# SPDX-License-Identifier: MIT
"""A graph with clusters, labels in several fonts, records and HTML-like tables."""

FONTS = ("Sans", "Serif", "Monospace", "Helvetica bold")

print('digraph g { graph [fontname="Sans", label="A graph"]; node [shape=box];')
for group in range(5):
    print(f'subgraph cluster_{group} {{ label="group {group}"; fontname="{FONTS[group % 4]}";')
    for i in range(12):
        print(f'n{group}_{i} [label="node {group * i}\\nsecond line", fontname="{FONTS[i % 4]}", '
              f'fontsize={8 + i}];')
    print("}")
    for i in range(1, 12):
        print(f"n{group}_{i // 2} -> n{group}_{i} [label={i * 7 % 10}];")
        print(f"n{group}_{i} -> n{(group + i) % 5}_{(i * 5 + group) % 12};")
for i in range(6):
    print(f'r{i} [shape=record, label="{{a{i}|{{b|<p>c}}|d}}"]; r{i}:p -> n{i % 5}_3;')
    rows = "".join(f"<tr><td>{i}</td><td><b>{k}</b></td></tr>" for k in range(5))
    print(f"t{i} [shape=plain, label=<<table>{rows}</table>>]; t{i} -> r{i};")
print("}")
