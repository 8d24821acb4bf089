"""Types as Trino, Glue and DuckDB write them, and values as Athena prints them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from minilab_local.athena.translate import TranslationError, render, trino_type
from minilab_local.athena.translate.types import common_type, duckdb_type, parse_type


@pytest.mark.parametrize(
    ("duckdb", "trino"),
    [
        ("BIGINT", "bigint"),
        ("FLOAT", "real"),
        ("DECIMAL(18,3)", "decimal(18,3)"),
        ("HUGEINT", "decimal(38,0)"),
        ("BLOB", "varbinary"),
        ("TIMESTAMP", "timestamp(6)"),
        ("TIMESTAMP_MS", "timestamp(3)"),
        ("TIMESTAMP_NS", "timestamp(9)"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp(3) with time zone"),
        ("INTEGER[][]", "array(array(integer))"),
        ("STRUCT(a INTEGER)", "row(a integer)"),
        (
            'STRUCT("a b" INTEGER[], c MAP(VARCHAR, TIMESTAMP))',
            'row("a b" array(integer), c map(varchar, timestamp(6)))',
        ),
        ("TUPLE(INTEGER, VARCHAR)", "row(integer, varchar)"),
        ('"NULL"', "unknown"),
    ],
)
def test_trino_type(duckdb: str, trino: str) -> None:
    assert trino_type(duckdb) == trino


@pytest.mark.parametrize(
    ("text", "duckdb"),
    [
        ("varchar(10)", "VARCHAR"),
        ("string", "VARCHAR"),
        ("array<struct<a:int,b:array<string>>>", 'STRUCT("a" INTEGER, "b" VARCHAR[])[]'),
        ("map<string,decimal(10,2)>", "MAP(VARCHAR, DECIMAL(10,2))"),
        ("row(integer, x double)", 'STRUCT("field0" INTEGER, "x" DOUBLE)'),
        ("timestamp(6) with time zone", "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_types_of_trino_and_glue_in_duckdb(text: str, duckdb: str) -> None:
    assert duckdb_type(parse_type(text)) == duckdb


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(TranslationError, match="Unknown type: nothing"):
        parse_type("nothing")


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        ("integer", "bigint", "bigint"),
        ("integer", "decimal(3,1)", "decimal(11,1)"),
        ("bigint", "double", "double"),
        ("varchar(3)", "varchar(5)", "varchar(5)"),
        ("varchar(3)", "varchar", "varchar"),
        ("date", "timestamp(6)", "timestamp(6)"),
        ("array(integer)", "array(double)", "array(double)"),
    ],
)
def test_common_type(left: str, right: str, common: str) -> None:
    assert str(common_type(parse_type(left), parse_type(right))) == common
    assert str(common_type(parse_type(right), parse_type(left))) == common


def test_types_that_have_nothing_in_common() -> None:
    assert common_type(parse_type("integer"), parse_type("varchar")) is None
    assert common_type(parse_type("array(integer)"), parse_type("array(varchar)")) is None


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "integer", None),
        (True, "boolean", "true"),
        (1e10, "double", "1.0E10"),
        (1e-4, "double", "1.0E-4"),
        (0.001, "double", "0.001"),
        (9999999.0, "double", "9999999.0"),
        (123456789.125, "double", "1.23456789125E8"),
        (float("nan"), "double", "NaN"),
        (float("-inf"), "double", "-Infinity"),
        (-0.0, "double", "-0.0"),
        (0.10000000149011612, "real", "0.1"),
        (16777216.0, "real", "1.6777216E7"),
        (Decimal("1.5"), "decimal(10,2)", "1.50"),
        (Decimal("0E-10"), "decimal(20,10)", "0.0000000000"),
        (b"\x00\xff", "varbinary", "00 ff"),
        (dt.date(20, 1, 2), "date", "0020-01-02"),
        (dt.datetime(2020, 1, 1, 1, 2, 3, 4), "timestamp(3)", "2020-01-01 01:02:03.000"),
        (dt.datetime(2020, 1, 1, 1, 2, 3, 4), "timestamp(6)", "2020-01-01 01:02:03.000004"),
        (
            dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
            "timestamp(3) with time zone",
            "2020-01-01 00:00:00.000 UTC",
        ),
        (
            {"__instant": dt.datetime(2020, 7, 1, tzinfo=dt.UTC), "__zone": "+05:30"},
            "timestamp(3) with time zone",
            "2020-07-01 05:30:00.000 +05:30",
        ),
        ([1, None], "array(integer)", "[1, null]"),
        ({"k": [1.0]}, "map(varchar, array(double))", "{k=[1.0]}"),
        ({"a": 1, "b": None}, "row(a integer, b varchar)", "{a=1, b=null}"),
        ((1, "x"), "row(integer, varchar)", "{field0=1, field1=x}"),
        ('{"a":1}', "json", '{"a":1}'),
    ],
)
def test_render(value: Any, kind: str, text: str | None) -> None:
    assert render(value, kind) == text
