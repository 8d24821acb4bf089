"""Lambda: a queue of another account feeds a function, where the queue's policy lets its role."""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import EventSourceMapping, LambdaBackend
from moto.awslambda.responses import LambdaResponse
from moto.sqs.models import Queue, sqs_backends

from .registry import mended
from .resource_policy import lets

mended(
    LambdaResponse,
    "CreateEventSourceMapping",
    "a queue of another account feeds a function whose role the queue's policy names",
)

_NEEDED = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda does with the function's role (Lambda Developer Guide, "Using Lambda with SQS")."""

_create = LambdaBackend.create_event_source_mapping


def _create_across_accounts(self: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
    owner, _, name = spec["EventSourceArn"].rpartition(":")
    account = owner.rpartition(":")[2]
    if ":sqs:" not in owner or account == self.account_id:
        return _create(self, spec)
    queue = sqs_backends[account][self.region_name].queues.get(name)
    function = self._lambdas.get_function_by_name_or_arn_with_qualifier(spec["FunctionName"])
    if queue is None or not _allowed(queue, function.role):
        return _create(self, spec)  # as if it were not there
    mapping = EventSourceMapping(
        {
            **spec,
            "RegionName": self.region_name,
            "AccountId": self.account_id,
            "FunctionArn": function.function_arn,
        }
    )
    self._event_source_mappings[mapping.uuid] = mapping
    return mapping


def _allowed(queue: Queue, role: str) -> bool:
    """Whether a queue's policy lets a role of another account do all that is needed."""
    account, context = role.split(":")[4], {"aws:PrincipalArn": [role]}
    return all(lets(queue.policy, account, action, queue.queue_arn, context) for action in _NEEDED)


_get_configuration = EventSourceMapping.get_configuration


def _get_configuration_as_modelled(self: EventSourceMapping) -> dict[str, Any]:
    told = _get_configuration(self)
    return {name: value for name, value in told.items() if value is not None and name != "Tags"}


EventSourceMapping.get_configuration = (  # type: ignore[method-assign]
    _get_configuration_as_modelled
)
LambdaBackend.create_event_source_mapping = (  # type: ignore[method-assign]
    _create_across_accounts
)
