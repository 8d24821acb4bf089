"""Send a simulated history to the buses, and account for all of it."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

from minilab.bus import Publisher, open_publisher, pack
from minilab.errors import MinilabError
from minilab.events.registry import Registry, Stream
from minilab.settings import Settings
from minilab.simulation.event import Event, encoder, timestamp
from minilab.simulation.history import SHARES, history
from minilab.simulation.trouble import BadMessage, bad_messages, order

_PACK_BYTES = 200_000
_PACK_EVENTS = (20, 180)
_GZIP_SHARE = 0.3
_SINGLE_SHARE = 0.05
_EXAMPLES = 500
"""Good events of each stream that bad ones are made from."""


@dataclass(frozen=True)
class Plan:
    """What to simulate."""

    events: int
    """Distinct good events, over all streams."""
    seed: int
    """The same seed, with the same plan, gives the same events with the same ids."""
    until: float
    """When the history ends, or with ``rate`` begins, in seconds since 1970."""
    days: float = 90.0
    streams: tuple[str, ...] = ()
    """Streams to simulate; empty for all."""
    rate: float | None = None
    """Events per second, happening now; None sends the history at once."""
    bad: float = 0.0
    duplicates: float = 0.0
    late: float = 0.0
    """Shares of each stream's events that are added bad, sent twice, or sent late."""


@dataclass
class StreamSummary:
    """What was sent to one stream."""

    stream: str
    bus: str
    events: int = 0
    """Distinct good events."""
    types: Counter[str] = field(default_factory=Counter)
    """Of those, by type."""
    duplicates: int = 0
    """Good events sent a second time, on top."""
    late: int = 0
    """Of the distinct good events, those sent after a younger one."""
    bad: Counter[str] = field(default_factory=Counter)
    """Bad events on top, by the reason that landing must give."""
    messages: int = 0
    bytes: int = 0
    """Messages that the bus acknowledged, and bytes of their bodies."""
    seconds: float = 0.0


@dataclass
class Summary:
    """What was sent."""

    seed: int
    until: str
    days: float
    interrupted: bool
    seconds: float
    streams: list[StreamSummary]

    def as_json(self) -> dict[str, Any]:
        """The ground truth as one JSON object.

        ``seed``, ``until``, ``days``, ``interrupted``, ``seconds``; over all streams ``events``,
        ``duplicates``, ``late``, ``messages``, ``bytes`` and ``bad`` (reason → count); and
        ``streams``, a list of objects with the fields of :class:`StreamSummary`.
        """
        names = ("events", "duplicates", "late", "messages", "bytes")
        totals = {name: sum(getattr(stream, name) for stream in self.streams) for name in names}
        bad = sum((stream.bad for stream in self.streams), Counter[str]())
        streams = [
            vars(stream) | {"types": dict(stream.types), "bad": dict(stream.bad)}
            for stream in self.streams
        ]
        return vars(self) | totals | {"bad": dict(bad), "streams": streams}


