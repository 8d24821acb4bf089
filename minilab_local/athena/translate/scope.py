"""Which column a name means: relations, scopes, and Trino's rules for finding a name in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from minilab_local.athena.translate.errors import TranslationError
from minilab_local.athena.translate.types import Type, field_name


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Value:
    """An expression: its DuckDB text, its Trino type, and its text if it is a literal."""

    sql: str
    type: Type
    constant: str | None = None


@dataclass(frozen=True)
class Column:
    """A column of a relation. ``physical`` is its name in DuckDB; None means without a name."""

    name: str | None
    type: Type
    physical: str


@dataclass(frozen=True)
class Relation:
    """What stands in FROM: its name (None if it has none), its name in DuckDB, its columns."""

    name: str | None
    physical: str
    columns: tuple[Column, ...]

    def value(self, column: Column) -> Value:
        return Value(f"{quote(self.physical)}.{quote(column.physical)}", column.type)


@dataclass
class Scope:
    """The relations that an expression sees, and the scope around it."""

    parent: Scope | None = None
    relations: list[Relation] = field(default_factory=list)
    # Columns of JOIN … USING: one column that both sides share, without a relation.
    merged: dict[str, Value] = field(default_factory=dict)
    ctes: dict[str, Relation] = field(default_factory=dict)

    def cte(self, name: str) -> Relation | None:
        scope: Scope | None = self
        while scope:
            if name in scope.ctes:
                return scope.ctes[name]
            scope = scope.parent
        return None

    def find(self, parts: list[str]) -> Value | None:
        """The value of a dotted name: column, relation.column, and fields of rows below them."""
        scope: Scope | None = self
        while scope:
            found = scope._find(parts)
            if found:
                return found
            scope = scope.parent
        return None

    def _find(self, parts: list[str]) -> Value | None:
        if len(parts) > 1:
            relations = [r for r in self.relations if r.name == parts[0]]
            if relations:
                columns = [c for r in relations for c in r.columns if c.name == parts[1]]
                if len(columns) > 1:
                    raise _ambiguous(".".join(parts))
                if columns:
                    return fields_of(relations[0].value(columns[0]), parts[2:])
        name = parts[0]
        if name in self.merged:
            return fields_of(self.merged[name], parts[1:])
        matches = [
            (relation, column)
            for relation in self.relations
            for column in relation.columns
            if column.name == name
        ]
        if len(matches) > 1:
            raise _ambiguous(name)
        if not matches:
            return None
        relation, column = matches[0]
        return fields_of(relation.value(column), parts[1:])

    def star(self, table: str | None) -> Iterator[tuple[str | None, Value]]:
        """The columns of ``*`` or ``table.*``, in order."""
        relations = [r for r in self.relations if table is None or r.name == table]
        if table is not None and not relations:
            raise TranslationError("TABLE_NOT_FOUND", f"line 1:1: Unable to resolve {table}.*")
        if table is None:
            yield from self.merged.items()
        for relation in relations:
            for column in relation.columns:
                if table is None and column.name in self.merged:
                    continue
                yield column.name, relation.value(column)


def _ambiguous(name: str) -> TranslationError:
    return TranslationError("AMBIGUOUS_NAME", f"line 1:1: Column '{name}' is ambiguous")


def fields_of(value: Value, path: list[str]) -> Value | None:
    """The value of a row's field, of that field's field …; None where there is no such field."""
    for name in path:
        if value.type.kind == "any":
            value = Value(f"{value.sql}.{quote(name)}", value.type)
            continue
        if value.type.kind != "row" or name not in value.type.names:
            return None
        index = value.type.names.index(name)
        value = Value(
            f"({value.sql}).{quote(field_name(value.type, index))}", value.type.items[index]
        )
    return value
