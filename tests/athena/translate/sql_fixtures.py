"""One prepared DuckDB database per worker, and a way to ask it in Trino's SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
import sqlglot

from minilab_local.athena.translate import (
    DIALECT,
    failure_of,
    prepare,
    render,
    translate,
    trino_type,
)


class Refused(Exception):
    """The query ran into an error that Trino has too; ``code`` is Trino's name of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Answer:
    names: list[str]
    types: list[str]
    rows: list[list[str | None]]

    @property
    def value(self) -> str | None:
        ((value,),) = self.rows
        return value


Ask = Callable[..., Answer]


@pytest.fixture(scope="session")
def database() -> Iterator[Any]:
    connection = duckdb.connect()
    prepare(connection)
    yield connection
    connection.close()


@pytest.fixture
def ask(database: Any) -> Ask:
    """Run a Trino query: ``ask(sql)``, or ``ask(sql, columns, read="athena")``."""
    cursor = database.cursor()
    cursor.execute("SET TimeZone = 'UTC'")

    def run(
        sql: str, columns: Mapping[str, Mapping[str, str]] | None = None, *, read: str = DIALECT
    ) -> Answer:
        tree = translate(sqlglot.parse_one(sql, read=read), columns or {})
        try:
            found = cursor.execute(tree.sql(dialect="duckdb"))
            rows = found.fetchall()
        except duckdb.Error as error:
            known = failure_of(error)
            if known is None:
                raise
            raise Refused(*known) from error
        physical = [trino_type(str(column[1])) for column in found.description]
        return Answer(
            [column[0] for column in found.description],
            tree.meta["trino_types"],
            [[render(v, t) for v, t in zip(row, physical, strict=True)] for row in rows],
        )

    return run
