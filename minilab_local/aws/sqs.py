"""SQS on the laptop: moto's service with message structures that do not scan, and a direct path.

What moto does well (queues, attributes, permissions) stays moto's. The messages live in
:class:`~minilab_local.aws.messages.Messages` or, of a FIFO queue, in
:class:`~minilab_local.aws.fifo.FifoMessages`, and the calls that carry messages in the JSON
protocol are answered here without moto's parsing and serializing; whatever is not plain (an error,
another protocol, a rare parameter) goes the long way through moto.

Kept through a crash: queues and their messages, receive counts, receipt handles, deadlines, and
what a FIFO queue remembers of the last five minutes so as to store a message once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import re
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import moto.sqs.models as moto_sqs
from moto.sqs.exceptions import (
    BatchRequestTooLong,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidParameterValue,
    MissingParameter,
    ReceiptHandleIsInvalid,
    SQSException,
)

from minilab_local.aws.fifo import ExpiredReceiptHandle, FifoMessages, sequence_number
from minilab_local.aws.messages import InvalidReceiptHandle, Messages, NotInFlight, Sent, Stored

MAX_BYTES = 1_048_576
"""A message with its attributes, and a whole batch (1 MiB since August 2025)."""

# Characters that SQS takes: #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What a group id or a deduplication id may be made of: 1 to 128 letters, digits, punctuation
_FIFO_ID = re.compile(r"[!-~]{1,128}")

# One lock for all queues: operations take microseconds, and a dead letter touches two of them.
lock = threading.RLock()
_closing = threading.Event()

Record = tuple[Any, ...]
_append: Callable[[Record], None] = lambda record: None  # noqa: E731 - set by install()


def now_ms() -> int:
    return int(time.time() * 1000)


class InvalidMessageContents(SQSException):
    def __init__(self) -> None:
        super().__init__(
            "InvalidMessageContents",
            "The message contains characters outside the allowed set.",
        )


class MessageNotInflight(SQSException):
    def __init__(self, handle: str) -> None:
        super().__init__(
            "InvalidParameterValue",
            f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not "
            "exist or is not available for visibility timeout change.",
        )


class ReceiptHandleHasExpired(SQSException):
    def __init__(self, handle: str) -> None:
        super().__init__(
            "InvalidParameterValue",
            f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle "
            "has expired.",
        )


class LocalQueue(moto_sqs.Queue):
    """A queue whose messages are :class:`Messages` or, if it is FIFO, :class:`FifoMessages`."""

    BASE_ATTRIBUTES = [*moto_sqs.Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]  # noqa: RUF012

    def __init__(self, name: str, region: str, account_id: str, **kwargs: Any) -> None:
        self._prepare()
        fifo = str(kwargs.get("FifoQueue", "")).lower() == "true"
        self.store = (FifoMessages if fifo else Messages)(self._notes.append)
        super().__init__(name, region, account_id, **{"RedriveAllowPolicy": None, **kwargs})
        self._messages_lock = self.changed

    def _prepare(self) -> None:
        self.changed = threading.Condition(lock)
        self._notes: list[Record] = []

    @property
    def key(self) -> tuple[str, str, str]:
        return self.account_id, self.region, self.name

    # Pickling: in a snapshot with its messages, in the journal without (``settings``).

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("changed", "_messages_lock", "_notes", "lambda_event_source_mappings")
        return {k: v for k, v in self.__dict__.items() if k not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()
        self._messages_lock = self.changed
        self.lambda_event_source_mappings = {}
        self.store.note = self._notes.append

    def settings(self) -> dict[str, Any]:
        state = self.__getstate__()
        for name in ("store", "dead_letter_queue"):
            state.pop(name)
        return state

    @contextmanager
    def changing(self) -> Iterator[Messages]:
        """Hold the lock, and journal what was changed before anybody is answered."""
        with lock:
            yield self.store
            self.flush()

    def flush(self) -> None:
        if self._notes:
            _append(("messages", self.key, self._notes[:]))
            self._notes.clear()

    def journal_whole(self) -> None:
        _append(("queue", self.key, pickle.dumps(self.settings(), protocol=5)))

    # Attributes

    def _set_attributes(self, attributes: dict[str, Any], now: float | None = None) -> None:
        self._check_fifo_settings(attributes)
        # moto forgets the policy whenever another attribute is set.
        if "Policy" not in attributes and hasattr(self, "_policy_json"):
            attributes = {**attributes, "Policy": self.policy}
        super()._set_attributes(attributes, now)

    def _check_fifo_settings(self, attributes: dict[str, Any]) -> None:
        is_fifo = str(attributes.get("FifoQueue", "")).lower() == "true"
        if "FifoQueue" in attributes and is_fifo != isinstance(self.store, FifoMessages):
            raise InvalidAttributeName("FifoQueue")  # it is what it was made
        scope = attributes.get("DeduplicationScope") or self.deduplication_scope
        limit = attributes.get("FifoThroughputLimit") or self.fifo_throughput_limit
        if scope not in ("queue", "messageGroup"):
            raise InvalidAttributeValue("DeduplicationScope")
        if limit not in ("perQueue", "perMessageGroupId"):
            raise InvalidAttributeValue("FifoThroughputLimit")
        if limit == "perMessageGroupId" and scope != "messageGroup":
            raise InvalidAttributeValue("FifoThroughputLimit")

    @property
    def attributes(self) -> dict[str, Any]:
        result = super().attributes
        for name in ("CreatedTimestamp", "LastModifiedTimestamp"):
            result[name] = int(result[name])  # whole seconds, as AWS answers them
        if self.redrive_policy:  # compact, as AWS answers it
            result["RedrivePolicy"] = json.dumps(self.redrive_policy, separators=(",", ":"))
        return result

    @property
    def approximate_number_of_messages(self) -> int:
        return self._count(0)

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        return self._count(1)

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        return self._count(2)

    def _count(self, which: int) -> int:
        with lock:
            return self.store.counts(now_ms())[which]

    # Messages

    @property
    def max_receives(self) -> int | None:
        if self.dead_letter_queue is None or not self.redrive_policy:
            return None
        return int(self.redrive_policy["maxReceiveCount"])

    def add_message(self, message: moto_sqs.Message) -> None:
        """What moto's other services (SNS, S3, EventBridge) and its own API send with."""
        content = {"body": message.body, "attributes": message.message_attributes}
        if message.system_attributes:
            content["system"] = message.system_attributes
        if message.group_id:
            content["group"] = message.group_id
        if message.deduplication_id:
            content["deduplication"] = message.deduplication_id
        delay = max(0, int(message.delayed_until - (message.sent_timestamp or 0)))
        with self.changing():
            message.id, number = self.send(message.id, content, now_ms(), delay)
        if self.fifo_queue:
            message.sequence_number = sequence_number(number)
        if self.lambda_event_source_mappings:
            raise NotImplementedError("Lambda event source mappings")

    def send(self, message_id: str, content: dict[str, Any], now: int, delay_ms: int) -> Sent:
        """Within :meth:`changing`."""
        self.changed.notify_all()
        if not isinstance(self.store, FifoMessages):
            return self.store.send(message_id, content, now, delay_ms)
        scope = content["group"] if self.deduplication_scope == "messageGroup" else None
        window = (scope, content["deduplication"])
        return self.store.send_once(window, message_id, content, now, delay_ms)

    def receive(self, count: int, wait_seconds: float, visibility_seconds: int) -> list[Stored]:
        deadline = time.monotonic() + wait_seconds
        while True:
            with self.changing() as store:
                now = now_ms()
                received = store.receive(
                    count,
                    now,
                    visibility_seconds * 1000,
                    expired_before=now - int(self.message_retention_period) * 1000,
                    max_receives=self.max_receives,
                    bury=self._bury,
                )
                left = deadline - time.monotonic()
                if received or left <= 0 or _closing.is_set():
                    return received
                if (change := store.next_change) is not None:
                    left = min(left, max(0.001, (change - now) / 1000))
                self.flush()  # nothing is held back while waiting
                self.changed.wait(left)

    def _bury(self, stored: Stored) -> None:
        grave = self.dead_letter_queue
        assert isinstance(grave, LocalQueue)
        grave.store.take_over(stored, now_ms())
        grave.flush()
        grave.changed.notify_all()

    def delete_message(self, receipt_handle: str) -> None:
        with self.changing() as store, _handle_errors(receipt_handle):
            store.delete(receipt_handle, now_ms())
            self.tell_group()

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        with self.changing() as store, _handle_errors(receipt_handle):
            store.change_visibility(receipt_handle, now_ms(), seconds * 1000)
            self.changed.notify_all()  # it may be ready sooner than a waiting receiver knows

    def tell_group(self) -> None:
        """A receiver may be waiting for what comes after the deleted message in its group."""
        if self.fifo_queue:
            self.changed.notify_all()


