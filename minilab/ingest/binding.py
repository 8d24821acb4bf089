"""From an HTTP request to events: the CloudEvents HTTP protocol binding 1.0.2.

Every content mode ends as events in the JSON event format, each the bytes of one. Structured and
batched events stay the bytes that came; a binary one is put together, its attributes in the order
of their names, so that the same request always gives the same bytes.

Source: CloudEvents HTTP Protocol Binding 1.0.2, sections 3.1 to 3.3; JSON Event Format 1.0.2,
section 3.1; RFC 9110, section 5.6.4 (quoted strings).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote_to_bytes

import msgspec

from minilab.bus.publisher import CLOUDEVENT, CLOUDEVENTS_BATCH
from minilab.events.failures import Reason
from minilab.events.formats import GZIP_MAGIC, Refused, decompress, refused, split_batch
from minilab.ingest.problems import MALFORMED_BINDING, UNSUPPORTED_MEDIA_TYPE, Problem, ProblemError

Mode = Literal["structured", "batched", "binary"]

ACCEPTED_TYPES = (CLOUDEVENT, CLOUDEVENTS_BATCH)
"""Formats of structured and batched mode; in binary mode the body may be anything."""

_FORMATS = "application/cloudevents"
_PREFIX = "ce-"
_NOT_AN_ATTRIBUTE = frozenset({"data", "data_base64", "datacontenttype"})
"""In binary mode the body and ``Content-Type`` say what these do."""
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-32": "utf-32",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "windows-1252",
}
"""Python knows more, but some of those take minutes for a megabyte."""

_raw = msgspec.json.Decoder(msgspec.Raw).decode
_encode = msgspec.json.encode


@dataclass(frozen=True)
class Bound:
    """The events of one request."""

    mode: Mode
    events: tuple[bytes, ...]
    """At least one."""


@dataclass(frozen=True)
class MediaType:
    essence: str
    """Type and subtype in lower case; empty where there is none."""
    charset: str | None

    @property
    def is_json(self) -> bool:
        """As the JSON event format tells it: subtype ``json``, or a suffix of it."""
        return self.essence.endswith(("/json", "+json"))

    @property
    def is_text(self) -> bool:
        """Whether its bytes are meant to be read by people: kept as text, not as base64."""
        return (
            self.essence.startswith("text/")
            or self.essence.endswith(("/xml", "+xml", "/javascript"))
            or self.essence == "application/x-www-form-urlencoded"
        )


def bind(headers: Mapping[str, str], body: bytes) -> Bound:
    """The events that a request carries.

    ``headers`` have names in lower case.

    Raises:
        Refused: its body cannot be read as what it says it is.
        ProblemError: it does not keep to the binding, or its format is not supported.
    """
    body = _unpacked(headers, body)
    media_type = parse_media_type(headers.get("content-type", ""))
    if media_type.essence == CLOUDEVENT:
        return Bound("structured", (_utf8(body, media_type),))
    if media_type.essence == CLOUDEVENTS_BATCH:
        return Bound("batched", tuple(split_batch(_utf8(body, media_type))))
    if media_type.essence.startswith(_FORMATS):
        raise _unsupported(
            f"{media_type.essence[:200]} is no format that is read here.",
            {"Accept": ", ".join(ACCEPTED_TYPES)},
        )
    return Bound("binary", (_binary(headers, body, media_type),))


@lru_cache(maxsize=1024)
def parse_media_type(text: str) -> MediaType:
    """What a ``Content-Type`` says (RFC 9110, section 8.3)."""
    essence, _, parameters = text.partition(";")
    charset: str | None = None
    if parameters:
        message = Message()
        message["content-type"] = "x/y;" + parameters.replace("\r", " ").replace("\n", " ")
        charset = message.get_content_charset() or None
    return MediaType(essence.strip(" \t").lower(), charset)


def _unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise _unsupported(
            f"A body may be packed with gzip, not with {encoding[:200]!r}.",
            {"Accept-Encoding": "gzip, identity"},
        )
    if not body.startswith(GZIP_MAGIC):
        raise refused(Reason.BAD_COMPRESSION, "gzip", "The body is not gzip, as it says it is.")
    return decompress(body)


def _unsupported(detail: str, headers: Mapping[str, str]) -> ProblemError:
    return ProblemError(Problem(UNSUPPORTED_MEDIA_TYPE, detail, headers=headers))


def _malformed(detail: str) -> ProblemError:
    return ProblemError(Problem(MALFORMED_BINDING, detail))


def _codec(media_type: MediaType) -> str:
    codec = _CHARSETS.get(media_type.charset or "utf-8")
    if codec is None:
        raise _unsupported(
            f"The charset {(media_type.charset or '')[:200]!r} is not read here.",
            {"Accept-Charset": "utf-8"},
        )
    return codec


def _utf8(body: bytes, media_type: MediaType) -> bytes:
    """JSON text in UTF-8. UTF-8 itself is not looked at: that is for whoever reads the event."""
    codec = _codec(media_type)
    if codec == "utf-8":
        return body
    try:
        return body.decode(codec).encode()
    except UnicodeError as error:
        raise refused(Reason.NOT_UTF8, "charset", f"This is not {codec}: {error}.") from None


# Binary mode ---------------------------------------------------------------------------------


def _binary(headers: Mapping[str, str], body: bytes, media_type: MediaType) -> bytes:
    attributes = {
        name.removeprefix(_PREFIX): _decoded(name, value)
        for name, value in headers.items()
        if name.startswith(_PREFIX)
    }
    if not attributes:
        raise refused(
            Reason.NOT_AN_EVENT,
            "content-mode",
            "There are no ce- headers, and Content-Type is neither "
            f"{' nor '.join(ACCEPTED_TYPES)}.",
        )
    if wrong := _NOT_AN_ATTRIBUTE & attributes.keys():
        raise _malformed(
            f"ce-{min(wrong)} is no header of binary mode: the body is the data, and "
            "Content-Type says what it is."
        )
    if content_type := headers.get("content-type", "").strip(" \t"):
        if not content_type.isascii():
            raise _malformed("Content-Type has characters beyond ASCII.")
        attributes["datacontenttype"] = content_type
    members = [_encode(name) + b":" + _encode(attributes[name]) for name in sorted(attributes)]
    if body:
        members.append(_data_member(body, media_type))
    return b"{" + b",".join(members) + b"}"


def _decoded(name: str, value: str) -> str:
    """An attribute's value (section 3.1.3.2): unquoted, then percent-decoded, then UTF-8."""
    value = value.strip(" \t")
    if quoted := _QUOTED.fullmatch(value):
        value = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
    if "%" not in value and value.isascii():
        return value
    if _BAD_PERCENT.search(value):
        raise _malformed(f"{name[:200]}: a percent sign stands before two hexadecimal digits.")
    try:
        return unquote_to_bytes(_octets(value)).decode()
    except UnicodeError:
        raise _malformed(f"{name[:200]}: the decoded value is not UTF-8.") from None


