"""Dates, times and intervals.

Source: Trino documentation, "Date and time functions and operators".
"""

from __future__ import annotations

import re

from minilab_local.athena.translate import casts, zones
from minilab_local.athena.translate.errors import TranslationError, not_supported
from minilab_local.athena.translate.functions.calls import Call
from minilab_local.athena.translate.functions.registry import rule
from minilab_local.athena.translate.scope import Value, literal
from minilab_local.athena.translate.types import (
    BIGINT,
    DATE,
    DAY_SECOND,
    DOUBLE,
    VARCHAR,
    YEAR_MONTH,
    Type,
    time,
    timestamp,
    timestamptz,
)

UNITS = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
_CLOCK = UNITS[:4]


def unit_of(call: Call) -> str:
    unit = call.constant(0, "a unit").lower()
    if unit not in UNITS:
        raise TranslationError(
            "INVALID_FUNCTION_ARGUMENT", f"line 1:1: '{unit}' is not a valid Timestamp field"
        )
    return unit


def wall(value: Value) -> str:
    """A date or timestamp as the TIMESTAMP or DATE on its own zone's wall."""
    return zones.local(value) if value.type.kind == "timestamptz" else value.sql


# --- now ---------------------------------------------------------------------------------------


@rule("current_timestamp", "now")
def current_timestamp(call: Call) -> Value:
    digits = int(call.constant(0, "a precision")) if len(call) else 3
    return casts.cast(Value("now()", timestamptz(6)), timestamptz(digits))


@rule("localtimestamp")
def localtimestamp(call: Call) -> Value:
    digits = int(call.constant(0, "a precision")) if len(call) else 3
    return casts.cast(Value("timezone('UTC', now())", timestamp(6)), timestamp(digits))


@rule("current_date")
def current_date(call: Call) -> Value:
    return Value("CAST(timezone('UTC', now()) AS DATE)", DATE)


@rule("localtime")
def localtime(call: Call) -> Value:
    return casts.cast(Value("CAST(timezone('UTC', now()) AS TIME)", time(6)), time(3))


@rule("current_timezone")
def current_timezone(call: Call) -> Value:
    return Value("'UTC'", VARCHAR)


# --- arithmetic --------------------------------------------------------------------------------


@rule("date_trunc")
def date_trunc(call: Call) -> Value:
    """DuckDB's gives TIMESTAMP for a DATE; Trino's keeps the type."""
    unit, value = unit_of(call), call[1]
    kind = value.type.kind
    if kind == "date":
        return Value(f"CAST(date_trunc('{unit}', {value.sql}) AS DATE)", DATE)
    if kind == "timestamp":
        return Value(f"date_trunc('{unit}', {value.sql})", value.type)
    if kind == "timestamptz" and not value.type.is_packed:
        truncated = f"date_trunc('{unit}', {zones.local(value)})"
        return Value(zones.from_local(truncated, value.type.zone), value.type)
    if kind == "timestamptz":
        truncated = f"date_trunc('{unit}', {zones.local(value)})"
        instant = f"trino_from_local({truncated}, {zones.name(value)})"
        return zones.packed(instant, zones.name(value), value.type.size)
    if kind == "time" and unit in _CLOCK:
        return Value(
            f"CAST(date_trunc('{unit}', DATE '1970-01-01' + {value.sql}) AS TIME)", value.type
        )
    if kind in ("any", "unknown"):
        return Value(f"date_trunc('{unit}', {value.sql})", value.type)
    raise call.wrong()


_INTERVALS = {
    "millisecond": "to_milliseconds(CAST({} AS DOUBLE))",
    "second": "to_seconds({})",
    "minute": "to_minutes({})",
    "hour": "to_hours({})",
    "day": "to_days(CAST({} AS INTEGER))",
    "week": "to_days(CAST(({}) * 7 AS INTEGER))",
    "month": "to_months(CAST({} AS INTEGER))",
    "quarter": "to_months(CAST(({}) * 3 AS INTEGER))",
    "year": "to_years(CAST({} AS INTEGER))",
}


