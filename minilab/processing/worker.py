"""The processor as a loop, for ECS and the laptop: receive, process, delete, until told to stop.

Several threads receive, one processes: while it waits for the buses, the next messages come in,
and what has come in is delivered together. What is received and not done is bounded: two answers of
ten messages for each receiver, and one batch.

While a bus is away nothing is received, and what is held stays held (``holding``): it is tried
again with growing pauses until the bus is back, and no message's tries are used up. Told to stop,
the worker receives no more, finishes what it has, and gives back what it cannot finish.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

from minilab.errors import MinilabError
from minilab.processing.environment import Environment
from minilab.processing.holding import Holding
from minilab.processing.process import Processed, process
from minilab.processing.queue import QueueFacts, QueueMissingError
from minilab.processing.receiving import Pauses, Receivers, Receiving, Tell
from minilab.processing.records import Record

_log = logging.getLogger(__name__)

_MOST_TROUBLES = 50
"""Different ones that a summary keeps."""


@dataclass(frozen=True)
class Limits:
    """How a worker goes about it."""

    receivers: int = 4
    poll_seconds: int = 5
    """Of one long poll: how long a worker that is told to stop may still wait for an answer."""
    batch_messages: int = 100
    batch_bytes: int = 8 * 1024 * 1024
    """A batch is closed when it has so many, or so much; one answer is never split."""
    missing_queue_seconds: float = 120.0
    """How long to wait for a queue that does not exist yet."""
    longest_pause: float = 15.0
    """Seconds between two tries while a bus is away."""
    retry_seconds: tuple[int, ...] = (1, 5, 30, 120)
    """How long a message that failed is hidden, by how often it was received."""


@dataclass
class Summary:
    """What a worker did."""

    messages: int = 0
    """Messages of the ingest queue that are done."""
    events: int = 0
    """Events that went to their stream."""
    failed_events: int = 0
    """Events that became failed events."""
    retried: int = 0
    """Times that a message failed and was left for another try."""
    given_up: int = 0
    """Messages that failed on their last try and went to the dead letters."""
    undeleted: int = 0
    """Messages that were done and could not be deleted: they come again."""
    given_back: int = 0
    """Messages that a bus did not take before the worker was told to stop: they come again."""
    paused_seconds: float = 0.0
    """Time in which a bus was away."""
    seconds: float = 0.0
    troubles: dict[str, int] = field(default_factory=dict)
    """Why messages failed, and how many."""


def run(
    env: Environment,
    stop: threading.Event,
    *,
    limits: Limits | None = None,
    drain: bool = False,
    tell: Tell = lambda text: None,
    on_progress: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Process until ``stop`` is set, or with ``drain`` until the queue is empty.

    ``tell`` gets a sentence when something changes (a bus is away, or back). Empty means that
    nothing waits and nothing is in flight, with whomever.

    Raises:
        QueueMissingError: the ingest queue did not appear in time.
        AwsError: SQS did not, or with ``drain``, SQS cannot be reached at all.
    """
    limits = limits or Limits()
    facts = _wait_for_queue(env, stop, limits, drain, tell)
    summary = Summary()
    if facts is None:
        return summary
    started = time.monotonic()
    with Holding(env.source.hide, facts.visibility_seconds) as holding:
        receiving = Receiving(limits.receivers, limits.poll_seconds, drain)
        try:
            with (
                _Worker(env, stop, limits, holding, summary, tell) as worker,
                Receivers(env.source, holding, receiving, stop, tell) as receivers,
            ):
                for batch in receivers.batches(limits.batch_messages, limits.batch_bytes):
                    worker.work(batch, receivers)
                    summary.seconds = time.monotonic() - started
                    on_progress(summary)
        finally:
            env.carriers.close()
            env.usage.add()
            env.metrics.tell()
    summary.seconds = time.monotonic() - started
    return summary


def _wait_for_queue(
    env: Environment, stop: threading.Event, limits: Limits, drain: bool, tell: Tell
) -> QueueFacts | None:
    """How the queue is set up; None when told to stop before it was there."""
    deadline = time.monotonic() + limits.missing_queue_seconds
    told = False
    while not stop.is_set():
        try:
            return env.source.facts()
        except MinilabError as error:
            is_missing = isinstance(error, QueueMissingError)
            if time.monotonic() > deadline or (drain and not is_missing):
                raise
            if not told:
                wait = f"Waiting for it, {limits.missing_queue_seconds:.0f} s at most."
                tell(f"{error.message} {wait}")
            told = True
        stop.wait(1.0)
    return None


