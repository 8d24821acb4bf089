"""One sensor a bus: asks for a landing run where events wait, and only where none is under way."""

import json
import time
from collections.abc import Iterable

import dagster as dg

from minilab.errors import MinilabError
from minilab.events.registry import Stream, load_registry
from minilab_dagster import names
from minilab_dagster.defs.raw.partitions import current_key
from minilab_dagster.landing_policy import LandingPolicy, Recent, decide
from minilab_dagster.platform import Platform

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def _bus_sensor(bus: str, streams: list[Stream]) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{bus}_backlog",
        description=f"Lands when events wait: {', '.join(s.name for s in streams)}.",
        target=[names.raw_key(stream.name) for stream in streams],
        minimum_interval_seconds=2,  # the daemon looks every five seconds anyway
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def backlog_sensor(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
        waiting_since: dict[str, float] = json.loads(context.cursor or "{}")
        now, policy = time.time(), LandingPolicy.from_env()
        requests, reasons, errors = [], [], []
        for stream in streams:
            try:
                backlog = platform.backlog(stream.name)
            except MinilabError as error:  # one stream's trouble is not the others'
                context.log.error(f"{stream.name}: {error}")
                errors.append(error)
                reasons.append(f"{stream.name}: {error.message}")
                continue
            if backlog.messages:
                waiting_since.setdefault(stream.name, now)
            else:
                waiting_since.pop(stream.name, None)
            waited = now - waiting_since.get(stream.name, now)
            decision = decide(policy, backlog, waited, _recent(context.instance, stream.name, now))
            reasons.append(decision.why)
            if decision.land:
                requests.append(_request(stream))
                waiting_since.pop(stream.name, None)
        if len(errors) == len(streams):
            raise errors[0]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join(reasons),
            cursor=json.dumps(waiting_since),
        )

    return backlog_sensor


def _request(stream: Stream) -> dg.RunRequest:
    return dg.RunRequest(
        asset_selection=[names.raw_key(stream.name)],
        partition_key=current_key(),
        tags={names.STREAM_TAG: stream.name},
    )


def _recent(instance: dg.DagsterInstance, stream: str, now: float) -> Recent:
    """What became of the stream's latest runs."""
    records = instance.get_run_records(
        dg.RunsFilter(tags={names.STREAM_TAG: stream}), limit=LandingPolicy.REMEMBERED_RUNS
    )
    unfinished = [r for r in records if r.dagster_run.status in _UNFINISHED]
    failures = _leading_failures(r.dagster_run.status for r in records)
    ended = records[0].end_time if records else None
    return Recent(
        unfinished=len(unfinished),
        failures=failures,
        seconds_since_end=now - ended if ended else None,
    )


def _leading_failures(statuses: Iterable[dg.DagsterRunStatus]) -> int:
    count = 0
    for status in statuses:
        if status is not dg.DagsterRunStatus.FAILURE:
            break
        count += 1
    return count


@dg.definitions
def sensors() -> dg.Definitions:
    by_bus: dict[str, list[Stream]] = {}
    for stream in load_registry().streams.values():
        by_bus.setdefault(stream.bus, []).append(stream)
    return dg.Definitions(sensors=[_bus_sensor(bus, those) for bus, those in by_bus.items()])