@rule("date_add")
def date_add(call: Call) -> Value:
    call.count(3)
    unit, value = unit_of(call), call[2]
    interval = _INTERVALS[unit].format(call.coerced(1, BIGINT))
    kind = value.type
    if kind.kind == "date":
        if unit in _CLOCK:
            raise TranslationError(
                "INVALID_FUNCTION_ARGUMENT", f"line 1:1: '{unit}' is not a valid DATE field"
            )
        return Value(f"CAST({value.sql} + {interval} AS DATE)", DATE)
    if kind.kind in ("timestamp", "time"):
        # A time of day goes round the clock; adding milliseconds may need three digits.
        digits = max(kind.size or 0, 3 if unit == "millisecond" else 0)
        return Value(f"({value.sql} + {interval})", Type(kind.kind, size=digits))
    if kind.kind == "timestamptz":
        if unit in _CLOCK or kind.zone == "UTC":
            moved = f"({zones.instant(value)} + {interval})"
            if kind.is_packed:
                return zones.packed(moved, zones.name(value), kind.size)
            return Value(moved, kind)
        moved = f"({zones.local(value)} + {interval})"
        if kind.is_packed:
            instant = f"trino_from_local({moved}, {zones.name(value)})"
            return zones.packed(instant, zones.name(value), kind.size)
        return Value(zones.from_local(moved, kind.zone), kind)
    if kind.kind in ("any", "unknown"):
        return Value(f"({value.sql} + {interval})", kind)
    raise call.wrong()


@rule("date_diff")
def date_diff(call: Call) -> Value:
    """DuckDB's date_diff counts boundaries crossed; Trino's counts whole units, as date_sub."""
    call.count(3)
    unit, start, end = unit_of(call), call[1], call[2]
    kinds = {start.type.kind, end.type.kind}
    if not kinds <= {"date", "timestamp", "timestamptz", "time", "any", "unknown"}:
        raise call.wrong()
    if "timestamptz" in kinds:
        a, b = (
            casts.coerce(v, timestamptz(6, v.type.zone or "UTC"))
            if v.type.kind != "timestamptz"
            else v
            for v in (start, end)
        )
        if unit in _CLOCK:
            return Value(f"date_sub('{unit}', {zones.instant(a)}, {zones.instant(b)})", BIGINT)
        # Days and longer are counted on the wall of the first value's zone.
        if a.type.is_packed:
            raise not_supported(f"date_diff('{unit}') of timestamps whose time zones vary by row")
        zone = a.type.zone
        x, y = zones.in_zone(a.sql, zone), zones.in_zone(zones.instant(b), zone)
        return Value(f"date_sub('{unit}', {x}, {y})", BIGINT)
    if "time" in kinds:
        x, y = (f"(DATE '1970-01-01' + {v.sql})" for v in (start, end))
        return Value(f"date_sub('{unit}', {x}, {y})", BIGINT)
    x, y = (f"CAST({v.sql} AS TIMESTAMP)" for v in (start, end))
    return Value(f"date_sub('{unit}', {x}, {y})", BIGINT)


# --- parts -------------------------------------------------------------------------------------

_PARTS = {
    "year": "year({})",
    "quarter": "quarter({})",
    "month": "month({})",
    "week": "weekofyear({})",
    "week_of_year": "weekofyear({})",
    "day": "day({})",
    "day_of_month": "day({})",
    "day_of_week": "isodow({})",  # DuckDB's dayofweek counts Sunday as 0, Trino as 7
    "dow": "isodow({})",
    "day_of_year": "dayofyear({})",
    "doy": "dayofyear({})",
    "year_of_week": "isoyear({})",
    "yow": "isoyear({})",
    "hour": "hour({})",
    "minute": "minute({})",
    "second": "second({})",
    "millisecond": "(millisecond({}) % 1000)",  # DuckDB's includes the seconds
}
_INTERVAL_PARTS = {
    "year": "trino_months({}) // 12",
    "month": "trino_months({}) % 12",
    "day": "trino_millis({}) // 86400000",
    "hour": "trino_millis({}) // 3600000 % 24",
    "minute": "trino_millis({}) // 60000 % 60",
    "second": "trino_millis({}) // 1000 % 60",
    "millisecond": "trino_millis({}) % 1000",
}


