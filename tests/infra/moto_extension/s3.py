"""S3: a bucket policy that denies plain HTTP does not lock out clients of a server without TLS."""

from __future__ import annotations

from typing import Any

from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.s3.responses import S3Response

from .registry import mended
from .resource_policy import PLAIN_HTTP

for _action in ("GetObject", "HeadObject", "PutObject"):
    mended(S3Response, _action, "a Deny that is bound to plain HTTP is not met: moto has no TLS")

_is_action_permitted = IAMPolicyStatement.is_action_permitted


def _is_action_permitted_over_tls(
    self: IAMPolicyStatement, *args: Any, **kwargs: Any
) -> PermissionResult:
    if self._statement.get("Condition") == PLAIN_HTTP:
        return PermissionResult.NEUTRAL
    return _is_action_permitted(self, *args, **kwargs)


IAMPolicyStatement.is_action_permitted = (  # type: ignore[method-assign]
    _is_action_permitted_over_tls
)
