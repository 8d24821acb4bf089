"""``minilab send --via api`` against the handler under a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minilab.cli.send import send as command
from minilab.errors import MinilabError
from minilab.ingest.client import MAX_EVENTS, ApiClient, Line
from minilab.settings import Settings
from tests.ingest.client import page_viewed
from tests.ingest.memory import Memory
from tests.ingest.server import serving


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    memory = Memory()
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")  # the server shares our stdout
    with serving(memory.handler()) as url:
        monkeypatch.setenv("MINILAB_API_URL", url + "/")
        monkeypatch.setenv("MINILAB_API_KEY", memory.new_tenant("acme"))
        yield memory


def lines_of(*events: Any) -> bytes:
    return b"\n".join(e if isinstance(e, bytes) else json.dumps(e).encode() for e in events)


def run(*arguments: str, text: bytes) -> Result:
    with TemporaryDirectory() as folder:
        path = Path(folder, "events.ndjson")
        path.write_bytes(text)
        return CliRunner().invoke(command, ["--via", "api", *arguments, str(path)])


def test_every_line_is_answered(memory: Memory) -> None:
    first, second, hook = page_viewed(), page_viewed(), page_viewed(type="com.x")
    text = lines_of(first, b"", b"no json", second, hook, first, {**second, "subject": "x"}, b"[]")
    result = run("--json", text=text)

    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert (summary["lines"], summary["blank"]) == (8, 1)
    assert (summary["accepted"], summary["duplicate"], summary["deferred"]) == (2, 1, [])
    assert {r["line"]: r["reason"] for r in summary["rejected"]} == {
        3: "not_json",
        5: "unknown_type",
        7: "conflict",
        8: "empty_batch",
    }
    assert all(r["violations"] for r in summary["rejected"])
    assert "line 5: unknown_type: /type" in result.stderr
    sent = [json.loads(event)["id"] for m in memory.sent for event in m.events]
    assert sent == [first["id"], second["id"]]
    assert len(memory.failed) == 4


def test_a_file_goes_in_batches_in_its_order(memory: Memory) -> None:
    events = [page_viewed() for _ in range(MAX_EVENTS * 2 + 10)]
    result = run(text=lines_of(*events))
    assert result.exit_code == 0, result.output
    assert "1,010" in result.stdout
    assert [len(m.events) for m in memory.sent] == [MAX_EVENTS, MAX_EVENTS, 10]
    sent = [json.loads(event)["id"] for m in memory.sent for event in m.events]
    assert sent == [event["id"] for event in events]
    again = run("--json", text=lines_of(*events))
    assert again.exit_code == 0 and json.loads(again.stdout)["duplicate"] == len(events)


def test_a_stream_is_named_by_the_path(memory: Memory) -> None:
    result = run("--stream", "webhooks", "--json", text=lines_of(page_viewed(type="com.x")))
    assert result.exit_code == 0, result.output
    assert memory.sent[0].origin.stream == "webhooks"


def test_it_waits_when_told_to(memory: Memory) -> None:
    """The limit of ten events in ten seconds holds; the client comes again when it is told."""
    settings = Settings.from_env()
    key = memory.new_tenant("slow", rate=1)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        memory.counts.clear()  # the next window
        api.limits_forget()

    api = _Forgetful(memory)
    with serving(api.handler) as url:
        client = ApiClient(Settings(**{**settings.__dict__, "api_url": url}), key, sleep=sleep)
        lines = [Line(n, lines_of(page_viewed())) for n in range(25)]
        told = list(client.send(lines))
    assert sorted(t.line for t in told) == list(range(25))
    assert {t.status for t in told} == {"accepted"}
    assert waits and all(1 <= wait <= 10 for wait in waits)
    events = [e for m in memory.sent for e in m.events]
    assert len(events) == 25


class _Forgetful:
    """A handler whose API is opened anew when its limits are to be forgotten."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.limits_forget()

    def limits_forget(self) -> None:
        self._handler = self._memory.handler()

    def handler(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        return self._handler(event, context)


def test_what_stays_deferred_is_told(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilab.ingest.client._TRIES", 2)
    monkeypatch.setattr("time.sleep", lambda _: None)
    settings = Settings.from_env()
    memory._send = lambda messages: ["throttled"] * len(messages)  # type: ignore[method-assign]
    memory.release = lambda *_: memory.claims.clear() or []  # type: ignore[method-assign,func-returns-value]
    key = memory.new_tenant("unlucky")
    with serving(memory.handler()) as url:
        client = ApiClient(
            Settings(**{**settings.__dict__, "api_url": url}), key, sleep=lambda _: None
        )
        told = list(client.send([Line(n, lines_of(page_viewed())) for n in range(3)]))
    assert [t.status for t in told] == ["deferred"] * 3
    assert told[0].problem["reason"] == "unavailable"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"MINILAB_API_KEY": f"mlk_{16 * '0'}_{43 * 'a'}"}, "401"),
        ({"MINILAB_API_KEY": "a table\n ───\nmlk_x"}, "tenants create"),
        ({"MINILAB_API_KEY": ""}, "tenants create"),
        ({"MINILAB_API_URL": ""}, "MINILAB_API_URL"),
        ({"MINILAB_API_URL": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_what_stops_it_is_said(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], words: str
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    result = run(text=lines_of(page_viewed()))
    assert isinstance(result.exception, MinilabError) and words in str(result.exception)
    assert memory.sent == []


def test_a_stream_that_is_not_there_stops_it(memory: Memory) -> None:
    result = run("--stream", "nope", text=lines_of(page_viewed()))
    assert isinstance(result.exception, MinilabError) and "nope" in str(result.exception)


def test_the_bus_wants_a_stream() -> None:
    result = CliRunner().invoke(command, ["-"], input=b"{}")
    assert result.exit_code == 2 and "--stream" in result.output
