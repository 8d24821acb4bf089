"""What must hold of raw data before a mart is built on it, and what somebody should look at."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from minilab.events.registry import Stream, load_registry
from minilab.lake.tables import TABLES
from minilab_dagster import names
from minilab_dagster.drift import column_differences, unknown_fields
from minilab_dagster.platform import Platform
from minilab_dagster.raw_facts import RawFacts, failed_batches, recorded_landings
from minilab_dagster.reconcile import gaps, shortfalls

_WINDOW = timedelta(hours=24)
_FAILED_WARN, _FAILED_ERROR = 0.01, 0.20
_FAILED_ERROR_EVENTS = 100
"""A handful of failed events is no reason for an alarm, whatever their share."""
_DUPLICATES_WARN = 0.05

_SHOWN = 5
_RETRY = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)


def _specs(stream: Stream) -> list[dg.AssetCheckSpec]:
    key = names.raw_key(stream.name)
    return [
        dg.AssetCheckSpec(
            "landed_is_acknowledged",
            asset=key,
            blocking=True,
            description="Whatever the bus was told to forget is in the lake: rows as recorded by"
            " every landing, and for Kafka no gap up to the ledger's offset.",
        ),
        dg.AssetCheckSpec(
            "columns_match",
            asset=key,
            blocking=True,
            description="Glue's columns are those that landing writes.",
        ),
        dg.AssetCheckSpec(
            "failed_rate",
            asset=key,
            description=f"Less than {_FAILED_WARN:.0%} of the events failed, at whatever stage"
            f" (error from {_FAILED_ERROR:.0%}, if {_FAILED_ERROR_EVENTS} or more).",
        ),
        dg.AssetCheckSpec(
            "duplicates",
            asset=key,
            description=f"Less than {_DUPLICATES_WARN:.0%} of the events arrived again. Staging"
            " keeps one of each; many of them mean a producer or a lander in trouble.",
        ),
        dg.AssetCheckSpec(
            "known_fields",
            asset=key,
            description="Payloads have no field that their contract does not name.",
        ),
    ]


def _raw_checks(stream: Stream) -> dg.AssetChecksDefinition:
    specs = _specs(stream)

    @dg.multi_asset_check(
        name=f"check_raw_{stream.name.replace('-', '_')}",
        specs=specs,
        can_subset=True,
        retry_policy=_RETRY,
    )
    def raw_checks(
        context: dg.AssetCheckExecutionContext, platform: Platform
    ) -> Iterator[dg.AssetCheckResult]:
        since = datetime.now(UTC) - _WINDOW
        facts = RawFacts.of(platform, stream, since)
        landings = recorded_landings(
            context.instance,
            names.raw_key(stream.name),
            since,
            platform.settings.lake_bucket,
        )
        results = (
            _landed_is_acknowledged(facts, shortfalls(landings, facts.batches)),
            _columns_match(platform),
            _failed_rate(facts),
            _duplicates(facts),
            _known_fields(platform, facts),
        )
        for spec, result in zip(specs, results, strict=True):
            if spec.key in context.selected_asset_check_keys:
                yield result._replace(asset_key=spec.asset_key, check_name=spec.name)

    return raw_checks


@dg.asset_check(
    asset=names.FAILED_EVENTS,
    name="landed_is_acknowledged",
    description="Whatever the failed queue and the queues of dead letters were told to forget is in"
    " the lake.",
    retry_policy=_RETRY,
)
def failed_is_acknowledged(
    context: dg.AssetCheckExecutionContext, platform: Platform
) -> dg.AssetCheckResult:
    since = datetime.now(UTC) - _WINDOW
    there = failed_batches(platform, since)
    landings = recorded_landings(
        context.instance, names.FAILED_EVENTS, since, platform.settings.lake_bucket
    )
    failed = sum(batch.failed for batch in there.values())
    return _result(
        shortfalls(landings, there),
        f"{failed:,} failed events in {len(there):,} batches, all accounted for",
        metadata={"failed_events": failed},
    )


def _landed_is_acknowledged(facts: RawFacts, missing: list[str]) -> dg.AssetCheckResult:
    problems = [*missing, *gaps(facts.batches.values(), facts.next_offsets)]
    return _result(
        problems,
        f"{facts.events:,} events and {facts.failed:,} failed events in {len(facts.batches):,}"
        " batches, all accounted for",
        metadata={"events": facts.events, "failed_events": facts.failed},
    )


def _columns_match(platform: Platform) -> dg.AssetCheckResult:
    problems = [
        problem
        for table in TABLES
        for problem in column_differences(table, platform.glue_columns(table))
    ]
    return _result(problems, "as described in minilab/lake/tables.py")


def _failed_rate(facts: RawFacts) -> dg.AssetCheckResult:
    arrived = facts.events + facts.failed
    share = facts.failed / arrived if arrived else 0.0
    grave = share >= _FAILED_ERROR and facts.failed >= _FAILED_ERROR_EVENTS
    return dg.AssetCheckResult(
        passed=share < _FAILED_WARN,
        severity=dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN,
        description=f"{facts.failed:,} of {arrived:,} failed ({share:.2%});"
        " `minilab failed list` shows them",
        metadata={"failed_share": share, "failed_events": facts.failed},
    )


def _duplicates(facts: RawFacts) -> dg.AssetCheckResult:
    again = facts.events - facts.distinct_events
    share = again / facts.events if facts.events else 0.0
    return dg.AssetCheckResult(
        passed=share < _DUPLICATES_WARN,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{again:,} of {facts.events:,} events arrived again ({share:.2%})",
        metadata={"duplicates": again, "duplicate_share": share},
    )


def _known_fields(platform: Platform, facts: RawFacts) -> dg.AssetCheckResult:
    unknown = unknown_fields(platform.registry, facts.sample)
    return _result(
        unknown,
        f"no unknown field in {len(facts.sample):,} payloads",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"payloads_looked_at": len(facts.sample)},
    )


def _result(
    problems: list[str],
    otherwise: str,
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    metadata: dict[str, float] | None = None,
) -> dg.AssetCheckResult:
    shown = problems[:_SHOWN] + ([f"and {len(problems) - _SHOWN} more"] * (len(problems) > _SHOWN))
    return dg.AssetCheckResult(
        passed=not problems,
        severity=severity,
        description="; ".join(shown) or otherwise,
        metadata={"problems": len(problems), **(metadata or {})},
    )


@dg.definitions
def checks() -> dg.Definitions:
    streams = load_registry().streams.values()
    return dg.Definitions(asset_checks=[*map(_raw_checks, streams), failed_is_acknowledged])
