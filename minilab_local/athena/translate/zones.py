"""Timestamps with time zone, which DuckDB has only as instants.

Where every value of a column has the same zone, which is the rule, the zone is part of the static
type and the value is a TIMESTAMP WITH TIME ZONE. Where the zone varies by value, both travel
together in a struct (``types.ZONED_FIELDS``); the type then has no zone ("packed").
"""

from __future__ import annotations

import re
import zoneinfo
from functools import cache

from minilab_local.athena.translate.errors import TranslationError
from minilab_local.athena.translate.scope import Value, literal, quote
from minilab_local.athena.translate.types import ZONED_FIELDS, Type, timestamptz

_INSTANT, _ZONE = (quote(name) for name in ZONED_FIELDS)
_OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?$", re.IGNORECASE)


@cache
def canonical(zone: str) -> str:
    """A zone's name as Trino prints it. Raises INVALID_FUNCTION_ARGUMENT for an unknown one."""
    if zone.upper() in ("UTC", "Z", "GMT", "UT", "ZULU", "ETC/UTC", "+00:00", "-00:00"):
        return "UTC"
    offset = _OFFSET.match(zone)
    if offset:
        sign, hours, minutes = offset.groups()
        return f"{sign}{int(hours):02d}:{minutes or '00'}"
    known = _names().get(zone.lower())
    if not known:
        raise TranslationError("INVALID_FUNCTION_ARGUMENT", f"'{zone}' is not a valid time zone")
    return known


@cache
def _names() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}


def offset_minutes(zone: str) -> int:
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def instant(value: Value) -> str:
    """The instant of a zoned timestamp, as TIMESTAMP WITH TIME ZONE."""
    return f"({value.sql}).{_INSTANT}" if value.type.is_packed else value.sql


def name(value: Value) -> str:
    """The zone's name, as text."""
    return f"({value.sql}).{_ZONE}" if value.type.is_packed else literal(value.type.zone)


def local(value: Value) -> str:
    """The time on the wall of the value's own zone, as TIMESTAMP."""
    if value.type.is_packed:
        return f"trino_local(({value.sql}).{_INSTANT}, ({value.sql}).{_ZONE})"
    return in_zone(value.sql, value.type.zone)


def in_zone(sql: str, zone: str) -> str:
    if zone[0] in "+-":
        return f"(timezone('UTC', {sql}) + to_minutes({offset_minutes(zone)}))"
    return f"timezone({literal(zone)}, {sql})"


def from_local(sql: str, zone: str) -> str:
    """The instant of a wall time in a zone."""
    if zone[0] in "+-":
        return f"timezone('UTC', {sql} - to_minutes({offset_minutes(zone)}))"
    return f"timezone({literal(zone)}, {sql})"


def at_zone(value: Value, zone: Value) -> Value:
    """The same instant in another zone (``AT TIME ZONE``)."""
    size = value.type.size
    if zone.constant is not None:
        return Value(instant(value), timestamptz(size or 0, canonical(zone.constant)))
    return packed(instant(value), f"trino_zone({zone.sql})", size)


def packed(instant_sql: str, zone_sql: str, size: int | None) -> Value:
    """An instant and a zone that varies, as one value; NULL where either is."""
    pack = f"struct_pack({_INSTANT} := {instant_sql}, {_ZONE} := {zone_sql})"
    return Value(
        f"CASE WHEN {instant_sql} IS NOT NULL AND {zone_sql} IS NOT NULL THEN {pack} END",
        Type("timestamptz", size=size),
    )


def with_type(value: Value, to: Type) -> Value:
    """Bring a zoned value to the type that it shares with others: packed, where zones differ."""
    if to.is_packed and not value.type.is_packed:
        return Value(packed(value.sql, literal(value.type.zone), to.size).sql, to)
    return Value(value.sql, to)


_LITERAL = re.compile(
    r"\s*([+-]?\d{4,}-\d{1,2}-\d{1,2})"
    r"(?:[ T](\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.(\d+))?)?))?\s*(\S+)?\s*$"
)


def parse_literal(text: str, size: int) -> Value:
    """A literal such as ``TIMESTAMP '2020-01-01 00:00 Europe/Berlin'``."""
    found = _LITERAL.match(text)
    if not found:
        raise TranslationError(
            "INVALID_LITERAL", f"line 1:1: '{text}' is not a valid TIMESTAMP literal"
        )
    date, clock, _, zone = found.groups()
    wall = "TIMESTAMP " + literal(f"{date} {clock or '00:00'}")
    zone = canonical(zone or "UTC")
    return Value(from_local(wall, zone), timestamptz(size, zone))
