"""Functions that DuckDB's SQL cannot say, in Python. They get and give one value at a time.

Each entry of ``FUNCTIONS`` is a name, the Python function, its DuckDB parameter types and result.
They are deterministic; a value that Trino refuses raises ``ValueError`` with ``failure``'s text.

Source: Trino documentation, "String functions", "Binary functions", "URL functions"; Java's
``java.util.Formatter``.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import itertools
import json
import math
import re
import struct
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable
from typing import Any

from minilab_local.athena.translate import jsonpath, zones
from minilab_local.athena.translate.render import java_double, java_float, zone_info


def failure(code: str, message: str) -> ValueError:
    """An error with Trino's code and message; ``runtime.failure_of`` reads it back."""
    return ValueError(f"§{code}§{message}§")


def _invalid(message: str) -> ValueError:
    return failure("INVALID_FUNCTION_ARGUMENT", message)


# --- numbers -----------------------------------------------------------------------------------


def real_text(value: float) -> str:
    return java_float(value)


def format_number(value: float) -> str:
    """``123456`` as ``123K``."""
    sign, value = ("-" if value < 0 else ""), abs(value)
    units = ("", "K", "M", "B", "T", "Q")
    unit = 0
    while value >= 1000 and unit < len(units) - 1:
        value, unit = value / 1000, unit + 1
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{sign}{text}{units[unit]}"


_SIZES = {u: 1024**i for i, u in enumerate(("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"))}


def data_size(text: str) -> str:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text)
    if not found or found[2] not in _SIZES:
        raise _invalid(f"Invalid data size: '{text}'")
    from decimal import Decimal

    return str(int(Decimal(found[1]) * _SIZES[found[2]]))


_DURATIONS = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4, "h": 3.6e6, "d": 8.64e7}


def duration_millis(text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text)
    if not found or found[2] not in _DURATIONS:
        raise _invalid(f"duration is not a valid data duration string: {text}")
    return math.floor(float(found[1]) * _DURATIONS[found[2]] + 0.5)


def human_seconds(value: float) -> str:
    rest = round(value)
    sign, rest = ("-" if rest < 0 else ""), abs(rest)
    parts = []
    for name, size in (
        ("week", 604800),
        ("day", 86400),
        ("hour", 3600),
        ("minute", 60),
        ("second", 1),
    ):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    return sign + (", ".join(parts) or "0 seconds")


def from_base(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise _invalid(f"Not a valid base-{base} number: {text}") from None


def inverse_normal_cdf(mean: float, deviation: float, p: float) -> float:
    from statistics import NormalDist

    if not 0 < p < 1:
        raise _invalid("p must be 0 > p > 1")
    return NormalDist(mean, deviation).inv_cdf(p)


def normal_cdf(mean: float, deviation: float, value: float) -> float:
    return 0.5 * math.erfc((mean - value) / (deviation * math.sqrt(2)))


# --- texts -------------------------------------------------------------------------------------


def luhn(text: str) -> bool:
    if not re.fullmatch(r"\d+", text):
        raise _invalid(f"Expected digits: {text}")
    total = 0
    for i, digit in enumerate(map(int, reversed(text))):
        total += digit if i % 2 == 0 else digit * 2 - (9 if digit > 4 else 0)
    return total % 10 == 0


def soundex(text: str) -> str:
    codes = {c: d for d, cs in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1) for c in cs}
    letters = [c for c in text.upper() if c.isalpha()]
    if not letters:
        return ""
    found, last = letters[0], codes.get(letters[0])
    for letter in letters[1:]:
        code = codes.get(letter)
        if code and code != last:
            found += str(code)
        if letter not in "HW":
            last = code
    return found[:4].ljust(4, "0")


def normalize(text: str, form: str) -> str:
    return unicodedata.normalize(form, text)


def translate(text: str, source: str, target: str) -> str:
    table: dict[int, str | None] = {}
    for i, character in enumerate(source):
        table.setdefault(ord(character), target[i] if i < len(target) else None)
    return text.translate(table)


def _entries(text: str, entry: str, pair: str) -> list[tuple[str, str]]:
    found = []
    for item in text.split(entry):
        parts = item.split(pair)
        if len(parts) != 2:
            raise _invalid(
                f"Key-value delimiter must appear exactly once in each entry. Bad input: '{item}'"
            )
        found.append((parts[0], parts[1]))
    return found


