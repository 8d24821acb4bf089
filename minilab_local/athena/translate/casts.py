"""What a value becomes under another type: explicit CAST, TRY_CAST, and Trino's own coercions.

Each rule answers with DuckDB text. A text that does not fit fails as in Trino: ``'1.5'`` is no
integer, ``'2020-01-01T00:00:00'`` no timestamp. Failing is itself a cast that cannot succeed (see
``trino_raise`` in ``runtime``), so that TRY and TRY_CAST turn it into NULL.

Source: Trino documentation, "Conversion functions", "Data types".
"""

from __future__ import annotations

from collections.abc import Callable

from minilab_local.athena.translate import zones
from minilab_local.athena.translate.errors import TranslationError, type_mismatch
from minilab_local.athena.translate.scope import Value, literal, quote
from minilab_local.athena.translate.types import (
    ANY,
    Type,
    duckdb_type,
    field_name,
    parse_type,
    timestamp,
)


def cast(value: Value, to: Type) -> Value:
    """CAST as Trino does it. Raises TYPE_MISMATCH for a pair that Trino does not cast."""
    source = value.type
    if source == to:
        return value
    if to.kind == "timestamptz" and not to.zone:
        to = Type("timestamptz", size=to.size)
    if source.kind == "unknown":
        return Value(f"CAST(NULL AS {duckdb_type(to)})", to)
    rule = _RULES.get((source.kind, to.kind)) or _TO.get(to.kind)
    if source.kind == "any":
        return Value(f"CAST({value.sql} AS {duckdb_type(to)})", to)
    found = rule(value, to) if rule else None
    if found is None:
        raise type_mismatch(f"Cannot cast {source} to {to}")
    return found


def coerce(value: Value, to: Type) -> Value:
    """Bring a value to the type that Trino coerces it to; no text where DuckDB needs none."""
    source = value.type
    if "any" in (source.kind, to.kind) or to.kind == "unknown":
        return value
    if source.kind == to.kind and not to.items:
        if to.kind == "decimal" and (source.size, source.scale) != (to.size, to.scale):
            return cast(value, to)
        if to.kind == "timestamptz" and source.zone != to.zone:
            return zones.with_type(value, to)
        return Value(value.sql, to, value.constant)
    if source.kind in ("varchar", "char") and to.kind in ("varchar", "char"):
        return Value(value.sql, to, value.constant)
    if value.constant is not None and source.kind == "integer" and to.kind == "bigint":
        return Value(f"CAST({value.sql} AS BIGINT)", to, value.constant)
    if source.items and physical(source) == physical(to):
        return Value(value.sql, to)
    return cast(value, to)


def physical(found: Type) -> str:
    """The DuckDB type, or a mark of its own for a type that has none."""
    try:
        return duckdb_type(found)
    except TranslationError:
        return f"?{found}"


def _plain(value: Value, to: Type) -> Value:
    return Value(f"CAST({value.sql} AS {duckdb_type(to)})", to)


# --- to numbers --------------------------------------------------------------------------------


def _rounded(value: Value, to: Type) -> Value:
    """DuckDB rounds 2.5 to the even number; Trino away from zero."""
    return Value(f"CAST(round({value.sql}) AS {duckdb_type(to)})", to)


def _text_to_integer(value: Value, to: Type) -> Value:
    text = f"trino_integer_text({value.sql}, {literal(str(to))})"
    return Value(f"CAST({text} AS {duckdb_type(to)})", to)


def _text_to_number(value: Value, to: Type) -> Value:
    text = f"trino_number_text({value.sql}, {literal(str(to))})"
    return Value(f"CAST({text} AS {duckdb_type(to)})", to)


def _text_to_boolean(value: Value, to: Type) -> Value:
    return Value(f"trino_boolean({value.sql})", to)


def _number(value: Value, to: Type) -> Value | None:
    if value.type.kind in ("real", "double") and to.is_integer:
        return _rounded(value, to)
    if value.type.is_numeric or value.type.kind == "boolean":
        return _plain(value, to)
    return None


# --- to text -----------------------------------------------------------------------------------


