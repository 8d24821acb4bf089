"""A message of SQS: its text, its attributes, and what of it counts towards SQS's limit."""

from __future__ import annotations

import base64
import binascii
import gzip
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from minilab.bus.publisher import MAX_MESSAGE_BYTES
from minilab.settings import Settings

ENCODING_ATTRIBUTE = "content-encoding"
"""Message attribute that says how the text of a body stands for bytes."""
BASE64 = "base64"
GZIP_BASE64 = "gzip+base64"

BATCH_MESSAGES = 10
"""Messages in one call: SendMessageBatch and the like."""

# SQS takes XML 1.0's characters (SendMessage, MessageBody): in UTF-8, all but these.
_REFUSED = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_NONCHARACTER = re.compile(rb"\xef\xbf([\xbe\xbf])")
_ESCAPES = {b"\xbe": rb"\ufffe", b"\xbf": rb"\uffff"}


@dataclass(frozen=True)
class SqsEntry:
    """One message as SendMessageBatch wants it."""

    text: str
    attributes: dict[str, dict[str, str]]
    size: int
    """Bytes that count towards SQS's limit: the body and every attribute."""

    def as_parameters(self, index: int, **more: str) -> dict[str, object]:
        """The entry of a call; ``index`` tells it apart in the answer."""
        return {
            "Id": str(index),
            "MessageBody": self.text,
            "MessageAttributes": self.attributes,
            **more,
        }


def sqs_entry(body: bytes, headers: Mapping[str, str]) -> SqsEntry:
    """A body that is not text, or has characters that SQS refuses, travels as base64, and the
    attribute ``content-encoding`` says so."""
    attributes = dict(headers)
    if text := _as_text(body):
        size = len(body)
    elif not body:
        # SQS takes no empty body, in base64 neither; nothing, compressed, is something.
        return sqs_entry(gzip.compress(b"", mtime=0), attributes | {ENCODING_ATTRIBUTE: "gzip"})
    else:
        zipped = attributes.get(ENCODING_ATTRIBUTE) == "gzip"
        attributes[ENCODING_ATTRIBUTE] = GZIP_BASE64 if zipped else BASE64
        text = base64.b64encode(body).decode("ascii")
        size = len(text)
    size += sum(
        len(name.encode()) + len(value.encode()) + len("String")
        for name, value in attributes.items()
    )
    return SqsEntry(
        text,
        {name: {"DataType": "String", "StringValue": v} for name, v in attributes.items()},
        size,
    )


def as_sqs_json(text: bytes) -> bytes:
    """A JSON text with U+FFFE and U+FFFF escaped, the only characters in it that SQS refuses.

    The same value, and it travels as it is: in base64 a full message would be over the limit.
    """
    if b"\xef\xbf" not in text:
        return text
    return _NONCHARACTER.sub(lambda match: _ESCAPES[match[1]], text)


def body_of(text: str, attributes: Mapping[str, str]) -> bytes | None:
    """The bytes that travelled as base64 text; None where the text is the message itself."""
    if attributes.get(ENCODING_ATTRIBUTE) not in (BASE64, GZIP_BASE64):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def headers_of(attributes: Mapping[str, str], *, decoded: bool) -> Mapping[str, str]:
    """The attributes as they were before ``sqs_entry`` added what SQS needed."""
    if not decoded:
        return attributes
    headers = dict(attributes)
    if headers.pop(ENCODING_ATTRIBUTE) == GZIP_BASE64:
        headers[ENCODING_ATTRIBUTE] = "gzip"
    return headers


def calls(sizes: Iterable[int]) -> Iterator[list[int]]:
    """Indexes of messages by call: at most 10 messages and 1 MiB each, in their order."""
    call: list[int] = []
    room = MAX_MESSAGE_BYTES
    for index, size in enumerate(sizes):
        if call and (len(call) == BATCH_MESSAGES or size > room):
            yield call
            call, room = [], MAX_MESSAGE_BYTES
        call.append(index)
        room -= size
    if call:
        yield call


class SqsSender:
    """Sends entries to one queue, call by call, and says of each whether SQS took it.

    Safe to share between threads. Nothing is tried again here beyond what the client does.
    """

    def __init__(self, sqs: Any, settings: Settings, queue: str) -> None:
        self._sqs = sqs
        self._address = settings.queue_address(queue)
        self._url: str | None = None

    def send(self, parameters: Sequence[dict[str, object]]) -> dict[int, str]:
        """One call (SendMessageBatch): why not, by the ids of the entries that were not taken."""
        try:
            answer = self._sqs.send_message_batch(QueueUrl=self._find(), Entries=list(parameters))
        except (BotoCoreError, ClientError) as error:
            return {int(str(entry["Id"])): str(error) for entry in parameters}
        return {
            int(failure["Id"]): f"{failure.get('Code')}: {failure.get('Message')}"
            for failure in answer.get("Failed", ())
        }

    def _find(self) -> str:
        if self._url is None:
            self._url = str(self._sqs.get_queue_url(**self._address)["QueueUrl"])
        return self._url


def _as_text(body: bytes) -> str | None:
    """The body as SQS would carry it unchanged; None if it would not."""
    if _REFUSED.search(body):
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None