def part(name: str, value: Value, call: Call) -> Value:
    kind = value.type.kind
    if kind in (DAY_SECOND.kind, YEAR_MONTH.kind):
        months = name in ("year", "month")
        if name not in _INTERVAL_PARTS or months != (kind == YEAR_MONTH.kind):
            raise call.wrong()
        return Value(f"CAST({_INTERVAL_PARTS[name].format(value.sql)} AS BIGINT)", BIGINT)
    if name in ("timezone_hour", "timezone_minute"):
        if kind != "timestamptz":
            raise call.wrong()
        minutes = (
            f"date_diff('minute', timezone('UTC', {zones.instant(value)}), {zones.local(value)})"
        )
        return Value(f"({minutes} {'//' if name == 'timezone_hour' else '%'} 60)", BIGINT)
    if name not in _PARTS:
        raise TranslationError(
            "INVALID_FUNCTION_ARGUMENT", f"line 1:1: Invalid EXTRACT field: {name}"
        )
    clock = name in ("hour", "minute", "second", "millisecond")
    allowed = {"timestamp", "timestamptz", "any", "unknown", "time" if clock else "date"}
    if kind not in allowed:
        raise call.wrong()
    return Value(f"CAST({_PARTS[name].format(wall(value))} AS BIGINT)", BIGINT)


@rule(*_PARTS, "timezone_hour", "timezone_minute")
def date_part(call: Call) -> Value:
    call.count(1)
    return part(call.name, call[0], call)


@rule("extract")
def extract(call: Call) -> Value:
    return part(call.constant(0, "a field").lower(), call[1], call)


@rule("last_day_of_month")
def last_day_of_month(call: Call) -> Value:
    call.count(1)
    return Value(f"last_day({wall(call[0])})", DATE)


@rule("date")
def date(call: Call) -> Value:
    call.count(1)
    return casts.cast(call[0], DATE)


# --- unix and ISO ------------------------------------------------------------------------------


@rule("to_unixtime")
def to_unixtime(call: Call) -> Value:
    call.count(1)
    value = call[0]
    if value.type.kind == "date":
        value = casts.coerce(value, timestamp(3))
    if value.type.kind not in ("timestamp", "timestamptz", "any"):
        raise call.wrong()
    return Value(f"(CAST(epoch_us({zones.instant(value)}) AS DOUBLE) / 1000000)", DOUBLE)


@rule("from_unixtime")
def from_unixtime(call: Call) -> Value:
    call.count(1, 2, 3)
    # to_timestamp takes seconds and rounds to microseconds; Trino keeps milliseconds.
    millis = f"CAST(round({call.coerced(0, DOUBLE)} * 1000) AS BIGINT)"
    instant = Value(f"make_timestamptz({millis} * 1000)", timestamptz(3))
    if len(call) == 1:
        return instant
    if len(call) == 2:
        return zones.at_zone(instant, call[1])
    hours, minutes = int(call.constant(1, "hours")), int(call.constant(2, "minutes"))
    total = hours * 60 + minutes
    zone = f"{'-' if total < 0 else '+'}{abs(total) // 60:02d}:{abs(total) % 60:02d}"
    return zones.at_zone(instant, Value(literal(zone), VARCHAR, zone))


@rule("from_unixtime_nanos")
def from_unixtime_nanos(call: Call) -> Value:
    call.count(1)
    nanos = call.constant(0, "a number") if call[0].constant else None
    if nanos is None or float(nanos) % 1000:
        raise not_supported("a timestamp of nanoseconds (from_unixtime_nanos)")
    return Value(f"make_timestamptz({call.coerced(0, BIGINT)} // 1000)", timestamptz(9))