def _text(value: Value, to: Type) -> Value | None:
    rule = _TEXT.get(value.type.kind)
    if rule is None:
        return None
    sql = rule(value)
    if to.size is None:
        return Value(sql, to)
    if value.type.is_text:
        known = value.type.size
        if to.kind == "varchar" and known is not None and known <= to.size:
            return Value(sql, to)
        cut = f"left({sql}, {to.size})"
        if to.kind == "char":
            cut = f"rpad({cut}, {to.size}, ' ')"
        return Value(cut, to)
    return Value(f"trino_fit({sql}, {to.size}, {literal(str(to))})", to)


def _clock_text(kind: str) -> Callable[[Value], str]:
    def text(value: Value) -> str:
        digits = value.type.size if value.type.size is not None else 3
        date = "%Y-%m-%d " if kind == "timestamp" else ""
        sql = value.sql if kind == "timestamp" else f"(DATE '1970-01-01' + {value.sql})"
        whole = f"strftime({sql}, '{date}%H:%M:%S')"
        if digits == 0:
            return whole
        fraction = f"left(strftime({sql}, '%f'), {min(digits, 6)})"
        return f"({whole} || '.' || {fraction} || '{'0' * max(0, digits - 6)}')"

    return text


def _zoned_text(value: Value) -> str:
    local = Value(zones.local(value), timestamp(value.type.size or 0))
    return f"({_clock_text('timestamp')(local)} || ' ' || {zones.name(value)})"


_TEXT: dict[str, Callable[[Value], str]] = {
    "varchar": lambda v: v.sql,
    "char": lambda v: v.sql,
    "boolean": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "tinyint": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "smallint": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "integer": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "bigint": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "decimal": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "double": lambda v: f"trino_double_text({v.sql})",
    "real": lambda v: f"trino_real_text({v.sql})",
    "date": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "uuid": lambda v: f"CAST({v.sql} AS VARCHAR)",
    "time": _clock_text("time"),
    "timestamp": _clock_text("timestamp"),
    "timestamptz": _zoned_text,
    "json": lambda v: f"trino_json_text({v.sql})",
    "interval day to second": lambda v: f"trino_day_second({v.sql})",
    "interval year to month": lambda v: f"trino_year_month({v.sql})",
}


# --- to dates and times ------------------------------------------------------------------------


def _text_to_date(value: Value, to: Type) -> Value:
    return Value(f"CAST(trino_date_text({value.sql}) AS DATE)", to)


def _text_to_time(value: Value, to: Type) -> Value:
    return Value(f"CAST(trino_time_text({value.sql}) AS TIME)", to)


def _text_to_timestamp(value: Value, to: Type) -> Value:
    sql = f"CAST(trino_timestamp_text({value.sql}) AS TIMESTAMP)"
    return _precise(Value(sql, timestamp(6)), to)


def _text_to_zoned(value: Value, to: Type) -> Value:
    if value.constant is not None:
        return zones.parse_literal(value.constant, to.size or 0)
    return Value(f"trino_zoned({value.sql})", Type("timestamptz", size=to.size))


def _precise(value: Value, to: Type) -> Value:
    """A timestamp or time with another number of digits; fewer digits round half up."""
    digits = 3 if to.size is None else to.size
    known = 3 if value.type.size is None else value.type.size
    if digits >= min(known, 6):
        return Value(value.sql, to)
    unit = 10 ** (6 - digits)
    return Value(f"trino_round_{value.type.kind}({value.sql}, {unit})", to)


def _to_timestamp(value: Value, to: Type) -> Value | None:
    kind = value.type.kind
    if kind == "timestamp":
        return _precise(value, to)
    if kind == "timestamptz":
        local = Value(zones.local(value), timestamp(value.type.size or 0))
        return _precise(local, to)
    return _plain(value, to) if kind == "date" else None


def _to_zoned(value: Value, to: Type) -> Value | None:
    kind = value.type.kind
    if kind == "timestamptz":
        digits = min(to.size or 0, 6)
        if digits < min(value.type.size or 0, 6) and value.type.zone:
            unit = 10 ** (6 - digits)
            sql = f"trino_round_timestamptz({value.sql}, {unit})"
            return Value(sql, Type("timestamptz", size=to.size, zone=value.type.zone))
        return Value(value.sql, Type("timestamptz", size=to.size, zone=value.type.zone))
    if kind in ("timestamp", "date"):
        local = _to_timestamp(value, timestamp(to.size or 0))
        assert local
        return Value(f"timezone('UTC', {local.sql})", Type("timestamptz", size=to.size, zone="UTC"))
    return None


