"""The event buses, SQS and Kafka, from the publishing side, and how to reach them."""

from minilab.bus.publisher import (
    CLOUDEVENT,
    CLOUDEVENTS_BATCH,
    MAX_MESSAGE_BYTES,
    MessageTooLargeError,
    Publisher,
    PublishError,
    open_publisher,
    pack,
)

__all__ = [
    "CLOUDEVENT",
    "CLOUDEVENTS_BATCH",
    "MAX_MESSAGE_BYTES",
    "MessageTooLargeError",
    "PublishError",
    "Publisher",
    "open_publisher",
    "pack",
]