# The common form, whose zone is then known while the query is translated.
_ISO_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?(Z|[+-]\d{2}:\d{2})?"
)


@rule("from_iso8601_timestamp")
def from_iso8601_timestamp(call: Call) -> Value:
    call.count(1)
    text = call[0].constant
    if text is not None and _ISO_INSTANT.fullmatch(text):
        return zones.parse_literal(text, 3)
    return Value(f"trino_from_iso8601({call.coerced(0, VARCHAR)})", Type("timestamptz", size=3))


@rule("from_iso8601_date")
def from_iso8601_date(call: Call) -> Value:
    call.count(1)
    return Value(f"trino_iso_date({call.coerced(0, VARCHAR)})", DATE)


@rule("to_iso8601")
def to_iso8601(call: Call) -> Value:
    call.count(1)
    value = call[0]
    if value.type.kind == "date":
        return casts.cast(value, VARCHAR)
    if value.type.kind == "timestamp":
        return Value(f"replace({casts.cast(value, VARCHAR).sql}, ' ', 'T')", VARCHAR)
    if value.type.kind == "timestamptz":
        local = Value(zones.local(value), timestamp(value.type.size or 0))
        text = f"replace({casts.cast(local, VARCHAR).sql}, ' ', 'T')"
        offset = f"trino_offset({zones.instant(value)}, {zones.name(value)})"
        return Value(f"({text} || {offset})", VARCHAR)
    raise call.wrong()


@rule("to_milliseconds")
def to_milliseconds(call: Call) -> Value:
    call.count(1)
    if call.type(0) != DAY_SECOND:
        raise call.wrong()
    return Value(f"trino_millis({call.sql(0)})", BIGINT)


@rule("at_timezone")
def at_timezone(call: Call) -> Value:
    call.count(2)
    return zones.at_zone(
        casts.coerce(call[0], timestamptz(3)) if call.type(0).kind != "timestamptz" else call[0],
        call[1],
    )


@rule("with_timezone")
def with_timezone(call: Call) -> Value:
    call.count(2)
    value, zone = casts.coerce(call[0], timestamp(call.type(0).size or 0)), call[1]
    if zone.constant is not None:
        name = zones.canonical(zone.constant)
        return Value(zones.from_local(value.sql, name), timestamptz(value.type.size or 0, name))
    name = f"trino_zone({zone.sql})"
    return zones.packed(f"trino_from_local({value.sql}, {name})", name, value.type.size)


@rule("parse_duration")
def parse_duration(call: Call) -> Value:
    return Value(
        f"to_milliseconds(CAST(trino_duration_millis({call.coerced(0, VARCHAR)}) AS DOUBLE))",
        DAY_SECOND,
    )


@rule("human_readable_seconds")
def human_readable_seconds(call: Call) -> Value:
    return Value(f"trino_human_seconds({call.coerced(0, DOUBLE)})", VARCHAR)


# --- formats -----------------------------------------------------------------------------------

# MySQL's specifiers, as date_format and date_parse take them, in DuckDB's strftime.
MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I",
    "I": "%I", "i": "%M", "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p",
    "r": "%I:%M:%S %p", "S": "%S", "s": "%S", "T": "%H:%M:%S", "v": "%V", "W": "%A", "x": "%G",
    "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip


def mysql_format(text: str) -> str:
    """A MySQL date format as one for DuckDB."""

    def one(match: re.Match[str]) -> str:
        if match[1] not in MYSQL:
            if match[1] in "DUuVwX":
                raise not_supported(f"date format %{match[1]}")
            return match[1].replace("%", "%%")
        return MYSQL[match[1]]

    return re.sub(r"%(.)", one, text)


