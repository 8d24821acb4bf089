"""SQS: a queue keeps its policy when other attributes are set, and tells its redrive policy as AWS
does."""

from __future__ import annotations

import json
from typing import Any

from moto.sqs.models import Queue
from moto.sqs.responses import SQSResponse

from .registry import mended

mended(SQSResponse, "GetQueueAttributes", "tells a redrive policy without spaces, as it was given")
mended(SQSResponse, "SetQueueAttributes", "keeps the policy when others are set")

_attributes = Queue.attributes
_set_attributes = Queue._set_attributes


def _attributes_as_given(self: Queue) -> dict[str, Any]:
    assert _attributes.fget is not None
    told: dict[str, Any] = _attributes.fget(self)
    if told.get("RedrivePolicy"):
        told["RedrivePolicy"] = json.dumps(json.loads(told["RedrivePolicy"]), separators=(",", ":"))
    return told


def _set_attributes_and_keep_policy(
    self: Queue, attributes: dict[str, Any], *more: Any, **named: Any
) -> None:
    policy = getattr(self, "policy", None)
    _set_attributes(self, attributes, *more, **named)
    if "Policy" not in attributes:
        self.policy = policy


Queue.attributes = property(_attributes_as_given)  # type: ignore[assignment]
Queue._set_attributes = _set_attributes_and_keep_policy  # type: ignore[method-assign]
