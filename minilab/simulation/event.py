"""One simulated event, and its bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

_encode = msgspec.json.Encoder().encode


class Event(NamedTuple):
    """What happened, when (relative to the history's end) and to whom.

    Attributes hold only characters that stand for themselves in JSON.
    """

    offset: float
    """Seconds relative to the end of the history; never positive."""
    stream: str
    type: str
    source: str
    subject: str
    tenant: str | None
    data: dict[str, Any]
    stamps: Mapping[str, float] = {}
    """Members of ``data`` that hold a time, as offsets like ``offset``: names that end in ``_at``
    become timestamps, ``created`` seconds since 1970, all others dates."""


def timestamp(seconds: float) -> str:
    """RFC 3339 with milliseconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def encoder(prefix: str, schemas: Mapping[str, str]) -> Callable[[int, Event, float, float], bytes]:
    """Make the function that turns events into CloudEvents in JSON.

    ``prefix`` begins every id; ``schemas`` maps types to their ``dataschema``. The function takes
    the event's number, the event, the time of the history's end, and when the event happened (both
    as seconds since 1970; the last is ``end + event.offset`` unless the history is replayed live).
    """
    tails = {
        kind: f'","datacontenttype":"application/json","dataschema":"{schema}","data":'
        for kind, schema in schemas.items()
    }
    plain_tail = '","datacontenttype":"application/json","data":'

    def encode(number: int, event: Event, end: float, happened: float) -> bytes:
        data = event.data
        if event.stamps:
            data = data | _stamped(event, end, happened)
        tenant = f'","tenant":"{event.tenant}' if event.tenant is not None else ""
        head = (
            f'{{"specversion":"1.0","id":"{prefix}-{number:08x}","source":"{event.source}",'
            f'"type":"{event.type}","time":"{timestamp(happened)}","subject":"{event.subject}'
            f"{tenant}{tails.get(event.type, plain_tail)}"
        )
        return head.encode() + _encode(data) + b"}"

    return encode


def _stamped(event: Event, end: float, happened: float) -> dict[str, str | int]:
    stamped: dict[str, str | int] = {}
    for name, offset in event.stamps.items():
        seconds = happened if offset == event.offset else end + offset
        if name.endswith("_at"):
            stamped[name] = timestamp(seconds)
        else:
            stamped[name] = int(seconds) if name == "created" else date(seconds)
    return stamped
