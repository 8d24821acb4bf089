"""Application Auto Scaling: a scalable target has tags."""

from __future__ import annotations

import json
from typing import Any

from moto.applicationautoscaling.models import ApplicationAutoscalingBackend, FakeScalableTarget
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.exceptions import JsonRESTError

from .registry import stub

_register = ApplicationAutoScalingResponse.register_scalable_target


def _targets(backend: ApplicationAutoscalingBackend) -> dict[str, FakeScalableTarget]:
    """By ARN."""
    return {target.arn: target for by_id in backend.targets.values() for target in by_id.values()}


@stub(ApplicationAutoScalingResponse, "RegisterScalableTarget", "keeps the tags of a new target")
def register_scalable_target(self: ApplicationAutoScalingResponse) -> str:
    answer = _register(self)
    if tags := self._get_param("Tags"):
        target: Any = _targets(self.applicationautoscaling_backend)[
            json.loads(answer)["ScalableTargetARN"]
        ]
        target.tags = tags
    return answer


@stub(ApplicationAutoScalingResponse, "ListTagsForResource", "missing in moto")
def list_tags_for_resource(self: ApplicationAutoScalingResponse) -> str:
    arn = self._get_param("ResourceARN")
    target = _targets(self.applicationautoscaling_backend).get(arn)
    if target is None:
        raise JsonRESTError("ResourceNotFoundException", f"{arn} does not exist")
    return json.dumps({"Tags": getattr(target, "tags", {})})
