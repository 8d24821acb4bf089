"""Trino SQL (Athena engine version 3) to DuckDB SQL, and values printed as Athena prints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from minilab_local.athena.translate.errors import TranslationError
from minilab_local.athena.translate.render import render
from minilab_local.athena.translate.types import trino_type

__all__ = ["TranslationError", "prepare", "render", "translate", "trino_type"]


def translate(query: exp.Expression, columns: Mapping[str, Mapping[str, str]]) -> exp.Expression:
    """A DuckDB tree that answers what the Trino query tree asks."""
    return query.copy()


def prepare(connection: Any) -> None:
    """Make a DuckDB database answer as Trino does; once per database."""
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET integer_division = true")
    connection.execute("SET default_null_order = 'NULLS LAST'")
