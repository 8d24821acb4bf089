"""Landing as Dagster does it, and the checks that would notice a loss."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from minilab.bus import open_publisher
from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.events.failures import Violation
from minilab.events.registry import UNROUTED
from minilab.lake.layout import FAILED_PREFIX, RAW_PREFIX
from minilab.provision import provision
from minilab.settings import Settings
from minilab_dagster import names
from minilab_dagster.defs.raw.partitions import current_key, key_of

pytestmark = pytest.mark.usefixtures("fresh_lab")

PAGE = {"user_id": "u1", "session_id": "s1", "path": "/"}


def event(**changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": secrets.token_hex(8),
        "source": "tests",
        "type": "product.page_viewed.v1",
        "tenant": "acme",
        "data": PAGE,
    } | changes


def send(lab: Any, stream: str, *events: Any) -> None:
    with open_publisher(lab.settings, lab.registry.stream(stream)) as publisher:
        for one in events:
            body = one if isinstance(one, bytes) else json.dumps(one).encode()
            publisher.send(body, key="acme")
        publisher.flush()


def refuse(lab: Any, *streams: str) -> None:
    """What the API does with an event that it cannot accept: one for each of these streams."""
    records = [
        FailedRecord(
            stage="ingest",
            stream=stream,
            reason="contract_violation",
            violations=(Violation("/data", "type", "no"),),
            body=b"{}",
            bus="api",
            shard=f"POST /v1/streams/{stream}/events",
            position=secrets.token_hex(8),
            item=0,
            published_ms=1_770_000_000_000,
            tenant="acme",
        )
        for stream in streams
    ]
    assert FailedQueue(lab.settings).send(records) == [None] * len(records)


class Runs:
    """Runs of parts of the code location in one instance."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self._instance = instance

    def land(self, stream: str, hour: str | None = None) -> dg.ExecuteInProcessResult:
        """``stream`` is one, or ``failed_events``."""
        return self._job.get_subset(asset_selection={names.raw_key(stream)}).execute_in_process(
            instance=self._instance, partition_key=hour or current_key()
        )

    def check(self, stream: str) -> dict[str, Any]:
        """Evaluations of a stream's checks, by name."""
        keys = {
            key
            for key in self._job.asset_layer.asset_graph.asset_check_keys
            if key.asset_key == names.raw_key(stream)
        }
        result = self._job.get_subset(
            asset_selection=set(), asset_check_selection=keys
        ).execute_in_process(instance=self._instance, raise_on_error=False)
        return {e.check_name: e for e in result.get_asset_check_evaluations()}


