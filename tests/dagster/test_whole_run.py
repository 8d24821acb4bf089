"""The main job on the local stack: simulated events with trouble among them, to the report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.lake.athena import query
from minilab_dagster.run import Outcome, run_main_job

EVENTS = 400

pytestmark = [pytest.mark.usefixtures("lab_target"), pytest.mark.xdist_group("dagster-run")]


@dataclass(frozen=True)
class Ran:
    sent: dict[str, Any]
    outcome: Outcome
    lines: list[str]


@pytest.fixture(scope="module")
def ran(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The main job once, over all streams."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        patch.setenv("MINILAB_REPORTS_DIR", str(tmp_path_factory.mktemp("reports")))
        sent = _simulate(lab, "--bad", "0.02", "--duplicates", "0.02", "--late", "0.02")
        _refuse(lab)
        lines: list[str] = []
        outcome = run_main_job(lines.append)
    return Ran(sent, outcome, lines)


def _simulate(lab: Any, *trouble: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "minilab.cli", "simulate", "--json"),
            *("--events", str(EVENTS), "--seed", "11", *trouble),
        ],
        env=lab.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def _refuse(lab: Any) -> None:
    """An event that the API could not accept."""
    record = FailedRecord(
        stage="ingest",
        stream="product",
        reason="wrong_tenant",
        violations=(),
        body=b"{}",
        bus="api",
        shard="POST /v1/events",
        position="r1",
        item=0,
        published_ms=1_770_000_000_000,
        tenant="acme",
    )
    assert FailedQueue(lab.settings).send([record]) == [None]


def test_every_step_and_every_check_of_severity_error_passed(ran: Ran) -> None:
    assert ran.outcome.problems == []
    assert ran.outcome.checks.failed == []
    assert ran.outcome.checks.passed > 30
    assert ran.outcome.ok


def test_all_that_was_sent_is_landed_or_failed_with_its_reason(ran: Ran) -> None:
    streams = ran.sent["streams"]
    landed = {entry["stream"]: entry for entry in ran.outcome.landed}
    assert landed.keys() == {stream["stream"] for stream in streams}
    for stream in streams:
        entry = landed[stream["stream"]]
        assert entry["events"] == stream["events"] + stream["duplicates"]
        assert entry["failed"] == stream["bad"]


def test_what_failed_before_landing_is_landed_and_counted(ran: Ran, lab: Any) -> None:
    assert ran.outcome.failures["failed"] == {"wrong_tenant": 1}
    assert ran.outcome.failures["messages"] == 1
    (row,) = query(
        lab.settings,
        f"""
        select failed, failed_by_stage from {lab.settings.marts_database}.event_quality
        where stream = 'product'
        """,
    ).rows
    (sent,) = (s for s in ran.sent["streams"] if s["stream"] == "product")
    bad = sum(sent["bad"].values())
    assert row[0] == bad + 1
    assert json.loads(row[1]) == {"ingest": 1, **({"landing": bad} if bad else {})}


def test_staging_has_each_event_once(ran: Ran, lab: Any) -> None:
    rows = query(
        lab.settings,
        f"""
        select count(*),
               count(distinct coalesce(tenant, '') || ' ' || event_source || ' ' || event_id)
        from {lab.settings.staging_database}.stg_events
        """,
    ).rows
    assert rows == [(EVENTS, EVENTS)]


def test_progress_names_what_was_done(ran: Ran) -> None:
    text = "\n".join(ran.lines)
    for asset in ("raw/product", "raw/billing", "raw/failed_events", "reports/overview"):
        assert f"✓ {asset}" in text
    assert re.search(r"✓ \d+ of \d+  \w+_marts\.daily_active_users$", text, re.MULTILINE)


def test_stages_are_timed(ran: Ran) -> None:
    assert {"start", "land", "checks", "dbt", "report"} <= ran.outcome.seconds.keys()


def test_the_report_shows_the_numbers(ran: Ran, lab: Any) -> None:
    html = Path(ran.outcome.report).read_text()
    landed = sum(entry["events"] for entry in ran.outcome.landed)
    assert f">{landed:,}<" in html
    assert f">{EVENTS:,}<" in html
    for reason in {reason for entry in ran.outcome.landed for reason in entry["failed"]}:
        assert reason in html
    assert 'class="missing"' not in html
    key = "reports/overview.html"
    body = lab.client("s3").get_object(Bucket=lab.settings.lake_bucket, Key=key)["Body"].read()
    assert body.decode() == html


def test_a_second_run_changes_nothing(ran: Ran, lab: Any) -> None:
    counts = f"""
        select (select count(*) from {lab.settings.staging_database}.stg_events),
               (select sum(events) from {lab.settings.marts_database}.daily_active_users)
    """
    before = query(lab.settings, counts).rows
    again = run_main_job(lambda line: None)
    assert again.ok, again.problems + again.checks.failed
    assert [entry["events"] for entry in again.landed] == [0, 0, 0]
    assert query(lab.settings, counts).rows == before
