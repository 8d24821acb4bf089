"""What the processor did, in numbers, and how much is still before it.

Counted in memory and told once a minute, the shortest time that CloudWatch keeps apart; by the
function at the end of each call, because nothing of it runs between two. A loop also tells how much
waits in the queue: where it runs as a service, how often it runs is decided by that.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from minilab.errors import MinilabError
from minilab.metrics import Metric, emf

if TYPE_CHECKING:
    from minilab.processing.process import Processed

SERVICE = "processing"
_INTERVAL_SECONDS = 60.0

_log = logging.getLogger(__name__)

Write = Callable[[str], None]
"""Takes a line of CloudWatch's embedded metric format."""


def nowhere(line: str) -> None:
    """What writes metrics where nobody asked for them."""


class Queue(Protocol):
    """See :class:`minilab.processing.queue.IngestSource`."""

    def backlog(self) -> int: ...


class Metrics:
    """Counts, and tells. Not to be shared by threads."""

    def __init__(
        self,
        environment: str,
        queue: Queue,
        write: Write,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``now`` tells seconds."""
        self._dimensions = {"environment": environment}
        self._queue = queue
        self._write = write
        self._now = now
        self._counts: Counter[str] = Counter()
        self._told_at = float("-inf")

    def count(self, processed: Processed) -> None:
        """Add what became of a batch. What waits or failed counts at each try."""
        self._counts.update(
            MessagesDone=len(processed.done),
            MessagesFailed=len(processed.failed),
            MessagesWaiting=len(processed.waiting),
            MessagesGivenUp=len(processed.given_up),
            Events=processed.events,
            FailedEvents=processed.failed_events,
        )

    def tell_if_due(self) -> None:
        """Once a minute, tell what was counted, and how much waits in the queue."""
        if self._now() - self._told_at < _INTERVAL_SECONDS:
            return
        self._told_at = self._now()
        try:
            self._tell([Metric("Backlog", self._queue.backlog())])
        except MinilabError as error:  # the counts are told in a minute
            _log.warning("%s", error.message)

    def tell(self) -> None:
        """Tell what was counted since the last time."""
        self._tell([])

    def _tell(self, more: list[Metric]) -> None:
        told = [Metric(name, count) for name, count in self._counts.items()] + more
        self._counts.clear()
        if told:
            self._write(emf.line_of(SERVICE, self._dimensions, told))
