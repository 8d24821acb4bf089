"""From a contract's JSON Schema to typed columns: the one type map.

Follows JSON Schema 2020-12 (Validation, sections 6.1 and 7.3 for ``type`` and ``format``) and the
data types of Athena engine version 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from minilab.errors import MinilabError
from minilab.events.registry import Contract

Kind = Literal["varchar", "bigint", "double", "boolean", "timestamp(6)", "date", "json"]

ENVELOPE_COLUMNS: Mapping[str, tuple[str, str]] = {
    "event_id": (
        "varchar",
        "CloudEvents id; with tenant and event_source it identifies the event.",
    ),
    "event_source": ("varchar", "CloudEvents source: who produced the event."),
    "event_time": ("timestamp(6)", "When it happened (UTC); see stg_events for how it is chosen."),
    "tenant": ("varchar", "The tenant that the event belongs to."),
    "subject": ("varchar", "CloudEvents subject, where the producer gave one."),
    "landed_at": ("timestamp(6)", "When its first copy was landed (UTC)."),
    "staged_at": ("timestamp(6)", "When the dbt run that staged it began (UTC)."),
}
"""Columns of every typed staging model, before those of the payload: name → type, description."""

_SAFE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,126}")

_SIMPLE: Mapping[str, Kind] = {
    "integer": "bigint",
    "number": "double",
    "boolean": "boolean",
    "array": "json",
    "object": "json",
}
_STRING_FORMATS: Mapping[str, Kind] = {"date-time": "timestamp(6)", "date": "date"}


class ColumnError(MinilabError):
    """A property that cannot become a column; ``message`` names the property and why."""


@dataclass(frozen=True)
class Column:
    """One top-level property of a contract's payload, as a column."""

    name: str
    """The column; the property's own name unless the envelope has that name already."""
    key: str
    """The property of the payload."""
    kind: Kind
    description: str
    required: bool
    """Present and not null in every valid event."""
    values: tuple[str, ...]
    """The allowed values, where the contract lists them (strings only)."""

    @property
    def data_type(self) -> str:
        """Athena's type; arrays and objects stay JSON text."""
        return "varchar" if self.kind == "json" else self.kind


def columns_of(contract: Contract) -> list[Column]:
    """The payload's columns, in the contract's order.

    Raises:
        ColumnError: a property's name or type cannot be mapped, or two meet in one column.
    """
    properties: Mapping[str, Any] = contract.schema.get("properties", {})
    required = set(contract.schema.get("required", ()))
    columns = [_column(name, schema, name in required) for name, schema in properties.items()]
    names = [column.name for column in columns]
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise ColumnError(
            f"two properties would both become the column {name!r}.",
            hint="Rename the one that begins with 'data_'.",
        )
    return columns


def _column(name: str, schema: Any, required: bool) -> Column:
    if not _SAFE_NAME.fullmatch(name):
        raise ColumnError(
            f"property {name!r} cannot be a column's name.",
            hint="Use lower-case letters, digits and underscores, beginning with a letter.",
        )
    if not isinstance(schema, Mapping):
        raise ColumnError(f"property {name!r} is not described by a JSON object.")
    types = _types(name, schema)
    nullable = "null" in types
    return Column(
        name=f"data_{name}" if name in ENVELOPE_COLUMNS else name,
        key=name,
        kind=_kind(name, schema, types - {"null"}),
        description=str(schema.get("description", "")).strip(),
        required=required and not nullable,
        values=_values(schema),
    )


def _types(name: str, schema: Mapping[str, Any]) -> set[str]:
    stated = schema.get("type")
    if isinstance(stated, str):
        return {stated}
    if isinstance(stated, list) and stated:
        return set(stated)
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if listed and all(isinstance(value, str) for value in listed):
        return {"string"}
    raise ColumnError(
        f"property {name!r} states no type, so it cannot become a typed column.",
        hint='Give it a "type"; a payload of any shape can be an "object" (kept as JSON text).',
    )


def _kind(name: str, schema: Mapping[str, Any], types: set[str]) -> Kind:
    if types == {"integer", "number"}:
        return "double"
    if len(types) != 1:
        raise ColumnError(
            f"property {name!r} may be {' or '.join(sorted(types)) or 'null only'}; "
            "a column has one type.",
            hint="Choose one type (and null, if it may be absent).",
        )
    (only,) = types
    if only == "string":
        return _STRING_FORMATS.get(str(schema.get("format", "")), "varchar")
    if only in _SIMPLE:
        return _SIMPLE[only]
    raise ColumnError(f"property {name!r} has the unknown type {only!r}.")


def _values(schema: Mapping[str, Any]) -> tuple[str, ...]:
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    values = [value for value in listed if value is not None]
    return tuple(values) if values and all(isinstance(value, str) for value in values) else ()
