"""Trino's types: read from text, written as Trino and DuckDB name them, and unified.

A type is an immutable value. What DuckDB cannot tell apart (``timestamp(3)`` from
``timestamp(6)``, ``varchar(5)`` from ``varchar``) is kept here and nowhere else.

Source: Trino documentation, "Data types"; DuckDB documentation, "Data types".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from minilab_local.athena.translate.errors import TranslationError, not_supported


@dataclass(frozen=True)
class Type:
    """One Trino type.

    ``kind`` is the plain name. ``size`` is a varchar's or char's length, a decimal's precision, or
    the digits of a timestamp's second; ``scale`` a decimal's; ``items`` the element of an array,
    key and value of a map, or fields of a row, whose names stand in ``names`` (None: anonymous).
    ``zone`` is that of a zoned timestamp where every value has the same one, else ``""``.
    """

    kind: str
    size: int | None = None
    scale: int | None = None
    items: tuple[Type, ...] = ()
    names: tuple[str | None, ...] = ()
    zone: str = ""

    def __str__(self) -> str:
        return trino_text(self)

    @property
    def element(self) -> Type:
        return self.items[0] if self.items else UNKNOWN

    @property
    def value(self) -> Type:
        return self.items[1] if len(self.items) > 1 else UNKNOWN

    @property
    def is_integer(self) -> bool:
        return self.kind in INTEGERS

    @property
    def is_numeric(self) -> bool:
        return self.kind in NUMERIC

    @property
    def is_text(self) -> bool:
        return self.kind in ("varchar", "char")

    @property
    def is_packed(self) -> bool:
        """A zoned timestamp whose zone varies by value: a struct in DuckDB."""
        return self.kind == "timestamptz" and not self.zone


BOOLEAN = Type("boolean")
TINYINT = Type("tinyint")
SMALLINT = Type("smallint")
INTEGER = Type("integer")
BIGINT = Type("bigint")
REAL = Type("real")
DOUBLE = Type("double")
VARCHAR = Type("varchar")
VARBINARY = Type("varbinary")
DATE = Type("date")
JSON = Type("json")
UUID = Type("uuid")
DAY_SECOND = Type("interval day to second")
YEAR_MONTH = Type("interval year to month")
UNKNOWN = Type("unknown")  # the type of NULL
ANY = Type("any")  # a type that we could not find out

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
NUMERIC = (*INTEGERS, "decimal", "real", "double")


def varchar(length: int | None = None) -> Type:
    return Type("varchar", size=length)


def decimal(precision: int, scale: int) -> Type:
    return Type("decimal", size=min(38, precision), scale=scale)


def timestamp(precision: int = 3) -> Type:
    return Type("timestamp", size=precision)


def timestamptz(precision: int = 3, zone: str = "UTC") -> Type:
    return Type("timestamptz", size=precision, zone=zone)


def time(precision: int = 3) -> Type:
    return Type("time", size=precision)


def array(element: Type) -> Type:
    return Type("array", items=(element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", items=(key, value))


def row(types: list[Type], names: list[str | None] | None = None) -> Type:
    return Type("row", items=tuple(types), names=tuple(names or [None] * len(types)))


# --- reading -----------------------------------------------------------------------------------

_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|[\w$.:\-]+|[(),<>\[\]])')

# The names that Trino, Hive (in Glue) and DuckDB give to the types that have no parameters.
_PLAIN = {
    "boolean": BOOLEAN, "bool": BOOLEAN, "tinyint": TINYINT, "smallint": SMALLINT,
    "integer": INTEGER, "int": INTEGER, "bigint": BIGINT, "long": BIGINT, "real": REAL,
    "float": REAL, "double": DOUBLE, "string": VARCHAR, "text": VARCHAR, "varbinary": VARBINARY,
    "binary": VARBINARY, "blob": VARBINARY, "date": DATE, "json": JSON, "uuid": UUID,
    "utinyint": SMALLINT, "usmallint": INTEGER, "uinteger": BIGINT, "ubigint": decimal(20, 0),
    "hugeint": decimal(38, 0), "uhugeint": decimal(38, 0), "null": UNKNOWN, "unknown": UNKNOWN,
    "timestamp_s": timestamp(0), "timestamp_ms": timestamp(3), "timestamp_ns": timestamp(9),
    "timestamptz": timestamptz(3), "interval": DAY_SECOND, "any": ANY, "bit": ANY,
}  # fmt: skip


@cache
def parse_type(text: str, *, bare_timestamp: int = 3) -> Type:
    """Read a type as Trino, Glue or DuckDB writes it.

    ``bare_timestamp`` is the precision of a plain ``timestamp``: 3 in Trino, 6 in DuckDB.
    Raises ``TranslationError`` (TYPE_NOT_FOUND) for a text that is no type.
    """
    reader = _Reader(text, bare_timestamp)
    found = reader.type()
    if reader.tokens:
        raise TranslationError("TYPE_NOT_FOUND", f"line 1:1: Unknown type: {text}")
    return found


class _Reader:
    def __init__(self, text: str, bare_timestamp: int) -> None:
        self.text = text
        self.bare_timestamp = bare_timestamp
        self.tokens = _TOKEN.findall(text)[::-1]

    def peek(self) -> str:
        return self.tokens[-1].lower() if self.tokens else ""

    def take(self, *expected: str) -> str:
        token = self.tokens.pop() if self.tokens else ""
        if expected and token.lower() not in expected:
            raise TranslationError("TYPE_NOT_FOUND", f"line 1:1: Unknown type: {self.text}")
        return token

    def words(self, *words: str) -> bool:
        if [t.lower() for t in self.tokens[-len(words) :][::-1]] != list(words):
            return False
        del self.tokens[-len(words) :]
        return True

    def numbers(self) -> list[int]:
        if self.peek() != "(":
            return []
        self.take("(")
        found = [int(self.take())]
        while self.peek() == ",":
            self.take(",")
            found.append(int(self.take()))
        self.take(")")
        return found

    def type(self) -> Type:
        found = self.one()
        while self.peek() == "[":  # DuckDB's lists: INTEGER[], and arrays of fixed size: INTEGER[3]
            self.take("[")
            if self.peek() != "]":
                self.take()
            self.take("]")
            found = array(found)
        return found

    def one(self) -> Type:
        name = self.take().strip('"').lower()
        if name in ("array", "list"):
            (element,) = self.inside()
            return array(element)
        if name == "map":
            key, value = self.inside()
            return map_of(key, value)
        if name in ("row", "struct", "tuple"):
            return self.fields()
        if name in ("decimal", "numeric", "dec"):
            size, scale = [*self.numbers(), 0][:2] if self.peek() == "(" else (38, 0)
            return decimal(size, scale)
        if name in ("varchar", "char"):
            size = self.numbers()
            return Type(name, size=size[0] if size else (1 if name == "char" else None))
        if name in ("timestamp", "time"):
            digits = self.numbers()
            bare = self.bare_timestamp if name == "timestamp" else 3
            size = digits[0] if digits else bare
            if self.words("with", "time", "zone"):
                if name == "timestamp":
                    return timestamptz(size if digits else 3)
                return Type("timetz", size=size)
            self.words("without", "time", "zone")
            return Type(name, size=size)
        if name == "interval" and self.words("year", "to", "month"):
            return YEAR_MONTH
        if name == "interval" and self.words("day", "to", "second"):
            return DAY_SECOND
        if name == "double" and self.peek() == "precision":
            self.take()
        if name in _PLAIN:
            return _PLAIN[name]
        if name in ("ipaddress", "hyperloglog", "qdigest", "tdigest", "setdigest", "geometry"):
            raise not_supported(f"type {name}")
        raise TranslationError("TYPE_NOT_FOUND", f"line 1:1: Unknown type: {self.text}")

    def inside(self) -> list[Type]:
        close = {"(": ")", "<": ">"}[self.take("(", "<")]
        found = [self.type()]
        while self.peek() == ",":
            self.take(",")
            found.append(self.type())
        self.take(close)
        return found

    def fields(self) -> Type:
        """A row's fields: ``a integer`` (Trino, DuckDB), ``a:int`` (Glue), ``integer`` alone."""
        close = {"(": ")", "<": ">"}[self.take("(", "<")]
        names: list[str | None] = []
        types: list[Type] = []
        while True:
            token = self.tokens[-1] if self.tokens else ""
            if close == ">" and ":" in token:
                name, _, rest = self.take().partition(":")
                if rest:
                    self.tokens.append(rest)
                names.append(name.lower())
            elif len(self.tokens) > 1 and self.is_field_name():
                names.append(self.take().strip('"').replace('""', '"').lower())
            else:
                names.append(None)
            types.append(self.type())
            if self.peek() != ",":
                break
            self.take(",")
        self.take(close)
        return row(types, names)

    def is_field_name(self) -> bool:
        first, second = self.tokens[-1].lower(), self.tokens[-2].lower()
        if second in (",", ")", "(", "<", ">", "["):
            return False
        return not (
            (first in ("timestamp", "time") and second in ("with", "without"))
            or (first == "interval" and second in ("year", "day"))
            or (first == "double" and second == "precision")
        )


