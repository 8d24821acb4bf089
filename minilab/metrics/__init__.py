"""What the platform tells of itself in numbers, in one namespace of CloudWatch.

``emf`` writes metrics as lines of a log, where there is one that CloudWatch reads; ``cloudwatch``
sends them to its API. Alarms and dashboards look at them: infra/stacks/monitoring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "Minilab"


@dataclass(frozen=True)
class Metric:
    name: str
    value: float
    unit: Literal["Count", "Milliseconds", "Seconds"] = "Count"
