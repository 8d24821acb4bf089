"""moto's CloudWatch, which would keep every datum: here the latest stay.

CloudWatch keeps data of a minute for 15 days (CloudWatch User Guide, "Metrics retention"). The
platform's parts tell some hundred an hour, under load some thousand; a datum takes 600 bytes.
"""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import CloudWatchBackend

KEPT = 50_000
"""Data of one account and region that stay."""

_put = CloudWatchBackend.put_metric_data


def _put_and_forget(backend: CloudWatchBackend, namespace: str, metric_data: list[Any]) -> None:
    _put(backend, namespace, metric_data)
    del backend.metric_data[:-KEPT]


def install() -> None:
    """Let moto forget."""
    CloudWatchBackend.put_metric_data = _put_and_forget  # type: ignore[method-assign]
