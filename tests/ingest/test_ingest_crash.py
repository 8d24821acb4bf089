"""The API dies between two steps; the client, which got no answer, sends the same again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from minilab.events.formats import open_message
from minilab.ingest.idempotency import LEASE_SECONDS
from tests.ingest.client import BATCHED, STRUCTURED, Client, new_tenant, page_viewed, received
from tests.ingest.conftest import Front

ROOT = Path(__file__).parents[2]


def die(front: Front, point: str, key: str, body: str, content_type: str) -> None:
    """Have a process of its own handle the request, and die at that point."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.ingest.sender", point],
        input=json.dumps({"key": key, "body": body, "content_type": content_type}),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=front.lab.environ,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def later(front: Front, key: str, seconds: float) -> Client:
    """A client of an API whose clock is so far ahead: leases are over there."""
    return front.with_environment(
        lambda env: replace(env, now=lambda: type(env).of(front.settings).now() + seconds), key
    )


def queued_ids(front: Front) -> Counter[str]:
    messages = received(front.settings, front.settings.ingest_queue)
    events = [e for m in messages for e in open_message(m["Body"].encode()).events]
    return Counter(json.loads(event)["id"] for event in events)


@pytest.mark.parametrize("mode", ["single", "batch"])
@pytest.mark.parametrize("point", ["before:send", "after:send"])
def test_a_retry_after_a_crash_is_answered_and_queued_once(
    front: Front, point: str, mode: str
) -> None:
    _, key = new_tenant(front.settings)
    events = [page_viewed() for _ in range(1 if mode == "single" else 3)]
    body = json.dumps(events[0] if mode == "single" else events)
    content_type = STRUCTURED if mode == "single" else BATCHED

    die(front, point, key, body, content_type)
    at_once = front.client(key).post(body.encode(), content_type)
    assert at_once.status == (409 if mode == "single" else 503)
    assert 1 <= int(at_once.headers["retry-after"]) <= LEASE_SECONDS

    retry = later(front, key, LEASE_SECONDS + 1).post(body.encode(), content_type)
    assert retry.status == 202, retry.body
    assert statuses(retry.json()) == ["accepted"] * len(events)
    again = front.client(key).post(body.encode(), content_type)
    assert again.status == 202 and statuses(again.json()) == ["duplicate"] * len(events)
    assert queued_ids(front) == {event["id"]: 1 for event in events}


@pytest.mark.parametrize("mode", ["single", "batch"])
def test_a_crash_before_the_answer_changes_no_answer(front: Front, mode: str) -> None:
    _, key = new_tenant(front.settings)
    events = [page_viewed() for _ in range(1 if mode == "single" else 3)]
    body = json.dumps(events[0] if mode == "single" else events)
    content_type = STRUCTURED if mode == "single" else BATCHED
    die(front, "after:accept", key, body, content_type)
    retry = front.client(key).post(body.encode(), content_type)
    assert retry.status == 202 and statuses(retry.json()) == ["duplicate"] * len(events)
    assert queued_ids(front) == {event["id"]: 1 for event in events}


def test_another_event_of_that_id_waits_for_no_lease(front: Front) -> None:
    _, key = new_tenant(front.settings)
    event = page_viewed()
    die(front, "before:send", key, json.dumps(event), STRUCTURED)
    other = later(front, key, LEASE_SECONDS + 1).send(event | {"subject": "other"})
    assert other.status == 409 and other.problem["reason"] == "conflict"
    assert queued_ids(front) == {}


def test_a_rejected_event_is_kept_before_it_is_answered(front: Front) -> None:
    _, key = new_tenant(front.settings)
    queue = front.settings.failed_queue
    received(front.settings, queue)
    die(front, "before:send_failed", key, "{", STRUCTURED)
    assert received(front.settings, queue) == []
    die(front, "after:send_failed", key, "{", STRUCTURED)
    assert len(received(front.settings, queue)) == 1


def statuses(document: Any) -> list[str]:
    return [each["status"] for each in document.get("results", [document])]
