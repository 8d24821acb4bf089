"""Trino SQL (Athena engine version 3) to DuckDB SQL, and values printed as Athena prints them.

A query is read (``dialect``), its names and types are resolved (``scope``, ``types``), and each
query, expression and call is written as DuckDB has it (``query``, ``expressions``, ``casts``,
``functions``). ``runtime`` gives a database the macros that this text uses. To add a function, see
``signatures``: most take one line in ``functions/tables.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from minilab_local.athena.translate.dialect import DIALECT, named_calls
from minilab_local.athena.translate.errors import TranslationError
from minilab_local.athena.translate.query import Queries, present
from minilab_local.athena.translate.render import render
from minilab_local.athena.translate.runtime import failure_of, prepare
from minilab_local.athena.translate.types import trino_text, trino_type

__all__ = [
    "DIALECT",
    "TranslationError",
    "failure_of",
    "prepare",
    "render",
    "translate",
    "trino_type",
]


def translate(query: exp.Expression, columns: Mapping[str, Mapping[str, str]]) -> Any:
    """A DuckDB query that answers what a Trino query asks.

    ``query`` is a tree read with ``sqlglot.parse_one(sql, read=DIALECT)`` (best) or
    ``read="athena"``, whose base tables are unqualified names. ``columns`` has for each of them the
    columns' names and Trino types. Render the result with ``.sql(dialect="duckdb")``; its
    ``meta["trino_types"]`` lists the Trino types of its columns. The query itself stays as it is.

    Raises ``TranslationError`` for a query that Athena refuses or that cannot be carried.
    """
    queries = Queries(columns)
    tree, output = queries.query(named_calls(query), None)
    tree = present(queries, tree, output)
    tree.meta["trino_types"] = [trino_text(column.type) for column in output]
    return tree
