"""The messages of one SQS queue, in structures whose cost does not grow with its depth.

A message is in one of three places: ready (in the order sent), waiting (delayed or in flight, in
a heap by the moment it becomes ready), or gone. Every operation touches the messages that it
names and, at most, those whose moment has come since the last one. What is said here holds for a
standard queue; :mod:`minilab_local.aws.fifo` says what a FIFO queue does otherwise.

Each change is handed to ``note`` as plain data before the operation returns; :meth:`Messages.redo`
makes the same change again after a restart. Times are milliseconds since 1970 (as SQS has them).

Source: AWS, *Amazon SQS visibility timeout*, *dead-letter queues*, *ReceiveMessage*,
*DeleteMessage*, *ChangeMessageVisibility*.
"""

from __future__ import annotations

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, NamedTuple

Note = Callable[[tuple[Any, ...]], None]


class InvalidReceiptHandle(ValueError):
    """No queue has given out this text as a receipt handle."""


class NotInFlight(ValueError):
    """The message of a receipt handle is not in flight (any more)."""


class Sent(NamedTuple):
    """What the sender of a message is told of it."""

    message_id: str
    number: int
    """The message's place among all that were ever sent to the queue."""


@dataclass(slots=True)
class Stored:
    """A message and where it stands. ``content`` is whatever the queue's owner keeps in it."""

    number: int
    message_id: str
    content: Any
    sent_at: int
    ready_at: int = 0
    """When it is to be seen (again); compared with now only while it waits."""
    receives: int = 0
    first_received_at: int | None = None
    in_flight: bool = False
    delayed: bool = False
    """It was never to be seen yet."""

    @property
    def receipt_handle(self) -> str:
        """The handle of the latest receive: derived, so that it outlives a restart."""
        text = f"{self.number}:{self.receives}:{self.message_id}"
        return urlsafe_b64encode(text.encode()).decode()


_row = attrgetter(*(field.name for field in fields(Stored)))


def _parse_handle(handle: str) -> tuple[int, int, str]:
    try:
        number, receives, message_id = urlsafe_b64decode(handle.encode()).decode().split(":")
        return int(number), int(receives), message_id
    except (ValueError, UnicodeError):
        raise InvalidReceiptHandle(handle) from None


