"""Failed events sent round again, each once.

begin     recorded in the ledger: nobody else sends it
ready     its way is chosen; what cannot go round is refused, and its record taken back
send      to the ingest queue, or to its stream's bus
done      recorded when it was taken
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from minilab.bus import MessageTooLargeError, open_publisher
from minilab.bus.ingest_queue import IngestMessage, IngestQueue, Origin
from minilab.events.registry import Registry
from minilab.failed.events import FailedEvent
from minilab.failed.ready import CannotReplay, Preparation, Ready
from minilab.failed.records import ReplayRecords
from minilab.settings import Settings

_AT_A_TIME = 500
"""Events begun before they are sent: far less than what a dead replay is waited for."""


@dataclass(frozen=True)
class ReplaySummary:
    """What became of a replay."""

    replayed: tuple[str, ...]
    """Ids of those that were taken."""
    skipped: tuple[str, ...]
    """Ids of those that were replayed before, or are being replayed by someone else."""
    refused: Mapping[str, str]
    """Ids of those that cannot go round, or were not taken, and why. They may be replayed again."""


def replay(
    settings: Settings,
    registry: Registry,
    events: Sequence[FailedEvent],
    *,
    again: bool = False,
) -> ReplaySummary:
    """Send failed events once more: through the ingest queue, or to the bus that they came from.

    Each is recorded in the ledger before it is sent and when it was taken, so that it goes round
    once, unless ``again`` says otherwise. A replay that died is taken over after 5 minutes; what it
    had sent may then be sent twice.

    Raises:
        MinilabError: a bus, the lake or the ledger cannot be reached.
    """
    work = _Replay(settings, registry, again)
    for start in range(0, len(events), _AT_A_TIME):
        work.send(events[start : start + _AT_A_TIME])
    return ReplaySummary(tuple(work.replayed), tuple(work.skipped), work.refused)


@dataclass
class _Replay:
    settings: Settings
    registry: Registry
    again: bool
    replayed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._records = ReplayRecords(self.settings)
        self._preparation = Preparation(self.settings, self.registry)

    def send(self, events: Sequence[FailedEvent]) -> None:
        ready = [item for event in events if (item := self._begin(event)) is not None]
        self._through_ingest([item for item in ready if item.way == "ingest"])
        by_bus = [item for item in ready if item.way == "bus"]
        for stream in dict.fromkeys(item.stream for item in by_bus):
            self._to_bus(stream, [item for item in by_bus if item.stream == stream])

    def _begin(self, event: FailedEvent) -> Ready | None:
        if not self._records.begin(event.failed_id, again=self.again):
            self.skipped.append(event.failed_id)
            return None
        try:
            return self._preparation.ready(event)
        except CannotReplay as problem:
            self._refuse(event, problem.message)
            return None

    def _through_ingest(self, ready: Sequence[Ready]) -> None:
        if not ready:
            return
        why_not = IngestQueue(self.settings).send([_message(item) for item in ready])
        for item, problem in zip(ready, why_not, strict=True):
            if problem is None:
                self._done(item.event)
            else:
                self._refuse(item.event, problem)

    def _to_bus(self, stream: str, ready: Sequence[Ready]) -> None:
        sent: list[FailedEvent] = []
        with open_publisher(self.settings, self.registry.stream(stream)) as publisher:
            for item in ready:
                event = item.event
                try:
                    publisher.send(item.body, key=event.tenant, headers=event.headers or None)
                    sent.append(event)
                except MessageTooLargeError as error:
                    self._refuse(event, error.message)
            publisher.flush()
        for event in sent:
            self._done(event)

    def _done(self, event: FailedEvent) -> None:
        self._records.done(event.failed_id)
        self.replayed.append(event.failed_id)

    def _refuse(self, event: FailedEvent, why: str) -> None:
        self._records.forget(event.failed_id)
        self.refused[event.failed_id] = why


def _message(item: Ready) -> IngestMessage:
    """As the API would have sent it when the event came; never a duplicate of another message."""
    event, name = item.event, f"replay-{uuid4().hex}"
    origin = Origin(
        stream=item.stream,
        tenant=event.tenant or "",
        received_at=event.published_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        request_id=name,
        user_agent=event.headers.get("user-agent"),
    )
    return IngestMessage(origin, (item.body,), deduplication_id=name)
