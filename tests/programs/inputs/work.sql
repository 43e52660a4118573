-- SPDX-License-Identifier: MIT
-- Inserts, joins, sorts, updates and deletes in memory.
PRAGMA temp_store = MEMORY;
CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, city INTEGER, born INTEGER);
CREATE TABLE city(id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE purchase(person INTEGER, amount INTEGER, what TEXT);

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO city SELECT i, 'city ' || (i * 7919 % 1009) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO person SELECT i, printf('name %06d %s', i * 7919 % 99991, hex(i * 31)),
                          i % 400 + 1, 1920 + i * 13 % 100 FROM n;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO purchase SELECT i * 7 % 60000 + 1, i * 37 % 5003, 'thing ' || (i % 97) FROM n;
COMMIT;
SELECT count(*), sum(amount), max(length(what)) FROM purchase;
CREATE INDEX purchase_person ON purchase(person, amount);
CREATE INDEX person_name ON person(name);

SELECT city.name, count(DISTINCT person.id), sum(amount) AS total
  FROM purchase JOIN person ON person.id = purchase.person JOIN city ON city.id = person.city
 GROUP BY city.name ORDER BY total DESC, city.name LIMIT 12;
SELECT name, born FROM person ORDER BY substr(name, 10) DESC, born, id LIMIT 8 OFFSET 30000;
SELECT born, group_concat(name, '/') FROM
  (SELECT * FROM person WHERE id % 571 = 3 ORDER BY name) GROUP BY born ORDER BY born LIMIT 10;
SELECT count(*) FROM person AS a JOIN person AS b ON a.city = b.city AND a.born < b.born
 WHERE a.id < 3000;
SELECT person, amount, sum(amount) OVER (PARTITION BY person ORDER BY amount, what)
  FROM purchase WHERE person < 40 ORDER BY person, amount, what LIMIT 20;
UPDATE person SET name = upper(name) || ' Esq.' WHERE born % 3 = 0;
DELETE FROM purchase WHERE amount % 2 = 0;
VACUUM;
SELECT count(*), sum(length(name)) FROM person;
SELECT json_group_array(name) FROM (SELECT name FROM city ORDER BY id LIMIT 30);

PRAGMA integrity_check;