def trino_type(duckdb_type: str) -> str:
    """The Trino type of a DuckDB column: ``BIGINT`` gives ``bigint``.

    A struct of the two fields in which zoned timestamps travel gives ``timestamp(3) with time
    zone``. DuckDB's plain TIMESTAMP counts microseconds and gives ``timestamp(6)``.
    """
    return trino_text(_unpacked(parse_type(duckdb_type, bare_timestamp=6)))


ZONED_FIELDS = ("__instant", "__zone")


def _unpacked(found: Type) -> Type:
    if found.kind == "row" and found.names == ZONED_FIELDS:
        return timestamptz(3, zone="")
    if found.kind == "timestamp" and found.size == 0:
        return timestamp(3)
    if not found.items:
        return found
    return Type(found.kind, items=tuple(map(_unpacked, found.items)), names=found.names)


# --- writing -----------------------------------------------------------------------------------


def trino_text(found: Type) -> str:
    """The type as Trino prints it."""
    kind = found.kind
    if kind == "any":
        return "varchar"
    if kind == "decimal":
        return f"decimal({found.size},{found.scale})"
    if kind in ("varchar", "char", "timestamp", "time"):
        return kind if found.size is None else f"{kind}({found.size})"
    if kind in ("timestamptz", "timetz"):
        return f"{kind[:-2]}({found.size}) with time zone"
    if kind == "array":
        return f"array({found.element})"
    if kind == "map":
        return f"map({found.items[0]}, {found.items[1]})"
    if kind == "row":
        fields = zip(found.names, found.items, strict=True)
        return "row(" + ", ".join(f"{_field(n)} {t}" if n else str(t) for n, t in fields) + ")"
    return kind


