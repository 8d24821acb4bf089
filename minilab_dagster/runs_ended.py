"""How many runs ended, by job and by how: counted from Dagster's own storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import dagster as dg

from minilab.metrics import Metric

ENDS = {
    dg.DagsterRunStatus.SUCCESS: "success",
    dg.DagsterRunStatus.FAILURE: "failure",
    dg.DagsterRunStatus.CANCELED: "canceled",
}
_SLACK_SECONDS = 60.0


def runs_ended(
    instance: dg.DagsterInstance, since: float, until: float
) -> Iterator[tuple[Metric, Mapping[str, str]]]:
    """Runs that ended from ``since`` until before ``until``, seconds since 1970.

    For each status all together, be it none; and those of each job that had any.
    """
    # A run's record may change after its end, never before: so these are a few too many.
    updated = datetime.fromtimestamp(since - _SLACK_SECONDS, UTC)
    records = instance.get_run_records(dg.RunsFilter(statuses=[*ENDS], updated_after=updated))
    ended = Counter(
        (record.dagster_run.job_name, ENDS[record.dagster_run.status])
        for record in records
        if record.end_time is not None and since <= record.end_time < until
    )
    for status in ENDS.values():
        count = sum(n for (_, its), n in ended.items() if its == status)
        yield Metric("Runs", count), {"status": status}
    for (job, status), count in ended.items():
        yield Metric("Runs", count), {"job": job, "status": status}
