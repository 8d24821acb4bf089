"""A message of the ingest queue as the processor gets it, from Lambda or from SQS itself.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" (event of a FIFO queue); Amazon
SQS API Reference, ReceiveMessage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minilab.bus.message import body_of, headers_of


@dataclass(frozen=True)
class Record:
    """One received message."""

    message_id: str
    receipt: str
    text: str
    """The body as SQS has it: JSON, or base64 where the attributes say so."""
    attributes: Mapping[str, str]
    group: str
    """Message group: the tenant. Messages of one group come in their order."""
    times_received: int
    """This time included."""
    sent_ms: int

    @property
    def body(self) -> bytes:
        body = body_of(self.text, self.attributes)
        return self.text.encode() if body is None else body

    @property
    def headers(self) -> Mapping[str, str]:
        """The attributes as they belong to ``body``."""
        decoded = body_of(self.text, self.attributes) is not None
        return headers_of(self.attributes, decoded=decoded)

    @classmethod
    def from_lambda(cls, record: Mapping[str, Any]) -> Record:
        """One of an event's ``Records``."""
        return cls(
            message_id=record["messageId"],
            receipt=record["receiptHandle"],
            text=record["body"],
            attributes={
                name: value.get("stringValue") or ""
                for name, value in record.get("messageAttributes", {}).items()
            },
            **_system(record["attributes"]),
        )

    @classmethod
    def from_sqs(cls, message: Mapping[str, Any]) -> Record:
        """One of ReceiveMessage's ``Messages``."""
        return cls(
            message_id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            text=message["Body"],
            attributes={
                name: value.get("StringValue", "")
                for name, value in message.get("MessageAttributes", {}).items()
            },
            **_system(message["Attributes"]),
        )


SYSTEM_ATTRIBUTES = ["ApproximateReceiveCount", "MessageGroupId", "SentTimestamp"]


def _system(attributes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "group": attributes.get("MessageGroupId", ""),
        "times_received": int(attributes.get("ApproximateReceiveCount", 1)),
        "sent_ms": int(attributes.get("SentTimestamp", 0)),
    }