def simulate(
    settings: Settings,
    registry: Registry,
    plan: Plan,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Summary:
    """:class:`Script` and :func:`send` in one."""
    return send(settings, Script(registry, plan), on_progress=on_progress)


def send(
    settings: Settings,
    script: Script,
    *,
    on_progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Summary:
    """Send all of ``script``.

    ``on_progress`` is told how many more events and bad messages were handed to the buses;
    ``should_stop`` is asked before each: if it says so, what was handed over is still delivered.

    Raises:
        PublishError: a stream's queue or topic is missing, or a bus did not accept all of it.
    """
    plan = script.plan
    started = time.monotonic()
    with ExitStack() as stack:
        carriers = {
            stream.name: _Carrier(
                stack.enter_context(open_publisher(settings, stream)), stream, plan.seed
            )
            for stream in script.streams
        }
        interrupted = not _send_all(
            carriers,
            script,
            on_progress or (lambda _: None),
            should_stop or (lambda: False),
        )
        for carrier in carriers.values():
            carrier.finish(time.monotonic() - started)
    return Summary(
        seed=plan.seed,
        until=timestamp(plan.until),
        days=plan.days,
        interrupted=interrupted,
        seconds=round(time.monotonic() - started, 3),
        streams=[carrier.summary for carrier in carriers.values()],
    )


def _streams(registry: Registry, names: Collection[str]) -> list[Stream]:
    streams = [registry.stream(name) for name in names or registry.streams]
    known = [stream for stream in streams if stream.name in SHARES]
    if names and len(known) < len(streams):
        unknown = ", ".join(stream.name for stream in streams if stream not in known)
        raise MinilabError(
            f"Nothing is known about what happens on the stream {unknown}.",
            hint=f"These can be simulated: {', '.join(SHARES)}. "
            "Send events of your own with: minilab send --stream NAME FILE",
        )
    if not known:
        raise MinilabError(
            "None of the streams in contracts/streams.yaml can be simulated.",
            hint=f"These can be: {', '.join(SHARES)}.",
        )
    return known


class Script:
    """All that will be sent, in order, made from a plan. Touches no bus.

    Raises:
        MinilabError: a stream is not known, or cannot be simulated.
    """

    def __init__(self, registry: Registry, plan: Plan) -> None:
        self.plan = plan
        self.streams = _streams(registry, plan.streams)
        names = [stream.name for stream in self.streams]
        self.events = history(plan.seed, plan.events, days=plan.days, streams=names)
        identity = f"{plan.seed}/{plan.events}/{plan.days}/{sorted(names)}"
        prefix = hashlib.sha256(identity.encode()).hexdigest()[:16]
        schemas = {c.type: str(c.schema.get("$id", "")) for c in registry.contracts.values()}
        self._encode = encoder(prefix, {kind: urn for kind, urn in schemas.items() if urn})
        self._end = plan.until
        self._rate = plan.rate
        rng = Random(f"trouble/{identity}")
        self.places = order(
            rng,
            [event.stream for event in self.events],
            bad=plan.bad,
            duplicates=plan.duplicates,
            late=plan.late,
        )
        self._bad = {
            stream.name: bad_messages(rng, registry, stream, self._examples(stream.name))
            for stream in self.streams
        }

    def _examples(self, stream: str) -> list[bytes]:
        indexes = [n for n, event in enumerate(self.events) if event.stream == stream]
        return [self.body(index) for index in indexes[:_EXAMPLES]]

    def body(self, index: int) -> bytes:
        """The bytes of one good event, always the same."""
        event = self.events[index]
        happened = self._end + (index / self._rate if self._rate else event.offset)
        return self._encode(index, event, self._end, happened)

    def __iter__(self) -> Iterator[tuple[str, Event | BadMessage, bytes, bool]]:
        """Stream, what it is, its bytes, and whether it was sent before."""
        for place in self.places:
            if place.index < 0:
                bad = next(self._bad[place.stream])
                yield place.stream, bad, bad.body, False
            else:
                event = self.events[place.index]
                yield place.stream, event, self.body(place.index), place.repeated


def _send_all(
    carriers: dict[str, _Carrier],
    script: Script,
    on_progress: Callable[[int], None],
    should_stop: Callable[[], bool],
) -> bool:
    """Hand everything over, at the plan's rate if there is one; False if told to stop."""
    rate = script.plan.rate
    started = flushed = time.monotonic()
    done = 0
    for done, (stream, what, body, repeated) in enumerate(script, 1):
        while rate and (wait := started + done / rate - time.monotonic()) > 0:
            if should_stop():
                return False
            time.sleep(min(wait, 0.2))
            if time.monotonic() - flushed > 1:
                for carrier in carriers.values():
                    carrier.flush()
                flushed = time.monotonic()
        if should_stop():
            return False
        carriers[stream].take(what, body, repeated)
        if done % 1000 == 0 or rate:
            on_progress(1 if rate else 1000)
    on_progress(0 if rate else done % 1000)
    return True


class _Carrier:
    """Brings one stream's events to its bus, and counts them.

    Kafka takes one event a message, by tenant. On SQS most travel packed in batches, plain or
    compressed, because its price and speed go by the message; some travel alone.
    """

    def __init__(self, publisher: Publisher, stream: Stream, seed: int) -> None:
        self._publisher = publisher
        self._rng = Random(f"carrier/{seed}/{stream.name}")
        self._packs = stream.bus == "sqs"
        self._packed: list[bytes] = []
        self._packed_bytes = 0
        self._pack_size = self._rng.randint(*_PACK_EVENTS)
        self._youngest = float("-inf")
        self.summary = StreamSummary(stream.name, stream.bus)

    def take(self, what: Event | BadMessage, body: bytes, repeated: bool) -> None:
        if isinstance(what, BadMessage):
            self.summary.bad[what.reason.value] += 1
            if self._packs and what.batchable and self._rng.random() < 0.5:
                self._pack(body)
            else:
                self._publisher.send(body, key=what.key, headers=what.headers)
            return
        if repeated:
            self.summary.duplicates += 1
        else:
            self.summary.events += 1
            self.summary.types[what.type] += 1
            self.summary.late += what.offset < self._youngest
            self._youngest = max(self._youngest, what.offset)
        if self._packs and self._rng.random() >= _SINGLE_SHARE:
            self._pack(body)
        else:
            self._publisher.send(body, key=what.tenant)

    def _pack(self, body: bytes) -> None:
        if self._packed_bytes + len(body) > _PACK_BYTES:
            self._send_pack()
        self._packed.append(body)
        self._packed_bytes += len(body) + 1
        if len(self._packed) >= self._pack_size:
            self._send_pack()

    def _send_pack(self) -> None:
        if not self._packed:
            return
        body = pack(self._packed)
        if self._rng.random() < _GZIP_SHARE:
            zipped = gzip.compress(body, 3, mtime=0)
            self._publisher.send(zipped, headers={"content-encoding": "gzip"})
        else:
            self._publisher.send(body)
        self._packed, self._packed_bytes = [], 0
        self._pack_size = self._rng.randint(*_PACK_EVENTS)

    def flush(self) -> None:
        self._send_pack()
        self._publisher.flush()

    def finish(self, seconds: float) -> None:
        """Deliver what is left; the summary is complete after that."""
        self.flush()
        self.summary.messages = self._publisher.sent
        self.summary.bytes = self._publisher.sent_bytes
        self.summary.seconds = round(seconds, 3)
