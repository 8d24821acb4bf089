"""Column types in the four tongues of a lake: Trino, Hive (Glue), DuckDB and Iceberg.

A type is a small tree named in Trino's words. Every other tongue is read into it or written from
it, so that no two of them are ever translated directly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from minilab_local.athena.errors import QueryError
from minilab_local.athena.translate.types import ZONED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyiceberg.types import IcebergType

_FROM_HIVE = {
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "string": "varchar",
    "binary": "varbinary",
    "struct": "row",
    "numeric": "decimal",
    "dec": "decimal",
    "text": "varchar",
    "bool": "boolean",
    "short": "smallint",
    "byte": "tinyint",
    "timestamptz": "timestamp with time zone",
}
_TO_HIVE = {"integer": "int", "real": "float", "varbinary": "binary", "uuid": "uuid"}
_TO_DUCKDB = {
    "varbinary": "BLOB",
    "integer": "INTEGER",
    "real": "FLOAT",
    "char": "VARCHAR",
    "varchar": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "time": "TIME",
    "unknown": "INTEGER",
    "ipaddress": "VARCHAR",
}
_KNOWN = {
    *("boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal"),
    *("varchar", "char", "varbinary", "date", "time", "time with time zone", "uuid", "json"),
    *("timestamp", "timestamp with time zone", "array", "map", "row", "unknown", "ipaddress"),
    *("interval day to second", "interval year to month", "hyperloglog", "function"),
}


@dataclass(frozen=True)
class Type:
    """One type. ``size`` are its numbers (decimal's precision and scale, varchar's length,
    timestamp's precision), ``parts`` its element types, ``names`` a row's field names."""

    name: str
    size: tuple[int, ...] = ()
    parts: tuple[Type, ...] = ()
    names: tuple[str | None, ...] = ()

    def trino(self) -> str:
        """As Trino writes it: ``row(a bigint)``, ``timestamp(3)``, ``array(varchar)``."""
        if self.name == "row":
            fields = (
                f"{quote_if_needed(name)} {part.trino()}" if name else part.trino()
                for name, part in zip(self.names, self.parts, strict=True)
            )
            return f"row({', '.join(fields)})"
        if self.parts:
            return f"{self.name}({', '.join(part.trino() for part in self.parts)})"
        if self.size:
            numbers = ",".join(map(str, self.size))
            if self.name.endswith(" with time zone"):
                return f"{self.name.split(' ')[0]}({numbers}) with time zone"
            return f"{self.name}({numbers})"
        return self.name

    def hive(self) -> str:
        """As Glue and Hive write it: ``struct<a:bigint>``, ``string``, ``timestamp``."""
        if self.name == "row":
            fields = (
                f"{name or f'field{i}'}:{part.hive()}"
                for i, (name, part) in enumerate(zip(self.names, self.parts, strict=True))
            )
            return f"struct<{','.join(fields)}>"
        if self.parts:
            return f"{self.name}<{','.join(part.hive() for part in self.parts)}>"
        if self.name == "varchar":
            return f"varchar({self.size[0]})" if self.size else "string"
        if self.name in ("char", "decimal") and self.size:
            return f"{self.name}({','.join(map(str, self.size))})"
        if self.name == "timestamp with time zone":
            return "timestamp with local time zone"
        return _TO_HIVE.get(self.name, self.name)

    def duckdb(self) -> str:
        """As DuckDB writes it: ``STRUCT(a BIGINT)``, ``VARCHAR[]``, ``MAP(VARCHAR, BIGINT)``."""
        if self.name == "row":
            fields = (
                f"{quoted(name or f'field{i}')} {part.duckdb()}"
                for i, (name, part) in enumerate(zip(self.names, self.parts, strict=True))
            )
            return f"STRUCT({', '.join(fields)})"
        if self.name == "array":
            return f"{self.parts[0].duckdb()}[]"
        if self.name == "map":
            return f"MAP({self.parts[0].duckdb()}, {self.parts[1].duckdb()})"
        if self.name == "decimal":
            precision, scale = self.size or (38, 0)
            return f"DECIMAL({precision},{scale})"
        return _TO_DUCKDB.get(self.name, self.name.upper())

    def iceberg(self, next_id: Callable[[], int]) -> IcebergType:
        """The Iceberg type, nested fields numbered by ``next_id``.

        Raises:
            QueryError: Iceberg has no such type.
        """
        from pyiceberg import types as t

        if self.name == "row":
            fields = [(next_id(), n, p) for n, p in zip(self.names, self.parts, strict=True)]
            return t.StructType(
                *(t.NestedField(i, n or f"field{i}", p.iceberg(next_id)) for i, n, p in fields)
            )
        if self.name == "array":
            return t.ListType(next_id(), self.parts[0].iceberg(next_id), element_required=False)
        if self.name == "map":
            return t.MapType(
                next_id(),
                self.parts[0].iceberg(next_id),
                next_id(),
                self.parts[1].iceberg(next_id),
                value_required=False,
            )
        if self.name == "decimal":
            return t.DecimalType(*(self.size or (38, 0)))
        simple = {
            "boolean": t.BooleanType,
            "tinyint": t.IntegerType,
            "smallint": t.IntegerType,
            "integer": t.IntegerType,
            "bigint": t.LongType,
            "real": t.FloatType,
            "double": t.DoubleType,
            "varchar": t.StringType,
            "char": t.StringType,
            "varbinary": t.BinaryType,
            "date": t.DateType,
            "time": t.TimeType,
            "timestamp": t.TimestampType,
            "timestamp with time zone": t.TimestamptzType,
            "uuid": t.UUIDType,
        }.get(self.name)
        if simple is None:
            raise QueryError("NOT_SUPPORTED", f"Type not supported for Iceberg: {self.trino()}")
        return simple()

    def walk(self) -> Iterator[Type]:
        yield self
        for part in self.parts:
            yield from part.walk()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote_if_needed(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else quoted(name)


_TOKEN = re.compile(r"""\s*("(?:[^"]|"")*"|`(?:[^`]|``)*`|[\w$@.\-]+|[(),<>:])""")