@pytest.fixture
def runs(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Runs:
    return Runs(definitions, instance)


def materializations(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dict[str, Any]]:
    """Metadata by asset and partition."""
    found = {}
    for e in result.all_events:
        if e.is_step_materialization:
            values = {name: value.value for name, value in e.materialization.metadata.items()}
            found[e.asset_key.to_user_string(), e.partition] = values
    return found


def test_one_run_drains_the_bus_and_says_what_it_did(runs: Runs, fresh_lab: Any) -> None:
    send(fresh_lab, "product", event(), event(), event(data={}), b"no json")
    found = materializations(runs.land("product"))
    numbers = found["raw/product", current_key()]
    assert numbers["events"] == numbers["dagster/partition_row_count"] == 2
    assert numbers["failed_by_reason"] == {"contract_violation": 1, "not_json": 1}
    assert numbers["lag_after"] == 0
    assert numbers["files"] >= 2
    assert numbers["bytes"] > 0
    failed = found["raw/failed_events", current_key()]
    assert failed["reason/not_json"] == failed["reason/contract_violation"] == 1


def test_a_run_drains_what_failed_before_landing(runs: Runs, fresh_lab: Any) -> None:
    refuse(fresh_lab, "product", "billing", UNROUTED)
    found = materializations(runs.land("failed_events"))
    numbers = found["raw/failed_events", current_key()]
    assert numbers["failed_events"] == numbers["dagster/partition_row_count"] == 3
    assert numbers["reason/contract_violation"] == 3
    assert numbers["failed_by_reason"] == {"contract_violation": 3}
    assert (numbers["messages"], numbers["files"], numbers["lag_after"]) == (3, 3, 0)
    assert "events" not in numbers
    partitions = fresh_lab.client("glue").get_partitions(
        DatabaseName=fresh_lab.settings.raw_database, TableName="failed_events"
    )["Partitions"]
    assert UNROUTED in {partition["Values"][0] for partition in partitions}


def test_failed_events_of_an_hour_that_is_over_are_only_counted(runs: Runs, fresh_lab: Any) -> None:
    refuse(fresh_lab, "product")
    before = key_of(datetime.now(UTC) - timedelta(hours=5))
    numbers = materializations(runs.land("failed_events", before))["raw/failed_events", before]
    assert "failed_events" not in numbers and numbers["dagster/partition_row_count"] == 0
    now = materializations(runs.land("failed_events"))["raw/failed_events", current_key()]
    assert now["failed_events"] == 1, "it was still in its queue"


def test_an_hour_that_is_over_is_verified_and_not_landed(runs: Runs, fresh_lab: Any) -> None:
    send(fresh_lab, "webhooks", event(type="com.example.x"))
    before = key_of(datetime.now(UTC) - timedelta(hours=5))
    numbers = materializations(runs.land("webhooks", before))["raw/webhooks", before]
    assert "events" not in numbers
    assert numbers["dagster/partition_row_count"] == 0
    landed = materializations(runs.land("webhooks"))["raw/webhooks", current_key()]
    assert landed["events"] == 1, "the event was still on its bus"


def test_checks_pass_on_what_was_landed(runs: Runs, fresh_lab: Any) -> None:
    send(fresh_lab, "product", *(event() for _ in range(20)))
    runs.land("product")
    evaluations = runs.check("product")
    assert len(evaluations) == 5
    assert {name for name, e in evaluations.items() if not e.passed} == set()


@pytest.mark.parametrize(
    ("stream", "event_type"),
    [("product", "product.page_viewed.v1"), ("webhooks", "com.example.x")],
)
def test_a_lost_file_is_noticed(runs: Runs, fresh_lab: Any, stream: str, event_type: str) -> None:
    send(fresh_lab, stream, *(event(type=event_type) for _ in range(8)))
    runs.land(stream)
    assert runs.check(stream)["landed_is_acknowledged"].passed
    s3, bucket = fresh_lab.client("s3"), fresh_lab.settings.lake_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{RAW_PREFIX}stream={stream}/")
    s3.delete_object(Bucket=bucket, Key=listed["Contents"][0]["Key"])
    evaluation = runs.check(stream)["landed_is_acknowledged"]
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert "8 events were landed" in evaluation.description


def test_another_lakes_landings_are_not_missed_here(
    runs: Runs, fresh_lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Dagster instance, two deployments, as with another MINILAB_ENV on one machine."""
    send(fresh_lab, "webhooks", event(type="com.example.x"))
    runs.land("webhooks")
    other = f"{fresh_lab.settings.lake_bucket}-other"
    fresh_lab.client("s3").create_bucket(Bucket=other)
    monkeypatch.setenv("MINILAB_LAKE_BUCKET", other)
    monkeypatch.setenv("MINILAB_DATABASE_PREFIX", f"{fresh_lab.settings.database_prefix}_other")
    provision(Settings.from_env(), fresh_lab.registry)
    assert runs.check("webhooks")["landed_is_acknowledged"].passed


def test_many_failures_are_an_error_and_few_a_warning(runs: Runs, fresh_lab: Any) -> None:
    send(fresh_lab, "product", event(), b"no json")
    runs.land("product")
    few = runs.check("product")["failed_rate"]
    assert (few.passed, few.severity) == (False, dg.AssetCheckSeverity.WARN)
    send(fresh_lab, "product", *(b"no json" for _ in range(120)))
    runs.land("product")
    many = runs.check("product")["failed_rate"]
    assert (many.passed, many.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "121 of 122 failed" in many.description


def test_the_failed_rate_counts_every_stage(runs: Runs, fresh_lab: Any) -> None:
    send(fresh_lab, "product", event(), event(), b"no json")
    runs.land("product")
    refuse(fresh_lab, "product", "product", "billing")
    runs.land("failed_events")
    evaluations = runs.check("product")
    assert "3 of 5 failed" in evaluations["failed_rate"].description
    assert evaluations["landed_is_acknowledged"].passed


def test_a_lost_file_of_failed_events_is_noticed(runs: Runs, fresh_lab: Any) -> None:
    refuse(fresh_lab, "product", "product", "billing")
    runs.land("failed_events")
    evaluation = runs.check("failed_events")["landed_is_acknowledged"]
    assert evaluation.passed
    assert evaluation.description == "3 failed events in 2 batches, all accounted for"
    s3, bucket = fresh_lab.client("s3"), fresh_lab.settings.lake_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"{FAILED_PREFIX}stream=product/")
    s3.delete_object(Bucket=bucket, Key=listed["Contents"][0]["Key"])
    evaluation = runs.check("failed_events")["landed_is_acknowledged"]
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert "3 failed events were landed" in evaluation.description


def test_duplicates_and_unknown_fields_are_warnings(runs: Runs, fresh_lab: Any) -> None:
    twice = event(data=PAGE | {"mood": "fine"})
    send(fresh_lab, "product", twice, twice, twice | {"tenant": "bolt"}, event())
    runs.land("product")
    evaluations = runs.check("product")
    duplicates, fields = evaluations["duplicates"], evaluations["known_fields"]
    assert (duplicates.passed, duplicates.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert duplicates.description == "1 of 4 events arrived again (25.00%)"
    assert (fields.passed, fields.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert fields.description == "product.page_viewed.v1.mood"


def test_a_column_that_somebody_changed_is_noticed(runs: Runs, fresh_lab: Any) -> None:
    glue, database = fresh_lab.client("glue"), fresh_lab.settings.raw_database
    table = glue.get_table(DatabaseName=database, Name="events")["Table"]
    kept = ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
    changed = {name: table[name] for name in kept if name in table}
    changed["StorageDescriptor"]["Columns"].append({"Name": "colour", "Type": "string"})
    glue.update_table(DatabaseName=database, TableInput=changed)
    evaluation = runs.check("product")["columns_match"]
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert "events.colour is unknown" in evaluation.description