@contextmanager
def _handle_errors(handle: str) -> Iterator[None]:
    """What the structure says of a receipt handle, as SQS says it."""
    try:
        yield
    except InvalidReceiptHandle:
        raise ReceiptHandleIsInvalid() from None
    except ExpiredReceiptHandle:
        raise ReceiptHandleHasExpired(handle) from None
    except NotInFlight:
        raise MessageNotInflight(handle) from None


class LocalSQSBackend(moto_sqs.SQSBackend):
    """moto's backend over :class:`LocalQueue`, journalling what moto changes."""

    @property
    def _url_module(self) -> Any:
        import moto.sqs.urls

        return moto.sqs.urls

    def create_queue(
        self, name: str, tags: dict[str, str] | None = None, **kwargs: Any
    ) -> moto_sqs.Queue:
        with lock:
            queue = super().create_queue(name, tags, **kwargs)
            queue.journal_whole()
            return queue

    def delete_queue(self, queue_name: str) -> None:
        with lock:
            key = self.get_queue(queue_name).key
            super().delete_queue(queue_name)
            _append(("delete", key))

    def set_queue_attributes(self, queue_name: str, attributes: dict[str, Any]) -> Any:
        with self._journalled(queue_name):
            return super().set_queue_attributes(queue_name, attributes)

    def tag_queue(self, queue_name: str, tags: dict[str, str]) -> None:
        with self._journalled(queue_name):
            super().tag_queue(queue_name, tags)

    def untag_queue(self, queue_name: str, tag_keys: list[str]) -> None:
        with self._journalled(queue_name):
            super().untag_queue(queue_name, tag_keys)

    def add_permission(self, region_name: str, queue_name: str, *args: Any, **kwargs: Any) -> None:
        with self._journalled(queue_name):
            super().add_permission(region_name, queue_name, *args, **kwargs)

    def remove_permission(self, queue_name: str, label: str) -> None:
        with self._journalled(queue_name):
            super().remove_permission(queue_name, label)

    @contextmanager
    def _journalled(self, queue_name: str) -> Iterator[None]:
        with lock:
            yield
            self.get_queue(queue_name).journal_whole()

    def _validate_message(
        self,
        queue: Any,
        message_body: str,
        delay_seconds: int,
        deduplication_id: str | None = None,
        group_id: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        check_body(message_body, int(queue.maximum_message_size))
        super()._validate_message(
            queue, message_body, delay_seconds, deduplication_id, group_id, *args, **kwargs
        )
        if queue.fifo_queue:
            check_fifo_ids(group_id, deduplication_id)

    def send_message(
        self,
        queue_name: str,
        message_body: str,
        message_attributes: dict[str, Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> moto_sqs.Message:
        limit = int(self.get_queue(queue_name).maximum_message_size)
        size = check_body(message_body, limit) + _attributes_size(message_attributes)
        _check_size(size, limit)
        return super().send_message(queue_name, message_body, message_attributes, *args, **kwargs)

    def send_message_batch(self, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        total = sum(
            len(entry["MessageBody"].encode()) + _attributes_size(entry.get("MessageAttributes"))
            for entry in entries.values()
        )
        if total > MAX_BYTES:
            raise BatchRequestTooLong(total)
        return super().send_message_batch(queue_name, entries)

    def receive_message(
        self,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[moto_sqs.Message]:
        queue = self.get_queue(queue_name)
        taken = queue.receive(count, wait_seconds_timeout, visibility_timeout)
        messages = [_as_moto_message(stored, message_attribute_names or []) for stored in taken]
        if queue.fifo_queue:
            for stored, message in zip(taken, messages, strict=True):
                message.sequence_number = sequence_number(stored.number)
        return messages

    def change_message_visibility(
        self, queue_name: str, receipt_handle: str, visibility_timeout: int
    ) -> None:
        self.get_queue(queue_name).change_visibility(receipt_handle, int(visibility_timeout))

    def purge_queue(self, queue_name: str) -> None:
        queue = self.get_queue(queue_name)
        with self._journalled(queue_name):
            super().purge_queue(queue_name)
            with queue.changing() as store:
                store.purge()


def _attributes_size(attributes: dict[str, Any] | None) -> int:
    """Bytes of names, types and values: they count as the body does."""
    size = 0
    for name, attribute in (attributes or {}).items():
        value = attribute.get("BinaryValue") or (attribute.get("StringValue") or "").encode()
        size += len(name.encode()) + len(attribute["DataType"]) + len(value)
    return size


def _as_moto_message(stored: Stored, wanted: list[str]) -> moto_sqs.Message:
    content = stored.content
    message = moto_sqs.Message(stored.message_id, content["body"], content.get("system"))
    message.message_attributes = _select(content["attributes"], wanted)
    message.receipt_handle = stored.receipt_handle
    message.sent_timestamp = stored.sent_at  # type: ignore[assignment]
    message.approximate_receive_count = stored.receives
    message.approximate_first_receive_timestamp = stored.first_received_at
    message.group_id = content.get("group")
    message.deduplication_id = content.get("deduplication")
    return message


def _select(attributes: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """The attributes that a receive asked for: ``All``, ``.*``, a name, or ``prefix.*``."""
    if not attributes or not wanted:
        return {}
    if "All" in wanted or ".*" in wanted:
        return attributes
    prefixes = tuple(name[:-2] for name in wanted if name.endswith(".*"))
    names = set(wanted)
    return {
        k: v for k, v in attributes.items() if k in names or (prefixes and k.startswith(prefixes))
    }


def check_body(body: str, limit: int) -> int:
    """Its size in bytes.

    Raises:
        SQSException: it is empty, too long, or has characters that SQS does not take.
    """
    if not body:
        raise MissingParameter("MessageBody")
    if _FORBIDDEN.search(body):
        raise InvalidMessageContents()
    size = len(body) if body.isascii() else len(body.encode())
    _check_size(size, limit)
    return size


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise InvalidParameterValue(
            "One or more parameters are invalid. "
            f"Reason: Message must be shorter than {limit} bytes."
        )


def check_fifo_ids(group: str | None, deduplication: str | None) -> None:
    """Raises:
    SQSException: no group, or an id that SQS does not take.
    """
    if not group:
        raise MissingParameter("MessageGroupId")
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", deduplication)):
        if value is not None and not _FIFO_ID.fullmatch(value):
            raise InvalidParameterValue(
                f"Value {value} for parameter {name} is invalid. Reason: {name} can only include "
                "alphanumeric and punctuation characters. 1 to 128 in length."
            )


# The direct path: the calls that carry messages, in the JSON protocol


class Indirect(Exception):
    """This request is moto's to answer (nothing was changed yet)."""


def answer(action: str, body: bytes, account: str, region: str) -> dict[str, Any]:
    """Answer one call of the AWS JSON protocol.

    Raises:
        Indirect: moto must answer: an error, a rare parameter, another action.
    """
    handler = _HANDLERS.get(action)
    if handler is None:
        raise Indirect
    try:
        request = json.loads(body)
        url = request["QueueUrl"]
        backend = moto_sqs.sqs_backends[account][region]
        queue = backend.queues.get(url.rsplit("/", 1)[-1])
        if queue is None or queue.lambda_event_source_mappings:
            raise Indirect
        return handler(queue, request)
    except (SQSException, ValueError, KeyError, TypeError, AttributeError):
        raise Indirect from None


def _content_of(request: dict[str, Any], queue: LocalQueue) -> tuple[dict[str, Any], int, int]:
    """(content, size in bytes, delay in milliseconds) of one message to send."""
    if "MessageSystemAttributes" in request:
        raise Indirect
    limit = int(queue.maximum_message_size)
    body = request["MessageBody"]
    size = check_body(body, limit)
    attributes: dict[str, Any] = {}
    for name, value in (request.get("MessageAttributes") or {}).items():
        kind = value["DataType"]
        if kind.partition(".")[0] not in ("String", "Number", "Binary"):
            raise Indirect
        attribute: dict[str, Any] = {"DataType": kind}
        if kind.startswith("Binary"):
            attribute["BinaryValue"] = raw = base64.b64decode(value["BinaryValue"], validate=True)
        else:
            attribute["StringValue"] = value["StringValue"]
            raw = value["StringValue"].encode()
        if not raw or not moto_sqs.ATTRIBUTE_NAME_PATTERN.match(name):
            raise Indirect
        attributes[name] = attribute
    size += _attributes_size(attributes)
    _check_size(size, limit)
    content = {"body": body, "attributes": attributes}
    group, deduplication = request.get("MessageGroupId"), request.get("MessageDeduplicationId")
    if queue.fifo_queue:
        check_fifo_ids(group, deduplication)
        if deduplication is None and queue.content_based_deduplication:
            deduplication = hashlib.sha256(body.encode()).hexdigest()
        if deduplication is None or request.get("DelaySeconds"):
            raise Indirect
        content["deduplication"] = deduplication
    elif deduplication is not None:
        raise Indirect
    if group:
        content["group"] = group
    delay = request.get("DelaySeconds")
    if delay is None or queue.fifo_queue:
        delay = queue.delay_seconds
    elif not 0 <= int(delay) <= moto_sqs.MAXIMUM_MESSAGE_DELAY:
        raise Indirect
    return content, size, int(delay) * 1000


def _sent(queue: LocalQueue, content: dict[str, Any], sent: Sent) -> dict[str, Any]:
    document = {"MessageId": sent.message_id, "MD5OfMessageBody": _md5(content["body"].encode())}
    if queue.fifo_queue:
        document["SequenceNumber"] = sequence_number(sent.number)
    if content["attributes"]:
        document["MD5OfMessageAttributes"] = attributes_md5(content["attributes"])
    return document


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def attributes_md5(attributes: dict[str, Any]) -> str:
    """MD5 over name, type and value of each attribute (AWS, *Calculating the MD5 digest*)."""
    parts = []
    for name in sorted(attributes):
        attribute = attributes[name]
        raw = attribute.get("BinaryValue")
        marker, raw = (
            (b"\x02", raw) if raw is not None else (b"\x01", attribute["StringValue"].encode())
        )
        for piece in (name.encode(), attribute["DataType"].encode()):
            parts += [struct.pack("!I", len(piece)), piece]
        parts += [marker, struct.pack("!I", len(raw)), raw]
    return _md5(b"".join(parts))


def _send(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    content, _, delay = _content_of(request, queue)
    with queue.changing():
        sent = queue.send(str(uuid.uuid4()), content, now_ms(), delay)
    return _sent(queue, content, sent)


def _send_batch(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    entries = request["Entries"]
    ids = [entry["Id"] for entry in entries]
    if not 1 <= len(ids) <= 10 or len(set(ids)) != len(ids):
        raise Indirect
    if not all(re.fullmatch(r"[\w-]{1,80}", text, re.ASCII) for text in ids):
        raise Indirect
    messages = [_content_of(entry, queue) for entry in entries]
    if sum(size for _, size, _ in messages) > MAX_BYTES:
        raise Indirect
    answers = []
    with queue.changing():
        now = now_ms()
        for entry_id, (content, _, delay) in zip(ids, messages, strict=True):
            sent = queue.send(str(uuid.uuid4()), content, now, delay)
            answers.append({"Id": entry_id, **_sent(queue, content, sent)})
    return {"Successful": answers, "Failed": []}


def _receive(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    count = int(request.get("MaxNumberOfMessages", 1))
    wait = request.get("WaitTimeSeconds")
    wait = int(queue.receive_message_wait_time_seconds if wait is None else wait)
    visibility = request.get("VisibilityTimeout")
    visibility = int(queue.visibility_timeout if visibility is None else visibility)
    if not (1 <= count <= 10 and 0 <= wait <= 20 and 0 <= visibility <= 43_200):
        raise Indirect
    system = {
        *request.get("AttributeNames", ()),
        *request.get("MessageSystemAttributeNames", ()),
    }
    wanted = request.get("MessageAttributeNames", [])
    taken = queue.receive(count, wait, visibility)
    return {"Messages": [_received(queue, m, system, wanted) for m in taken]} if taken else {}


def _received(
    queue: LocalQueue, stored: Stored, system: set[str], wanted: list[str]
) -> dict[str, Any]:
    content = stored.content
    body = content["body"]
    document = {
        "MessageId": stored.message_id,
        "ReceiptHandle": stored.receipt_handle,
        "MD5OfBody": _md5(body.encode()),
        "Body": body,
    }
    if attributes := _select(content["attributes"], wanted):
        document["MD5OfMessageAttributes"] = attributes_md5(attributes)
        document["MessageAttributes"] = {k: _as_json(v) for k, v in attributes.items()}
    if system:
        known = {
            "SenderId": moto_sqs.DEFAULT_SENDER_ID,
            "SentTimestamp": str(stored.sent_at),
            "ApproximateReceiveCount": str(stored.receives),
            "ApproximateFirstReceiveTimestamp": str(stored.first_received_at),
            "MessageGroupId": content.get("group"),
            "MessageDeduplicationId": content.get("deduplication"),
            "SequenceNumber": sequence_number(stored.number) if queue.fifo_queue else None,
            "AWSTraceHeader": content.get("system", {})
            .get("AWSTraceHeader", {})
            .get("StringValue"),
        }
        document["Attributes"] = {
            k: v for k, v in known.items() if v is not None and ("All" in system or k in system)
        }
    return document


def _as_json(attribute: dict[str, Any]) -> dict[str, Any]:
    raw = attribute.get("BinaryValue")
    if raw is None:
        return attribute
    return {"DataType": attribute["DataType"], "BinaryValue": base64.b64encode(raw).decode()}


def _delete(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    queue.delete_message(request["ReceiptHandle"])
    return {}


def _delete_batch(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    entries = request["Entries"]
    ids = [entry["Id"] for entry in entries]
    handles = [entry["ReceiptHandle"] for entry in entries]
    if not 1 <= len(ids) <= 10 or len(set(ids)) != len(ids) or len(set(handles)) != len(handles):
        raise Indirect
    good, bad = [], []
    with queue.changing() as store:
        now = now_ms()
        for entry_id, handle in zip(ids, handles, strict=True):
            try:
                with _handle_errors(handle):
                    store.delete(handle, now)
                good.append({"Id": entry_id})
            except SQSException as error:
                bad.append(_failed(entry_id, error))
        queue.tell_group()
    return {"Successful": good, "Failed": bad}


def _failed(entry_id: str, error: SQSException) -> dict[str, Any]:
    return {"Id": entry_id, "SenderFault": True, "Code": error.code, "Message": error.message}


def _change_visibility(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    seconds = int(request["VisibilityTimeout"])
    if not 0 <= seconds <= moto_sqs.MAXIMUM_VISIBILITY_TIMEOUT:
        raise Indirect
    queue.change_visibility(request["ReceiptHandle"], seconds)
    return {}


def _change_visibility_batch(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    entries = request["Entries"]
    ids = [entry["Id"] for entry in entries]
    if not 1 <= len(ids) <= 10 or len(set(ids)) != len(ids):
        raise Indirect
    if not all(0 <= int(entry["VisibilityTimeout"]) <= 43_200 for entry in entries):
        raise Indirect
    good, bad = [], []
    with queue.changing() as store:
        now = now_ms()
        for entry in entries:
            handle, seconds = entry["ReceiptHandle"], int(entry["VisibilityTimeout"])
            try:
                with _handle_errors(handle):
                    store.change_visibility(handle, now, seconds * 1000)
                good.append({"Id": entry["Id"]})
            except SQSException as error:
                bad.append(_failed(entry["Id"], error))
        queue.changed.notify_all()
    return {"Successful": good, "Failed": bad}


def _get_attributes(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    names = request.get("AttributeNames", [])
    attributes = queue.attributes
    if not set(names) <= {"All", *attributes}:
        raise Indirect
    chosen = attributes if "All" in names else {name: attributes[name] for name in names}
    found = {name: str(value) for name, value in chosen.items() if value is not None}
    return {"Attributes": found} if found else {}


def _purge(queue: LocalQueue, request: dict[str, Any]) -> dict[str, Any]:
    moto_sqs.sqs_backends[queue.account_id][queue.region].purge_queue(queue.name)
    return {}


_HANDLERS: dict[str, Callable[[LocalQueue, dict[str, Any]], dict[str, Any]]] = {
    "SendMessage": _send,
    "SendMessageBatch": _send_batch,
    "ReceiveMessage": _receive,
    "DeleteMessage": _delete,
    "DeleteMessageBatch": _delete_batch,
    "ChangeMessageVisibility": _change_visibility,
    "ChangeMessageVisibilityBatch": _change_visibility_batch,
    "GetQueueAttributes": _get_attributes,
    "PurgeQueue": _purge,
}


# Living on


def install(append: Callable[[Record], None]) -> None:
    """Put this behind moto's SQS; ``append`` journals a change before it is acknowledged."""
    global _append
    _append = append
    moto_sqs.Queue = LocalQueue  # type: ignore[misc]
    moto_sqs.SQSBackend = LocalSQSBackend  # type: ignore[misc]
    moto_sqs.sqs_backends.backend = LocalSQSBackend


def redo(record: Record) -> None:
    """Make a journalled change again."""
    kind, (account, region, name), *rest = record
    queues = moto_sqs.sqs_backends[account][region].queues
    match kind:
        case "delete":
            queues.pop(name, None)
        case "queue":
            state = pickle.loads(rest[0])
            queue = queues.get(name)
            if queue is None:
                queue = LocalQueue.__new__(LocalQueue)
                fifo = state["fifo_queue"]
                queue.store = (FifoMessages if fifo else Messages)(lambda change: None)
                queue.dead_letter_queue = None
                queues[name] = queue
            queue.__setstate__(state)
            _relink(queue, queues)
        case "messages":
            for change in rest[0]:
                queues[name].store.redo(change)
        case _:
            raise ValueError(f"unknown SQS record {kind!r}")


def _relink(queue: LocalQueue, queues: dict[str, LocalQueue]) -> None:
    """The dead-letter queue is named by ARN in the journal, and an object in memory."""
    target = (queue.redrive_policy or {}).get("deadLetterTargetArn")
    queue.dead_letter_queue = next((q for q in queues.values() if q.queue_arn == target), None)


def stop_waiting() -> None:
    """End all long polls: the server is closing."""
    _closing.set()
    with lock:
        for account in moto_sqs.sqs_backends.values():
            for backend in account.values():
                for queue in backend.queues.values():
                    queue.changed.notify_all()