def _octets(value: str) -> bytes:
    """Header bytes beyond ASCII come as Latin-1 from some servers, and as text from others."""
    try:
        octets = value.encode("iso-8859-1")
        octets.decode()
    except UnicodeError:
        return value.encode()
    return octets


def _data_member(body: bytes, media_type: MediaType) -> bytes:
    """``data`` or ``data_base64``: JSON as it is, text as a string, anything else as base64."""
    if media_type.is_json:
        text = _utf8(body, media_type)
        if problem := _why_not_json(text):
            raise problem
        return b'"data":' + text
    if not media_type.essence and _why_not_json(body) is None:
        return b'"data":' + body
    if media_type.is_text and _CHARSETS.get(media_type.charset or "utf-8") == "utf-8":
        try:
            return b'"data":' + _encode(body.decode())
        except UnicodeError:
            pass  # not what it says; its bytes are kept
    return b'"data_base64":"' + b64encode(body) + b'"'


def _why_not_json(text: bytes) -> Refused | None:
    """None where the text is one JSON value, so that it can stand in an event as it is."""
    try:
        _raw(text)
        text.decode()
    except UnicodeDecodeError as error:
        return refused(Reason.NOT_UTF8, "utf-8", f"Byte {error.start} is not UTF-8.", "/data")
    except (msgspec.DecodeError, RecursionError) as error:
        return refused(Reason.NOT_JSON, "json", f"The body is not JSON: {error}", "/data")
    return None
