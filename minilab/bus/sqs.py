"""Publishing to an SQS queue: full batches, several at a time, partial failures retried."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    ParamValidationError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError

from minilab import aws
from minilab.bus.message import BATCH_MESSAGES, SqsEntry, sqs_entry
from minilab.bus.publisher import (
    MAX_MESSAGE_BYTES,
    FlushOnExit,
    MessageTooLargeError,
    PublishError,
)
from minilab.settings import Settings

_THREADS = 6
_BATCHES_IN_FLIGHT = 2 * _THREADS
_ATTEMPTS = 5
"""For each batch, on top of the AWS client's own retries of each call."""
_LONGEST_PAUSE = 5.0


class _Parcel(NamedTuple):
    """A message on its way, and its sender's ticket."""

    entry: SqsEntry
    ticket: object


class _Outcome(NamedTuple):
    """What became of one call: what to send again, what never will be taken, and why.

    ``hopeless``: nothing that is sent to this queue will be taken.
    """

    again: list[_Parcel]
    refused: list[_Parcel]
    why: str
    hopeless: bool = False


class SqsPublisher(FlushOnExit):
    """Sends to one standard queue with SendMessageBatch, 10 messages or 1 MiB a call.

    A body that is not text, or has characters that SQS refuses, travels as base64, and the
    attribute ``content-encoding`` says so.
    """

    def __init__(self, settings: Settings, queue: str) -> None:
        self._queue = queue
        self._sqs = aws.client("sqs", settings)
        with aws.readable_errors(f"Looking for queue {queue}"):
            try:
                self._url = self._sqs.get_queue_url(**settings.queue_address(queue))["QueueUrl"]
            except self._sqs.exceptions.QueueDoesNotExist as error:
                raise PublishError(
                    f"There is no SQS queue {queue}.",
                    unreachable=True,
                    hint="Create it with: minilab provision",
                ) from error
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"sqs-{queue}")
        self._room = threading.BoundedSemaphore(_BATCHES_IN_FLIGHT)
        self._lock = threading.Lock()
        self._batch: list[_Parcel] = []
        self._batch_size = 0
        self._failed = 0
        self._reported = 0
        self._lost: list[object] = []
        self._first_error = ""
        self._unreachable = False
        self.sent = 0
        self.sent_bytes = 0

    def send(
        self,
        body: bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        ticket: object = None,
    ) -> None:
        entry = sqs_entry(body, headers or {})
        if entry.size > MAX_MESSAGE_BYTES:
            raise MessageTooLargeError(entry.size, "SQS")
        if self._unreachable:
            raise self._error(self._failed)
        if self._batch_size + entry.size > MAX_MESSAGE_BYTES:
            self._dispatch()
        self._batch.append(_Parcel(entry, ticket))
        self._batch_size += entry.size
        self.sent_bytes += len(body)
        if len(self._batch) == BATCH_MESSAGES:
            self._dispatch()

    def flush(self) -> None:
        self._wait()
        failed, self._reported = self._failed - self._reported, self._failed
        if failed:
            lost, self._lost = self._lost, []
            raise self._error(failed, lost)

    def close(self) -> None:
        self._wait()
        self._pool.shutdown()

    def _error(self, failed: int, lost: Sequence[object] = ()) -> PublishError:
        return PublishError(
            f"{failed:,} messages were not accepted by SQS queue {self._queue}. "
            f"First error: {self._first_error}",
            failed=failed,
            tickets=[ticket for ticket in lost if ticket is not None],
            unreachable=self._unreachable,
            hint="Nothing else was lost; send those again when the queue is well.",
        )

    def _wait(self) -> None:
        self._dispatch()
        for _ in range(_BATCHES_IN_FLIGHT):
            self._room.acquire()
        for _ in range(_BATCHES_IN_FLIGHT):
            self._room.release()

    def _dispatch(self) -> None:
        """Hand the batch to the pool; wait while enough of them are on their way."""
        if self._batch:
            batch, self._batch, self._batch_size = self._batch, [], 0
            self._room.acquire()
            self._pool.submit(self._deliver, batch)

    def _deliver(self, batch: list[_Parcel]) -> None:
        """Send one batch, and again what of it failed in passing. Counts, and never raises."""
        total, left, refused = len(batch), batch, list[_Parcel]()
        why, hopeless = "", False
        try:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    time.sleep(min(_LONGEST_PAUSE, 0.1 * 2**attempt))
                outcome = self._attempt(left)
                left, refused = outcome.again, refused + outcome.refused
                why, hopeless = outcome.why or why, outcome.hopeless
                if not left:
                    break
        except Exception as error:  # nobody looks at a thread: it must be counted here
            why = repr(error)
        finally:
            lost = refused + left
            with self._lock:
                self.sent += total - len(lost)
                self._failed += len(lost)
                self._lost += [parcel.ticket for parcel in lost]
                self._first_error = self._first_error or why
                self._unreachable = self._unreachable or hopeless or bool(left)
            self._room.release()

    def _attempt(self, batch: list[_Parcel]) -> _Outcome:
        entries = [parcel.entry.as_parameters(index) for index, parcel in enumerate(batch)]
        try:
            answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            if _passes(error):
                return _Outcome(batch, [], str(error))
            if not _is_about_content(error):
                return _Outcome([], batch, str(error), hopeless=True)
            if len(batch) == 1:
                return _Outcome([], batch, str(error))
            # One message spoilt the call for all of them: find out which.
            alone = [self._attempt([parcel]) for parcel in batch]
            return _Outcome(
                [parcel for outcome in alone for parcel in outcome.again],
                [parcel for outcome in alone for parcel in outcome.refused],
                str(error),
                hopeless=any(outcome.hopeless for outcome in alone),
            )
        failures = answer.get("Failed", [])
        again = [batch[int(failure["Id"])] for failure in failures if _may_be_retried(failure)]
        refused = [
            batch[int(failure["Id"])] for failure in failures if not _may_be_retried(failure)
        ]
        why = "; ".join({f"{f.get('Code')}: {f.get('Message', '')}" for f in failures})
        return _Outcome(again, refused, why)


def _passes(error: BotoCoreError | ClientError) -> bool:
    """Whether a call that failed so may succeed later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or "hrottl" in error.response.get("Error", {}).get("Code", "")
    return isinstance(error, (AwsConnectionError, HTTPClientError))


def _is_about_content(error: BotoCoreError | ClientError) -> bool:
    """Whether a message was refused, not the caller: ``InvalidParameterValue``,
    ``InvalidMessageContents`` and the like, or a parameter that botocore itself refuses."""
    if isinstance(error, ClientError):
        return "Invalid" in str(error.response.get("Error", {}).get("Code", ""))
    return isinstance(error, ParamValidationError)


def _may_be_retried(failure: Mapping[str, Any]) -> bool:
    return not failure.get("SenderFault") or "hrottl" in failure.get("Code", "")
