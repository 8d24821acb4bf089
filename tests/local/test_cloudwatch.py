"""The laptop's CloudWatch forgets what is old."""

from __future__ import annotations

import pytest
from moto.cloudwatch.models import CloudWatchBackend

from minilab_local.aws import cloudwatch


def test_the_latest_data_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch, "KEPT", 5)
    monkeypatch.setattr(CloudWatchBackend, "put_metric_data", None)  # put back afterwards
    cloudwatch.install()
    backend = CloudWatchBackend("us-east-1", "123456789012")
    for first in range(0, 12, 3):
        data = [{"MetricName": "Events", "Value": value} for value in range(first, first + 3)]
        backend.put_metric_data("Minilab", data)
    kept = [datum.value for datum in backend.metric_data]  # type: ignore[attr-defined]
    assert kept == [7, 8, 9, 10, 11]
