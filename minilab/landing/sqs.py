"""SQS as a source: batches of received messages, deleted when they are durable.

Source: Amazon SQS API Reference (ReceiveMessage, DeleteMessageBatch, ChangeMessageVisibilityBatch)
and Developer Guide, "Short and long polling": only a long poll asks every server, so only an empty
long poll says that nothing is there.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from minilab import aws
from minilab.bus.message import BATCH_MESSAGES, body_of, headers_of
from minilab.events.registry import Stream
from minilab.landing.errors import LandingError
from minilab.landing.model import Limits, Messages, Shard
from minilab.settings import Settings

_ATTEMPTS = 4


@dataclass(frozen=True)
class Received:
    """One received message."""

    message_id: str
    receipt: str
    text: str
    sent_ms: int
    times_received: int
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Queue:
    """A queue to land from."""

    name: str
    stream_of: Callable[[Received], str]
    """The stream that a message is landed as a part of, told before it is opened."""

    @property
    def fifo(self) -> bool:
        """Whether it hides the later messages of a group while an earlier one is in flight."""
        return self.name.endswith(".fifo")


def queue_of(settings: Settings, stream: Stream) -> Queue:
    """The queue of one stream."""
    return Queue(settings.queue_name(stream.name), lambda message: stream.name)


@dataclass(frozen=True)
class ReceivedBatch:
    """Messages of one stream to be landed together; each id stands in it once."""

    shard: Shard
    received: tuple[Received, ...]
    received_at: float
    """When the first of them was received, by the monotonic clock."""

    def without(self, message_ids: set[str]) -> ReceivedBatch:
        return replace(
            self, received=tuple(r for r in self.received if r.message_id not in message_ids)
        )

    def only(self, message_ids: set[str]) -> ReceivedBatch:
        return replace(
            self, received=tuple(r for r in self.received if r.message_id in message_ids)
        )

    def split(self, count: int) -> tuple[ReceivedBatch, ReceivedBatch]:
        """The first ``count`` messages, and the others."""
        return (
            replace(self, received=self.received[:count]),
            replace(self, received=self.received[count:]),
        )

    @property
    def message_ids(self) -> list[str]:
        return [r.message_id for r in self.received]

    @property
    def redelivered(self) -> bool:
        """Whether any of them was received before, by whomever."""
        return any(r.times_received > 1 for r in self.received)

    def messages(self) -> Messages:
        bodies, encoded = [], set()
        for index, message in enumerate(self.received):
            body = body_of(message.text, message.attributes)
            if body is None:
                bodies.append(message.text.encode())
            else:
                bodies.append(body)
                encoded.add(index)
        return Messages(
            bodies=bodies,
            positions=self.message_ids,
            published_ms=[r.sent_ms for r in self.received],
            headers_of=lambda index: headers_of(
                self.received[index].attributes, decoded=index in encoded
            ),
        )


@dataclass
class _Filling:
    received: dict[str, Received] = field(default_factory=dict)
    size: int = 0
    since: float = 0.0


class SqsSource:
    """One queue, received from by several threads until it is empty."""

    def __init__(self, settings: Settings, queue_: Queue, limits: Limits) -> None:
        self.queue = queue_.name
        self._stream_of = queue_.stream_of
        self._limits = limits
        self._sqs = aws.client("sqs", settings)
        self._url, self.visibility_seconds = self._find(settings)
        # Two answers per receiver: what is received and not yet taken stays bounded.
        self._answers: queue.Queue[list[Received] | BaseException | None] = queue.Queue(
            2 * limits.receivers
        )
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(limits.receivers, thread_name_prefix="sqs-calls")

    def _find(self, settings: Settings) -> tuple[str, int]:
        with aws.readable_errors(f"Looking for queue {self.queue}"):
            try:
                found = self._sqs.get_queue_url(**settings.queue_address(self.queue))
            except self._sqs.exceptions.QueueDoesNotExist as error:
                raise LandingError(
                    f"There is no SQS queue {self.queue}.", hint="Create it with: minilab provision"
                ) from error
            url: str = found["QueueUrl"]
            answer = self._sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["VisibilityTimeout"]
            )
        return url, int(answer["Attributes"]["VisibilityTimeout"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._pool.shutdown()

    # Receiving -----------------------------------------------------------------------------

    def batches(self) -> Iterator[ReceivedBatch]:
        """Everything in the queue, in batches within the limits, until every receiver finds it
        empty.

        Raises:
            AwsError: SQS cannot be reached, or refuses.
        """
        receivers = [
            threading.Thread(target=self._receive, name=f"sqs-receive-{n}", daemon=True)
            for n in range(self._limits.receivers)
        ]
        for receiver in receivers:
            receiver.start()
        try:
            yield from self._gather(len(receivers))
        finally:
            self._stopped.set()
            _drain(self._answers)
            for receiver in receivers:
                receiver.join()

    def _gather(self, receivers: int) -> Iterator[ReceivedBatch]:
        filling = _Filling()
        limits = self._limits
        while receivers:
            try:
                answer = self._answers.get(timeout=0.5)
            except queue.Empty:
                answer = []
            if answer is None:
                receivers -= 1
                continue
            if isinstance(answer, BaseException):
                raise answer
            for message in answer:
                if not filling.received:
                    filling.since = time.monotonic()
                if message.message_id not in filling.received:
                    filling.size += len(message.text)
                # The same message again has a newer receipt: only that one deletes it.
                filling.received[message.message_id] = message
            if filling.received and (
                filling.size >= limits.batch_bytes
                or len(filling.received) >= limits.batch_messages
                or time.monotonic() - filling.since > self.longest_age
            ):
                yield from self._by_stream(filling)
                filling = _Filling()
        yield from self._by_stream(filling)

    def _by_stream(self, filling: _Filling) -> Iterator[ReceivedBatch]:
        streams: dict[str, list[Received]] = {}
        for message in filling.received.values():
            streams.setdefault(self._stream_of(message), []).append(message)
        for stream, received in streams.items():
            shard = Shard(stream, "sqs", self.queue)
            yield ReceivedBatch(shard, tuple(received), filling.since)

    @property
    def longest_age(self) -> float:
        """Seconds that a batch may wait for more: far below the visibility timeout."""
        return min(self._limits.batch_seconds, self.visibility_seconds / 4)

    def _receive(self) -> None:
        """One receiver: short polls while they bring something, a long poll to be sure."""
        wait, long_poll = 0, self._limits.long_poll_seconds
        try:
            while not self._stopped.is_set():
                messages = self._receive_once(wait)
                if messages:
                    wait = 0
                    self._hand_over(messages)
                elif wait == long_poll:
                    break
                else:
                    wait = long_poll
            self._hand_over(None)
        except BaseException as error:  # told to the thread that gathers
            self._hand_over(error)

    def _hand_over(self, answer: list[Received] | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._answers.put(answer, timeout=0.2)
                return
            except queue.Full:
                continue

    def _receive_once(self, wait: int) -> list[Received]:
        with aws.readable_errors(f"Receiving from queue {self.queue}"):
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH_MESSAGES,
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
                MessageAttributeNames=["All"],
            )
        return [_received(message) for message in answer.get("Messages", ())]

    # Deleting ------------------------------------------------------------------------------

    def delete(self, batch: ReceivedBatch) -> list[str]:
        """Delete durable messages, several calls at a time; return ids that could not be."""
        return self._each(batch, self._sqs.delete_message_batch, {})

    def extend(self, batch: ReceivedBatch) -> None:
        """Hide the messages anew for the whole visibility timeout, as far as possible."""
        seconds = {"VisibilityTimeout": self.visibility_seconds}
        self._each(batch, self._sqs.change_message_visibility_batch, seconds)

    def _each(
        self, batch: ReceivedBatch, call: Callable[..., Any], more: Mapping[str, Any]
    ) -> list[str]:
        some = [
            batch.received[start : start + BATCH_MESSAGES]
            for start in range(0, len(batch.received), BATCH_MESSAGES)
        ]
        return [
            message_id
            for failed in self._pool.map(lambda part: self._call(part, call, more), some)
            for message_id in failed
        ]

    def _call(
        self, some: Sequence[Received], call: Callable[..., Any], more: Mapping[str, Any]
    ) -> list[str]:
        """Do it with each of ten messages, again with those that failed; return who still do."""
        left = list(range(len(some)))
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(0.1 * 2**attempt)
            entries = [{"Id": str(i), "ReceiptHandle": some[i].receipt, **more} for i in left]
            try:
                answer = call(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError):
                continue  # they stay in the queue, and their manifest in the lake
            left = [int(failure["Id"]) for failure in answer.get("Failed", ())]
            if not left:
                break
        return [some[i].message_id for i in left]


def waiting(settings: Settings, queue_: str) -> tuple[int, int]:
    """Messages of a queue that can be received, and those in flight; both approximate.

    Raises:
        AwsError: there is no such queue, or SQS cannot be reached.
    """
    sqs = aws.client("sqs", settings)
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    with aws.readable_errors(f"Looking at queue {queue_}"):
        url = sqs.get_queue_url(**settings.queue_address(queue_))["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
    there, in_flight = (int(answer["Attributes"][name]) for name in names)
    return there, in_flight


def _received(message: Mapping[str, Any]) -> Received:
    system = message.get("Attributes", {})
    return Received(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        text=message["Body"],
        sent_ms=int(system.get("SentTimestamp", 0)),
        times_received=int(system.get("ApproximateReceiveCount", 1)),
        attributes={
            name: value.get("StringValue", "")
            for name, value in message.get("MessageAttributes", {}).items()
        },
    )


def _drain(answers: queue.Queue[Any]) -> None:
    try:
        while True:
            answers.get_nowait()
    except queue.Empty:
        return
