from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minilab.cli import cli
from minilab.errors import MinilabError
from minilab.settings import Settings
from tests.bus.test_publisher import consumed, deployment, received

__all__ = ["deployment"]

LINES = [
    b'{"specversion":"1.0","id":"1","source":"/a","type":"t","tenant":"acme","data":{"x":1}}',
    b"not json at all",
    b'\xff\xfe{"id": 1}',
    b'{"id": NaN}',
    b'[{"id":"2"},{"id":"3"}]',
    b'  {"id":"4", "tenant": 7}  ',
    b"null",
    b"[" * 200_000,
]


def send(*arguments: str, text: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["send", *arguments], input=text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([LINES[0], b"", *LINES[1:5], b"   ", *LINES[5:]]) + b"\r\n")
    return path


def test_every_line_arrives_as_it_is_on_kafka(deployment: Settings, file: Path) -> None:
    result = send("--stream", "product", str(file), "--json")

    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["lines"], summary["blank"], summary["messages"]) == (10, 2, 8)
    messages = consumed(deployment, "product", 8)
    assert sorted(m.value() for m in messages) == sorted(LINES)
    keys = {m.value(): m.key() for m in messages}
    assert keys[LINES[0]] == b"acme"
    assert {key for line, key in keys.items() if line != LINES[0]} == {None}
    types = {m.value(): dict(m.headers())["content-type"] for m in messages}
    assert types[LINES[4]] == b"application/cloudevents-batch+json"


def test_every_line_arrives_on_sqs(deployment: Settings, file: Path) -> None:
    result = send("--stream", "webhooks", str(file))

    assert result.exit_code == 0, result.output
    assert "webhooks" in result.stdout
    messages = received(deployment, "webhooks")
    assert len(messages) == 8
    text = sorted(m["Body"].encode() for m in messages if "MessageAttributes" not in m)
    assert text == sorted(line for line in LINES if line != LINES[2])


def test_gzip_files_and_standard_input_are_read(deployment: Settings, tmp_path: Path) -> None:
    packed = gzip.compress(b"\n".join(LINES[:2]))
    path = tmp_path / "events.gz"
    path.write_bytes(packed)

    assert send("--stream", "billing", str(path)).exit_code == 0
    program = [sys.executable, "-m", "minilab.cli", "send", "--stream", "billing", "-"]
    for text in (packed, b"\n".join(LINES[:2])):
        assert subprocess.run(program, input=text, capture_output=True).returncode == 0
    bodies = [m["Body"].encode() for m in received(deployment, "billing")]
    assert sorted(bodies) == sorted(LINES[:2] * 3)


def test_an_empty_file_sends_nothing(deployment: Settings, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    result = send("--stream", "billing", str(path), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["messages"] == 0


@pytest.mark.parametrize("stream", ["billing", "product"])
def test_a_line_too_large_is_named_and_the_rest_is_sent(
    deployment: Settings, tmp_path: Path, stream: str
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([LINES[0], b"x" * 1_100_000, LINES[1]]))

    result = send("--stream", stream, str(path), "--json")

    assert result.exit_code == 1
    assert "line 2:" in result.stderr and "1,048,576 bytes" in result.stderr
    summary = json.loads(result.stdout)
    assert (summary["messages"], summary["too_large"], summary["failed"]) == (2, [2], 0)


def test_a_damaged_file_sends_what_came_before(deployment: Settings, tmp_path: Path) -> None:
    lines = [f'{{"id":"{n}"}}'.encode() for n in range(50_000)]
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines))[:-20_000])

    result = send("--stream", "product", str(path), "--json")

    assert isinstance(result.exception, MinilabError) and "damaged" in str(result.exception)
    summary = json.loads(result.stdout)
    assert 0 < summary["messages"] < 50_000
    values = [m.value() for m in consumed(deployment, "product", summary["messages"])]
    assert sorted(values) == sorted(lines[: len(values)])


def test_a_bus_that_fails_is_counted(
    deployment: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minilab.bus.sqs import SqsPublisher, _Outcome

    def refuse(self: Any, batch: list[Any]) -> _Outcome:
        return _Outcome([], batch, "AccessDenied: no")

    monkeypatch.setattr(SqsPublisher, "_attempt", refuse)
    result = send("--stream", "billing", str(file), "--json")
    assert isinstance(result.exception, MinilabError) and "AccessDenied" in str(result.exception)
    summary = json.loads(result.stdout)
    assert (summary["messages"], summary["failed"]) == (0, 8)


def test_what_is_not_there_is_said(settings: Settings, file: Path) -> None:
    unknown = send("--stream", "nope", str(file))
    assert isinstance(unknown.exception, MinilabError) and "no stream 'nope'" in str(
        unknown.exception
    )
    missing = send("--stream", "billing", str(file))
    assert "minilab provision" in str(missing.exception)
    assert send("--stream", "billing", "/no/such/file").exit_code == 2
