"""``minilab query`` and ``minilab.lake.athena`` against the laptop's own Athena."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from minilab import aws
from minilab.cli import cli
from minilab.errors import MinilabError
from minilab.lake import athena
from minilab.settings import Settings

VALUES = {
    "cast(-3 as tinyint)": -3,
    "cast(7 as bigint)": 7,
    "1.5e0": 1.5,
    "cast('12345678901234.50' as decimal(18,2))": Decimal("12345678901234.50"),
    "true": True,
    "false": False,
    "date '2024-02-29'": date(2024, 2, 29),
    "timestamp '2024-01-31 12:34:56.789'": datetime(2024, 1, 31, 12, 34, 56, 789000),
    "timestamp '2024-01-31 12:34:56 UTC'": datetime(2024, 1, 31, 12, 34, 56, tzinfo=UTC),
    "cast(null as bigint)": None,
    "''": "",
    "'žluťoučký kůň'": "žluťoučký kůň",
    "'a,\"b\"'": 'a,"b"',
    "array[1,2]": "[1, 2]",
    "map(array['k'], array[1])": "{k=1}",
    "X'00ff'": b"\x00\xff",
}


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["query", *arguments], input=text)


def test_values_have_python_types(lab: Any) -> None:
    sql = "select " + ", ".join(f"{value} as c{n}" for n, value in enumerate(VALUES))
    result = athena.query(lab.settings, sql)

    [row] = result.rows
    assert dict(zip(VALUES, row, strict=True)) == VALUES
    assert [type(value) for value in row] == [type(value) for value in VALUES.values()]
    assert result.columns[1] == athena.ResultColumn("c1", "bigint")
    assert result.query_id and result.milliseconds >= 0 and result.updated is None


def test_rows_beyond_one_page(lab: Any) -> None:
    sql = "select n from unnest(sequence(1, 2500)) as t(n) order by n"
    assert athena.query(lab.settings, sql).rows == [(n,) for n in range(1, 2501)]


def test_a_row_like_the_header_is_kept(lab: Any) -> None:
    assert athena.query(lab.settings, "select 'x' as x").rows == [("x",)]


def test_statements_without_rows(lab: Any) -> None:
    table = f"{lab.settings.staging_database}.numbers"
    location = f"s3://{lab.settings.lake_bucket}/warehouse/numbers/"
    made = athena.query(
        lab.settings,
        f"create table {table} with (format = 'parquet', external_location = '{location}') "
        "as select 1 as n union all select 2",
    )
    assert (made.rows, made.updated) == ([], 2)
    more = athena.query(lab.settings, f"insert into {table} values 3, 4, 5")
    assert (more.rows, more.updated) == ([], 3)
    read = athena.query(
        lab.settings, "select sum(n) as s from numbers", database=lab.settings.staging_database
    )
    assert read.as_dicts() == [{"s": 15}]
    assert read.bytes_scanned > 0
    shown = athena.query(lab.settings, f"show tables in {lab.settings.staging_database}")
    assert ("numbers",) in shown.rows


def test_a_failed_query_has_its_reason_and_id(lab: Any) -> None:
    with pytest.raises(athena.QueryError, match="does not exist") as caught:
        athena.query(lab.settings, "select * from nowhere")
    assert caught.value.state == "FAILED" and caught.value.query_id in str(caught.value)
    with pytest.raises(MinilabError, match="InvalidRequestException"):
        athena.query(lab.settings, "selec 1")


def test_an_interrupted_query_is_cancelled(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = aws.client("athena", lab.settings)
    stopped: list[str] = []

    class Endless:
        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        def get_query_execution(self, QueryExecutionId: str) -> Any:
            return {"QueryExecution": {"Status": {"State": "RUNNING"}}}

        def stop_query_execution(self, QueryExecutionId: str) -> None:
            stopped.append(QueryExecutionId)

    def interrupt(state: str) -> None:
        assert state == "RUNNING"
        raise KeyboardInterrupt

    monkeypatch.setattr(aws, "client", lambda service, settings: Endless())
    with pytest.raises(KeyboardInterrupt):
        athena.query(lab.settings, "select 1", on_progress=interrupt)
    assert len(stopped) == 1


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("timestamp with time zone", "2024-01-31 12:00:00.5 +02:00", "2024-01-31T12:00:00.500+02"),
        ("timestamp with time zone", "2024-07-01 12:00:00 Europe/Prague", None),
        ("timestamp", "12024-01-31 12:00:00.000", "text"),
        ("double", "Infinity", float("inf")),
    ],
)
def test_conversions_of_rare_texts(kind: str, text: str, value: Any) -> None:
    converted = athena._convert(athena._CONVERTERS[kind], text)
    if value == "text":
        assert converted == text
    elif value is None:
        assert converted == datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Prague"))
    elif isinstance(value, str):
        assert converted == datetime.fromisoformat(value)
    else:
        assert converted == value


SQL = (
    "select 'a,b' as name, 1234567 as n, cast(null as varchar) as nothing, "
    "timestamp '2024-01-31 00:00:00' as t, 0.1e0 as d, true as b, cast(1.50 as decimal(3,2)) as m"
)


def test_formats(lab: Any) -> None:
    table, as_csv, as_json = (run(SQL, "--format", f) for f in ("table", "csv", "json"))

    assert "1,234,567" in table.stdout and "1 row," in table.stderr
    [header, row] = csv.reader(io.StringIO(as_csv.stdout))
    assert header == ["name", "n", "nothing", "t", "d", "b", "m"]
    assert row == ["a,b", "1234567", "", "2024-01-31 00:00:00", "0.1", "true", "1.50"]
    assert json.loads(as_json.stdout) == [
        {
            "name": "a,b",
            "n": 1234567,
            "nothing": None,
            "t": "2024-01-31 00:00:00",
            "d": 0.1,
            "b": True,
            "m": "1.50",
        }
    ]
    assert "bytes" not in as_json.stdout and "scanned" in as_json.stderr


def test_no_rows_are_valid_too(lab: Any) -> None:
    assert json.loads(run("select 1 as x where false", "--format", "json").stdout) == []
    assert run("select 1 as x where false", "--format", "csv").stdout == "x\n"
    assert "0 rows" in run("select 1 as x where false").stderr


def test_sql_from_standard_input(lab: Any) -> None:
    assert run("-", "--format", "csv", text="select 5 as five").stdout == "five\n5\n"


def test_errors_end_with_1_and_one_message(lab: Any) -> None:
    program = [sys.executable, "-m", "minilab.cli", "query", "select * from nowhere"]
    done = subprocess.run(program, capture_output=True, text=True, env=lab.environ)
    assert done.returncode == 1 and done.stdout == ""
    assert "does not exist" in done.stderr and "Traceback" not in done.stderr


def test_without_an_endpoint_it_says_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(aws, "_client", lru_cache(aws._client.__wrapped__))
    with pytest.raises(aws.AwsError, match="cannot be reached") as caught:
        athena.query(settings, "select 1")
    assert caught.value.hint and "minilab local up" in caught.value.hint