def _to_date(value: Value, to: Type) -> Value | None:
    if value.type.kind == "timestamptz":
        return Value(f"CAST({zones.local(value)} AS DATE)", to)
    return _plain(value, to) if value.type.kind == "timestamp" else None


def _to_time(value: Value, to: Type) -> Value | None:
    kind = value.type.kind
    if kind == "time":
        return _precise(value, to)
    if kind == "timestamp":
        return Value(f"CAST({value.sql} AS TIME)", to)
    if kind == "timestamptz":
        return Value(f"CAST({zones.local(value)} AS TIME)", to)
    return None


# --- arrays, maps, rows ------------------------------------------------------------------------


def _to_array(value: Value, to: Type) -> Value | None:
    if value.type.kind != "array":
        return None
    item = cast(Value(quote("c"), value.type.element), to.element)
    if item.sql == quote("c"):
        return Value(value.sql, to)
    if _casts_alike(value.type, to):
        return _plain(value, to)
    return Value(f"list_transform({value.sql}, lambda {quote('c')}: {item.sql})", to)


def _to_map(value: Value, to: Type) -> Value | None:
    if value.type.kind != "map":
        return None
    if _casts_alike(value.type, to):
        return _plain(value, to)
    pair = quote("c")
    key = cast(Value(f"{pair}.key", value.type.items[0]), to.items[0]).sql
    item = cast(Value(f"{pair}.value", value.type.value), to.value).sql
    entries = f"list_transform(map_entries({value.sql}), lambda {pair}: ({key}, {item}))"
    return Value(f"CAST(map_from_entries({entries}) AS {duckdb_type(to)})", to)


def _to_row(value: Value, to: Type) -> Value | None:
    """Rows cast by position; DuckDB's structs by name."""
    source = value.type
    if source.kind != "row" or len(source.items) != len(to.items):
        return None
    fields = []
    for i, (have, want) in enumerate(zip(source.items, to.items, strict=True)):
        field = Value(f"({value.sql}).{quote(field_name(source, i))}", have)
        fields.append(f"{quote(field_name(to, i))} := {cast(field, want).sql}")
    packed = f"struct_pack({', '.join(fields)})"
    return Value(f"CASE WHEN {value.sql} IS NOT NULL THEN {packed} END", to)


_ALIKE = {"boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal"}


def _casts_alike(source: Type, to: Type) -> bool:
    """Whether DuckDB's own cast of the whole means what Trino's cast of each item means."""
    if source.items or to.items:
        return (
            source.kind == to.kind
            and source.kind in ("array", "map")
            and all(_casts_alike(a, b) for a, b in zip(source.items, to.items, strict=True))
        )
    if source.kind == to.kind and not to.size:
        return True
    rounds = source.kind in ("real", "double") and to.is_integer
    return source.kind == "unknown" or ({source.kind, to.kind} <= _ALIKE and not rounds)


# --- json --------------------------------------------------------------------------------------


def _to_json(value: Value, to: Type) -> Value:
    return Value(f"trino_to_json({json_value(value)})", to)


def json_value(value: Value) -> str:
    """A value whose DuckDB to_json is what Trino's cast to JSON gives."""
    kind = value.type
    if kind.kind in ("boolean", "json", "date", "decimal", "varchar", "unknown") or kind.is_integer:
        return value.sql
    if kind.kind in ("timestamp", "timestamptz", "uuid", "time"):
        rule = _TEXT[kind.kind]
        return rule(value)
    if kind.kind in ("double", "real"):
        return f"trino_json_number({value.sql})"
    if kind.kind == "array":
        item = json_value(Value(quote("j"), kind.element))
        if item == quote("j"):
            return value.sql
        return f"list_transform({value.sql}, lambda {quote('j')}: {item})"
    if kind.kind == "map" and kind.items[0].kind in ("varchar", *_ALIKE):
        item = json_value(Value("j.value", kind.value))
        if item == "j.value":
            return f"trino_sorted_map({value.sql})"
        key = "CAST(j.key AS VARCHAR)"
        entries = f"list_transform(map_entries({value.sql}), lambda j: ({key}, {item}))"
        return f"trino_sorted_map(map_from_entries({entries}))"
    if kind.kind == "row":
        fields = ", ".join(
            f"{quote(field_name(kind, i))} := "
            + json_value(Value(f"({value.sql}).{quote(field_name(kind, i))}", t))
            for i, t in enumerate(kind.items)
        )
        return f"CASE WHEN {value.sql} IS NOT NULL THEN struct_pack({fields}) END"
    raise type_mismatch(f"Cannot cast {kind} to json")


