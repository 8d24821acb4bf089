"""Operators by Trino's types, and the other building blocks that rules share.

Integer division stays integer and decimals keep their scale, exactly; nothing is compared with what
it cannot equal; NULL makes a concatenation NULL.

Source: Trino documentation, "Mathematical", "Decimal", "Comparison" and "Date and time" functions
and operators.
"""

from __future__ import annotations

import datetime as dt
import re

from minilab_local.athena.translate import casts, zones
from minilab_local.athena.translate.errors import TranslationError, not_supported, type_mismatch
from minilab_local.athena.translate.scope import Value, literal, quote
from minilab_local.athena.translate.types import (
    ANY,
    BOOLEAN,
    DATE,
    DAY_SECOND,
    DOUBLE,
    REAL,
    UNKNOWN,
    YEAR_MONTH,
    Type,
    array,
    as_decimal,
    common_type,
    decimal,
    field_name,
    row,
    timestamptz,
    varchar,
)


def make_row(values: list[Value]) -> Value:
    kind = row([v.type for v in values])
    fields = (f"{quote(field_name(kind, i))} := {v.sql}" for i, v in enumerate(values))
    return Value(f"struct_pack({', '.join(fields)})", kind)


def choose(tests: list[str], results: list[Value], default: Value | None) -> Value:
    """A CASE whose branches have one type."""
    branches = [*results, *([default] if default else [])]
    kind = UNKNOWN
    for branch in branches:
        both = common_type(kind, branch.type)
        if both is None:
            raise type_mismatch(f"All result types must be the same: {kind}, {branch.type}")
        kind = both
    whens = " ".join(
        f"WHEN {test} THEN {casts.coerce(result, kind).sql}"
        for test, result in zip(tests, results, strict=True)
    )
    otherwise = f" ELSE {casts.coerce(default, kind).sql}" if default else ""
    return Value(f"CASE {whens}{otherwise} END", kind)


def concat(values: list[Value]) -> Value:
    """``||`` and concat: texts, bytes, arrays, and an array with an element. NULL gives NULL."""
    if any(v.type.kind == "array" for v in values):
        element = UNKNOWN
        for value in values:
            inner = value.type.element if value.type.kind == "array" else value.type
            # An element may be coerced to the array's, an array's NULL elements to the other's.
            both = common_type(element, inner)
            if both is None:
                raise type_mismatch(f"Cannot concatenate {element} and {inner}")
            element = both
        kind = array(element)
        parts = [
            casts.coerce(v, kind).sql
            if v.type.kind in ("array", "any", "unknown")
            else f"[{casts.coerce(v, element).sql}]"
            for v in values
        ]
        sql = parts[0]
        for part in parts[1:]:
            sql = f"trino_array_concat({sql}, {part})"
        return Value(sql, kind)
    kind = UNKNOWN
    for value in values:
        both = common_type(kind, value.type)
        if both is None or both.kind not in ("varchar", "char", "varbinary", "any", "unknown"):
            types = ", ".join(str(v.type) for v in values)
            raise type_mismatch(f"Unexpected parameters ({types}) for function concat")
        kind = both
    if kind.is_text:
        sizes = [v.type.size for v in values]
        known = [s for s in sizes if s is not None]
        kind = varchar(sum(known) if len(known) == len(sizes) else None)
    return Value("(" + " || ".join(v.sql for v in values) + ")", kind)


def compare(operator: str, left: Value, right: Value) -> Value:
    """A comparison of two values that Trino can bring to one type."""
    kind = common_type(left.type, right.type)
    if kind is None:
        raise type_mismatch(f"Cannot apply operator: {left.type} {operator} {right.type}")
    if kind.kind == "timestamptz":
        a, b = (zones.instant(_zoned(v)) for v in (left, right))
        return Value(f"({a} {operator} {b})", BOOLEAN)
    a, b = (_for_comparison(v, kind) for v in (left, right))
    return Value(f"({a} {operator} {b})", BOOLEAN)


def _zoned(value: Value) -> Value:
    return value if value.type.kind == "timestamptz" else casts.coerce(value, timestamptz(3))


def _for_comparison(value: Value, kind: Type) -> str:
    if value.type.is_numeric and kind.is_numeric:
        # DuckDB compares numbers of different types by value as Trino does, save decimal/double.
        mixed = kind.kind in ("double", "real") and value.type.kind not in ("double", "real")
        return casts.coerce(value, kind).sql if mixed and value.constant is None else value.sql
    return casts.coerce(value, kind).sql


def refuse_packed(kind: Type, where: str) -> None:
    """Zoned values whose zone varies compare by instant, which DuckDB's structs do not."""
    if kind.is_packed:
        raise not_supported(
            f"{where} over timestamps whose time zones vary by row (bring them to one zone with "
            "AT TIME ZONE 'UTC')"
        )
    for item in kind.items:
        refuse_packed(item, where)


_DATES = ("date", "timestamp", "timestamptz", "time")
_INTERVALS = (DAY_SECOND.kind, YEAR_MONTH.kind)


