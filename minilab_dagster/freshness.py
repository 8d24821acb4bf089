"""How old the marts are, and for how long landed events wait to be in them: from Dagster's log.

The age of a mart's newest event would also grow where nobody sends anything. So what waits counts
from the landing that came after the build of the mart that was built the longest ago. A build that
began before that landing and ended after it is taken for one that has it; the next one does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg

from minilab.metrics import Metric


@dataclass(frozen=True)
class Freshness:
    mart: str
    """The mart that was built the longest ago, or never."""
    age_seconds: float | None
    """Since then; None where it was never built."""
    behind_seconds: float
    """Since events were landed that are not in it."""

    def metrics(self) -> list[Metric]:
        behind = Metric("MartsBehind", self.behind_seconds, "Seconds")
        if self.age_seconds is None:
            return [behind]
        return [behind, Metric("MartsAge", self.age_seconds, "Seconds")]


def freshness_of(
    instance: dg.DagsterInstance,
    marts: Iterable[dg.AssetKey],
    landed: Iterable[dg.AssetKey],
    now: float,
) -> Freshness:
    """``landed`` are the assets that marts are made of; ``now`` is in seconds since 1970."""
    built = {mart: _last_made(instance, mart) for mart in marts}
    oldest = min(built, key=lambda mart: built[mart] or 0.0)
    since = built[oldest]
    first = [at for key in landed if (at := _first_made_after(instance, key, since or 0.0))]
    return Freshness(
        mart=oldest.to_user_string(),
        age_seconds=None if since is None else now - since,
        behind_seconds=now - min(first, default=now),
    )


def _last_made(instance: dg.DagsterInstance, key: dg.AssetKey) -> float | None:
    entry = instance.get_latest_materialization_event(key)
    return entry.timestamp if entry else None


def _first_made_after(instance: dg.DagsterInstance, key: dg.AssetKey, after: float) -> float | None:
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, after_timestamp=after), limit=1, ascending=True
    ).records
    return records[0].timestamp if records else None
