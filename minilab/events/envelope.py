"""The CloudEvents 1.0 envelope: its attributes as a type, and the rules for each of them.

Source: CloudEvents 1.0.2, sections "Context Attributes" and "Type System". Knows nothing of bytes
(``formats``) and nothing of contracts (``contracts``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

import jsonschema_rs
import msgspec
from msgspec import Meta, Raw

from minilab.events.failures import Violation

MAX_TENANT_LENGTH = 64
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_ATTRIBUTE_NAME = re.compile(r"[a-z0-9]+")
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*;.*)?")
# The CloudEvents String type has neither control characters nor lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_PLAIN_TIME_SHAPES = frozenset(
    f"0000-00-00T00:00:00{fraction}{zone}"
    for fraction in ("", *("." + "0" * digits for digits in range(1, 7)))
    for zone in ("Z", "+00:00", "-00:00")
)
_DIGITS = dict.fromkeys(map(ord, "123456789"), "0")
_instants = msgspec.json.Decoder(list[datetime]).decode

_uri_reference = jsonschema_rs.Draft202012Validator(
    {"format": "uri-reference"}, validate_formats=True
)
_uri = jsonschema_rs.Draft202012Validator({"format": "uri"}, validate_formats=True)
_date_time = jsonschema_rs.Draft202012Validator({"format": "date-time"}, validate_formats=True)


class Envelope(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One event whose attributes are all known ones. ``data`` is its JSON text, empty if absent.

    Field order and names are those of the wire (JSON format of CloudEvents 1.0.2). ``time`` is
    RFC 3339 text.
    """

    id: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)]
    type: Annotated[str, Meta(min_length=1)]
    specversion: Literal["1.0"]
    time: str | None = None
    subject: Annotated[str, Meta(min_length=1)] | None = None
    tenant: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Raw = Raw()
    data_base64: str | None = None
    receivedat: str | None = None
    tenantplan: str | None = None
    tenantregion: str | None = None
    useragent: str | None = None


PLATFORM_ATTRIBUTES = ("receivedat", "tenantplan", "tenantregion", "useragent")
"""Extension attributes that only the platform sets (``minilab.processing``), by name. Landing keeps
them with the other extension attributes."""
ATTRIBUTES = frozenset(Envelope.__struct_fields__) - {"data", *PLATFORM_ATTRIBUTES}
REQUIRED = ("specversion", "id", "source", "type")


@lru_cache(maxsize=65536)
def is_tenant(value: str) -> bool:
    """1 to 64 letters, digits, dots, hyphens or underscores, beginning and ending with one of the
    first two: a tenant becomes part of keys and paths."""
    return _TENANT.fullmatch(value) is not None


@lru_cache(maxsize=65536)
def is_source(value: str) -> bool:
    """A non-empty URI-reference (RFC 3986, section 4.1)."""
    return bool(value) and _uri_reference.is_valid(value)


@lru_cache(maxsize=4096)
def is_dataschema(value: str) -> bool:
    """A non-empty URI (RFC 3986, section 4.3)."""
    return bool(value) and _uri.is_valid(value)


@lru_cache(maxsize=4096)
def is_media_type(value: str) -> bool:
    """A media type as RFC 2046 writes it, such as ``application/json; charset=utf-8``."""
    return _MEDIA_TYPE.fullmatch(value) is not None


def has_control_characters(values: Iterable[str]) -> bool:
    """Whether any of these strings has a character that the CloudEvents String type forbids."""
    joined = "".join(values)
    return not joined.isprintable() and _CONTROL.search(joined) is not None


def attribute_violations(
    attributes: Mapping[str, Any], *, tenant_required: bool
) -> Iterator[Violation]:
    """Every rule that the attributes break, in the order of the specification.

    ``attributes`` holds all members but ``data`` as Python values; null members are absent ones,
    as the JSON format says. Rules are named ``specversion``, ``required`` (missing) or for what
    is wrong with a value.
    """
    version = attributes.get("specversion")
    if version is not None and version != "1.0":
        yield Violation("/specversion", "specversion", f"{version!r} is not '1.0'.")
    for name in REQUIRED:
        if attributes.get(name) is None:
            yield Violation(f"/{name}", "required", f"The attribute {name} is missing.")
    if tenant_required and attributes.get("tenant") is None:
        yield Violation(
            "/tenant", "required", "The attribute tenant is missing; this stream requires it."
        )
    for name, value in attributes.items():
        if value is not None and name != "specversion":
            yield from _value_violations(name, value)


def _value_violations(name: str, value: Any) -> Iterator[Violation]:
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    if name not in ATTRIBUTES:
        if not _ATTRIBUTE_NAME.fullmatch(name):
            yield Violation(
                path, "attribute-name", "A name has only lower-case letters a to z and digits."
            )
        if not isinstance(value, str | int | bool):
            kind = type(value).__name__
            yield Violation(path, "type", f"An attribute is a string, integer or boolean: {kind}.")
    elif not isinstance(value, str):
        yield Violation(path, "type", f"{name} is a string, not {type(value).__name__}.")
        return
    if not isinstance(value, str):
        return
    if has_control_characters((value,)) and name != "data_base64":
        yield Violation(path, "string", "Control characters cannot stand in an attribute.")
    if not value and name in ("id", "source", "type", "subject", "dataschema", "datacontenttype"):
        yield Violation(path, "non-empty", f"{name} is empty.")
    elif name == "source" and not is_source(value):
        yield Violation(path, "uri-reference", f"{value[:200]!r} is not a URI-reference.")
    elif name == "time" and not is_time(value):
        yield Violation(path, "date-time", f"{value[:200]!r} is not an RFC 3339 timestamp.")
    elif name == "dataschema" and not is_dataschema(value):
        yield Violation(path, "uri", f"{value[:200]!r} is not a URI.")
    elif name == "datacontenttype" and not is_media_type(value):
        yield Violation(path, "media-type", f"{value[:200]!r} is not a media type.")
    elif name == "tenant" and not is_tenant(value):
        yield Violation(
            path,
            "tenant",
            f"{value[:200]!r}: a tenant is 1 to {MAX_TENANT_LENGTH} letters, digits, '.', '_' or "
            "'-', beginning and ending with a letter or digit.",
        )


def is_time(value: str) -> bool:
    """An RFC 3339 timestamp within the years 1 to 9999 in UTC, which is what a column can hold."""
    return _date_time.is_valid(value) and canonical_time(value) is not None


def are_plain_times(times: Sequence[str]) -> bool:
    """Whether all of these are RFC 3339 timestamps that every parser reads alike: upper case, no
    leap second, no more than microseconds, years that fit a column in any zone.

    A subset of what ``is_time`` allows, on purpose: what is refused is judged again with care.
    """
    if not times:
        return True
    text = '","'.join(times)
    if not _PLAIN_TIME_SHAPES.issuperset(text.translate(_DIGITS).split('","')):
        return False
    if min(times) < "0002" or max(times) >= "9999":
        return False
    try:
        return len(_instants(f'["{text}"]')) == len(times)
    except msgspec.ValidationError:
        return False


def canonical_time(value: str) -> str | None:
    """The same instant as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``; None where a column cannot hold it.

    A leap second becomes the second after it; digits below microseconds are cut off.
    """
    text = value.upper()
    leap = text[17:19] == "60"
    if leap:
        text = text[:17] + "59" + text[19:]
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        instant = datetime.fromisoformat(text) + timedelta(seconds=leap)
        return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
    except (ValueError, OverflowError):
        return None
