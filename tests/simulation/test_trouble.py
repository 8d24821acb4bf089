from __future__ import annotations

from itertools import islice
from random import Random

import msgspec
import pytest

from minilab.events.failures import Reason
from minilab.events.formats import Refused, open_message
from minilab.events.registry import load_registry
from minilab.events.validation import Rejection, StreamRules
from minilab.simulation.event import Event, encoder
from minilab.simulation.history import history
from minilab.simulation.trouble import bad_messages, order

REGISTRY = load_registry()
EXAMPLE = msgspec.json.encode(
    {
        "specversion": "1.0",
        "id": "e1",
        "source": "/s",
        "type": "billing.invoice_paid.v1",
        "tenant": "acme",
        "subject": "sub_1",
        "data": {"invoice_id": "i", "amount_cents": 1},
    }
)


def test_every_reason_has_its_bad_messages() -> None:
    made = {
        name: [bad.reason for bad in islice(bad_messages(Random(1), REGISTRY, s, [EXAMPLE]), 20)]
        for name, s in REGISTRY.streams.items()
    }
    in_the_event = set(Reason) - {
        Reason.WRONG_TENANT,
        Reason.FORBIDDEN_STREAM,
        Reason.RESERVED_ATTRIBUTE,
        Reason.CONFLICT,
        Reason.UNDELIVERABLE,
        Reason.CLAIM_LOST,
    }
    assert set(made["product"]) == set(made["billing"]) == in_the_event
    assert set(made["webhooks"]) == in_the_event - {
        Reason.UNKNOWN_TYPE,
        Reason.WRONG_STREAM,
        Reason.CONTRACT_VIOLATION,
    }


@pytest.mark.parametrize("name", list(REGISTRY.streams))
def test_bad_messages_differ_from_each_other(name: str) -> None:
    bad = islice(bad_messages(Random(1), REGISTRY, REGISTRY.stream(name), [EXAMPLE]), 100)
    ids = [msgspec.json.decode(b.body).get("id") for b in bad if b.batchable]
    ids = [i for i in ids if isinstance(i, str)]
    assert len(ids) == len(set(ids)) > 10


def test_order_without_trouble_is_the_order_of_time() -> None:
    places = order(Random(1), ["a", "b"] * 50, bad=0, duplicates=0, late=0)
    assert [place.index for place in places] == list(range(100))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 1000])
def test_order_keeps_every_event_once_and_adds_the_trouble(count: int) -> None:
    streams = (["a", "b", "a"] * count)[:count]
    places = order(Random(count), streams, bad=0.1, duplicates=0.2, late=0.3)

    first = [p.index for p in places if p.index >= 0 and not p.repeated]
    assert sorted(first) == list(range(count))
    assert all(p.stream == streams[p.index] for p in places if p.index >= 0)
    position = {index: n for n, index in enumerate(first)}
    sent: set[int] = set()
    for place in places:
        assert not place.repeated or place.index in sent
        sent.add(place.index)
    for name in set(streams):
        size = streams.count(name)
        mine = [p for p in places if p.stream == name]
        assert sum(p.index < 0 for p in mine) == max(1, round(0.1 * size))
        assert sum(p.repeated for p in mine) == max(1, round(0.2 * size))
        ordered = sorted((i for i in range(count) if streams[i] == name), key=position.__getitem__)
        late = sum(index < max(ordered[:n], default=-1) for n, index in enumerate(ordered))
        assert late == (min(size - 1, max(1, round(0.3 * size))))


@pytest.mark.parametrize("name", list(REGISTRY.streams))
def test_validation_gives_the_reason_that_was_promised(name: str) -> None:
    stream = REGISTRY.stream(name)
    example = EXAMPLE
    if contracts := REGISTRY.contracts_of(name):
        [body] = [
            body
            for body in _encoded(history(3, 400, days=30, streams=[name]))
            if contracts[0].type.encode() in body
        ][:1]
        example = body
    rules = StreamRules(REGISTRY, name)
    for bad in islice(bad_messages(Random(2), REGISTRY, stream, [example]), 60):
        assert _reason(rules, bad.body) == bad.reason, bad


def _encoded(events: list[Event]) -> list[bytes]:
    encode = encoder("test", {})
    return [encode(n, event, 1.78e9, 1.78e9 + event.offset) for n, event in enumerate(events)]


def _reason(rules: StreamRules, body: bytes) -> Reason | None:
    try:
        [event] = open_message(body).events
    except Refused as refusal:
        return refusal.reason
    verdict = rules.judge(event)
    return verdict.reason if isinstance(verdict, Rejection) else None


@pytest.mark.parametrize("name", list(REGISTRY.streams))
def test_validation_accepts_every_good_event(name: str) -> None:
    bodies = _encoded(history(9, 5000, days=30, streams=[name]))
    assert StreamRules(REGISTRY, name).sort(bodies).rejected == []
