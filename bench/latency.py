"""How long from an event accepted on a bus to its row in a mart, with Dagster idle?

    minilab up                     # in one terminal
    eval "$(minilab local env)"    # in another
    python bench/latency.py --runs 10

Sends one event of a tenant that nobody has seen, asks Athena for that tenant in the mart
``daily_active_users`` until it is there, waits until Dagster is idle again, and repeats. Where the
time goes is read from Dagster's own records of the runs (``DAGSTER_HOME``, by default the one of
``minilab up``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from minilab.bus import open_publisher
from minilab.errors import MinilabError
from minilab.events.registry import load_registry
from minilab.lake.athena import query
from minilab.settings import Settings

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
_MART = "daily_active_users"


@dataclass(frozen=True)
class Sample:
    """Seconds since the bus accepted the event."""

    landing_asked: float
    landing_began: float
    landed: float
    build_asked: float
    build_began: float
    in_mart: float

    @property
    def parts(self) -> dict[str, float]:
        return {
            "sensor notices": self.landing_asked,
            "landing run starts": self.landing_began - self.landing_asked,
            "landing": self.landed - self.landing_began,
            "automation notices": self.build_asked - self.landed,
            "build run starts": self.build_began - self.build_asked,
            "dbt up to the mart": self.in_mart - self.build_began,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one event")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("DAGSTER_HOME", str(_dagster_home()))
    settings = Settings.from_env()
    samples: list[Sample] = []
    with dg.DagsterInstance.get() as instance:
        for number in range(1, arguments.runs + 1):
            _wait_until_idle(instance, arguments.timeout)
            sample = _measure(settings, instance, arguments.timeout)
            samples.append(sample)
            parts = ", ".join(f"{name} {value:.1f}" for name, value in sample.parts.items())
            print(f"{number:3}: {sample.in_mart:5.1f} s  ({parts})", file=sys.stderr, flush=True)
    _print(samples, arguments.json)
    return 0


def _dagster_home() -> Path:
    home = os.environ.get("MINILAB_HOME")
    return (Path(home) if home else Path(".minilab")).absolute() / "dagster"


def _wait_until_idle(instance: dg.DagsterInstance, timeout: float, calm: float = 12.0) -> None:
    """Until no run has been queued or under way for ``calm`` seconds, two ticks of a sensor."""
    deadline, quiet_since = time.time() + timeout, time.time()
    while time.time() - quiet_since < calm:
        if instance.get_runs_count(dg.RunsFilter(statuses=_UNFINISHED)):
            quiet_since = time.time()
        if time.time() > deadline:
            raise MinilabError("Dagster does not become idle.", hint="Stop what sends events.")
        time.sleep(0.5)


def _measure(settings: Settings, instance: dg.DagsterInstance, timeout: float) -> Sample:
    tenant = f"latency-{uuid4().hex[:12]}"
    _send(settings, tenant)
    sent = time.time()
    sql = f"select count(*) from {settings.marts_database}.{_MART} where tenant = '{tenant}'"
    while query(settings, sql).rows[0][0] == 0:
        if time.time() - sent > timeout:
            raise MinilabError(
                f"The event was not in {_MART} after {timeout:.0f} s.",
                hint="Is `minilab up` running? Its page shows the runs.",
            )
        time.sleep(0.5)
    in_mart = time.time()
    landing, build = _runs_since(instance, sent)
    return Sample(
        landing_asked=landing.create_timestamp.timestamp() - sent,
        landing_began=(landing.start_time or sent) - sent,
        landed=_materialized(instance, landing) - sent,
        build_asked=build.create_timestamp.timestamp() - sent,
        build_began=(build.start_time or sent) - sent,
        in_mart=in_mart - sent,
    )


def _send(settings: Settings, tenant: str) -> None:
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "bench/latency",
        "type": "product.page_viewed.v1",
        "time": datetime.now(UTC).isoformat(),
        "tenant": tenant,
        "data": {"user_id": "u1", "session_id": "s1", "path": "/latency"},
    }
    stream = load_registry().stream("product")
    with open_publisher(settings, stream) as publisher:
        publisher.send(json.dumps(event).encode(), key=tenant)
        publisher.flush()


def _runs_since(instance: dg.DagsterInstance, sent: float) -> tuple[Any, Any]:
    """The run that landed the event and the run that built the mart."""
    records = instance.get_run_records(
        dg.RunsFilter(created_after=datetime.fromtimestamp(sent, UTC)), ascending=True
    )
    raw, mart = dg.AssetKey(["raw", "product"]), dg.AssetKey(["marts", _MART])
    landing = [r for r in records if raw in (r.dagster_run.asset_selection or ())]
    build = [r for r in records if mart in (r.dagster_run.asset_selection or ())]
    if not landing or not build:
        raise MinilabError("The runs that carried the event are not in Dagster's records.")
    return landing[0], build[0]


def _materialized(instance: dg.DagsterInstance, record: Any) -> float:
    entries = instance.all_logs(
        record.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    return max(entry.timestamp for entry in entries)


def _print(samples: list[Sample], as_json: bool) -> None:
    totals = sorted(sample.in_mart for sample in samples)
    p90 = totals[min(len(totals) - 1, round(0.9 * (len(totals) - 1)))]
    parts = {
        name: statistics.median(sample.parts[name] for sample in samples)
        for name in samples[0].parts
    }
    summary = {
        "runs": len(samples),
        "median_seconds": round(statistics.median(totals), 1),
        "p90_seconds": round(p90, 1),
        "median_parts": {name: round(value, 1) for name, value in parts.items()},
    }
    if as_json:
        print(json.dumps(summary, indent=2))
        return
    print(f"from the bus to {_MART}, {len(samples)} events")
    print(f"  median {summary['median_seconds']} s, 90 % {summary['p90_seconds']} s")
    for name, value in parts.items():
        print(f"  {name:20} {value:5.1f} s (median)")


if __name__ == "__main__":
    sys.exit(main())
