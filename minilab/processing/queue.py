"""The ingest queue from the processor's side: receive, hide, delete, give up.

Source: Amazon SQS API Reference (ReceiveMessage, DeleteMessageBatch, ChangeMessageVisibilityBatch,
SendMessage, GetQueueAttributes) and Developer Guide, "FIFO queues": while a message of a group is
in flight, no other of that group is given to anybody.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from minilab import aws
from minilab.bus.message import BATCH_MESSAGES
from minilab.errors import MinilabError
from minilab.events.failures import Reason
from minilab.processing.records import SYSTEM_ATTRIBUTES, Record
from minilab.settings import Settings

_ATTEMPTS = 4
_THREADS = 4
_MAX_DETAIL = 1000
_VISIBLE = "ApproximateNumberOfMessages"
_WAITING = (
    _VISIBLE,
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class QueueMissingError(MinilabError):
    """The ingest queue does not exist (yet)."""


@dataclass(frozen=True)
class QueueFacts:
    """How the queue is set up."""

    visibility_seconds: int
    max_receives: int
    """After so many a message is SQS's to move to the dead letters."""


class IngestSource:
    """Safe to share between threads."""

    def __init__(self, settings: Settings, sqs: Any = None) -> None:
        self.name = settings.ingest_queue
        self._dead_letters = settings.ingest_dead_letter_queue
        self._sqs = sqs or aws.client("sqs", settings)
        self._address = settings.queue_address
        self._urls: dict[str, str] = {}
        self._facts: QueueFacts | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="ingest-calls")

    def facts(self) -> QueueFacts:
        """Raises QueueMissingError, or AwsError where SQS cannot be reached, or refuses."""
        if self._facts is None:
            names = ["VisibilityTimeout", "RedrivePolicy"]
            with aws.readable_errors(f"Looking for queue {self.name}"):
                attributes = self._attributes(names)
            redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
            self._facts = QueueFacts(
                visibility_seconds=int(attributes["VisibilityTimeout"]),
                max_receives=int(redrive.get("maxReceiveCount", 5)),
            )
        return self._facts

    def receive(self, wait_seconds: int) -> list[Record]:
        """At most ten messages, those of one group in their order.

        Raises:
            QueueMissingError, AwsError: SQS cannot be reached, or refuses.
        """
        with aws.readable_errors(f"Receiving from queue {self.name}"):
            answer = self._sqs.receive_message(
                QueueUrl=self._url(self.name),
                MaxNumberOfMessages=BATCH_MESSAGES,
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
                MessageAttributeNames=["All"],
            )
        return [Record.from_sqs(message) for message in answer.get("Messages", ())]

    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is in flight, as far as SQS knows."""
        with aws.readable_errors(f"Looking into queue {self.name}"):
            attributes = self._attributes(list(_WAITING))
        return not any(int(attributes.get(name, 0)) for name in _WAITING)

    def backlog(self) -> int:
        """Messages that wait and are in flight with nobody, as far as SQS knows.

        Raises:
            QueueMissingError, AwsError: SQS cannot be reached, or refuses.
        """
        with aws.readable_errors(f"Looking into queue {self.name}"):
            return int(self._attributes([_VISIBLE])[_VISIBLE])

    def delete(self, records: Sequence[Record]) -> list[Record]:
        """Delete what is done; return what could not be: it comes again."""
        return self._each(records, self._sqs.delete_message_batch, {})

    def hide(self, records: Sequence[Record], seconds: int) -> list[Record]:
        """Keep these from everybody for so many seconds from now (0: give them back); return what
        could not be, because it was given to somebody else by now."""
        more = {"VisibilityTimeout": seconds}
        return self._each(records, self._sqs.change_message_visibility_batch, more)

    def give_up(self, record: Record, why: str) -> str | None:
        """Send a message to the dead letters, with the reason; say why that failed, or None."""
        detail = "".join(c if c.isprintable() else " " for c in why)[:_MAX_DETAIL]
        reason = {"failure-reason": str(Reason.UNDELIVERABLE), "failure-detail": detail}
        attributes = {**record.attributes, **reason}
        try:
            self._sqs.send_message(
                QueueUrl=self._url(self._dead_letters),
                MessageBody=record.text,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
                MessageGroupId=record.group,
                MessageDeduplicationId=f"given-up-{record.message_id}",
            )
        except (BotoCoreError, ClientError, MinilabError) as error:
            return str(error)
        return None

    def _url(self, queue: str) -> str:
        if queue not in self._urls:
            try:
                answer = self._sqs.get_queue_url(**self._address(queue))
            except self._sqs.exceptions.QueueDoesNotExist as error:
                raise QueueMissingError(
                    f"There is no SQS queue {queue}.", hint="Create it with: minilab provision"
                ) from error
            self._urls[queue] = str(answer["QueueUrl"])
        return self._urls[queue]

    def _attributes(self, names: list[str]) -> Mapping[str, str]:
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url(self.name), AttributeNames=names)
        attributes: dict[str, str] = answer.get("Attributes", {})
        return attributes

    def _each(
        self, records: Sequence[Record], call: Callable[..., Any], more: Mapping[str, Any]
    ) -> list[Record]:
        tens = list(_tens(records))
        if len(tens) <= 1:
            return self._ten(records, call, more) if records else []
        parts = self._pool.map(lambda some: self._ten(some, call, more), tens)
        return [record for part in parts for record in part]

    def _ten(
        self, some: Sequence[Record], call: Callable[..., Any], more: Mapping[str, Any]
    ) -> list[Record]:
        """Do it with each of ten, again with those that SQS did not take; return who is left."""
        left = list(some)
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(0.1 * 2**attempt)
            entries = [
                {"Id": str(i), "ReceiptHandle": record.receipt, **more}
                for i, record in enumerate(left)
            ]
            try:
                answer = call(QueueUrl=self._url(self.name), Entries=entries)
            except (BotoCoreError, ClientError):
                continue
            failures = answer.get("Failed", ())
            hopeless = [left[int(f["Id"])] for f in failures if f.get("SenderFault")]
            left = [left[int(f["Id"])] for f in failures]
            if len(hopeless) == len(left):
                break
        return left


def _tens(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), BATCH_MESSAGES):
        yield records[start : start + BATCH_MESSAGES]
