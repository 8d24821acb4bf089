"""The messages of one FIFO SQS queue: order within a group, and each message once.

A group's messages are received in the order sent. While one of them is in flight, none of its
group is received; one receive may take several of a group in a row, and of several groups. The
groups take turns (AWS promises no order between them). A message whose deduplication id was seen
less than five minutes ago is not stored again; its sender is told of the first one.

Everything else is :class:`~minilab_local.aws.messages.Messages`, and the cost of an operation
likewise does not grow with the depth of the queue or of a group (save for a heap's logarithm).

A queue's delay is taken when a message is sent; on AWS a change of it also moves messages that
were sent before. ``ReceiveRequestAttemptId`` is accepted and means nothing: a receive whose answer
was lost is like any other, and its messages come back when their visibility timeout ends.

Source: AWS, *FIFO queue delivery logic*, *Using the message deduplication ID*, *Using the message
group ID*, *Configuring dead-letter queue redrive* (what becomes of a FIFO message's id and age).
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from minilab_local.aws.messages import Messages, Note, Sent, Stored

DEDUPLICATION_MS = 300_000

# A sequence number has 20 digits and grows, with gaps (API reference, SendMessage).
_FIRST_SEQUENCE = 18_850_000_000_000_000_000
_SEQUENCE_STEP = 256

Window = tuple[Any, ...]
"""A deduplication id with its scope: the queue, or the message's group."""


class ExpiredReceiptHandle(ValueError):
    """The flight that a receipt handle stands for is over, and its message is still there."""


def sequence_number(number: int) -> str:
    return str(_FIRST_SEQUENCE + number * _SEQUENCE_STEP)


@dataclass(slots=True)
class _Group:
    name: str
    line: list[int] = field(default_factory=list)
    """Heap of the numbers to receive; those in flight or gone are cleaned off its top lazily."""
    flying: set[int] = field(default_factory=set)


class FifoMessages(Messages):
    """``content["group"]`` is a message's group; the rest of the content is the owner's."""

    def __init__(self, note: Note) -> None:
        super().__init__(note)
        self._groups: dict[str, _Group] = {}
        self._open: OrderedDict[str, None] = OrderedDict()  # groups with something to receive
        self._seen: dict[Window, Sent] = {}
        self._forget_at: deque[tuple[int, Window]] = deque()  # in order of time

    def send_once(
        self, window: Window, message_id: str, content: Any, now: int, delay_ms: int = 0
    ) -> Sent:
        """Send, unless the window saw a message in the last five minutes: then that one's ids."""
        self._close_windows(now)
        if first := self._seen.get(window):
            return first
        sent = self.send(message_id, content, now, delay_ms)
        self._do(("seen", window, sent, now + DEDUPLICATION_MS))
        return sent

    def take_over(self, stored: Stored, now: int) -> None:
        """As AWS moves it: it is as old as its stay here, and can be nobody's duplicate."""
        content = {**stored.content, "deduplication": stored.message_id}
        super().take_over(replace(stored, content=content, sent_at=now), now)

    def delete(self, handle: str, now: int = 0) -> None:
        """Raises:
        InvalidReceiptHandle: it is no handle at all.
        ExpiredReceiptHandle: the message is back in its group, or with another receiver.
        """
        self._wake(now)
        stored, latest = self._find(handle)
        if stored and not (latest and stored.in_flight):
            raise ExpiredReceiptHandle(handle)
        if stored:
            self._remove(stored)

    # The same again, after a restart

    def redo(self, change: tuple[Any, ...]) -> None:
        match change:
            case ("seen", window, sent, until):
                self._close_windows(until - DEDUPLICATION_MS)
                self._seen[window] = Sent(*sent)
                self._forget_at.append((until, window))
            case _:
                super().redo(change)

    def __getstate__(self) -> dict[str, Any]:
        seen = [(until, window, self._seen[window]) for until, window in self._forget_at]
        return {**super().__getstate__(), "seen": seen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for until, window, sent in state["seen"]:
            self.redo(("seen", window, sent, until))

    def _close_windows(self, now: int) -> None:
        while self._forget_at and self._forget_at[0][0] <= now:
            self._seen.pop(self._forget_at.popleft()[1], None)
            self.steps += 1

    # Which message is next

    def _receivable(self) -> Iterator[Stored]:
        while self._open:
            group = self._groups[next(iter(self._open))]
            while (first := self._first(group)) and not first.delayed:
                yield first

    def _first(self, group: _Group) -> Stored | None:
        while group.line:
            stored = self._all.get(group.line[0])
            if stored is not None and not stored.in_flight:
                return stored
            heapq.heappop(group.line)
            self.steps += 1
        return None

    def _take_in(self, stored: Stored) -> None:
        super()._take_in(stored)
        if stored.in_flight:
            self._step_out(stored)
        elif stored.delayed:  # it holds up those behind it
            self._line_up(stored)

    def _line_up(self, stored: Stored) -> None:
        group = self._group_of(stored)
        group.flying.discard(stored.number)
        heapq.heappush(group.line, stored.number)
        self._settle(group)

    def _step_out(self, stored: Stored) -> None:
        group = self._group_of(stored)
        if stored.number in self._all:
            group.flying.add(stored.number)
        else:
            group.flying.discard(stored.number)
        self._settle(group)

    def _group_of(self, stored: Stored) -> _Group:
        name = stored.content["group"]
        if (group := self._groups.get(name)) is None:
            group = self._groups[name] = _Group(name)
        return group

    def _settle(self, group: _Group) -> None:
        """Open or close the group for receivers, after any change of it."""
        first = self._first(group)
        if first and not first.delayed and not group.flying:
            self._open.setdefault(group.name)
            return
        self._open.pop(group.name, None)
        if not first and not group.flying:
            del self._groups[group.name]

    def _clear(self) -> None:
        super()._clear()
        self._groups.clear()
        self._open.clear()
