"""The whole way of an event: API, ingest queue, processor, the streams' buses, landing, staging.

Requests come from several threads; events come again in the same request, in later ones and as
whole requests repeated; two processors work at once and one of them is killed. At the end each
event is in staging, once, and none that was not sent.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from minilab.ingest import clients
from minilab.ingest.api import Api
from minilab.ingest.handler import make_handler
from minilab.lake.athena import query
from minilab.landing import land
from tests.dbt.run_dbt import dbt
from tests.ingest.client import Client, new_tenant

if TYPE_CHECKING:
    from tests.conftest import Lab

Event = dict[str, Any]

TENANTS = ("acme", "bolt", "corp")
BATCH = 100
AGAIN = 0.03
"""Share of events, and of requests, that come a second time."""


def page_view(name: str) -> Event:
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/whole-way",
        "type": "product.page_viewed.v1",
        "time": "2026-01-31T12:00:00Z",
        "data": {"user_id": "u1", "session_id": "s1", "path": "/"},
    }


def cancellation(name: str) -> Event:
    data = {
        "subscription_id": name,
        "plan": "team",
        "previous_mrr_cents": 1900,
        "currency": "USD",
        "reason": "price",
        "cancelled_at": "2026-01-31T12:00:00Z",
    }
    return page_view(name) | {"type": "billing.subscription_cancelled.v1", "data": data}


def push(name: str) -> Event:
    return page_view(name) | {"type": "com.github.push", "data": {"ref": "refs/heads/main"}}


def requests(tenant: str, count: int, rng: random.Random) -> Iterator[tuple[str, list[Event]]]:
    """Paths and batches that hold ``count`` distinct events, some of them again."""
    kinds = (("/v1/events", page_view), ("/v1/events", cancellation))
    sent: list[tuple[str, list[Event]]] = []
    for start in range(0, count, BATCH):
        names = [f"{tenant}-{n}" for n in range(start, min(start + BATCH, count))]
        if rng.random() < 0.2:
            path, events = "/v1/streams/webhooks/events", [push(name) for name in names]
        else:
            path, make = rng.choice(kinds)
            events = [make(name) for name in names]
            others = [e for p, earlier in sent[-5:] if p == path for e in earlier]
            events += [e for e in [*events, *others] if rng.random() < AGAIN]
            rng.shuffle(events)
        sent.append((path, events))
        yield path, events
        if rng.random() < AGAIN:
            yield path, events


def post_until_taken(client: Client, path: str, events: Sequence[Event]) -> Counter[str]:
    """As a good client does: what is deferred is sent again after a while."""
    outcomes: Counter[str] = Counter()
    for _ in range(30):
        answer = client.send_batch(events, path)
        assert answer.status in (202, 207, 503), answer.body
        results = answer.json()["results"] if answer.status != 503 else []
        outcomes.update(r["status"] for r in results if r["status"] != "deferred")
        taken = {r["index"] for r in results if r["status"] != "deferred"}
        events = [event for index, event in enumerate(events) if index not in taken]
        if not events:
            return outcomes
        time.sleep(0.5)
    raise AssertionError(f"{len(events)} events are deferred for ever")


@contextmanager
def processor(lab: Lab, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "minilab.cli", "process", *arguments],
        env=lab.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield worker
    finally:
        worker.terminate()
        assert worker.wait(60) is not None


def dead_letters(lab: Lab) -> int:
    sqs = lab.client("sqs")
    url = sqs.get_queue_url(QueueName=lab.settings.ingest_dead_letter_queue)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(3_000, id="3k", marks=pytest.mark.timeout(600)),
        pytest.param(100_000, id="100k", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_every_event_is_in_staging_once(fresh_lab: Lab, tmp_path: Path, events: int) -> None:
    lab = fresh_lab
    sqs = lab.client("sqs")
    sqs.set_queue_attributes(  # so that what the killed processor held comes back soon
        QueueUrl=sqs.get_queue_url(QueueName=lab.settings.ingest_queue)["QueueUrl"],
        Attributes={"VisibilityTimeout": "20"},
    )
    clients._client.cache_clear()  # it may have been made for another lab
    api = Api.of(lab.settings)
    handler = make_handler(lambda: api)
    share = events // len(TENANTS)
    work = []
    for number, tenant in enumerate(TENANTS):
        client = Client(handler, new_tenant(lab.settings, tenant, rate=10**7)[1])
        rng = random.Random(number)
        work.append((client, list(requests(tenant, share, rng))))

    def send(client: Client, batches: list[tuple[str, list[Event]]]) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        for path, batch in batches:
            outcomes += post_until_taken(client, path, batch)
        return outcomes

    with processor(lab) as doomed, processor(lab), ThreadPoolExecutor(len(work)) as pool:
        sending = [pool.submit(send, client, batches) for client, batches in work]
        sending[0].result()
        doomed.kill()
        outcomes = sum((done.result() for done in sending), Counter())
    brought = sum(len(batch) for _, batches in work for _, batch in batches)
    assert outcomes == {
        "accepted": share * len(TENANTS),
        "duplicate": brought - share * len(TENANTS),
    }, "each distinct event is accepted once, and every other one is known for a duplicate"

    time.sleep(20)  # the killed one's messages
    with processor(lab, "--drain") as last:
        assert last.wait(600) == 0
    assert dead_letters(lab) == 0
    summary = land(lab.settings, lab.registry)
    summary.raise_if_broken()
    assert summary.failed_events == 0
    built = dbt("build", "--select", "+stg_events", environ=lab.environ, target=tmp_path)
    assert built.exit_code == 0, built.output

    rows = query(
        lab.settings,
        "select tenant, count(*) as n, count(distinct event_id) as ids, "
        "count(extensions) as enriched "
        f'from "{lab.settings.staging_database}"."stg_events" group by tenant',
    ).as_dicts()
    assert {row["tenant"]: row["n"] for row in rows} == dict.fromkeys(TENANTS, share)
    assert all(row["n"] == row["ids"] == row["enriched"] for row in rows)
    ids = query(
        lab.settings,
        f'select event_id, extensions from "{lab.settings.staging_database}"."stg_events" '
        "where tenant = 'acme'",
    ).as_dicts()
    assert {row["event_id"] for row in ids} == {f"acme-{n}" for n in range(share)}
    assert {json.loads(row["extensions"])["tenantplan"] for row in ids} == {"team"}