class Messages:
    """Not thread-safe: the queue's lock is held around every call."""

    def __init__(self, note: Note) -> None:
        self.note = note
        self._next_number = 1
        self._all: dict[int, Stored] = {}
        self._ready: OrderedDict[int, None] = OrderedDict()
        self._waiting: list[tuple[int, int]] = []  # heap of (ready_at, number), lazily cleaned
        self._in_flight = 0
        self._delayed = 0
        self.steps = 0
        """How many stored messages operations have looked at: what a test of cost counts."""

    # What it holds

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Stored]:
        return iter(self._all.values())

    def counts(self, now: int) -> tuple[int, int, int]:
        """(ready, in flight, delayed)."""
        self._wake(now)
        ready = len(self._all) - self._in_flight - self._delayed
        return ready, self._in_flight, self._delayed

    @property
    def next_change(self) -> int | None:
        """When the next waiting message becomes ready."""
        return self._waiting[0][0] if self._waiting else None

    # What SQS does

    def send(self, message_id: str, content: Any, now: int, delay_ms: int = 0) -> Sent:
        number = self._next_number
        self._do(("send", number, message_id, content, now, now + delay_ms, 0, None))
        return Sent(message_id, number)

    def take_over(self, stored: Stored, now: int) -> None:
        """A message from another queue (dead-letter redrive): keeps id, sent time and counts."""
        change = (
            *("send", self._next_number, stored.message_id, stored.content, stored.sent_at),
            *(now, stored.receives, stored.first_received_at),
        )
        self._do(change)

    def receive(
        self,
        count: int,
        now: int,
        visibility_ms: int,
        *,
        expired_before: int,
        max_receives: int | None = None,
        bury: Callable[[Stored], None] | None = None,
    ) -> list[Stored]:
        """Up to ``count`` ready messages, which are in flight from then on.

        Those sent before ``expired_before`` are dropped; those received ``max_receives`` times
        already are handed to ``bury`` (the dead-letter queue) and leave this queue.
        """
        self._wake(now)
        taken: list[Stored] = []
        for stored in self._receivable():
            self.steps += 1
            if stored.sent_at < expired_before:
                self._remove(stored)
            elif max_receives is not None and bury and stored.receives >= max_receives:
                bury(stored)
                self._remove(stored)
            else:
                self._start_flight(stored, now, now + visibility_ms)
                taken.append(stored)
            if len(taken) == count:
                break
        if taken:
            numbers = [stored.number for stored in taken]
            self.note(("receive", numbers, now, now + visibility_ms))
        return taken

    def delete(self, handle: str, now: int = 0) -> None:
        """With the latest handle the message is gone; an older one, as on AWS, does nothing.

        Whether its flight is over by ``now`` matters to a FIFO queue alone.

        Raises:
            InvalidReceiptHandle: it is no handle at all.
        """
        stored, latest = self._find(handle)
        if stored and latest:
            self._remove(stored)

    def change_visibility(self, handle: str, now: int, visibility_ms: int) -> None:
        """Raises:
        InvalidReceiptHandle: it is no handle at all.
        NotInFlight: the message is deleted, ready again, or received by another since.
        """
        self._wake(now)
        stored, latest = self._find(handle)
        if not stored or not latest or not stored.in_flight:
            raise NotInFlight(handle)
        self._do(("visible", stored.number, now + visibility_ms))

    def purge(self) -> None:
        self._do(("purge",))

    # The same again, after a restart

    def redo(self, change: tuple[Any, ...]) -> None:
        match change:
            case ("send", number, message_id, content, sent_at, ready_at, receives, first):
                stored = Stored(number, message_id, content, sent_at, ready_at, receives, first)
                self._next_number = number + 1
                stored.delayed = ready_at > sent_at and not receives
                self._all[number] = stored
                self._take_in(stored)
            case ("receive", numbers, now, ready_at):
                for number in numbers:
                    stored = self._all[number]
                    if stored.in_flight or stored.delayed:  # that had ended by then
                        self._wake_up(stored)
                    self._start_flight(stored, now, ready_at)
            case ("visible", number, ready_at):
                self._all[number].ready_at = ready_at
                heapq.heappush(self._waiting, (ready_at, number))
            case ("delete", number):
                self._forget(number)
            case ("purge",):
                self._clear()
            case _:
                raise ValueError(f"unknown change {change[0]!r}")

    def __getstate__(self) -> dict[str, Any]:
        return {
            "next_number": self._next_number,
            "ready": list(self._ready),
            "all": [_row(stored) for stored in self],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(lambda change: None)  # type: ignore[misc]  # its owner sets ``note`` anew
        self._next_number = state["next_number"]
        self._all = {row[0]: Stored(*row) for row in state["all"]}
        for stored in self:
            self._take_in(stored)
        self._ready = OrderedDict.fromkeys(state["ready"])

    # Inside

    def _do(self, change: tuple[Any, ...]) -> None:
        self.redo(change)
        self.note(change)

    def _find(self, handle: str) -> tuple[Stored | None, bool]:
        """(the handle's message, if it is still there; whether the handle is its latest)."""
        number, receives, message_id = _parse_handle(handle)
        self.steps += 1
        stored = self._all.get(number)
        if stored is None or stored.message_id != message_id:
            return None, False
        return stored, stored.receives == receives

    def _wake(self, now: int) -> None:
        """Make ready what has waited long enough."""
        while self._waiting and self._waiting[0][0] <= now:
            ready_at, number = heapq.heappop(self._waiting)
            self.steps += 1
            stored = self._all.get(number)
            if stored is None or stored.ready_at != ready_at:
                continue  # deleted, or its moment was moved
            if stored.in_flight or stored.delayed:
                self._wake_up(stored)

    def _wake_up(self, stored: Stored) -> None:
        if stored.in_flight:
            stored.in_flight = False
            self._in_flight -= 1
        else:
            stored.delayed = False
            self._delayed -= 1
        self._line_up(stored)

    def _take_in(self, stored: Stored) -> None:
        """Count a message that is new, or just read from a snapshot, and give it its place."""
        self._in_flight += stored.in_flight
        self._delayed += stored.delayed
        if stored.in_flight or stored.delayed:
            heapq.heappush(self._waiting, (stored.ready_at, stored.number))
        else:
            self._line_up(stored)

    def _start_flight(self, stored: Stored, now: int, ready_at: int) -> None:
        stored.receives += 1
        stored.first_received_at = stored.first_received_at or now
        stored.ready_at = ready_at
        stored.in_flight = True
        self._in_flight += 1
        heapq.heappush(self._waiting, (ready_at, stored.number))
        self._step_out(stored)

    def _remove(self, stored: Stored) -> None:
        self._do(("delete", stored.number))

    def _forget(self, number: int) -> None:
        stored = self._all.pop(number, None)
        if stored is None:
            return
        self._in_flight -= stored.in_flight
        self._delayed -= stored.delayed
        self._step_out(stored)

    def _clear(self) -> None:
        self._all.clear()
        self._ready.clear()
        self._waiting.clear()
        self._in_flight = self._delayed = 0

    # Which message is next: all that a FIFO queue does otherwise

    def _receivable(self) -> Iterator[Stored]:
        """The messages to receive, in order. Each one leaves the line before the next is taken."""
        while self._ready:
            yield self._all[next(iter(self._ready))]

    def _line_up(self, stored: Stored) -> None:
        """It is ready: new, or back from its delay or its flight."""
        self._ready[stored.number] = None

    def _step_out(self, stored: Stored) -> None:
        """It is in flight, or gone."""
        self._ready.pop(stored.number, None)
