"""Webhooks that this project has never seen, from a file to Athena, by the commands."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / ".." / "shared" / "data" / "github_webhooks.ndjson"
TENANT = "octo-org"

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="../shared/data/github_webhooks.ndjson is not on this machine"
)


def minilab(*arguments: str, text: bytes | None = None) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "minilab.cli", *arguments],
        input=text,
        capture_output=True,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def rows(sql: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(minilab("query", "--format", "json", sql))
    return answer


def as_cloudevent(number: int, line: bytes) -> bytes:
    webhook = json.loads(line)
    head = {
        "specversion": "1.0",
        "id": f"delivery-{number}",
        "source": "https://github.com/octo-org",
        "type": f"com.github.{webhook['event']}",
        "time": "2026-01-31T12:00:00Z",
        "tenant": TENANT,
    }
    # The payload's own bytes, not Python's idea of them.
    payload = line[line.index(b'"payload":') + len(b'"payload":') : line.rindex(b"}")]
    return json.dumps(head).encode()[:-1] + b',"data":' + payload + b"}"


def test_each_arrives_whole_and_counts_by_event_agree(fresh_lab: Any) -> None:
    lines = FILE.read_bytes().splitlines()
    events = [as_cloudevent(number, line) for number, line in enumerate(lines)]

    sent = json.loads(
        minilab("send", "--stream", "webhooks", "-", "--json", text=b"\n".join(events))
    )
    minilab("land", "--stream", "webhooks")

    assert sent["messages"] == len(lines)
    raw = f"{fresh_lab.settings.raw_database}.events"
    counts = rows(f"select type, count(*) as n from {raw} group by 1")
    expected = Counter(json.loads(line)["event"] for line in lines)
    assert {row["type"].removeprefix("com.github."): row["n"] for row in counts} == expected
    for row in rows(f"select id, tenant, data from {raw}"):
        number = int(row["id"].removeprefix("delivery-"))
        assert row["tenant"] == TENANT
        assert row["data"].encode() in events[number]
        assert json.loads(row["data"]) == json.loads(lines[number])["payload"]


def test_sent_as_they_are_each_is_kept_with_its_reason(fresh_lab: Any) -> None:
    lines = FILE.read_bytes().splitlines()
    minilab("send", "--stream", "webhooks", str(FILE))
    minilab("land", "--stream", "webhooks")

    failed = f"{fresh_lab.settings.raw_database}.failed_events"
    assert rows(f"select reason, count(*) as n from {failed} group by 1") == [
        {"reason": "missing_attribute", "n": len(lines)}
    ]
    bodies = rows(f"select to_base64(body) as body from {failed}")
    assert sorted(base64.b64decode(row["body"]) for row in bodies) == sorted(lines)
