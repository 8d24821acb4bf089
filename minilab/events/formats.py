"""How an event looks as bytes: the JSON event format of CloudEvents 1.0.2, single or batch, plain
or gzip.

Everything here treats its input as hostile: sizes and depths are bounded before anything is
parsed, and nothing recurses.
"""

from __future__ import annotations

import binascii
import json
import re
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from minilab.events.failures import Reason, Violation

MAX_EVENT_BYTES = 5 * 1024 * 1024
"""One event as its producer sends it. What no message of a bus can carry travels by claim check.
(CloudEvents asks for at least 64 KiB.)"""
MAX_ENRICHMENT_BYTES = 16 * 1024
"""What the platform adds to an event on its way: the tenant and ``envelope.PLATFORM_ATTRIBUTES``.
So much larger may it be where it is landed."""
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""One message when it is opened: a batch of events with what they claim, or a gzip bomb."""
MAX_DEPTH = 100
"""Nested objects and arrays in one event."""

GZIP_MAGIC = b"\x1f\x8b"
GZIP_BASE64_MAGIC = b"H4sI"

_batch = msgspec.json.Decoder(list[msgspec.Raw])
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


class Refused(Exception):
    """These bytes cannot be read as events, or as an event."""

    def __init__(self, reason: Reason, violations: Sequence[Violation]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.violations = tuple(violations)


@dataclass(frozen=True)
class Opened:
    """A message, opened: its events' bytes in order."""

    events: list[bytes]
    decompressed: bool


def refused(reason: Reason, rule: str, message: str, path: str = "") -> Refused:
    return Refused(reason, (Violation(path, rule, message),))


def open_message(body: bytes) -> Opened:
    """The events in one message.

    What the message is, is seen from its first bytes, so that a header may be wrong or missing:
    ``{`` an event, ``[`` a batch, the gzip magic number (also in base64) either of them packed.

    Raises:
        Refused: the message as a whole cannot be read.
    """
    if not body:
        raise refused(Reason.EMPTY_MESSAGE, "message", "The message has no bytes.")
    packed = body.startswith((GZIP_MAGIC, GZIP_BASE64_MAGIC))
    text = decompress(body) if packed else body
    start = text[:64].lstrip(b" \t\r\n") or text.lstrip(b" \t\r\n")
    if not start:
        raise refused(Reason.EMPTY_MESSAGE, "message", "The message is only white space.")
    if not start.startswith(b"["):
        return Opened([text], packed)
    return Opened(split_batch(text), packed)


def split_batch(text: bytes) -> list[bytes]:
    """The elements of a JSON array, each as its own text (CloudEvents JSON batch format).

    Raises:
        Refused: it is too large, not UTF-8, too deep, not JSON, or has no elements.
    """
    if len(text) > MAX_MESSAGE_BYTES:
        raise refused(
            Reason.TOO_LARGE, "size", f"{len(text)} bytes; at most {MAX_MESSAGE_BYTES} are read."
        )
    check_utf8(text)
    check_depth(text, MAX_DEPTH + 1)
    try:
        elements = _batch.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refused(Reason.NOT_JSON, "json", str(error)) from None
    if not elements:
        raise refused(Reason.EMPTY_BATCH, "batch", "The batch has no events.")
    return [bytes(element) for element in elements]


def decompress(body: bytes) -> bytes:
    """Unpack gzip (RFC 1952), several members too, plain or in base64 text.

    Raises:
        Refused: the data is damaged or cut off, or unpacks to more than ``MAX_MESSAGE_BYTES``.
    """
    try:
        rest = body if body.startswith(GZIP_MAGIC) else b64decode(body, validate=True)
        parts: list[bytes] = []
        room = MAX_MESSAGE_BYTES
        while rest:
            member = zlib.decompressobj(wbits=31)
            part = member.decompress(rest, room + 1)
            parts.append(part)
            room -= len(part)
            if room < 0:
                raise refused(
                    Reason.TOO_LARGE,
                    "size",
                    f"It unpacks to more than {MAX_MESSAGE_BYTES} bytes.",
                )
            if not member.eof:
                raise refused(Reason.BAD_COMPRESSION, "gzip", "The gzip data is cut off.")
            rest = member.unused_data
    except (zlib.error, binascii.Error) as error:
        raise refused(Reason.BAD_COMPRESSION, "gzip", str(error)) from None
    return b"".join(parts)


def check_utf8(text: bytes) -> None:
    """Raises Refused where ``text`` is not UTF-8, naming the byte."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise refused(
            Reason.NOT_UTF8, "utf-8", f"Byte {error.start} is not UTF-8: {error.reason}."
        ) from None


def check_depth(text: bytes, limit: int = MAX_DEPTH) -> None:
    """Raises Refused where objects and arrays nest deeper than ``limit``; parses nothing."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return
    brackets = _STRING.sub(b"", text).translate(_ONE_KIND, _NOT_BRACKETS)
    allowed = limit
    for _ in range(limit):  # take away one layer of innermost pairs at a time
        peeled = brackets.replace(b"[]", b"")
        if len(peeled) == len(brackets):
            break  # gone, or brackets that pair with nothing: mostly the parser's business
        brackets = peeled
    else:
        allowed = 0
    if brackets.count(b"[") > allowed:
        raise refused(Reason.TOO_DEEP, "depth", f"It nests deeper than {limit} levels.")


def duplicate_keys(text: bytes, *, whole: bool = True) -> list[str]:
    """Names that stand twice in one object of a JSON text (already known to be JSON).

    Looks into every object, or with ``whole=False`` only at the outermost.
    """
    found: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(pairs)
        if not whole:
            found.clear()  # objects end from the inside out: the last one is the outermost
        if len(unique) != len(pairs):
            times = Counter(name for name, _ in pairs)
            found.extend(name for name, count in times.items() if count > 1)
        return unique

    json.loads(text.decode(), object_pairs_hook=members, parse_int=str, parse_float=str)
    return found