def split_to_map(text: str, entry: str, pair: str) -> dict[str, str]:
    entries = _entries(text, entry, pair)
    found = dict(entries)
    if len(found) < len(entries):
        raise _invalid("Duplicate keys are not allowed")
    return found


def split_to_multimap(text: str, entry: str, pair: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in _entries(text, entry, pair):
        found.setdefault(key, []).append(value)
    return found


def regexp_group(text: str, pattern: str, group: int) -> str | None:
    """A group of the first match; None if it took no part in the match."""
    found = re.search(pattern, text)
    return found[group] if found else None


def regexp_position(text: str, pattern: str, start: int, nth: int) -> int:
    if start < 1 or nth < 1:
        raise _invalid("start and occurrence must be at least 1")
    if start > len(text):
        return -1
    for i, found in enumerate(re.finditer(pattern, text[start - 1 :]), 1):
        if i == nth:
            return found.start() + start
    return -1


_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([tT]?[a-zA-Z%])")


def java_format(pattern: str, kinds: str, arguments: list[str | None]) -> str:
    """Java's ``String.format`` over arguments that come as text, with the kind of each."""
    types = kinds.split(" ") if kinds else []
    following = itertools.count()

    def one(match: re.Match[str]) -> str:
        number, flags, width, precision, conversion = match.groups()
        if conversion == "%":
            return "%".rjust(int(width or 0))
        if conversion == "n":
            return "\n"
        index = int(number) - 1 if number else next(following)
        if index >= len(arguments):
            raise _invalid(f"Invalid format string: {pattern}: Format specifier '{match[0]}'")
        text = _formatted(arguments[index], types[index], flags, precision, conversion, pattern)
        if "0" in flags and width and conversion in "dfxXo":
            sign = text[0] if text[:1] in "+-" else ""
            return sign + text[len(sign) :].rjust(int(width) - len(sign), "0")
        if width:
            return text.ljust(int(width)) if "-" in flags else text.rjust(int(width))
        return text

    return _SPECIFIER.sub(one, pattern)


def _formatted(
    text: str | None, kind: str, flags: str, precision: str | None, conversion: str, pattern: str
) -> str:
    from decimal import ROUND_HALF_UP, Decimal

    if conversion in "sS":
        shown = "null" if text is None else text
        shown = shown[: int(precision)] if precision else shown
        return shown.upper() if conversion == "S" else shown
    if text is None:
        return "null"
    if conversion in "bB":
        return text if kind == "boolean" else "true"
    integers = ("tinyint", "smallint", "integer", "bigint")
    if conversion == "d" and kind in integers:
        value = int(text)
        shown = f"{abs(value):,}" if "," in flags else str(abs(value))
    elif conversion in "fF" and kind in ("double", "real", "decimal"):
        number = Decimal(text)
        places = Decimal(1).scaleb(-int(precision or 6))
        value = number.quantize(places, ROUND_HALF_UP)  # type: ignore[assignment]
        shown = f"{abs(value):,f}" if "," in flags else f"{abs(value):f}"
    elif conversion in "eE" and kind in ("double", "real", "decimal"):
        value = float(text)  # type: ignore[assignment]
        shown = f"{abs(value):.{int(precision or 6)}e}"
        shown = shown.upper() if conversion == "E" else shown
    elif conversion in "xX" and kind in integers:
        bits = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}[kind]
        shown = f"{int(text) & ((1 << bits) - 1):x}"
        return shown.upper() if conversion == "X" else shown
    elif conversion[0] in "tT" and kind in ("date", "timestamp", "timestamptz", "time"):
        return _formatted_time(text, conversion[1], pattern)
    else:
        raise _invalid(f"Invalid format string: {pattern} (%{conversion} of a {kind})")
    if value < 0:
        return f"({shown})" if "(" in flags else f"-{shown}"
    return "+" + shown if "+" in flags else " " + shown if " " in flags else shown


_JAVA_TIME = {
    "A": "%A", "a": "%a", "B": "%B", "b": "%b", "h": "%b", "Y": "%Y", "y": "%y", "m": "%m",
    "d": "%d", "e": "%-d", "j": "%j", "H": "%H", "I": "%I", "k": "%-H", "l": "%-I", "M": "%M",
    "S": "%S", "p": "%p", "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y",
}  # fmt: skip


