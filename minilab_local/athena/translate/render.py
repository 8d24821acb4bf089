"""Values as Athena prints them in its results.

Source: AWS, "Work with query results"; Trino documentation, "Data types". Doubles follow Java's
``Double.toString``, which Trino uses.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
import zoneinfo
from typing import Any

from minilab_local.athena.translate.types import ZONED_FIELDS, Type, field_name, parse_type


def render(value: Any, trino_type: str) -> str | None:
    """The text of one value of a result; None for NULL.

    ``value`` is what DuckDB's Python client fetches. Inside an array, map or row, NULL is ``null``.
    """
    return None if value is None else _text(value, parse_type(trino_type))


def _text(value: Any, kind: Type) -> str:
    if value is None:
        return "null"
    printer = _PRINTERS.get(kind.kind)
    return printer(value, kind) if printer else str(value)


def java_double(value: float) -> str:
    """A double as Java prints it: ``1.0E10``, ``0.001``, ``NaN``, ``-Infinity``."""
    return _java(value, repr(float(value)))


def java_float(value: float) -> str:
    """A real as Java prints it: the fewest digits that name this 32-bit number."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if not math.isfinite(value) or _single(float(text)) == _single(value):
            break
    return _java(value, text)


def _single(value: float) -> bytes:
    try:
        return struct.pack("f", value)
    except OverflowError:
        return b""


def _java(value: float, text: str) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = decimal.Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    if not any(digits):
        return "-0.0" if sign else "0.0"
    text = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits) - len(text)
    point = len(text) + exponent  # where the decimal point stands, counted from the first digit
    minus = "-" if sign else ""
    if not -3 < point <= 7:
        return f"{minus}{text[0]}.{text[1:] or '0'}E{point - 1}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    return f"{minus}{text[:point].ljust(point, '0')}.{text[point:] or '0'}"


def _decimal(value: Any, kind: Type) -> str:
    scaled = decimal.Decimal(value).quantize(
        decimal.Decimal(1).scaleb(-(kind.scale or 0)), context=decimal.Context(prec=60)
    )
    return f"{scaled:f}"


def _clock(value: dt.time | dt.datetime, kind: Type) -> str:
    digits = max(3, kind.size if kind.size is not None else 3)
    fraction = f"{value.microsecond:06d}".ljust(digits, "0")[:digits]
    return f"{value:%H:%M:%S}.{fraction}"


def _date(value: Any) -> str:
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"


def _timestamp(value: Any, kind: Type) -> str:
    return str(value) if isinstance(value, str) else f"{_date(value)} {_clock(value, kind)}"


def _zoned(value: Any, kind: Type) -> str:
    zone = "UTC"
    if isinstance(value, dict):
        value, zone = value[ZONED_FIELDS[0]], value[ZONED_FIELDS[1]]
        if value is None:
            return "null"
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC)
    return f"{_timestamp(value.astimezone(zone_info(zone)), kind)} {zone}"


def zone_info(zone: str) -> dt.tzinfo:
    """The zone of a Trino name: ``UTC``, ``Europe/Berlin`` or ``+05:30``."""
    if zone in ("UTC", "Z"):
        return dt.UTC
    if zone[0] in "+-":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        offset = dt.timedelta(hours=hours, minutes=minutes)
        return dt.timezone(-offset if zone[0] == "-" else offset)
    return zoneinfo.ZoneInfo(zone)


def _time_zoned(value: dt.time, kind: Type) -> str:
    offset = value.strftime("%z") or "+0000"
    return f"{_clock(value, kind)}{offset[:3]}:{offset[3:5]}"


def _array(value: Any, kind: Type) -> str:
    return "[" + ", ".join(_text(v, kind.element) for v in value) + "]"


def _map(value: Any, kind: Type) -> str:
    items = value.items() if isinstance(value, dict) else value
    key, item = kind.items
    return "{" + ", ".join(f"{_text(k, key)}={_text(v, item)}" for k, v in items) + "}"


def _row(value: Any, kind: Type) -> str:
    values = list(value.values()) if isinstance(value, dict) else list(value)
    fields = (
        f"{field_name(kind, i)}={_text(v, t)}"
        for i, (v, t) in enumerate(zip(values, kind.items, strict=True))
    )
    return "{" + ", ".join(fields) + "}"


def _day_second(value: Any, kind: Type) -> str:
    if isinstance(value, str):
        return value
    millis = round(value / dt.timedelta(milliseconds=1))
    sign, millis = ("-" if millis < 0 else ""), abs(millis)
    days, rest = divmod(millis, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{sign}{days} {hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


_PRINTERS = {
    "boolean": lambda v, _: "true" if v else "false",
    "double": lambda v, _: java_double(v),
    "real": lambda v, _: java_float(v),
    "decimal": _decimal,
    "varbinary": lambda v, _: bytes(v).hex(" "),
    "date": lambda v, _: v if isinstance(v, str) else _date(v),
    "time": _clock,
    "timetz": _time_zoned,
    "timestamp": _timestamp,
    "timestamptz": _zoned,
    "interval day to second": _day_second,
    "array": _array,
    "map": _map,
    "row": _row,
}
