"""One sensor a bus, and one for what failed on the way to it: asks for a landing run where messages
wait, and only where none is under way."""

import json
import time
from collections.abc import Iterable, Mapping

import dagster as dg

from minilab.errors import MinilabError
from minilab.events.registry import FAILURES, Stream, load_registry
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


def _backlog_sensor(
    name: str, description: str, assets: Mapping[str, dg.AssetKey]
) -> dg.SensorDefinition:
    """``assets`` are those that land, by what they land: a stream's name, or ``FAILURES``."""

    @dg.sensor(
        name=name,
        description=description,
        target=list(assets.values()),
        minimum_interval_seconds=2,  # the daemon looks every five seconds anyway
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def backlog_sensor(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
        waiting_since: dict[str, float] = json.loads(context.cursor or "{}")
        now, policy = time.time(), LandingPolicy.from_env()
        requests, reasons, errors = [], [], []
        for stream, asset in assets.items():
            try:
                backlog = platform.backlog(stream)
            except MinilabError as error:  # one stream's trouble is not the others'
                context.log.error(f"{stream}: {error}")
                errors.append(error)
                reasons.append(f"{stream}: {error.message}")
                continue
            if backlog.messages:
                waiting_since.setdefault(stream, now)
            else:
                waiting_since.pop(stream, None)
            waited = now - waiting_since.get(stream, now)
            decision = decide(policy, backlog, waited, _recent(context.instance, stream, now))
            reasons.append(decision.why)
            if decision.land:
                requests.append(_request(stream, asset))
                waiting_since.pop(stream, None)
        if len(errors) == len(assets):
            raise errors[0]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "; ".join(reasons),
            cursor=json.dumps(waiting_since),
        )

    return backlog_sensor


def _request(stream: str, asset: dg.AssetKey) -> dg.RunRequest:
    return dg.RunRequest(
        asset_selection=[asset],
        partition_key=current_key(),
        tags={names.STREAM_TAG: stream},
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
    return dg.Definitions(
        sensors=[
            *(
                _backlog_sensor(
                    f"{bus}_backlog",
                    f"Lands when events wait: {', '.join(s.name for s in streams)}.",
                    {stream.name: names.raw_key(stream.name) for stream in streams},
                )
                for bus, streams in by_bus.items()
            ),
            _backlog_sensor(
                "failed_backlog",
                "Lands when the failed queue or a queue of dead letters holds something.",
                {FAILURES: names.FAILED_EVENTS},
            ),
        ]
    )
