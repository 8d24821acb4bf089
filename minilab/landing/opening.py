"""From messages to the bytes of single events, before anything is judged. No effects.

What is in a batch of messages may be much more than its bytes: batches unpack, and an event may
claim a payload (``minilab.lake.claims``). So only as many messages are opened as may be held at a
time; the others are landed next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minilab.events.formats import MAX_EVENT_BYTES, Refused, open_message
from minilab.events.validation import Rejection
from minilab.landing.model import Headers, Messages

_ENCODING_HEADER = "content-encoding"
_ASKED_AT_ONCE = 256


@dataclass(frozen=True)
class Failure:
    """One row of ``failed_events`` to be."""

    message: int
    item: int
    body: bytes
    headers: Headers
    rejection: Rejection


@dataclass(frozen=True)
class Opened:
    """The events in messages, and the messages and events that are none."""

    messages: Messages
    """Those that were opened: the first ones of a batch, at least one."""
    events: Sequence[bytes]
    message_of: Sequence[int] | None = None
    """Index of each event's message; None where every message is exactly one event."""
    item_of: Sequence[int] | None = None
    """Index of each event in its message; None where it is always 0."""
    decompressed: frozenset[int] = frozenset()
    """Messages whose events' bytes are not the bytes that came."""
    claiming: Sequence[int] = ()
    """Indexes of the events in whose bytes a claim's URI stands, for whatever reason."""
    failures: Sequence[Failure] = field(default=())

    def place_of(self, event: int) -> tuple[int, int]:
        """The message of an event, and its index in it."""
        message = event if self.message_of is None else self.message_of[event]
        return message, 0 if self.item_of is None else self.item_of[event]

    def failure(self, event: int, rejection: Rejection) -> Failure:
        """Body and headers belong together: sent again as they are, they say the same."""
        message, item = self.place_of(event)
        headers = self.messages.headers_of(message)
        if message in self.decompressed:
            headers = {k: v for k, v in headers.items() if k.lower() != _ENCODING_HEADER}
        return Failure(message, item, self.events[event], headers, rejection)


def open_messages(messages: Messages, claims_prefix: str, most_bytes: int) -> Opened:
    """Open the first messages, as many as unpack to about ``most_bytes``; at least one.

    A claim is counted as the largest event, so how many are opened depends on the messages alone.
    """
    marker = claims_prefix.encode()
    bodies = messages.bodies
    holding = _holding(marker, bodies)
    if not holding and {body[:1] for body in bodies} <= {b"{"}:
        return Opened(messages, bodies)
    return _open_each(messages, marker, frozenset(holding), most_bytes)


def _open_each(
    messages: Messages, marker: bytes, holding: frozenset[int], most_bytes: int
) -> Opened:
    events: list[bytes] = []
    message_of: list[int] = []
    item_of: list[int] = []
    claiming: list[int] = []
    decompressed: set[int] = set()
    failures: list[Failure] = []
    room = most_bytes
    for index, body in enumerate(messages.bodies):
        unpacked = False
        if body[:1] == b"{":
            some, claims = [body], [0] if index in holding else []
        else:
            try:
                opened = open_message(body)
            except Refused as error:
                rejection = Rejection(error.reason, error.violations)
                failures.append(Failure(index, 0, body, messages.headers_of(index), rejection))
                continue
            some, claims = opened.events, _holding(marker, opened.events)
            unpacked = opened.decompressed
        room -= sum(map(len, some)) + len(claims) * MAX_EVENT_BYTES
        if room < 0 and index > 0:
            messages = messages.first(index)
            break
        claiming.extend(len(events) + item for item in claims)
        events.extend(some)
        message_of.extend([index] * len(some))
        item_of.extend(range(len(some)))
        if unpacked:
            decompressed.add(index)
    return Opened(
        messages, events, message_of, item_of, frozenset(decompressed), claiming, failures
    )


def _holding(marker: bytes, events: Sequence[bytes]) -> list[int]:
    """Indexes of the texts that hold these bytes. Hardly any does: so many are asked at once."""
    return [
        index
        for start in range(0, len(events), _ASKED_AT_ONCE)
        if marker in b"".join(some := events[start : start + _ASKED_AT_ONCE])
        for index, event in enumerate(some, start)
        if marker in event
    ]
