# ruff: noqa: E501 - a statement is one line
"""Reading: calls keep their names and arguments, literals their digits."""

from __future__ import annotations

import pytest
import sqlglot
from sql_fixtures import Ask
from sqlglot import exp

from minilab_local.athena.translate import DIALECT
from minilab_local.athena.translate.dialect import named_calls


@pytest.mark.parametrize(
    "call",
    [
        "date_add('day', 1, x)",
        "approx_percentile(x, 0.5)",
        "json_extract_scalar(x, '$.a')",
        "element_at(x, 1)",
        "bitwise_and(x, 1)",
        "from_unixtime(x)",
        "concat(x, y)",
        "arbitrary(x)",
    ],
)
def test_a_call_keeps_its_name_and_arguments(call: str) -> None:
    """From our dialect, and from a tree that sqlglot's own has turned into neutral nodes."""
    for read in (DIALECT, "athena"):
        tree = named_calls(sqlglot.parse_one(f"SELECT {call}", read=read))
        found = tree.expressions[0]
        assert isinstance(found, exp.Anonymous)
        assert found.sql(dialect="trino", comments=False).lower() == call.lower()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x1F", "31"),
        ("0o17", "15"),
        ("0b101", "5"),
        ("1_000", "1000"),
        ("X'1F'", "1f"),
        ("1e2", "100.0"),
    ],
)
def test_numbers_as_they_are_written(ask: Ask, text: str, value: str) -> None:
    assert ask(f"SELECT {text}").value == value


def test_subscripts_are_not_shifted_twice(ask: Ask) -> None:
    for read in (DIALECT, "athena"):
        sql = "SELECT a[1], a[i], a[i + 1], m[1] FROM (VALUES (ARRAY[7, 8], 1, MAP(ARRAY[1], ARRAY[9]))) t(a, i, m)"
        assert ask(sql, read=read).rows == [["7", "7", "8", "9"]]


def test_hive_ddl_is_left_to_hive() -> None:
    tree = sqlglot.parse_one(
        "create external table `t` (`a` string) location 's3://b/t'", read=DIALECT
    )
    assert isinstance(tree, exp.Create)
    assert tree.find(exp.ColumnDef).name == "a"


def test_ctas_keeps_its_query(ask: Ask) -> None:
    sql = "create table x with (format='parquet') as select element_at(array[1,2], 2) as a"
    tree = sqlglot.parse_one(sql, read=DIALECT)
    query = named_calls(tree.expression)
    assert query.expressions[0].this.name == "element_at"


def test_keywords_at_the_end_of_arguments() -> None:
    tree = sqlglot.parse_one(
        "SELECT listagg(x, ',' ON OVERFLOW ERROR) WITHIN GROUP (ORDER BY x)", read=DIALECT
    )
    assert tree.find(exp.Anonymous).expressions[-1].name == "clause$ON OVERFLOW ERROR"
