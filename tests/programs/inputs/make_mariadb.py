# SPDX-License-Identifier: MIT
"""Statements for mariadbd --bootstrap, one per line, whose results go to files beside the tables."""

print("create database work;")
print("use work;")
print("create table t (n int primary key, part int, hash varchar(64), key (part)) engine=InnoDB;")
print("create table m (n int, text text) engine=Aria;")
for start in range(0, 12000, 500):
    rows = ",".join(f"({n},{n * 7919 % 211},sha2({n},256))" for n in range(start, start + 500))
    print(f"insert into t values {rows};")
print("insert into m select n, repeat(hash, n % 50) from t;")
QUERIES = (
    "select part, count(*), min(hash), max(n) from t group by part order by part limit 8",
    "select count(*), sum(a.n) from t a join t b on a.part = b.part where a.n < 500",
    "select sum(length(text)), sha2(group_concat(n order by text, n), 256) from m",
    "with recursive r as (select 1 as i union all select i + 1 from r where i < 900) "
    "select sum(i) from r",
    "select json_length(json_arrayagg(hash)) from t where n < 2000",
    "select n from t where hash regexp '^(ab|cd)[0-9]+e' order by n limit 10",
)
for i, query in enumerate(QUERIES):
    print(f"select * into outfile 'result.{i}' from ({query}) q;")
print("update t set part = part + 1 where n % 3 = 0;")
print("delete from m where n % 2 = 0;")
print("select * into outfile 'result.9' from (select sum(part), count(*) from t) q;")
