"""What goes wrong with events: bad ones of every kind, the same one twice, late ones."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import cycle
from random import Random
from typing import Any

import msgspec

from minilab.events.failures import Reason
from minilab.events.formats import MAX_ENRICHMENT_BYTES, MAX_EVENT_BYTES
from minilab.events.registry import Registry, Stream

_json = msgspec.json.encode


@dataclass(frozen=True)
class BadMessage:
    """A message that must end as a failed event."""

    reason: Reason
    """What landing has to say about it."""
    body: bytes
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    batchable: bool = False
    """Whether it could also travel among good events in a batch, and fail alone."""


def bad_messages(
    rng: Random, registry: Registry, stream: Stream, examples: Sequence[bytes]
) -> Iterator[BadMessage]:
    """Bad messages without end, every reason in turn for which an event fails on ``stream``.

    Each is made from one of ``examples``, good events of the stream as JSON, with an id of its own.
    """
    makers = list((_message_makers() | _event_makers(rng, registry, stream)).items())
    first = rng.randrange(len(makers))
    for number, (reason, make) in enumerate(cycle(makers[first:] + makers[:first])):
        event: dict[str, Any] = msgspec.json.decode(rng.choice(examples))
        event["id"] += f"-bad{number}"
        tenant = event.get("tenant")
        yield _made(reason, make(event), tenant)


def _made(reason: Reason, made: bytes | dict[str, Any], tenant: str | None) -> BadMessage:
    if isinstance(made, dict):
        return BadMessage(reason, _json(made), tenant, batchable=True)
    headers = {"content-encoding": "gzip"} if made.startswith(b"\x1f\x8b") else {}
    return BadMessage(reason, made, tenant, headers)


_Makers = dict[Reason, Callable[[dict[str, Any]], bytes | dict[str, Any]]]


def _message_makers() -> _Makers:
    """What is wrong with the bytes, whatever the stream."""
    return {
        Reason.EMPTY_MESSAGE: lambda _: b"",
        Reason.BAD_COMPRESSION: lambda event: gzip.compress(_json(event), mtime=0)[:-9],
        Reason.TOO_LARGE: lambda _: _oversized(),
        Reason.NOT_UTF8: lambda event: _json(event | {"subject": "SUBJECT"}).replace(
            b"SUBJECT", b"caf\xe9"
        ),
        Reason.NOT_JSON: lambda event: _json(event)[:-1],
        Reason.TOO_DEEP: lambda event: _json(event | {"data": "DATA"}).replace(
            b'"DATA"', b'{"a":' * 500 + b"1" + b"}" * 500
        ),
        Reason.DUPLICATE_KEY: lambda event: _json(event)[:-1] + b',"id":"also-bad"}',
        Reason.NOT_AN_EVENT: lambda event: _json(event["id"]),
        Reason.EMPTY_BATCH: lambda _: b"[]",
    }


@lru_cache(maxsize=1)
def _oversized() -> bytes:
    """Small on the wire, and one event that is too large when unpacked, wherever it is judged."""
    size = MAX_EVENT_BYTES + MAX_ENRICHMENT_BYTES
    event = {"specversion": "1.0", "id": "oversized", "data": "x" * size}
    return gzip.compress(_json(event), 6, mtime=0)


def _event_makers(rng: Random, registry: Registry, stream: Stream) -> _Makers:
    """What is wrong with one event."""
    required = ["id", "source", *(["tenant"] if stream.contract == "required" else [])]
    makers: _Makers = {
        Reason.UNSUPPORTED_SPECVERSION: lambda event: event | {"specversion": "0.3"},
        Reason.MISSING_ATTRIBUTE: lambda event: _without(event, rng.choice(required)),
        Reason.INVALID_ATTRIBUTE: lambda event: (
            event
            | rng.choice(
                ({"time": "yesterday"}, {"subject": ""}, {"source": "not a uri"}, {"id": 7})
            )
        ),
    }
    if stream.contract == "any":
        return makers
    makers[Reason.UNKNOWN_TYPE] = lambda event: event | {"type": f"{stream.name}.imagined.v1"}
    if others := [c.type for c in registry.contracts.values() if c.stream != stream.name]:
        makers[Reason.WRONG_STREAM] = lambda event: event | {"type": rng.choice(others)}
    makers[Reason.CONTRACT_VIOLATION] = lambda event: event | {"data": _violating(event["data"])}
    return makers


def _without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != name}


def _violating(data: dict[str, Any]) -> dict[str, Any]:
    """Every member of the wrong type: no contract of this project takes that."""
    return {name: [value] for name, value in data.items()}


@dataclass(frozen=True)
class Place:
    """What is sent next: a good event by its index, or a bad message."""

    at: float
    """Where in the order: an index into the events, or between two."""
    index: int
    """The event's index; -1 for a bad message."""
    stream: str
    repeated: bool = False


def order(
    rng: Random, streams: Sequence[str], *, bad: float, duplicates: float, late: float
) -> list[Place]:
    """The order of sending for events given by their streams, oldest first.

    ``late`` of each stream's events move behind younger ones, ``duplicates`` come again after
    themselves, and ``bad`` messages stand anywhere; all are shares of the stream's events, and any
    share above 0 gives one at least.
    """
    by_stream: dict[str, list[int]] = {}
    for index, stream in enumerate(streams):
        by_stream.setdefault(stream, []).append(index)
    places: list[Place] = []
    for stream, indexes in by_stream.items():
        count = len(indexes)
        at = {index: float(index) for index in indexes}
        moved = set(rng.sample(range(count - 1), min(count - 1, _share(late, count))))
        for position in sorted(moved):
            behind = min(count - 1, position + rng.randint(1, max(1, count // 10)))
            while behind in moved:  # the last one never is
                behind += 1
            at[indexes[position]] = indexes[behind] + 0.5
        places += [Place(at[index], index, stream) for index in indexes]
        for index in rng.choices(indexes, k=_share(duplicates, count)):
            again = at[index] + rng.uniform(0.1, 0.2 * len(streams) + 1)
            places.append(Place(again, index, stream, repeated=True))
        for _ in range(_share(bad, count)):
            places.append(Place(rng.uniform(0, len(streams)), -1, stream))
    places.sort(key=lambda place: place.at)
    return places


def _share(share: float, count: int) -> int:
    return max(1, round(share * count)) if share > 0 and count else 0