def calculate(operator: str, left: Value, right: Value) -> Value:
    """``+ - * / %`` by Trino's types."""
    a, b = left.type, right.type
    if a.is_numeric and b.is_numeric:
        return _numbers(operator, left, right)
    if "any" in (a.kind, b.kind):
        return Value(f"({left.sql} {operator} {right.sql})", ANY)
    if "unknown" in (a.kind, b.kind):
        known = b if a.kind == "unknown" else a
        if known.is_numeric or known.kind == "unknown":
            return Value(f"({left.sql} {operator} {right.sql})", known)
    if b.kind in _INTERVALS and a.kind in _DATES and operator in "+-":
        return _shift(operator, left, right)
    if a.kind in _INTERVALS and b.kind in _DATES and operator == "+":
        return _shift("+", right, left)
    if a.kind in _INTERVALS and a == b and operator in "+-":
        return Value(f"({left.sql} {operator} {right.sql})", a)
    if a.kind in _INTERVALS and b.is_numeric and operator in "*/":
        if operator == "/":
            return Value(f"trino_interval_times({left.sql}, 1 / CAST({right.sql} AS DOUBLE))", a)
        return Value(f"trino_interval_times({left.sql}, {right.sql})", a)
    if b.kind in _INTERVALS and a.is_numeric and operator == "*":
        return Value(f"trino_interval_times({right.sql}, {left.sql})", b)
    if operator == "-" and a.kind in _DATES and b.kind in _DATES:
        kind = common_type(a, b)
        if kind is not None:
            return _difference(left, right, kind)
    raise type_mismatch(f"Cannot apply operator: {a} {operator} {b}")


def _shift(operator: str, value: Value, interval: Value) -> Value:
    kind = value.type
    if kind.kind == "date":
        return Value(f"CAST({value.sql} {operator} {interval.sql} AS DATE)", DATE)
    if kind.kind == "timestamptz":
        if kind.is_packed:
            moved = f"{zones.instant(value)} {operator} {interval.sql}"
            return zones.packed(f"({moved})", zones.name(value), kind.size)
        if interval.type == YEAR_MONTH and kind.zone != "UTC":
            moved = f"{zones.local(value)} {operator} {interval.sql}"
            return Value(zones.from_local(f"({moved})", kind.zone), kind)
    return Value(f"({value.sql} {operator} {interval.sql})", kind)


def _difference(left: Value, right: Value, kind: Type) -> Value:
    if kind.kind == "date":
        return Value(f"to_days(CAST({left.sql} - {right.sql} AS INTEGER))", DAY_SECOND)
    if kind.kind == "timestamptz":
        a, b = (zones.instant(_zoned(v)) for v in (left, right))
    elif kind.kind == "time":
        a, b = (f"(DATE '1970-01-01' + {v.sql})" for v in (left, right))
    else:
        a, b = (casts.coerce(v, kind).sql for v in (left, right))
    return Value(f"({a} - {b})", DAY_SECOND)


def _numbers(operator: str, left: Value, right: Value) -> Value:
    kind = common_type(left.type, right.type)
    assert kind
    if kind.kind in (DOUBLE.kind, REAL.kind):
        a, b = (casts.coerce(v, kind).sql for v in (left, right))
        if operator == "%":
            return Value(f"({a} % {b})", kind)
        return Value(f"({a} {operator} {b})", kind)
    if kind.is_integer:
        a, b = (
            v.sql
            if v.type == kind or (v.constant is not None and kind.kind == "bigint")
            else f"CAST({v.sql} AS {casts.physical(kind)})"
            for v in (left, right)
        )
        word = "//" if operator == "/" else operator
        return Value(f"({a} {word} {b})", kind)
    return _decimals(operator, left, right)


def _decimals(operator: str, left: Value, right: Value) -> Value:
    """Decimal results have Trino's precision and scale. Source: "Decimal data type"."""
    a, b = as_decimal(left.type), as_decimal(right.type)
    p1, s1, p2, s2 = a.size or 0, a.scale or 0, b.size or 0, b.scale or 0
    x, y = casts.coerce(left, a).sql, casts.coerce(right, b).sql
    if operator in "+-":
        scale = max(s1, s2)
        kind = decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)
        wide = casts.physical(decimal(kind.size or 38, scale))
        return Value(f"CAST(CAST({x} AS {wide}) {operator} CAST({y} AS {wide}) AS {wide})", kind)
    if operator == "*":
        if s1 + s2 > 38:
            raise type_mismatch(f"DECIMAL scale must be in range [0, precision (38)]: {s1 + s2}")
        kind = decimal(p1 + p2, s1 + s2)
        if p1 + p2 > 38:
            return _scaled(f"({unscaled(x, a)} * {unscaled(y, b)})", kind)
        return Value(f"CAST({x} * {y} AS {casts.physical(kind)})", kind)
    scale = max(s1, s2)
    if operator == "/":
        kind = decimal(p1 + s2 + max(0, s2 - s1), scale)
        return divide_decimals(x, a, y, b, kind)
    kind = decimal(min(p1 - s1, p2 - s2) + scale, scale)
    wide = casts.physical(decimal(38, scale))
    return Value(f"CAST(CAST({x} AS {wide}) % CAST({y} AS {wide}) AS {casts.physical(kind)})", kind)


