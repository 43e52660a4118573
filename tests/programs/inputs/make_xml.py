# SPDX-License-Identifier: MIT
"""Prints an XML document of 20,000 items with its own DTD, always the same one."""

import random

rng = random.Random(67)
print("""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE list [
<!ELEMENT list (item*)>
<!ELEMENT item (name, price, note?)>
<!ATTLIST item id ID #REQUIRED kind (a|b|c) "a">
<!ELEMENT name (#PCDATA)> <!ELEMENT price (#PCDATA)> <!ELEMENT note (#PCDATA|em)*>
<!ELEMENT em (#PCDATA)>
<!ENTITY maker "the maker &amp; sons">
]>
<list>""")
for number in range(20000):
    note = f"<note>by &maker;, <em>{'very ' * rng.randrange(4)}good</em> &#233;</note>"
    print(f'<item id="i{number}" kind="{rng.choice("abc")}"><name>name {rng.randrange(9999)}'
          f'</name><price>{rng.randrange(100)}</price>{note if number % 3 else ""}</item>')
print("</list>")
