"""Ask Athena: start a query, wait, read its rows as Python values.

Source: Amazon Athena API reference, StartQueryExecution, GetQueryExecution, GetQueryResults; the
text forms of values are those of Athena engine version 3 (Trino).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as clock
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from minilab import aws
from minilab.errors import MinilabError
from minilab.settings import Settings

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


class QueryError(MinilabError):
    """Athena did not answer a query; ``query_id`` and ``state`` say which and how it ended."""

    def __init__(self, message: str, *, query_id: str, state: str) -> None:
        super().__init__(message)
        self.query_id = query_id
        self.state = state


@dataclass(frozen=True)
class ResultColumn:
    name: str
    type: str
    """Athena's name of the type, such as ``bigint`` or ``array``, without parameters."""


@dataclass(frozen=True)
class QueryResult:
    """A query's answer."""

    query_id: str
    columns: tuple[ResultColumn, ...]
    rows: list[tuple[Any, ...]]
    """Integers, floats, ``Decimal``, bools, ``date``, ``time``, ``datetime`` (aware only for a
    timestamp with time zone), ``bytes``; everything else as Athena's text; None for null."""
    bytes_scanned: int
    milliseconds: int
    """Total execution time, as Athena counts it."""
    updated: int | None
    """Rows written by INSERT, MERGE, UPDATE, DELETE or CTAS."""

    def as_dicts(self) -> list[dict[str, Any]]:
        """Rows as mappings; of columns with the same name the last one counts."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def query(
    settings: Settings,
    sql: str,
    *,
    database: str | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> QueryResult:
    """Run one statement and read all of its rows.

    ``database`` is what unqualified names refer to (the marts by default). ``on_progress`` is told
    the state (``QUEUED``, ``RUNNING``) while it lasts. The query is cancelled if waiting for it is
    interrupted.

    Raises:
        QueryError: it failed or was cancelled, with Athena's reason and the query's id.
        aws.AwsError: Athena cannot be reached, or refused to start it.
    """
    athena = aws.client("athena", settings)
    with aws.readable_errors("Starting the query"):
        query_id: str = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": database or settings.marts_database},
            WorkGroup=settings.athena_workgroup,
            ResultConfiguration={"OutputLocation": settings.athena_results_location},
        )["QueryExecutionId"]
    try:
        with aws.readable_errors(f"Waiting for query {query_id}"):
            execution = _wait(athena, query_id, on_progress or (lambda _: None))
    except BaseException:
        with suppress(Exception):  # what interrupted us matters more
            athena.stop_query_execution(QueryExecutionId=query_id)
        raise
    status = execution["Status"]
    if status["State"] != "SUCCEEDED":
        why = status.get("StateChangeReason") or "Athena gave no reason."
        raise QueryError(
            f"Query {query_id} {status['State'].lower()}: {why}",
            query_id=query_id,
            state=status["State"],
        )
    with aws.readable_errors(f"Reading the rows of query {query_id}"):
        return _read(athena, execution)


def _wait(athena: Any, query_id: str, on_progress: Callable[[str], None]) -> dict[str, Any]:
    pause = _FIRST_PAUSE
    while True:
        execution: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)[
            "QueryExecution"
        ]
        state = execution["Status"]["State"]
        if state in _ENDED:
            return execution
        on_progress(state)
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _read(athena: Any, execution: Mapping[str, Any]) -> QueryResult:
    pages = athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 1000}
    )
    columns: tuple[ResultColumn, ...] = ()
    rows: list[tuple[Any, ...]] = []
    updated: int | None = None
    converters: list[Callable[[str], Any]] = []
    for number, page in enumerate(pages):
        texts = list(_texts(page))
        if number == 0:
            if not texts and _writes(execution):
                updated = page.get("UpdateCount", 0)
                break
            info = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            columns = tuple(ResultColumn(c["Name"], c["Type"].lower()) for c in info)
            converters = [_CONVERTERS.get(column.type, str) for column in columns]
            if _has_header(execution) and texts[:1] == [[column.name for column in columns]]:
                del texts[0]
        rows += [
            tuple(
                None if text is None else _convert(convert, text)
                # A row may have fewer cells than columns: SHOW and DESCRIBE do that.
                for convert, text in zip(converters, row + [None] * len(columns), strict=False)
            )
            for row in texts
        ]
    statistics = execution.get("Statistics", {})
    return QueryResult(
        query_id=execution["QueryExecutionId"],
        columns=columns,
        rows=rows,
        bytes_scanned=statistics.get("DataScannedInBytes", 0),
        milliseconds=statistics.get("TotalExecutionTimeInMillis", 0),
        updated=updated,
    )


def _texts(page: Mapping[str, Any]) -> Iterator[list[str | None]]:
    for row in page["ResultSet"]["Rows"]:
        yield [cell.get("VarCharValue") for cell in row.get("Data", [])]


def _writes(execution: Mapping[str, Any]) -> bool:
    """Whether a statement without any row, not even one of names, has written some elsewhere."""
    return (
        execution.get("StatementType") == "DML"
        or execution.get("SubstatementType") == "CREATE_TABLE_AS_SELECT"
    )


def _has_header(execution: Mapping[str, Any]) -> bool:
    """Whether the first row holds the columns' names: of queries yes, of SHOW and DESCRIBE no."""
    return execution.get("StatementType") == "DML" or execution.get("SubstatementType") == "EXPLAIN"


def _convert(convert: Callable[[str], Any], text: str) -> Any:
    try:
        return convert(text)
    except (ValueError, ArithmeticError, ZoneInfoNotFoundError):
        return text  # a year beyond 9999 and the like: Python has no value for it


def _zoned(text: str) -> datetime:
    """``2024-01-31 12:00:00.000 Europe/Prague``, ``… UTC`` or ``… +01:00``."""
    moment, zone = text.rsplit(" ", 1)
    if zone[0] in "+-":
        return datetime.fromisoformat(moment + zone)
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: text.lower() == "true",
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "float": float,
    "real": float,
    "double": float,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "time": clock.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamp with time zone": _zoned,
    "varbinary": bytes.fromhex,
}