@lru_cache(maxsize=4096)
def parse(text: str) -> Type:
    """Read a type in Trino's or Hive's words.

    Raises:
        QueryError: no such type.
    """
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if not match:
            raise QueryError("", f"FAILED: ParseException cannot read the type '{text}'")
        tokens.append(match[1])
        position = match.end()
    result, rest = _parse(tokens, 0, text)
    if rest != len(tokens):
        raise QueryError("", f"FAILED: ParseException cannot read the type '{text}'")
    return result


def _parse(tokens: list[str], at: int, text: str) -> tuple[Type, int]:
    def expect(*wanted: str) -> None:
        nonlocal at
        if at >= len(tokens) or tokens[at] not in wanted:
            raise QueryError("", f"FAILED: ParseException cannot read the type '{text}'")
        at += 1

    def peek(offset: int = 0) -> str:
        return tokens[at + offset].lower() if at + offset < len(tokens) else ""

    if at >= len(tokens):
        raise QueryError("", f"FAILED: ParseException cannot read the type '{text}'")
    name = tokens[at].lower()
    at += 1
    if name == "double" and peek() == "precision":
        at += 1
    if name == "interval" and peek(1) == "to":
        name = f"interval {peek()} to {peek(2)}"
        at += 3
    name = _FROM_HIVE.get(name, name)
    size: tuple[int, ...] = ()
    parts: list[Type] = []
    names: list[str | None] = []
    if name in ("row", "array", "map") and peek() in ("(", "<"):
        at += 1
        while peek() not in (")", ">"):
            if name == "row":
                # A field without a name is followed at once by the next one, or by its arguments.
                if peek(1) in (",", ")", "(", "<", ">") and not tokens[at].startswith(('"', "`")):
                    names.append(None)
                else:
                    names.append(_unquote(tokens[at]))
                    at += 1
                    if peek() == ":":
                        at += 1
            part, at = _parse(tokens, at, text)
            parts.append(part)
            if peek() == ",":
                at += 1
        expect(")", ">")
    elif peek() == "(":
        at += 1
        while peek() != ")":
            if not peek().isdigit():
                raise QueryError("", f"FAILED: ParseException cannot read the type '{text}'")
            size += (int(peek()),)
            at += 1
            if peek() == ",":
                at += 1
        expect(")")
    if name in ("timestamp", "time") and peek() in ("with", "without"):
        with_zone = peek() == "with"
        at += 1
        if peek() == "local":
            at += 1
        at += 2
        name += " with time zone" if with_zone else ""
    if name == "decimal" and len(size) == 1:
        size = (size[0], 0)
    if name == "decimal" and not size:
        size = (38, 0) if "(" in text else (10, 0)
    if name not in _KNOWN or (name == "array" and len(parts) != 1):
        raise QueryError("TYPE_NOT_FOUND", f"Unknown type: {text}")
    return Type(name, size, tuple(parts), tuple(names)), at


def _unquote(token: str) -> str:
    if token[:1] in ('"', "`"):
        return token[1:-1].replace(token[0] * 2, token[0])
    return token