@rule("date_format")
def date_format(call: Call) -> Value:
    call.count(2)
    if call.type(0).kind not in ("timestamp", "timestamptz", "date", "any", "unknown"):
        raise call.wrong()
    pattern = mysql_format(call.constant(1, "a format"))
    return Value(f"strftime({wall(call[0])}, {literal(pattern)})", VARCHAR)


@rule("date_parse")
def date_parse(call: Call) -> Value:
    call.count(2)
    pattern = mysql_format(call.constant(1, "a format"))
    # Reading, leading zeros are optional.
    pattern = re.sub(r"%-([a-zA-Z])", r"%\1", pattern)
    parsed = f"strptime({call.coerced(0, VARCHAR)}, {literal(pattern)})"
    if "%f" in pattern:  # the result has milliseconds, whatever was written
        parsed = f"date_trunc('millisecond', {parsed})"
    return Value(parsed, timestamp(3))


# Java's letters, as format_datetime and parse_datetime take them (Joda-Time's DateTimeFormat).
JODA = {
    "yyyy": "%Y", "y": "%Y", "YYYY": "%Y", "yy": "%y", "YY": "%y", "MMMM": "%B", "MMM": "%b",
    "MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d", "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I",
    "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "SSSSSS": "%f", "a": "%p",
    "EEEE": "%A", "EEE": "%a", "EE": "%a", "E": "%a", "e": "%u", "DDD": "%j", "D": "%-j",
    "xxxx": "%G", "ww": "%V",
}  # fmt: skip


def joda_format(text: str) -> list[tuple[str, str]]:
    """A Joda format as pieces: ('strftime', pattern), ('zone', letters)."""
    pieces: list[tuple[str, str]] = []
    for match in re.finditer(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+", text):
        found = match[0]
        if found.startswith("'"):
            pieces.append(("strftime", (match[1].replace("''", "'") or "'").replace("%", "%%")))
        elif match[2] in ("Z", "z"):
            pieces.append(("zone", found))
        elif match[2]:
            if found not in JODA:
                raise not_supported(f"date format {found}")
            pieces.append(("strftime", JODA[found]))
        else:
            pieces.append(("strftime", found.replace("%", "%%")))
    return pieces


@rule("format_datetime")
def format_datetime(call: Call) -> Value:
    call.count(2)
    value = call[0]
    if value.type.kind == "date":
        value = casts.coerce(value, timestamp(3))
    if value.type.kind not in ("timestamp", "timestamptz", "any"):
        raise call.wrong()
    zoned = value if value.type.kind == "timestamptz" else casts.coerce(value, timestamptz(3))
    parts: list[str] = []
    pattern = ""
    for kind, text in [*joda_format(call.constant(1, "a format")), ("end", "")]:
        if kind == "strftime":
            pattern += text
            continue
        if pattern:
            parts.append(f"strftime({wall(value)}, {literal(pattern)})")
            pattern = ""
        if kind == "zone":
            offset = f"trino_offset({zones.instant(zoned)}, {zones.name(zoned)})"
            parts.append(
                {
                    "Z": f"replace(replace({offset}, 'Z', '+00:00'), ':', '')",
                    "ZZ": f"replace({offset}, 'Z', '+00:00')",
                    "ZZZ": zones.name(zoned),
                }.get(text, "")
            )
            if not parts[-1]:
                raise not_supported(f"date format {text}")
    return Value(f"({' || '.join(parts)})" if parts else "''", VARCHAR)


@rule("parse_datetime")
def parse_datetime(call: Call) -> Value:
    call.count(2)
    pieces = joda_format(call.constant(1, "a format"))
    if any(kind == "zone" for kind, _ in pieces):
        raise not_supported("parse_datetime with a time zone in the format")
    pattern = re.sub(r"%-([a-zA-Z])", r"%\1", "".join(text for _, text in pieces))
    parsed = f"strptime({call.coerced(0, VARCHAR)}, {literal(pattern)})"
    return Value(f"timezone('UTC', {parsed})", timestamptz(3))