def from_json(value: Value, to: Type) -> Value:
    """A JSON document as a Trino value; fails where a part does not fit its type."""
    kind = to.kind
    if to.is_text:
        text = Value(f"trino_json_text({value.sql})", parse_type("varchar"))
        return cast(text, to) if to.size else Value(text.sql, to)
    if kind == "boolean":
        return Value(f"trino_json_boolean({value.sql})", to)
    if to.is_integer:
        return Value(f"CAST(trino_json_integer({value.sql}) AS {duckdb_type(to)})", to)
    if to.is_numeric:
        return Value(f"CAST(trino_json_scalar({value.sql}) AS {duckdb_type(to)})", to)
    if kind == "array":
        item = from_json(Value(quote("e"), parse_type("json")), to.element)
        items = f"trino_json_items({value.sql})"
        return Value(f"list_transform({items}, lambda {quote('e')}: {item.sql})", to)
    if kind == "map":
        key = from_json_key(quote("k"), to.items[0])
        item = from_json(Value(f"trino_json_member({value.sql}, {quote('k')})", JSON_), to.value)
        keys = f"trino_json_keys({value.sql})"
        entries = f"list_transform({keys}, lambda {quote('k')}: ({key}, {item.sql}))"
        return Value(f"CAST(map_from_entries({entries}) AS {duckdb_type(to)})", to)
    if kind == "row":
        fields = []
        for i, field in enumerate(to.items):
            name = field_name(to, i)
            member = f"trino_json_field({value.sql}, {literal(name)}, {i})"
            fields.append(f"{quote(name)} := {from_json(Value(member, JSON_), field).sql}")
        packed = f"struct_pack({', '.join(fields)})"
        return Value(f"CASE WHEN trino_json_is_row({value.sql}) THEN {packed} END", to)
    if kind == "json":
        return value
    raise type_mismatch(f"Cannot cast json to {to}")


JSON_ = parse_type("json")


def from_json_key(sql: str, to: Type) -> str:
    return sql if to.is_text else cast(Value(sql, parse_type("varchar")), to).sql


def _uuid(value: Value, to: Type) -> Value | None:
    return _plain(value, to) if value.type.is_text else None


def _binary(value: Value, to: Type) -> Value | None:
    return Value(f"encode({value.sql})", to) if value.type.is_text else None


_TO: dict[str, Callable[[Value, Type], Value | None]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint", "real", "double"), _number),
    "decimal": _number,
    "varchar": _text,
    "char": _text,
    "date": _to_date,
    "time": _to_time,
    "timestamp": _to_timestamp,
    "timestamptz": _to_zoned,
    "array": _to_array,
    "map": _to_map,
    "row": _to_row,
    "json": _to_json,
    "uuid": _uuid,
    "varbinary": _binary,
    "any": lambda value, to: Value(value.sql, ANY),
}

_RULES: dict[tuple[str, str], Callable[[Value, Type], Value | None]] = {
    **{
        (text, kind): _text_to_integer
        for text in ("varchar", "char")
        for kind in ("tinyint", "smallint", "integer", "bigint")
    },
    **{
        (text, kind): _text_to_number
        for text in ("varchar", "char")
        for kind in ("real", "double", "decimal")
    },
    ("varchar", "boolean"): _text_to_boolean,
    ("varchar", "date"): _text_to_date,
    ("varchar", "time"): _text_to_time,
    ("varchar", "timestamp"): _text_to_timestamp,
    ("varchar", "timestamptz"): _text_to_zoned,
    **{
        ("json", kind): from_json
        for kind in (
            "boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "decimal",
            "varchar", "char", "array", "map", "row",
        )
    },
    **{
        (number, "boolean"): lambda value, to: Value(f"({value.sql} <> 0)", to)
        for number in ("tinyint", "smallint", "integer", "bigint", "real", "double", "decimal")
    },
    ("interval day to second", "varchar"): _text,
    ("interval year to month", "varchar"): _text,
}  # fmt: skip
