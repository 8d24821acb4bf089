# ruff: noqa: E501 - a query and its answer are one line
"""Whole queries: names, joins, UNNEST, grouping, windows, set operations, and their errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlglot
from sql_fixtures import Answer, Ask

from minilab_local.athena.translate import DIALECT, TranslationError, translate

COLUMNS = {
    "orders": {
        "id": "bigint",
        "customer": "varchar",
        "amount": "decimal(10,2)",
        "created_at": "timestamp(3)",
        "day": "date",
        "payload": "varchar",
        "nums": "array(integer)",
        "tags": "map(varchar, integer)",
        "place": "row(city varchar, zip row(code integer))",
        "seen": "timestamp(6) with time zone",
    },
    "customers": {"id": "varchar", "name": "varchar"},
}


@pytest.fixture(scope="module", autouse=True)
def tables(database: Any) -> Iterator[None]:
    database.execute("""
        CREATE OR REPLACE TABLE orders AS SELECT
            i::BIGINT AS id, 'c' || (i % 3) AS customer, (i * 10.5)::DECIMAL(10,2) AS amount,
            TIMESTAMP '2020-01-01 00:00:00' + to_hours(i::INTEGER) AS created_at,
            DATE '2020-01-01' + i::INTEGER AS "day",
            CASE WHEN i % 2 = 0 THEN '{"a":' || i || ',"tags":["x","y"]}' END AS payload,
            [i::INTEGER, (i + 1)::INTEGER] AS nums, MAP(['k'], [i::INTEGER]) AS tags,
            {'city': 'b', 'zip': {'code': i::INTEGER}} AS place,
            TIMESTAMPTZ '2020-01-01 00:00:00+00' AS seen
        FROM range(1, 7) t(i)""")
    database.execute("""
        CREATE OR REPLACE TABLE customers AS
        SELECT * FROM (VALUES ('c0', 'Zoe'), ('c1', NULL)) t(id, name)""")
    yield
    database.execute("DROP TABLE orders; DROP TABLE customers")


@pytest.fixture
def query(ask: Ask) -> Any:
    def run(sql: str, **options: Any) -> Answer:
        return ask(sql, COLUMNS, **options)

    return run


def table(answer: Answer) -> str:
    return "; ".join(",".join("∅" if c is None else c for c in row) for row in answer.rows)


QUERIES = [
    # names
    ('SELECT ID, "Customer" AS "Cust Name", orders.id + 1 FROM Orders WHERE id = 1', "1,c1,2"),
    ("SELECT o.id FROM orders o WHERE o.id NOT IN (1,2,3,4,5)", "6"),
    ("SELECT place.city, place.zip.code, o.place.city FROM orders o WHERE id = 2", "b,2,b"),
    ("SELECT nums[2], tags['k'], element_at(tags, 'z') FROM orders WHERE id = 2", "3,2,∅"),
    ("SELECT t.* FROM (SELECT 1 AS a, 2) t", "1,2"),
    ("SELECT x FROM (VALUES 1, 2) t(x) ORDER BY x DESC", "2; 1"),
    ("WITH a AS (SELECT 1 x), b(y) AS (SELECT x + 1 FROM a) SELECT a.x, y FROM a, b", "1,2"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r ORDER BY 1", "1; 2; 3"),
    # ordering: NULLs last both ways
    ("SELECT name FROM customers ORDER BY name", "Zoe; ∅"),
    ("SELECT name FROM customers ORDER BY name DESC", "Zoe; ∅"),
    ("SELECT name FROM customers ORDER BY name NULLS FIRST", "∅; Zoe"),
    ("SELECT id * -1 AS id FROM orders ORDER BY id LIMIT 2", "-6; -5"),
    ("SELECT a.id, b.id FROM orders a JOIN orders b ON a.id = b.id + 4 ORDER BY 1", "5,1; 6,2"),
    ("SELECT DISTINCT date_trunc('day', created_at) d FROM orders ORDER BY d", "2020-01-01 00:00:00.000"),
    ("SELECT id FROM orders ORDER BY amount DESC OFFSET 1 FETCH FIRST 2 ROWS ONLY", "5; 4"),
    # grouping
    ("SELECT customer, sum(amount), count(*), avg(amount) FROM orders GROUP BY 1 ORDER BY 2", "c1,52.50,2,26.25; c2,73.50,2,36.75; c0,94.50,2,47.25"),
    ("SELECT sum(id), sum(nums[1]), avg(id) FROM orders", "21,21,3.5"),
    ("SELECT customer FROM orders GROUP BY customer HAVING sum(amount) > (SELECT avg(amount) * 2 FROM orders) ORDER BY 1", "c0"),
    ("SELECT grouping(customer), customer, count(*) FROM orders GROUP BY ROLLUP (customer) ORDER BY 1, 2", "0,c0,2; 0,c1,2; 0,c2,2; 1,∅,6"),
    ("SELECT count(*), count(name), count(DISTINCT id), count(*) FILTER (WHERE name IS NULL) FROM customers", "2,1,2,1"),
    ("SELECT customer, array_agg(id ORDER BY id DESC), listagg(CAST(id AS varchar), '+') WITHIN GROUP (ORDER BY id) FROM orders GROUP BY customer ORDER BY 1 LIMIT 1", "c0,[6, 3],3+6"),
    ("SELECT max_by(id, amount), min_by(customer, amount), max(amount, 2), bool_or(id > 5), count_if(id > 4), approx_percentile(id, 0.5), map_agg(id, customer)[1] FROM orders", "6,c1,[63.00, 52.50],true,2,3,c1"),
    ("SELECT max_by(name, id) FROM customers", "∅"),
    # joins
    ("SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON o.customer = c.id AND c.name IS NOT NULL WHERE o.id < 4 ORDER BY 1", "1,∅; 2,∅; 3,Zoe"),
    ("SELECT * FROM (VALUES 1, 2) a(x) FULL JOIN (VALUES 2, 3) b(x) USING (x) ORDER BY x", "1; 2; 3"),
    ("SELECT * FROM (VALUES (1, 'l')) a(x, l) NATURAL JOIN (VALUES (1, 'r')) b(x, r)", "1,l,r"),
    ("SELECT x.d FROM customers CROSS JOIN LATERAL (SELECT customers.id || '!' AS d) x ORDER BY 1", "c0!; c1!"),
    ("SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = o.customer AND c.name = 'Zoe') ORDER BY 1", "3; 6"),
    ("SELECT (SELECT name FROM customers c WHERE c.id = o.customer) FROM orders o WHERE o.id = 3", "Zoe"),
    # UNNEST
    ("SELECT id, n FROM orders, UNNEST(nums) AS t(n) WHERE id < 3 ORDER BY 1, 2", "1,1; 1,2; 2,2; 2,3"),
    ("SELECT id, k, v, n FROM orders CROSS JOIN UNNEST(tags) WITH ORDINALITY AS t(k, v, n) WHERE id = 1", "1,k,1,1"),
    ("SELECT a, b, n FROM UNNEST(ARRAY[1, 2], ARRAY['x']) WITH ORDINALITY AS t(a, b, n) ORDER BY n", "1,x,1; 2,∅,2"),
    ("SELECT o.id, t.tag FROM orders o CROSS JOIN UNNEST(CAST(json_extract(payload, '$.tags') AS array(varchar))) AS t(tag) WHERE id < 3 ORDER BY 2", "2,x; 2,y"),
    ("SELECT o.id, t.tag FROM orders o LEFT JOIN UNNEST(CAST(json_extract(payload, '$.tags') AS array(varchar))) AS t(tag) ON TRUE WHERE id < 3 ORDER BY 1, 2", "1,∅; 2,x; 2,y"),
    ("SELECT name, n FROM UNNEST(ARRAY[ROW('a', 1), ROW('b', 2)]) AS t(name, n) ORDER BY 1", "a,1; b,2"),
    # windows
    ("SELECT id, lag(id) OVER (PARTITION BY customer ORDER BY id), row_number() OVER w FROM orders WINDOW w AS (ORDER BY id DESC) ORDER BY 1 LIMIT 2", "1,∅,6; 2,∅,5"),
    ("SELECT sum(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders ORDER BY id LIMIT 2", "10.50; 31.50"),
    ("SELECT lag(name) IGNORE NULLS OVER (ORDER BY id DESC), lead(name, 1, 'none') OVER (ORDER BY id) FROM customers ORDER BY id", "∅,∅; ∅,none"),
    ("SELECT customer, rank() OVER (ORDER BY sum(amount) DESC) FROM orders GROUP BY customer ORDER BY 2", "c0,1; c2,2; c1,3"),
    # set operations
    ("SELECT 1 UNION ALL SELECT 2.5 ORDER BY 1 DESC", "2.5; 1.0"),
    ("(SELECT 1 AS a UNION SELECT 2) EXCEPT SELECT 2", "1"),
    ("SELECT * FROM (VALUES 1, 2, 3) INTERSECT SELECT 2", "2"),
    # dates
    ("SELECT id FROM orders WHERE created_at > TIMESTAMP '2020-01-01 04:00:00' AND day <= DATE '2020-01-06'", "5"),
    ("SELECT seen, seen AT TIME ZONE 'Europe/Berlin', CAST(seen AS date), seen < created_at FROM orders WHERE id = 1", "2020-01-01 00:00:00.000000 UTC,2020-01-01 01:00:00.000000 Europe/Berlin,2020-01-01,true"),
    ("SELECT CAST(created_at AS timestamp(6)), created_at + INTERVAL '1' DAY FROM orders WHERE id = 1", "2020-01-01 01:00:00.000000,2020-01-02 01:00:00.000"),
    # aggregates inside TRY
    ("SELECT TRY(sum(id) / 0), TRY_CAST(max(customer) AS integer), TRY_CAST(sum(id) AS varchar) FROM orders", "∅,∅,21"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_query(query: Any, sql: str, expected: str) -> None:
    physical = query(sql)
    assert table(physical).replace(".000000 ", ".000 ") == expected.replace(".000000 ", ".000 ")


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_query_read_by_sqlglots_own_dialect(query: Any, sql: str, expected: str) -> None:
    """A tree that came by ``read="athena"`` answers the same."""
    found = table(query(sql, read="athena"))
    assert found.replace(".000000 ", ".000 ") == expected.replace(".000000 ", ".000 ")


def test_names_and_types_of_the_result(query: Any) -> None:
    answer = query(
        'SELECT 1, Id, "Day" AS "A Day", amount / 3, count(*) OVER (), CAST(created_at AS timestamp), '
        "'x', seen, NULL, nums FROM orders WHERE id = 1"
    )
    assert answer.names == [
        "_col0",
        "id",
        "a day",
        "_col3",
        "_col4",
        "_col5",
        "_col6",
        "seen",
        "_col8",
        "nums",
    ]
    assert answer.types == [
        "integer", "bigint", "date", "decimal(10,2)", "bigint", "timestamp(3)", "varchar(1)",
        "timestamp(6) with time zone", "unknown", "array(integer)",
    ]  # fmt: skip


REFUSED = [
    (
        "SELECT nothing FROM orders",
        "COLUMN_NOT_FOUND",
        "line 1:8: Column 'nothing' cannot be resolved",
    ),
    ("SELECT id FROM orders, customers", "AMBIGUOUS_NAME", "Column 'id' is ambiguous"),
    ("SELECT * FROM nowhere", "TABLE_NOT_FOUND", "'nowhere' does not exist"),
    ("SELECT id AS x FROM orders GROUP BY x", "COLUMN_NOT_FOUND", "'x' cannot be resolved"),
    ("SELECT id AS x FROM orders WHERE x = 1", "COLUMN_NOT_FOUND", "'x' cannot be resolved"),
    ("SELECT * FROM orders WHERE id = '1'", "TYPE_MISMATCH", "bigint = varchar(1)"),
    ("SELECT * FROM orders WHERE customer", "TYPE_MISMATCH", "boolean"),
    ("SELECT 1 UNION SELECT 'a'", "TYPE_MISMATCH", "incompatible types"),
    ("SELECT 1, 2 UNION SELECT 1", "TYPE_MISMATCH", "different number"),
    ("SELECT row_number() FROM orders", "TYPE_MISMATCH", "OVER"),
    ("SELECT id FROM orders ORDER BY 3", "INVALID_COLUMN_REFERENCE", "position 3"),
    ("SELECT x FROM (SELECT 1) t(x, y)", "MISMATCHED_COLUMN_ALIASES", "2 entries"),
    ("SELECT * FROM UNNEST(1) t(x)", "TYPE_MISMATCH", "Cannot unnest"),
    ("SELECT upper(id) FROM orders", "FUNCTION_NOT_FOUND", "Unexpected parameters (bigint)"),
    # Trino has no such thing; sqlglot reads it, and nobody must pass over it.
    ("SELECT * EXCLUDE (id) FROM orders", "NOT_SUPPORTED", "EXCEPT"),
    ("SELECT DISTINCT ON (id) id FROM orders", "NOT_SUPPORTED", "ON"),
    ("SELECT id FROM orders WHERE customer ILIKE 'x'", "NOT_SUPPORTED", "ILike"),
]


@pytest.mark.parametrize(("sql", "code", "message"), REFUSED)
def test_refused(query: Any, sql: str, code: str, message: str) -> None:
    with pytest.raises(TranslationError) as caught:
        query(sql)
    assert caught.value.code == code
    assert message in caught.value.message


def test_the_query_given_stays_as_it_is() -> None:
    tree = sqlglot.parse_one("SELECT id FROM orders ORDER BY 1 LIMIT 3", read=DIALECT)
    before = tree.sql()
    translate(tree, COLUMNS)
    assert tree.sql() == before
