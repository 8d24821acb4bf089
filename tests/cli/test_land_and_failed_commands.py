"""`minilab send`, `land` and `failed`, as an operator uses them one after another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.cli import cli
from minilab.errors import MinilabError
from minilab.events.failures import Violation
from minilab.events.registry import contracts_dir, load_registry
from minilab.landing.decode import failed_id

NEW_TYPE = "billing.coupon_redeemed.v1"
NEW_CONTRACT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "A coupon was redeemed.",
    "properties": {"code": {"type": "string", "description": "The coupon."}},
    "required": ["code"],
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def event(number: int, **changes: Any) -> dict[str, Any]:
    whole = {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/billing",
        "type": NEW_TYPE,
        "tenant": "acme",
        "data": {"code": f"SAVE{number}"},
    }
    return whole | changes


@pytest.fixture(scope="module")
def sent(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Two events of a type without a contract, and a line that is no event, landed."""
    lines = [json.dumps(event(1)).encode(), json.dumps(event(2)).encode(), b'{"id": NaN}']
    file = tmp_path_factory.mktemp("send") / "events.ndjson"
    file.write_bytes(b"\n".join(lines))
    assert answer("send", "--stream", "billing", str(file))["messages"] == 3
    landed = answer("land", "--stream", "billing")
    assert landed["streams"][0]["events"] == 0
    assert landed["streams"][0]["failed"] == {"not_json": 1, "unknown_type": 2}
    return lines


def test_failed_events_are_listed_and_shown_whole(sent: list[bytes]) -> None:
    listed = answer("failed", "list", "--stream", "billing")
    assert sorted(e["reason"] for e in listed) == ["not_json", "unknown_type", "unknown_type"]
    assert answer("failed", "list", "--reason", "not_json", "--since", "1h") == [
        e for e in listed if e["reason"] == "not_json"
    ]

    (bad,) = [e for e in listed if e["reason"] == "not_json"]
    shown = run("failed", "show", bad["failed_id"][:10])
    assert shown.exit_code == 0
    assert '{"id": NaN}' in shown.stdout
    assert "Broken rules" in shown.stdout


def test_an_unknown_id_or_reason_is_a_clear_error(sent: list[bytes]) -> None:
    missing = run("failed", "show", "ffffffffffff")
    assert isinstance(missing.exception, MinilabError)
    refused = run("failed", "list", "--reason", "no_such_reason")
    assert refused.exit_code == 2
    assert "unknown_type" in refused.output


@pytest.fixture
def refused(lab: Any) -> str:
    """An event of the tenant globex that the API could not accept, landed; its id."""
    record = FailedRecord(
        stage="ingest",
        stream="billing",
        reason="contract_violation",
        violations=(Violation("/data/code", "required", "code is missing."),),
        body=json.dumps(event(7, tenant="globex", data={})).encode(),
        bus="api",
        shard="POST /v1/events",
        position="request-7",
        item=0,
        published_ms=1_770_000_000_000,
        tenant="globex",
    )
    assert FailedQueue(lab.settings).send([record]) == [None]
    (landed,) = answer("land", "--stream", "failed")["streams"]
    assert (landed["stream"], landed["events"]) == ("failed", 0)
    assert landed["failed"] == {"contract_violation": 1}
    return failed_id("api", "POST /v1/events", "request-7", 0)


def test_what_failed_at_the_api_is_listed_by_stage_and_tenant(
    sent: list[bytes], refused: str
) -> None:
    def ids(*filters: str) -> set[str]:
        return {e["failed_id"] for e in answer("failed", "list", *filters)}

    assert ids("--stage", "ingest") == ids("--tenant", "globex") == {refused}
    assert refused not in ids("--stage", "landing") | ids("--tenant", "acme")
    assert ids("--stage", "processing") == ids("--stream", "unrouted") == set()
    assert ids("--stage", "ingest", "--stage", "landing") == ids()
    shown = run("failed", "list", "--stage", "ingest")
    assert "globex" in shown.stdout and "ingest" in shown.stdout
    assert run("failed", "list", "--stage", "nowhere").exit_code == 2

    answer("tenants", "create", "globex")
    dry = run("failed", "replay", "--tenant", "globex", "--dry-run")
    assert dry.exit_code == 0 and "1 failed events would be sent again" in dry.output
    assert answer("failed", "replay", refused, "--yes") == {
        "replayed": [refused],
        "skipped": [],
        "refused": {},
    }


def test_land_without_a_stream_drains_failures_too(sent: list[bytes], lab: Any) -> None:
    lab.client("sqs").send_message(
        QueueUrl=lab.client("sqs").get_queue_url(QueueName=lab.settings.failed_queue)["QueueUrl"],
        MessageBody="no record",
    )
    assert answer("land", "--stream", "webhooks")["failed_events"] == 0
    result = run("land")
    assert result.exit_code == 0, result.output
    row, *_ = (
        line for line in result.stdout.splitlines() if line.strip("│ ").startswith("failed ")
    )
    assert "sqs" in row
    (kept,) = answer("failed", "list", "--stream", "unrouted")
    assert (kept["reason"], kept["body"]) == ("not_json", "no record")
    again = run("failed", "replay", kept["failed_id"], "--yes")
    assert again.exit_code == 1
    assert "a message of the failed queue" in again.output


def test_replay_lands_what_a_new_contract_explains_and_once(
    sent: list[bytes], lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(contracts_dir(), contracts)
    (contracts / f"{NEW_TYPE}.json").write_text(json.dumps(NEW_CONTRACT))
    replay = ("failed", "replay", "--reason", "unknown_type", "--stream", "billing", "--yes")

    dry = run(*replay, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert answer("land", "--stream", "billing")["streams"][0]["messages"] == 0

    monkeypatch.setenv("MINILAB_CONTRACTS_DIR", str(contracts))
    load_registry.cache_clear()
    try:
        assert run(*replay).exit_code == 0
        landed = answer("land", "--stream", "billing")["streams"][0]
        assert (landed["events"], landed["failed"]) == (2, {})
        assert run(*replay).exit_code == 0
        assert answer("land", "--stream", "billing")["streams"][0]["messages"] == 0
    finally:
        load_registry.cache_clear()

    rows = run(
        "query",
        "--format",
        "json",
        f"select id, data from {lab.settings.raw_database}.events where type = '{NEW_TYPE}'"
        " order by id",
    )
    assert [(r["id"], json.loads(r["data"])) for r in json.loads(rows.stdout)] == [
        ("e1", {"code": "SAVE1"}),
        ("e2", {"code": "SAVE2"}),
    ]
