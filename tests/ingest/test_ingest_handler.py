"""The handler as Lambda and an ASGI server call it: imports, threads, what it tells of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minilab.ingest.api import Api
from minilab.ingest.handler import make_handler
from tests.ingest.client import BATCHED, STRUCTURED, Client, gateway_event, page_viewed
from tests.ingest.memory import Memory


def run(program: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**environ}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_handler_brings_nothing_that_is_heavy() -> None:
    heavy = "awswrangler confluent_kafka dagster numpy pandas pyarrow pydantic"
    program = (
        "import sys, minilab.ingest.handler\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    assert run(program) == "[]\n"


def test_importing_the_handler_touches_no_aws() -> None:
    """No region, no credentials, no network: an import needs none, and health neither."""
    program = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from minilab.ingest.handler import lambda_handler\n"
        "event = {'version': '2.0', 'rawPath': '/v1/health', 'headers': {}, 'requestContext':"
        " {'http': {'method': 'GET'}, 'requestId': 'r', 'stage': '$default'}}\n"
        "print(lambda_handler(event, None)['body'])"
    )
    assert run(program) == '{"status":"ok"}\n'


def test_the_api_is_opened_once_however_many_come_first() -> None:
    opened: list[int] = []

    def open_api() -> Api:
        opened.append(1)
        return Memory().api()

    handler = make_handler(open_api)
    event = gateway_event("GET", "/v1/health")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: handler(event, None), range(32)))
    assert {answer["statusCode"] for answer in answers} == {200}
    assert opened == [1]


def test_threads_do_not_mix_their_requests(capsys: pytest.CaptureFixture[str]) -> None:
    memory = Memory()
    handler = memory.handler()
    clients = {name: Client(handler, memory.new_tenant(name)) for name in map(str, range(8))}

    def work(name: str) -> list[tuple[str, str]]:
        told = []
        for n in range(40):
            event = page_viewed(id=f"{name}-{n}", source=f"/{name}")
            if n % 4 == 0:
                answer = clients[name].post(b"{", STRUCTURED)
                told.append((name, answer.problem["instance"]))
            elif n % 4 == 1:
                answer = clients[name].send_batch([event, event])
                assert [r["id"] for r in answer.json()["results"]] == [event["id"]] * 2
            else:
                answer = clients[name].send(event)
                assert answer.json()["id"] == event["id"], answer.body
        return told

    with ThreadPoolExecutor(8) as pool:
        told = [each for some in pool.map(work, clients) for each in some]
    assert len({instance for _, instance in told}) == len(told)

    for message in memory.sent:
        for event in message.events:
            document = json.loads(event)
            assert document["tenant"] == message.origin.tenant == document["id"].split("-")[0]
    assert Counter(m.origin.tenant for m in memory.sent) == dict.fromkeys(clients, 30)
    for record in memory.failed:
        assert (record.tenant, record.position) in told

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [line for line in lines if "_aws" in line]
    assert len(metrics) == 8 * 40, "a line each, and no two in one"
    by_request = {line["correlation_id"]: line["tenant"] for line in metrics}
    assert len(by_request) == 8 * 40
    assert all(by_request[instance] == name for name, instance in told)


def metrics_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line]


def test_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    memory = Memory()
    client = Client(memory.handler(), memory.new_tenant("acme", rate=1))
    event = page_viewed()
    client.send_batch([event, event, page_viewed(data={}), 7])
    client.send_batch([event] * 8)
    client.send(event)
    Client(client.handler, "nonsense").send(event)

    product, unrouted, over, last, refused = metrics_of(capsys)
    assert (product["stream"], unrouted["stream"]) == ("product", "unrouted")
    assert (product["Accepted"], product["Duplicate"], product["Rejected"]) == ([1], [1], [1])
    assert unrouted["Rejected"] == [1] and "Latency" not in unrouted
    assert over["Throttled"] == [8] and last["Duplicate"] == [1] and refused["Refused"] == [1]
    assert product["Latency"][0] > 0
    [directive] = product["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Minilab"
    assert sorted(directive["Dimensions"][0]) == ["service", "stream"]
    assert product["tenant"] == "acme" and "tenant" not in refused


def test_no_key_and_no_payload_is_logged(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    key = memory.new_tenant("acme")
    client = Client(memory.handler(), key)
    secret = {**page_viewed()["data"], "note": "TOP-SECRET"}
    client.send(page_viewed(data=secret))
    client.send(page_viewed(data={"note": "TOP-SECRET"}))
    client.post(b"TOP-SECRET", BATCHED)

    def fail(_: Any) -> list[str | None]:
        raise RuntimeError

    memory._send = fail  # type: ignore[method-assign]
    failing = Client(memory.handler(), key)
    assert failing.send(page_viewed(data=secret)).status == 500
    out, err = capsys.readouterr()
    assert "a request failed" in caplog.text
    told = out + err + caplog.text
    assert "TOP-SECRET" not in told and key.split("_", 2)[2] not in told


def test_metrics_can_be_turned_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    memory = Memory()
    assert Client(memory.handler(), memory.new_tenant("acme")).send(page_viewed()).status == 202
    assert capsys.readouterr().out == ""
