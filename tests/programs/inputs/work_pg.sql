-- SPDX-License-Identifier: MIT
create table numbers as select n, md5(n::text) as hash, n * 7919 % 1009 as part from generate_series(1, 30000) n;
create table log (who int, what int);
create index on numbers (part, n);
analyze numbers;
select part, count(*), min(hash), max(n) from numbers group by part order by part limit 5;
select count(*), sum(a.n) from numbers a join numbers b on a.part = b.part and a.n = b.n + 1009;
select md5(string_agg(hash, ',' order by hash)) from numbers;
with recursive t(n, s) as (select 1, 'a'::text union all select n + 1, s || n from t where n < 500)
    select max(length(s)) from t;
create function fib(n int) returns int language plpgsql as $$
begin
    if n < 2 then return n; end if;
    return fib(n - 1) + fib(n - 2);
exception when others then return -1;
end $$;
select fib(9);
select jsonb_object_agg(part, n) -> '17' from (select part, max(n) n from numbers group by part) q;
select count(*) from regexp_matches((select string_agg(hash, '') from numbers where n < 500), '[a-f]{3}', 'g');
begin;
update numbers set part = part + 1 where n % 3 = 0;
rollback;
select sum(part) from numbers;
