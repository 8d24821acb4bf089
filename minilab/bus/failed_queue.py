"""The failed queue: what the API or the processor could not accept, on its way to failed events.

Landing writes its own failed events into the lake; the others are sent here and landed with them
(``minilab.landing``). A record is the row to be, as JSON; its original bytes are base64, or a
claim where they would not fit into a message.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from minilab import aws
from minilab.bus.message import SqsEntry, SqsSender, as_sqs_json, calls, sqs_entry
from minilab.events.envelope import is_tenant
from minilab.events.failures import Violation
from minilab.lake.claims import Claims
from minilab.settings import Settings

_MAX_INLINE_BODY = 512 * 1024
"""Of original bytes: as base64, with what else a record holds, they fit into a message."""
_MAX_VIOLATIONS = 128 * 1024
"""Of all violations as JSON in a record; the rest is only counted."""
_MAX_TEXT = 2048
"""Characters of an attribute or of a violation's message; the original bytes hold all of it."""

Stage = Literal["ingest", "processing", "landing"]


@dataclass(frozen=True)
class FailedRecord:
    """One failed event (``minilab.lake.tables.FAILED_EVENTS`` says what its columns mean)."""

    stage: Stage
    stream: str
    """The stream that it was meant for, or ``registry.UNROUTED``."""
    reason: str
    violations: tuple[Violation, ...]
    body: bytes
    bus: Literal["api", "sqs", "kafka"]
    """What brought it; ``shard`` and ``position`` say where exactly: for the API, the route and
    the request's id."""
    shard: str
    position: str
    item: int
    published_ms: int
    """When it came, in milliseconds since 1970 (UTC)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    source: str | None = None
    type: str | None = None
    tenant: str | None = None
    """Who was authenticated, or else what the event says."""


class _Wire(msgspec.Struct, omit_defaults=True):
    """A record as JSON; ``body`` is base64, or absent where ``body_ref`` is a claim's URI."""

    stage: Stage
    stream: str
    reason: str
    violations: list[tuple[str, str, str]]
    bus: Literal["api", "sqs", "kafka"]
    shard: str
    position: str
    item: int
    published_ms: int
    headers: dict[str, str] = {}
    id: str | None = None
    source: str | None = None
    type: str | None = None
    tenant: str | None = None
    body: str = ""
    body_ref: str | None = None


_decode = msgspec.json.Decoder(_Wire).decode


def encode(record: FailedRecord, claims: Claims) -> bytes:
    """The record as a message's body; a large original is stored as a claim first.

    Raises:
        AwsError: the claim could not be stored.
    """
    plain = {name: getattr(record, name) for name in _SHARED}
    plain |= {name: _text(plain[name]) for name in ("id", "source", "type", "tenant")}
    plain["violations"] = _violations(record.violations)
    plain["headers"] = {_text(name): _text(value) for name, value in record.headers.items()}
    if len(record.body) > _MAX_INLINE_BODY:
        uri = claims.put(_claimant(plain["tenant"]), record.body, "bytes")
        wire = _Wire(**plain, body_ref=uri)
    else:
        wire = _Wire(**plain, body=b64encode(record.body).decode())
    return as_sqs_json(msgspec.json.encode(wire))


def decode(message: bytes, claims: Claims) -> FailedRecord:
    """The record in a message of the failed queue.

    Raises:
        msgspec.MsgspecError, ValueError: this is no record.
        ClaimError: its original bytes are gone.
        AwsError: they cannot be read now.
    """
    wire = _decode(message)
    if wire.body_ref is not None:
        return _record(wire, claims.get(_claimant(wire.tenant), wire.body_ref)[1])
    return _record(wire, b64decode(wire.body, validate=True))


def decode_without_body(message: bytes) -> FailedRecord:
    """The record in a message of the failed queue, but for its original bytes.

    Raises:
        msgspec.MsgspecError: this is no record.
    """
    return _record(_decode(message), b"")


def _record(wire: _Wire, body: bytes) -> FailedRecord:
    plain: dict[str, Any] = {name: getattr(wire, name) for name in _SHARED}
    plain["violations"] = tuple(Violation(*v) for v in wire.violations)
    return FailedRecord(**plain, body=body)


_SHARED = tuple(name for name in _Wire.__struct_fields__ if name not in ("body", "body_ref"))


def _claimant(tenant: str | None) -> str:
    """Whose claim a body is: a claim's key begins with it, so not just anything that was said."""
    return tenant if tenant and is_tenant(tenant) else "_"


def _text(value: str | None) -> str | None:
    """A text that UTF-8 can hold, and a message: without lone surrogates, and not without end."""
    if value is None:
        return None
    value = value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT] + "…"
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _violations(violations: Sequence[Violation]) -> list[tuple[str | None, ...]]:
    """As many as there is room for, and how many more there were."""
    kept: list[tuple[str | None, ...]] = []
    room = _MAX_VIOLATIONS
    for violation in violations:
        texts = tuple(map(_text, violation))
        room -= len(msgspec.json.encode(texts))
        if room < 0:
            more = len(violations) - len(kept)
            return [*kept, ("", "and-more", f"{more:,} more rules were broken.")]
        kept.append(texts)
    return kept


class FailedQueue:
    """Sends to the failed queue. Safe to share between threads."""

    def __init__(self, settings: Settings, sqs: Any = None, claims: Claims | None = None) -> None:
        self._claims = claims or Claims(settings)
        self._sender = SqsSender(
            sqs or aws.client("sqs", settings), settings, settings.failed_queue
        )

    def send(self, records: Sequence[FailedRecord]) -> list[str | None]:
        """Send records in as few calls as can be; say of each why it was not taken, or None."""
        why: list[str | None] = [None] * len(records)
        entries: dict[int, SqsEntry] = {}
        for index, record in enumerate(records):
            try:
                headers = {"content-type": "application/json", "stream": record.stream}
                entries[index] = sqs_entry(encode(record, self._claims), headers)
            except aws.AwsError as error:
                why[index] = error.message
        places = list(entries)
        for call in calls(entries[i].size for i in places):
            some = [places[n] for n in call]
            for index, problem in self._sender.send(
                [entries[i].as_parameters(i) for i in some]
            ).items():
                why[index] = problem
        return why