class _Worker:
    """Works on batches; the only one that processes. One batch is deleted while the next is
    processed."""

    def __init__(
        self,
        env: Environment,
        stop: threading.Event,
        limits: Limits,
        holding: Holding,
        summary: Summary,
        tell: Tell,
    ) -> None:
        self._env = env
        self._stop = stop
        self._limits = limits
        self._holding = holding
        self._summary = summary
        self._tell = tell
        self._away = ""
        """Why a bus did not take the last batch; empty where it did."""
        self._deleter = ThreadPoolExecutor(1, thread_name_prefix="delete")
        self._deleting: Future[int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wait_for_deletion()
        self._deleter.shutdown()

    def work(self, batch: Sequence[Record], receivers: Receivers) -> None:
        """Process a batch to its end: each message is done, left for another try, or given back."""
        batch = self._holding.still(batch)
        if self._stop.is_set() and self._away:
            self._give_back(batch)
            return
        if waiting := self._once(batch):
            with receivers.paused():
                self._hold(waiting)
        self._tell_metrics()

    def _hold(self, waiting: Sequence[Record]) -> None:
        """Try these again until every bus takes them, or the worker is told to stop."""
        self._tell(f"{self._away} Waiting for it; nothing is received meanwhile.")
        paused, pauses = time.monotonic(), Pauses(self._limits.longest_pause)
        while waiting and not self._stop.wait(pauses.next()):
            waiting = self._once(self._holding.still(waiting))
            self._tell_metrics()
        self._give_back(waiting)
        seconds = time.monotonic() - paused
        self._summary.paused_seconds += seconds
        if not waiting:
            self._tell(f"All messages are taken again, after {seconds:.0f} s.")

    def _tell_metrics(self) -> None:
        self._env.usage.add_if_due()
        self._env.metrics.tell_if_due()

    def _once(self, batch: Sequence[Record]) -> Sequence[Record]:
        """One try; returns the messages that a bus has to come back for."""
        self._away = ""
        if not batch:
            return ()
        try:
            processed = process(self._env, batch)
        except Exception as error:  # a mistake of ours: they come again, and SQS gives them up
            _log.exception("A batch of %d messages could not be processed", len(batch))
            self._leave(batch)
            self._note(repr(error))
            return ()
        self._finish(processed)
        if processed.waiting:
            self._away = next(t.why for t in processed.troubles.values() if t.away)
        return processed.waiting

    def _finish(self, processed: Processed) -> None:
        summary = self._summary
        self._wait_for_deletion()
        if processed.done:
            self._deleting = self._deleter.submit(self._delete, processed.done)
        self._leave(processed.failed)
        summary.messages += len(processed.done) - len(processed.given_up)
        summary.events += processed.events
        summary.failed_events += processed.failed_events
        summary.given_up += len(processed.given_up)
        for trouble in processed.troubles.values():
            if not trouble.away:
                self._note(trouble.why)

    def _delete(self, done: Sequence[Record]) -> int:
        """Returns how many could not be."""
        undeleted = self._env.source.delete(done)
        self._holding.remove(done)
        return len(undeleted)

    def _wait_for_deletion(self) -> None:
        if self._deleting is not None:
            self._summary.undeleted += self._deleting.result()
            self._deleting = None

    def _leave(self, records: Sequence[Record]) -> None:
        """Leave failed messages for another try, later."""
        self._holding.remove(records)
        self._summary.retried += len(records)
        schedule = self._limits.retry_seconds
        by_seconds: dict[int, list[Record]] = {}
        for record in records:
            seconds = schedule[min(record.times_received, len(schedule)) - 1]
            by_seconds.setdefault(seconds, []).append(record)
        for seconds, some in by_seconds.items():
            self._env.source.hide(some, seconds)

    def _give_back(self, records: Sequence[Record]) -> None:
        """Let others have them at once."""
        self._holding.remove(records)
        self._summary.given_back += len(records)
        self._env.source.hide(records, 0)

    def _note(self, why: str) -> None:
        troubles = self._summary.troubles
        if why in troubles:
            troubles[why] += 1
        elif len(troubles) < _MOST_TROUBLES:
            self._tell(why)
            troubles[why] = 1
