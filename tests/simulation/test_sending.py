from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from minilab.cli.simulate import simulate as command
from minilab.errors import MinilabError
from minilab.events.registry import load_registry
from minilab.settings import Settings
from minilab.simulation.sending import Plan, simulate
from tests.bus.test_publisher import consumed, deployment, received

__all__ = ["deployment"]

REGISTRY = load_registry()
PLAN = Plan(
    events=600,
    seed=11,
    until=1_780_000_000.0,
    streams=("billing", "webhooks"),
    bad=0.1,
    duplicates=0.1,
    late=0.1,
)


def bodies(settings: Settings, stream: str) -> list[bytes]:
    return opened(received(settings, stream))


def opened(messages: list[dict[str, Any]]) -> list[bytes]:
    """Bodies as landing would see them, still packed."""
    found = []
    for message in messages:
        body = message["Body"].encode()
        attributes = message.get("MessageAttributes", {})
        encoding = attributes.get("content-encoding", {}).get("StringValue", "")
        if "base64" in encoding:
            body = base64.b64decode(body)
            if gzip.compress(b"", mtime=0) == body:
                body = b""  # how an empty message travels on SQS
        found.append(body)
    return found


def good_events(bodies: list[bytes]) -> Counter[tuple[str, str]]:
    """(source, id) of everything that can be read and is not one of the bad events."""
    found: Counter[tuple[str, str]] = Counter()
    for body in bodies:
        try:
            if body.startswith(b"\x1f\x8b"):
                body = gzip.decompress(body)
            value = msgspec.json.decode(body)
        except (EOFError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        for event in value if isinstance(value, list) else [value]:
            if not isinstance(event, dict) or not isinstance(event.get("id"), str):
                continue
            if "-bad" not in event["id"] and event["id"] != "oversized" and "source" in event:
                found[event["source"], event["id"]] += 1
    return found


def test_the_buses_hold_what_the_summary_says(deployment: Settings) -> None:
    summary = simulate(deployment, REGISTRY, PLAN)

    assert sum(stream.events for stream in summary.streams) == PLAN.events
    for stream in summary.streams:
        messages = bodies(deployment, stream.stream)
        assert stream.messages == len(messages)
        assert stream.bytes == sum(map(len, messages))
        events = good_events(messages)
        assert len(events) == stream.events == stream.types.total()
        assert events.total() == stream.events + stream.duplicates
        assert stream.duplicates == max(1, round(stream.events * 0.1))
        assert stream.late == max(1, round(stream.events * 0.1))
        assert stream.bad.total() == max(1, round(stream.events * 0.1))


def test_kafka_has_one_event_a_message_by_tenant(deployment: Settings) -> None:
    plan = dataclasses.replace(PLAN, streams=("product",), events=400, bad=0)
    [stream] = simulate(deployment, REGISTRY, plan).streams

    messages = consumed(deployment, "product", 440)
    assert stream.messages == 440
    for message in messages:
        assert msgspec.json.decode(message.value())["tenant"].encode() == message.key()
    assert len(good_events([m.value() for m in messages])) == 400


def test_again_with_the_same_seed_sends_the_same_events(deployment: Settings) -> None:
    plan = dataclasses.replace(PLAN, bad=0, duplicates=0)
    simulate(deployment, REGISTRY, plan)
    simulate(deployment, REGISTRY, dataclasses.replace(plan, until=plan.until + 1e6))

    events = good_events(bodies(deployment, "webhooks"))
    assert set(events.values()) == {2}


def test_another_plan_with_the_same_seed_has_other_ids(deployment: Settings) -> None:
    plan = dataclasses.replace(PLAN, bad=0, duplicates=0)
    simulate(deployment, REGISTRY, plan)
    simulate(deployment, REGISTRY, dataclasses.replace(plan, events=599))

    assert set(good_events(bodies(deployment, "webhooks")).values()) == {1}


def test_a_stream_that_cannot_be_simulated_is_named(deployment: Settings) -> None:
    with pytest.raises(MinilabError, match="no stream 'nope'"):
        simulate(deployment, REGISTRY, dataclasses.replace(PLAN, streams=("nope",)))
    other = dataclasses.replace(REGISTRY.stream("billing"), name="support")
    registry = dataclasses.replace(REGISTRY, streams={**REGISTRY.streams, "support": other})
    with pytest.raises(MinilabError, match="support") as caught:
        simulate(deployment, registry, dataclasses.replace(PLAN, streams=("support",)))
    assert caught.value.hint and "minilab send" in caught.value.hint


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command, arguments)


def test_json_is_the_ground_truth(deployment: Settings) -> None:
    result = run("--events", "300", "--seed", "4", "--bad", "0.05", "--duplicates", "0.1", "--json")

    assert result.exit_code == 0, result.output
    truth = json.loads(result.stdout)
    assert truth["events"] == 300 == sum(stream["events"] for stream in truth["streams"])
    assert truth["seed"] == 4 and truth["interrupted"] is False
    assert sum(truth["bad"].values()) == sum(sum(s["bad"].values()) for s in truth["streams"])
    assert {stream["stream"] for stream in truth["streams"]} == set(REGISTRY.streams)
    billing = next(s for s in truth["streams"] if s["stream"] == "billing")
    assert len(good_events(bodies(deployment, "billing"))) == billing["events"]


def test_without_shares_there_is_no_trouble(deployment: Settings) -> None:
    truth = json.loads(run("--events", "200", "--json").stdout)
    assert (truth["events"], truth["duplicates"], truth["late"], truth["bad"]) == (200, 0, 0, {})


def test_the_table_goes_to_stdout_and_the_seed_to_stderr(deployment: Settings) -> None:
    result = run("--events", "20", "--seed", "8", "--stream", "webhooks", "--bad", "0.1")
    assert result.exit_code == 0
    assert "webhooks" in result.stdout and "expected reason" in result.stdout
    assert "seed 8" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--events", "0"], ["--events", "5", "--bad", "2"], ["--events", "5", "--until", "soon"]],
)
def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_interrupted_in_real_time_it_delivers_and_counts(deployment: Settings) -> None:
    command = [sys.executable, "-m", "minilab.cli", "simulate", "--events", "100000"]
    command += ["--rate", "20", "--stream", "webhooks", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    waiting = time.monotonic() + 60
    while time.monotonic() < waiting and not (before := received(deployment, "webhooks")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    truth = json.loads(output)
    assert truth["interrupted"] is True
    events = good_events(opened(before) + bodies(deployment, "webhooks"))
    assert 0 < truth["events"] == len(events) < 100_000
