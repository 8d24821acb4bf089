"""Declarative automation, running from the start."""

from __future__ import annotations

import dagster as dg

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=2,
    description="Builds what follows from new data: marts after raw, the report after marts.",
)
