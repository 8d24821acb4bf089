"""The plans that a tenant can be on, and what each allows. A tenant's own limits come first."""

from __future__ import annotations

from collections.abc import Mapping

PLANS: Mapping[str, int] = {
    "free": 100,
    "starter": 500,
    "team": 2_000,
    "enterprise": 10_000,
}
"""Events per second by plan: the mean over a window of ``ingest.limits``, so bursts may exceed
it. Plans are those of ``contracts/billing.subscription_started.v1.json``."""
DEFAULT_PLAN = "team"
