-- SPDX-License-Identifier: MIT
-- Inserts, indexes, joins, sorting and text in memory; the table `size` (one row) comes first.
PRAGMA temp_store = memory;
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, category INTEGER);
CREATE TABLE sale (id INTEGER PRIMARY KEY, item INTEGER, quantity INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT count FROM size))
INSERT INTO item SELECT i, printf('item %d of %d', i, i * 7919 % 1000), i * 0.25, i % 100 FROM n;
WITH RECURSIVE n(i) AS
    (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3 * (SELECT count FROM size))
INSERT INTO sale SELECT i, 1 + i * 7919 % (SELECT count FROM size), i % 13,
    substr('a note that differs in length', 1, i % 29) FROM n;
CREATE INDEX sale_item ON sale (item);
CREATE INDEX item_name ON item (name);
SELECT category, count(*), sum(price * quantity) FROM item JOIN sale ON sale.item = item.id
    GROUP BY category ORDER BY 3 DESC, 1 LIMIT 10;
SELECT name, group_concat(note, ';') FROM item JOIN sale ON sale.item = item.id
    GROUP BY name ORDER BY length(group_concat(note, ';')) DESC, name LIMIT 5;
SELECT count(DISTINCT note), max(length(note)) FROM sale;
UPDATE sale SET note = note || ' changed' WHERE quantity > 6;
DELETE FROM sale WHERE quantity = 0;
SELECT count(*), sum(length(note)) FROM sale;
SELECT i.name FROM item i ORDER BY i.name DESC LIMIT 3 OFFSET 100;