def from_iceberg(kind: IcebergType) -> Type:
    """The Trino type of an Iceberg type, as Athena maps them."""
    from pyiceberg import types as t

    if isinstance(kind, t.StructType):
        return Type(
            "row",
            parts=tuple(from_iceberg(f.field_type) for f in kind.fields),
            names=tuple(f.name for f in kind.fields),
        )
    if isinstance(kind, t.ListType):
        return Type("array", parts=(from_iceberg(kind.element_type),))
    if isinstance(kind, t.MapType):
        return Type("map", parts=(from_iceberg(kind.key_type), from_iceberg(kind.value_type)))
    if isinstance(kind, t.DecimalType):
        return Type("decimal", (kind.precision, kind.scale))
    if isinstance(kind, t.FixedType):
        return Type("varbinary")
    names = {
        "boolean": "boolean",
        "int": "integer",
        "long": "bigint",
        "float": "real",
        "double": "double",
        "string": "varchar",
        "binary": "varbinary",
        "date": "date",
        "uuid": "uuid",
    }
    text = str(kind)
    if text in names:
        return Type(names[text])
    if text == "time":
        return Type("time", (6,))
    if text == "timestamp":
        return Type("timestamp", (6,))
    if text == "timestamptz":
        return Type("timestamp with time zone", (6,))
    raise QueryError("NOT_SUPPORTED", f"Iceberg type {text} is not supported")


def converted(sql: str, source: Type, target: Type, *, zoned: bool = False, depth: int = 0) -> str:
    """DuckDB's text for a value of ``source`` that is put into a column of ``target``.

    A row's fields go by their place, as Trino has it (DuckDB's cast would go by their names). Text
    that is too long is refused, not cut. ``zoned`` says that a moment comes with its zone.
    """
    if zoned:
        return _from_zoned(sql, target)
    if target.name in ("varchar", "char") and target.size and source.name in ("varchar", "char"):
        return _not_cut(sql, source, target)
    if not any(part.name == "row" for part in source.walk()):
        return f"CAST({sql} AS {target.duckdb()})"
    item = f"x{depth}"
    if source.name == "row":
        fields = ", ".join(
            f"{quoted(name or f'field{i}')} := "
            + converted(f"struct_extract_at({sql}, {i + 1})", old, new, depth=depth)
            for i, (name, old, new) in enumerate(
                zip(target.names, source.parts, target.parts, strict=True)
            )
        )
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE struct_pack({fields}) END"
    inner = [
        converted(part, old, new, depth=depth + 1)
        for part, old, new in zip(
            (item,) if source.name == "array" else (f"{item}.key", f"{item}.value"),
            source.parts,
            target.parts,
            strict=True,
        )
    ]
    if source.name == "array":
        return f"list_transform({sql}, lambda {item}: {inner[0]})"
    pairs = f"struct_pack(key := {inner[0]}, value := {inner[1]})"
    return f"map_from_entries(list_transform(map_entries({sql}), lambda {item}: {pairs}))"


def _from_zoned(sql: str, target: Type) -> str:
    """The moment itself, or for a column without a zone the time on that zone's wall."""
    instant, zone = (f"{sql}.{quoted(field)}" for field in ZONED_FIELDS)
    if target.name == "timestamp with time zone":
        return instant
    return f"CAST(trino_local({instant}, {zone}) AS {target.duckdb()})"


def _not_cut(sql: str, source: Type, target: Type) -> str:
    length = target.size[0]
    if source.size and source.size[0] <= length:
        return sql
    message = (
        "§INVALID_CAST_ARGUMENT§Cannot truncate non-space characters when casting from "
        f"{source.trino()} to {target.trino()} on INSERT§"
    )
    return (
        f"CASE WHEN length(rtrim({sql}[{length + 1}:])) > 0 THEN error('{message}') "
        f"ELSE left({sql}, {length}) END"
    )


_ALIKE = (
    {"tinyint", "smallint", "integer", "bigint", "decimal", "real", "double"},
    {"varchar", "char"},
    {"date", "timestamp", "timestamp with time zone"},
    {"time", "time with time zone"},
)


def assignable(source: Type, target: Type) -> bool:
    """Whether INSERT, UPDATE and MERGE put a ``source`` into a ``target`` column without a cast:
    Trino asks for a common type of the two, and converts."""
    if source.name == "unknown":
        return True
    if source.parts or target.parts:
        return (
            source.name == target.name
            and len(source.parts) == len(target.parts)
            and all(assignable(a, b) for a, b in zip(source.parts, target.parts, strict=True))
        )
    return source.name == target.name or any(
        source.name in kinds and target.name in kinds for kinds in _ALIKE
    )
