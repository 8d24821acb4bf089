"""The messages of one standard SQS queue, in structures whose cost does not grow with its depth.

A message is in one of three places: ready (in the order sent), waiting (delayed or in flight, in
a heap by the moment it becomes ready), or gone. Every operation touches the messages that it
names and, at most, those whose moment has come since the last one.

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
from dataclasses import dataclass
from typing import Any

Note = Callable[[tuple[Any, ...]], None]


class InvalidReceiptHandle(ValueError):
    """No queue has given out this text as a receipt handle."""


class NotInFlight(ValueError):
    """The message of a receipt handle is not in flight (any more)."""


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

    @property
    def receipt_handle(self) -> str:
        """The handle of the latest receive: derived, so that it outlives a restart."""
        text = f"{self.number}:{self.receives}:{self.message_id}"
        return urlsafe_b64encode(text.encode()).decode()


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
        ready = len(self._ready)
        return ready, self._in_flight, len(self._all) - ready - self._in_flight

    @property
    def next_change(self) -> int | None:
        """When the next waiting message becomes ready."""
        return self._waiting[0][0] if self._waiting else None

    # What SQS does

    def send(self, message_id: str, content: Any, now: int, delay_ms: int = 0) -> Stored:
        change = ("send", self._next_number, message_id, content, now, now + delay_ms, 0, None)
        self.redo(change)
        self.note(change)
        return self._all[change[1]]

    def take_over(self, stored: Stored, now: int) -> None:
        """A message from another queue (dead-letter redrive): keeps id, sent time and counts."""
        change = (
            *("send", self._next_number, stored.message_id, stored.content, stored.sent_at),
            *(now, stored.receives, stored.first_received_at),
        )
        self.redo(change)
        self.note(change)

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
        while self._ready and len(taken) < count:
            number = next(iter(self._ready))
            stored = self._all[number]
            self.steps += 1
            if stored.sent_at < expired_before:
                self._remove(number)
            elif max_receives is not None and bury and stored.receives >= max_receives:
                bury(stored)
                self._remove(number)
            else:
                self._start_flight(stored, now, now + visibility_ms)
                taken.append(stored)
        if taken:
            numbers = [stored.number for stored in taken]
            self.note(("receive", numbers, now, now + visibility_ms))
        return taken

    def delete(self, handle: str) -> None:
        """With the latest handle the message is gone; an older one, as on AWS, does nothing.

        Raises:
            InvalidReceiptHandle: it is no handle at all.
        """
        number, receives, message_id = _parse_handle(handle)
        self.steps += 1
        stored = self._all.get(number)
        if stored and stored.message_id == message_id and stored.receives == receives:
            self._remove(number)

    def change_visibility(self, handle: str, now: int, visibility_ms: int) -> None:
        """Raises:
        InvalidReceiptHandle: it is no handle at all.
        NotInFlight: the message is deleted, ready again, or received by another since.
        """
        self._wake(now)
        number, receives, message_id = _parse_handle(handle)
        self.steps += 1
        stored = self._all.get(number)
        if not stored or not stored.in_flight:
            raise NotInFlight(handle)
        if stored.message_id != message_id or stored.receives != receives:
            raise NotInFlight(handle)
        change = ("visible", number, now + visibility_ms)
        self.redo(change)
        self.note(change)

    def purge(self) -> None:
        self.redo(("purge",))
        self.note(("purge",))

    # The same again, after a restart

    def redo(self, change: tuple[Any, ...]) -> None:
        match change:
            case ("send", number, message_id, content, sent_at, ready_at, receives, first):
                stored = Stored(number, message_id, content, sent_at, ready_at, receives, first)
                self._next_number = number + 1
                self._all[number] = stored
                if ready_at > sent_at and not receives:
                    heapq.heappush(self._waiting, (ready_at, number))
                else:
                    self._ready[number] = None
            case ("receive", numbers, now, ready_at):
                for number in numbers:
                    stored = self._all[number]
                    if stored.in_flight:  # its earlier flight had ended by then
                        self._in_flight -= 1
                    self._start_flight(stored, now, ready_at)
            case ("visible", number, ready_at):
                stored = self._all[number]
                stored.ready_at = ready_at
                if not stored.in_flight:
                    stored.in_flight = True
                    self._in_flight += 1
                    self._ready.pop(number, None)
                heapq.heappush(self._waiting, (ready_at, number))
            case ("delete", number):
                self._forget(number)
            case ("purge",):
                self._all.clear()
                self._ready.clear()
                self._waiting.clear()
                self._in_flight = 0
            case _:
                raise ValueError(f"unknown change {change[0]!r}")

    def __getstate__(self) -> dict[str, Any]:
        return {
            "next_number": self._next_number,
            "ready": list(self._ready),
            "all": [
                (
                    *(m.number, m.message_id, m.content, m.sent_at),
                    *(m.ready_at, m.receives, m.first_received_at, m.in_flight),
                )
                for m in self._all.values()
            ],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(lambda change: None)  # type: ignore[misc]  # its owner sets ``note`` anew
        self._next_number = state["next_number"]
        self._all = {row[0]: Stored(*row) for row in state["all"]}
        self._ready = OrderedDict.fromkeys(state["ready"])
        self._in_flight = sum(stored.in_flight for stored in self._all.values())
        self._waiting = [(m.ready_at, m.number) for m in self if m.number not in self._ready]
        heapq.heapify(self._waiting)

    # Inside

    def _wake(self, now: int) -> None:
        """Make ready what has waited long enough."""
        while self._waiting and self._waiting[0][0] <= now:
            ready_at, number = heapq.heappop(self._waiting)
            self.steps += 1
            stored = self._all.get(number)
            if stored is None or stored.ready_at != ready_at or number in self._ready:
                continue  # deleted, or its moment was moved
            if stored.in_flight:
                stored.in_flight = False
                self._in_flight -= 1
            self._ready[number] = None

    def _start_flight(self, stored: Stored, now: int, ready_at: int) -> None:
        self._ready.pop(stored.number, None)
        stored.receives += 1
        stored.first_received_at = stored.first_received_at or now
        stored.ready_at = ready_at
        stored.in_flight = True
        self._in_flight += 1
        heapq.heappush(self._waiting, (ready_at, stored.number))

    def _remove(self, number: int) -> None:
        self._forget(number)
        self.note(("delete", number))

    def _forget(self, number: int) -> None:
        stored = self._all.pop(number, None)
        if stored is None:
            return
        self._ready.pop(number, None)
        if stored.in_flight:
            self._in_flight -= 1