def unscaled(sql: str, kind: Type) -> str:
    """A decimal's digits as one HUGEINT."""
    size, scale = kind.size or 0, kind.scale or 0
    if not scale:
        return f"CAST({sql} AS HUGEINT)"
    if size + scale <= 36:
        return f"CAST({sql} * {10**scale}::HUGEINT AS HUGEINT)"
    return f"CAST(replace(CAST({sql} AS VARCHAR), '.', '') AS HUGEINT)"


def _scaled(sql: str, kind: Type) -> Value:
    """The decimal whose digits a HUGEINT holds."""
    scale = kind.scale or 0
    unit = f" * CAST('0.{'1'.rjust(scale, '0')}' AS DECIMAL({scale},{scale}))" if scale else ""
    return Value(f"CAST(CAST({sql} AS DECIMAL(38,0)){unit} AS {casts.physical(kind)})", kind)


def divide_decimals(x: str, a: Type, y: str, b: Type, kind: Type) -> Value:
    """An exact quotient of the scale of ``kind``, rounded half up; DuckDB's is a double."""
    power = (kind.scale or 0) + (b.scale or 0) - (a.scale or 0)
    digits = f"({unscaled(x, a)} * {10**power}::HUGEINT)"
    return _scaled(f"trino_half_up({digits}, {unscaled(y, b)})", kind)


def subscript(base: Value, index: Value) -> Value:
    """``a[i]``: fails outside an array and for a key that a map lacks."""
    if base.type.kind == "array":
        return Value(f"trino_subscript({base.sql}, {index.sql})", base.type.element)
    if base.type.kind == "map":
        key = casts.coerce(index, base.type.items[0]).sql
        return Value(f"trino_map_subscript({base.sql}, {key})", base.type.value)
    if base.type.kind == "row" and index.constant is not None:
        i = int(index.constant) - 1
        if not 0 <= i < len(base.type.items):
            raise TranslationError(
                "INVALID_FUNCTION_ARGUMENT",
                "line 1:1: Invalid subscript index: row has no such field",
            )
        return Value(f"({base.sql}).{quote(field_name(base.type, i))}", base.type.items[i])
    if base.type.kind == "any":
        return Value(f"({base.sql})[{index.sql}]", ANY)
    raise type_mismatch(f"Cannot use {index.type} for subscript of {base.type}")


_DATE = re.compile(r"\s*\d{4,}-\d{1,2}-\d{1,2}\s*$")
_TIMESTAMP = re.compile(r"\s*\d{4,}-\d{1,2}-\d{1,2} \d{1,2}:\d{1,2}(:\d{1,2}(\.\d{1,6})?)?\s*$")


def literal_cast(text: str, to: Type) -> Value | None:
    """A literal date or time, read now: shorter text, and a plain constant to push down."""
    if to.kind == "timestamptz":
        _refuse_nanos(text)
        return zones.parse_literal(text, to.size or 0)
    if to.kind == "date" and _DATE.match(text):
        return Value(f"DATE {literal(text.strip())}", to)
    if to.kind == "timestamp":
        if (to.size or 0) >= 6:
            _refuse_nanos(text)
        digits = len(text.partition(".")[2].strip())
        if _TIMESTAMP.match(text) and digits <= (to.size or 0):
            seconds = ":00" if text.count(":") == 1 else ""
            return Value(f"TIMESTAMP {literal(text.strip() + seconds)}", to)
    return None


def _refuse_nanos(text: str) -> None:
    found = re.search(r"\.(\d{6})(\d+)", text)
    if found and found[2].strip("0"):
        raise not_supported("a timestamp of more than six digits of a second")


INTERVAL_UNITS = ("YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_PARTS = ("DAY", "HOUR", "MINUTE", "SECOND")


def interval_span(sign: str, text: str, start: str, end: str) -> Value:
    """``INTERVAL '1 02:03' DAY TO MINUTE``, ``INTERVAL '3-5' YEAR TO MONTH``."""
    if (start, end) == ("YEAR", "MONTH") and re.fullmatch(r"\d+-\d+", text):
        years, months = map(int, text.split("-"))
        return Value(f"to_months({sign}{years * 12 + months})", YEAR_MONTH)
    units = (
        _PARTS[_PARTS.index(start) : _PARTS.index(end) + 1] if {start, end} <= set(_PARTS) else ()
    )
    numbers = re.split(r"[ :]", text)
    if not units or len(numbers) != len(units):
        raise TranslationError("INVALID_LITERAL", f"line 1:1: Invalid INTERVAL: {text}")
    span = dt.timedelta(
        **{f"{unit.lower()}s": float(n) for unit, n in zip(units, numbers, strict=True)}
    )
    micros = span // dt.timedelta(microseconds=1)
    return Value(f"to_microseconds({sign}{micros})", DAY_SECOND)
