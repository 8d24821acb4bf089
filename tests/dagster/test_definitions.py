"""What the code location holds, and that it loads anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from minilab.events.registry import load_registry
from minilab_dagster import names

ROOT = Path(__file__).resolve().parents[2]

_LIST = """
import json, warnings
warnings.simplefilter("ignore")
from minilab_dagster.definitions import defs
graph = defs().resolve_asset_graph()
print(json.dumps(sorted(key.to_user_string() for key in graph.get_all_asset_keys())))
"""


def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    lacking = {
        name: [
            field
            for field in ("description", "owners", "kinds", "group_name")
            if not getattr(spec, field)
        ]
        for name, spec in specs(definitions).items()
    }
    assert {name: fields for name, fields in lacking.items() if fields} == {}


def test_groups_are_the_stages(definitions: dg.Definitions) -> None:
    assert {spec.group_name for spec in specs(definitions).values()} == {
        names.INGEST,
        names.RAW,
        names.STAGING,
        names.MARTS,
        names.REPORTS,
        names.MAINTENANCE,
    }


@pytest.mark.parametrize("stream", load_registry().streams.values(), ids=lambda s: s.name)
def test_every_stream_has_its_assets(definitions: dg.Definitions, stream) -> None:
    there = specs(definitions)
    ingest, raw = there[f"ingest/{stream.name}"], there[f"raw/{stream.name}"]
    assert stream.bus in ingest.kinds
    assert raw.owners == ingest.owners == [stream.owner]
    assert [dep.asset_key for dep in raw.deps] == [ingest.key]
    assert isinstance(raw.partitions_def, dg.HourlyPartitionsDefinition)
    columns = raw.metadata["dagster/column_schema"].columns
    assert {"id", "source", "data", "stream", "dt", "hour"} <= {column.name for column in columns}


def test_staging_depends_on_every_stream(definitions: dg.Definitions) -> None:
    upstream = {dep.asset_key for dep in specs(definitions)["staging/stg_events"].deps}
    assert {names.raw_key(stream) for stream in load_registry().streams} <= upstream
    assert dg.AssetKey(["raw", "events"]) not in upstream, "the source table is not an asset"


def test_a_mart_is_reached_from_every_bus(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    ancestors = graph.get_ancestor_asset_keys(names.OVERVIEW)
    assert {names.ingest_key(stream) for stream in load_registry().streams} <= ancestors


def test_dbt_tests_are_checks_that_block(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {
        key for key in graph.asset_check_keys if key.asset_key.path[0] in ("staging", "marts")
    }
    assert len(checks) > 20
    staged = {k for k in checks if k.asset_key == dg.AssetKey(["staging", "stg_events"])}
    assert staged
    assert all(graph.get_check_spec(key).blocking for key in staged)


def test_what_guards_the_marts_blocks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking = {
        (key.asset_key.to_user_string(), key.name)
        for key in graph.asset_check_keys
        if key.asset_key.path[0] == "raw" and graph.get_check_spec(key).blocking
    }
    assert blocking == {
        (f"raw/{stream}", name)
        for stream in load_registry().streams
        for name in ("landed_is_acknowledged", "columns_match")
    }


def test_all_that_holds_data_has_a_freshness_policy(definitions: dg.Definitions) -> None:
    lacking = {
        name
        for name, spec in specs(definitions).items()
        if spec.group_name in (names.RAW, names.STAGING, names.MARTS, names.REPORTS)
        and not spec.is_virtual
        and spec.freshness_policy is None
    }
    assert lacking == {"raw/failed_events"}, "that nothing fails is good news"


def test_sensors_and_schedules_run_from_the_start(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    running = {
        sensor.name
        for sensor in repository.sensor_defs
        if sensor.default_status is dg.DefaultSensorStatus.RUNNING
    }
    assert running == {
        "kafka_backlog",
        "sqs_backlog",
        "failed_backlog",
        "automation",
        "run_failures",
        "metrics",
    }
    (schedule,) = repository.schedule_defs
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_loads_without_aws_without_environment_without_manifest(tmp_path: Path) -> None:
    """As in a fresh clone; where the network is touched, a closed port answers."""
    project = tmp_path / "dbt_athena"
    shutil.copytree(ROOT / "dbt_athena", project, ignore=shutil.ignore_patterns("target", "logs"))
    assets = _list_assets(
        AWS_ENDPOINT_URL="http://127.0.0.1:9", MINILAB_DBT_PROJECT_DIR=str(project)
    )
    assert "marts/daily_active_users" in assets
    assert (project / "target/dagster-dev-minilab/manifest.json").is_file()


def test_an_added_stream_appears_by_itself(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", contracts)
    with (contracts / "streams.yaml").open("a") as file:
        file.write(
            "  field-reports:\n    bus: sqs\n    owner: field\n    contract: any\n"
            "    description: A stream with a hyphen and an owner without a prefix.\n"
        )
    assets = _list_assets(MINILAB_CONTRACTS_DIR=str(contracts))
    assert {"ingest/field-reports", "raw/field-reports"} <= set(assets)


def _list_assets(**environ: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LIST],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