def _formatted_time(text: str, letter: str, pattern: str) -> str:
    if letter not in _JAVA_TIME:
        raise _invalid(f"Invalid format string: {pattern}")
    shown = dt.datetime.fromisoformat(text if "-" in text else f"1970-01-01 {text}")
    found = shown.strftime(_JAVA_TIME[letter])
    return found.lower() if letter == "p" else found


# --- bytes -------------------------------------------------------------------------------------


def from_base64(text: str, url: bool) -> bytes:
    alphabet = text.replace("-", "+").replace("_", "/") if url else text
    try:
        return base64.b64decode(alphabet + "=" * (-len(alphabet) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(f"Invalid base64: {text}") from None


def from_base32(text: str) -> bytes:
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise _invalid(f"Invalid base32: {text}") from None


def to_base32(data: bytes) -> str:
    return base64.b32encode(data).decode()


def from_big_endian(data: bytes, size: int) -> int:
    if len(data) != size:
        raise _invalid(f"expected {size}-byte input, but got instead: {len(data)}")
    return int.from_bytes(data, "big", signed=True)


def from_ieee754(data: bytes, size: int) -> float:
    if len(data) != size:
        raise _invalid(f"Input floating-point value must be exactly {size} bytes long")
    return float(struct.unpack(">f" if size == 4 else ">d", data)[0])


def to_ieee754(value: float, size: int) -> bytes:
    return struct.pack(">f" if size == 4 else ">d", value)


def from_utf8(data: bytes, replacement: str) -> str:
    if len(replacement) > 1:
        raise _invalid("Replacement character string must empty or a single character")
    if replacement == "�":
        return data.decode("utf-8", "replace")
    found, start = "", 0
    while True:
        try:
            return found + data[start:].decode("utf-8")
        except UnicodeDecodeError as error:
            found += data[start : start + error.start].decode("utf-8") + replacement
            start += error.end


def digest_hmac(algorithm: str, data: bytes, key: bytes) -> bytes:
    return hmac.new(key, data, algorithm).digest()


def sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


def crc32(data: bytes) -> int:
    return zlib.crc32(data)


def reverse_bytes(data: bytes) -> bytes:
    return data[::-1]


_MASK = (1 << 64) - 1


def _rotate(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def xxhash64(data: bytes) -> bytes:
    """xxHash64 with seed 0, big endian. Source: the xxHash specification."""
    p1, p2, p3, p4, p5 = (
        0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
        0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5,
    )  # fmt: skip

    def lane(accumulator: int, value: int) -> int:
        return _rotate((accumulator + value * p2) & _MASK, 31) * p1 & _MASK

    at = 0
    if len(data) >= 32:
        lanes = [(p1 + p2) & _MASK, p2, 0, -p1 & _MASK]
        while at + 32 <= len(data):
            for i, value in enumerate(struct.unpack_from("<4Q", data, at)):
                lanes[i] = lane(lanes[i], value)
            at += 32
        found = sum(_rotate(v, r) for v, r in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for value in lanes:
            found = ((found ^ lane(0, value)) * p1 + p4) & _MASK
    else:
        found = p5
    found = (found + len(data)) & _MASK
    while at + 8 <= len(data):
        (value,) = struct.unpack_from("<Q", data, at)
        found = (_rotate(found ^ lane(0, value), 27) * p1 + p4) & _MASK
        at += 8
    if at + 4 <= len(data):
        (value,) = struct.unpack_from("<I", data, at)
        found = (_rotate(found ^ (value * p1 & _MASK), 23) * p2 + p3) & _MASK
        at += 4
    for byte in data[at:]:
        found = _rotate(found ^ (byte * p5 & _MASK), 11) * p1 & _MASK
    for shift, prime in ((33, p2), (29, p3)):
        found = (found ^ (found >> shift)) * prime & _MASK
    return (found ^ (found >> 32)).to_bytes(8, "big")


def murmur3(data: bytes) -> bytes:
    """MurmurHash3, x64, 128 bits, seed 0. Source: its reference description."""
    import mmh3

    return mmh3.hash_bytes(data, 0, True)


# --- URLs --------------------------------------------------------------------------------------


def _split(url: str) -> urllib.parse.SplitResult | None:
    if re.search(r"[\s<>\"{}|\\^`]", url):
        return None
    try:
        return urllib.parse.urlsplit(url)
    except ValueError:
        return None


def url_part(url: str, part: str) -> str | None:
    found = _split(url)
    if found is None:
        return None
    if part == "protocol":
        return url.partition(":")[0] if found.scheme else ""
    if part == "host":
        return found.netloc.rpartition("@")[2].partition(":")[0]
    if part == "port":
        return str(found.port) if found.port is not None else None
    raw = {"path": found.path, "query": found.query, "fragment": found.fragment}[part]
    return urllib.parse.unquote(raw)


def url_parameter(url: str, name: str) -> str | None:
    found = _split(url)
    if found is None:
        return None
    for item in found.query.split("&"):
        key, _, value = item.partition("=")
        if key == name:
            return urllib.parse.unquote(value)
    return None


def url_encode(text: str) -> str:
    return urllib.parse.quote_plus(text, safe="*-._").replace("~", "%7E")


def url_decode(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise _invalid(f"Illegal hex characters in escape (%) pattern: {text}")
    return urllib.parse.unquote_plus(text)


# --- JSON --------------------------------------------------------------------------------------


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _dump(value: Any) -> str:
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_dump(k)}:{_dump(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def json_parse(text: str) -> str:
    """The document without spaces, its objects sorted by key, as Trino's json_parse makes it."""
    try:
        return _dump(json.loads(text, parse_constant=_refuse))
    except (ValueError, RecursionError):
        raise _invalid(f"Cannot convert value to JSON: '{text}'") from None


def json_number_at(text: str, path: str) -> str | None:
    """A number as it is written in the document (``1.10``), at a DuckDB path."""
    value = json.loads(text, parse_float=str)
    for name, index in re.findall(r'\."([^"]*)"|\[(\d+)\]', path):
        value = value[int(index)] if index else value[name]
    return str(value)


# --- times -------------------------------------------------------------------------------------


def zone(name: str) -> str:
    try:
        return zones.canonical(name)
    except Exception:
        raise _invalid(f"'{name}' is not a valid time zone") from None


_ISO = re.compile(
    r"([+-]?\d{4,})(?:-(\d{2})(?:-(\d{2}))?|-W(\d{2})(?:-(\d))?|-(\d{3}))?"
    r"(?:T(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?"
)


def _iso(text: str) -> tuple[dt.datetime, str]:
    found = _ISO.fullmatch(text)
    if not found:
        raise _invalid(f'Invalid format: "{text}"')
    year, month, day, week, weekday, yearday, hour, minute, second, fraction, offset = (
        found.groups()
    )
    try:
        if week:
            date = dt.datetime.fromisocalendar(int(year), int(week), int(weekday or 1))
        elif yearday:
            date = dt.datetime(int(year), 1, 1) + dt.timedelta(days=int(yearday) - 1)
        else:
            date = dt.datetime(int(year), int(month or 1), int(day or 1))
        micros = int((fraction or "")[:3].ljust(6, "0"))
        date = date.replace(
            hour=int(hour or 0),
            minute=int(minute or 0),
            second=int(second or 0),
            microsecond=micros,
        )
    except ValueError:
        raise _invalid(f'Cannot parse "{text}"') from None
    return date, zones.canonical(offset or "UTC")


def _zoned(local: dt.datetime, name: str) -> dict[str, Any]:
    instant = local.replace(tzinfo=zone_info(name)).astimezone(dt.UTC)
    return {"__instant": instant, "__zone": name}


def from_iso8601(text: str) -> dict[str, Any]:
    return _zoned(*_iso(text))


def iso_date(text: str) -> dt.date:
    return _iso(text)[0].date()


def zoned(text: str) -> dict[str, Any]:
    found = zones._LITERAL.match(text)
    if not found:
        raise failure("INVALID_CAST_ARGUMENT", f"Value cannot be cast to timestamp: {text}")
    date, clock, _, name = found.groups()
    parts = [int(p) for p in re.split(r"[-]", date)]
    hour, minute, second = [*(clock or "0:0").split(":"), "0"][:3]
    whole, _, fraction = second.partition(".")
    local = dt.datetime(*parts, int(hour), int(minute), int(whole), int(fraction[:6].ljust(6, "0")))
    return _zoned(local, zone(name or "UTC"))


_FOUND = "STRUCT(status VARCHAR, text VARCHAR)"
_ZONED = 'STRUCT("__instant" TIMESTAMP WITH TIME ZONE, "__zone" VARCHAR)'

FUNCTIONS: list[tuple[str, Callable[..., Any], list[str], str]] = [
    ("trino_java_double", java_double, ["DOUBLE"], "VARCHAR"),
    ("trino_java_real", real_text, ["FLOAT"], "VARCHAR"),
    ("trino_format_number", format_number, ["DOUBLE"], "VARCHAR"),
    ("trino_data_size", data_size, ["VARCHAR"], "VARCHAR"),
    ("trino_duration_millis", duration_millis, ["VARCHAR"], "BIGINT"),
    ("trino_human_seconds", human_seconds, ["DOUBLE"], "VARCHAR"),
    ("trino_from_base", from_base, ["VARCHAR", "BIGINT"], "BIGINT"),
    ("trino_inverse_normal_cdf", inverse_normal_cdf, ["DOUBLE"] * 3, "DOUBLE"),
    ("trino_normal_cdf", normal_cdf, ["DOUBLE"] * 3, "DOUBLE"),
    ("trino_luhn", luhn, ["VARCHAR"], "BOOLEAN"),
    ("trino_soundex", soundex, ["VARCHAR"], "VARCHAR"),
    ("trino_normalize", normalize, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("trino_translate", translate, ["VARCHAR"] * 3, "VARCHAR"),
    ("trino_split_to_map", split_to_map, ["VARCHAR"] * 3, "MAP(VARCHAR, VARCHAR)"),
    ("trino_split_to_multimap", split_to_multimap, ["VARCHAR"] * 3, "MAP(VARCHAR, VARCHAR[])"),
    ("trino_regexp_group", regexp_group, ["VARCHAR", "VARCHAR", "INTEGER"], "VARCHAR"),
    (
        "trino_regexp_position",
        regexp_position,
        ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT"],
        "INTEGER",
    ),
    ("trino_format", java_format, ["VARCHAR", "VARCHAR", "VARCHAR[]"], "VARCHAR"),
    ("trino_from_base64", from_base64, ["VARCHAR", "BOOLEAN"], "BLOB"),
    ("trino_from_base32", from_base32, ["VARCHAR"], "BLOB"),
    ("trino_to_base32", to_base32, ["BLOB"], "VARCHAR"),
    ("trino_from_big_endian", from_big_endian, ["BLOB", "INTEGER"], "BIGINT"),
    ("trino_from_ieee754", from_ieee754, ["BLOB", "INTEGER"], "DOUBLE"),
    ("trino_to_ieee754", to_ieee754, ["DOUBLE", "INTEGER"], "BLOB"),
    ("trino_from_utf8", from_utf8, ["BLOB", "VARCHAR"], "VARCHAR"),
    ("trino_hmac", digest_hmac, ["VARCHAR", "BLOB", "BLOB"], "BLOB"),
    ("trino_sha512", sha512, ["BLOB"], "BLOB"),
    ("trino_crc32", crc32, ["BLOB"], "BIGINT"),
    ("trino_reverse_bytes", reverse_bytes, ["BLOB"], "BLOB"),
    ("trino_xxhash64", xxhash64, ["BLOB"], "BLOB"),
    ("trino_murmur3", murmur3, ["BLOB"], "BLOB"),
    ("trino_url_part", url_part, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("trino_url_parameter", url_parameter, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("trino_url_encode", url_encode, ["VARCHAR"], "VARCHAR"),
    ("trino_url_decode", url_decode, ["VARCHAR"], "VARCHAR"),
    ("trino_json_sorted", json_parse, ["VARCHAR"], "VARCHAR"),
    ("trino_json_number_at", json_number_at, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("trino_path_exists", jsonpath.exists, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("trino_path_value", jsonpath.scalar, ["VARCHAR", "VARCHAR"], _FOUND),
    ("trino_path_query", jsonpath.query, ["VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN"], _FOUND),
    ("trino_zone", zone, ["VARCHAR"], "VARCHAR"),
    ("trino_from_iso8601", from_iso8601, ["VARCHAR"], _ZONED),
    ("trino_iso_date", iso_date, ["VARCHAR"], "DATE"),
    ("trino_zoned", zoned, ["VARCHAR"], _ZONED),
]

# Those that answer None for values that are not NULL.
NULLABLE = {"trino_regexp_group", "trino_url_part", "trino_url_parameter"}