def _field(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


_DUCKDB = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "integer": "INTEGER",
    "bigint": "BIGINT", "real": "FLOAT", "double": "DOUBLE", "varchar": "VARCHAR",
    "char": "VARCHAR", "varbinary": "BLOB", "date": "DATE", "time": "TIME", "timetz": "TIMETZ",
    "timestamp": "TIMESTAMP", "json": "JSON", "uuid": "UUID", "unknown": '"NULL"',
    "interval day to second": "INTERVAL", "interval year to month": "INTERVAL",
}  # fmt: skip


def field_name(found: Type, index: int) -> str:
    """A row field's name in DuckDB, where every field has one (Athena prints ``field0`` too)."""
    return found.names[index] or f"field{index}"


def duckdb_type(found: Type) -> str:
    """The DuckDB type that carries a Trino type."""
    if found.kind == "decimal":
        return f"DECIMAL({found.size},{found.scale})"
    if found.kind == "timestamptz":
        if found.zone:
            return "TIMESTAMP WITH TIME ZONE"
        return f'STRUCT("{ZONED_FIELDS[0]}" TIMESTAMP WITH TIME ZONE, "{ZONED_FIELDS[1]}" VARCHAR)'
    if found.kind == "array":
        return f"{duckdb_type(found.element)}[]"
    if found.kind == "map":
        return f"MAP({duckdb_type(found.items[0])}, {duckdb_type(found.items[1])})"
    if found.kind == "row":
        fields = (
            '"' + field_name(found, i).replace('"', '""') + '" ' + duckdb_type(t)
            for i, t in enumerate(found.items)
        )
        return f"STRUCT({', '.join(fields)})"
    if found.kind not in _DUCKDB:
        raise not_supported(f"type {found}")
    return _DUCKDB[found.kind]


# --- unifying ----------------------------------------------------------------------------------

_INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}


def as_decimal(found: Type) -> Type:
    return decimal(_INTEGER_DIGITS[found.kind], 0) if found.is_integer else found


def common_type(left: Type, right: Type) -> Type | None:
    """The type to which Trino coerces both, or None where it refuses."""
    if left == right or right.kind in ("unknown",):
        return left
    if left.kind == "unknown":
        return right
    if "any" in (left.kind, right.kind):
        return ANY
    if left.is_numeric and right.is_numeric:
        return _common_number(left, right)
    if left.is_text and right.is_text:
        sizes = (left.size, right.size)
        size = None if None in sizes else max(s for s in sizes if s is not None)
        kind = "char" if left.kind == right.kind == "char" else "varchar"
        return Type(kind, size=size)
    kinds = {left.kind, right.kind}
    if kinds <= {"date", "timestamp", "timestamptz"}:
        digits = max(left.size or 0, right.size or 0)
        if "timestamptz" in kinds:
            zones = {t.zone if t.kind == "timestamptz" else "UTC" for t in (left, right)}
            return timestamptz(digits, zones.pop() if len(zones) == 1 else "")
        return timestamp(digits)
    if left.kind != right.kind or len(left.items) != len(right.items):
        return None
    if left.kind in ("time", "timetz"):
        return Type(left.kind, size=max(left.size or 0, right.size or 0))
    items = [common_type(a, b) for a, b in zip(left.items, right.items, strict=True)]
    if None in items:
        return None
    names = tuple(a if a == b else None for a, b in zip(left.names, right.names, strict=True))
    return Type(left.kind, items=tuple(i for i in items if i), names=names)


def _common_number(left: Type, right: Type) -> Type:
    kinds = {left.kind, right.kind}
    if "double" in kinds:
        return DOUBLE
    if "real" in kinds:
        return REAL
    if "decimal" in kinds:
        a, b = as_decimal(left), as_decimal(right)
        assert a.size is not None and a.scale is not None
        assert b.size is not None and b.scale is not None
        scale = max(a.scale, b.scale)
        return decimal(max(a.size - a.scale, b.size - b.scale) + scale, scale)
    return max((left, right), key=lambda t: INTEGERS.index(t.kind))
