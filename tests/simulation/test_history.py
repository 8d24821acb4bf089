from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from minilab.events.registry import load_registry
from minilab.simulation.event import Event, encoder
from minilab.simulation.history import SHARES, allot, history

REGISTRY = load_registry()
STREAMS = list(SHARES)
END = 1_780_000_000.0
DAYS = 90.0


def encoded(events: list[Event], end: float = END) -> list[bytes]:
    encode = encoder("test", {c.type: c.schema["$id"] for c in REGISTRY.contracts.values()})
    return [encode(n, event, end, end + event.offset) for n, event in enumerate(events)]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return history(5, 30_000, days=DAYS, streams=STREAMS)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 100, 2_500])
@pytest.mark.parametrize("streams", [STREAMS, ["billing"], ["webhooks"], ["product", "billing"]])
@pytest.mark.parametrize("days", [0.5, 400])
def test_exactly_so_many_within_the_days_in_order(
    count: int, streams: list[str], days: float
) -> None:
    events = history(count, count, days=days, streams=streams)
    assert len(events) == count
    assert Counter(event.stream for event in events) == Counter(allot(count, streams))
    offsets = [event.offset for event in events]
    assert offsets == sorted(offsets)
    assert offsets[0] >= -days * 86400 and offsets[-1] <= 0


def test_every_stream_has_events_where_there_are_enough() -> None:
    assert all(allot(3, STREAMS).values())
    assert sum(allot(2, STREAMS).values()) == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_events_keep_their_contracts(seed: int) -> None:
    validators = {
        contract.type: jsonschema_rs.Draft202012Validator(
            dict(contract.schema), validate_formats=True
        )
        for contract in REGISTRY.contracts.values()
    }
    seen = set()
    for body in encoded(history(seed, 20_000, days=DAYS, streams=STREAMS)):
        event: dict[str, Any] = msgspec.json.decode(body)
        assert event["specversion"] == "1.0" and event["id"] and event["source"]
        if event["type"] in validators:
            errors = list(validators[event["type"]].iter_errors(event["data"]))
            assert not errors, (event, errors)
            assert event["tenant"]
            seen.add(event["type"])
        else:
            assert event["type"].startswith("com.")
    assert seen == set(validators)


def test_all_events_are_accepted_by_the_envelope(events: list[Event]) -> None:
    from minilab.events.envelope import attribute_violations

    for body in encoded(events)[::17]:
        attributes = msgspec.json.decode(body)
        attributes.pop("data")
        assert not list(attribute_violations(attributes, tenant_required=False))


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(events: list[Event]) -> None:
    assert encoded(history(5, 30_000, days=DAYS, streams=STREAMS)) == encoded(events)
    assert encoded(history(6, 30_000, days=DAYS, streams=STREAMS)) != encoded(events)


def test_another_end_moves_times_and_nothing_else(events: list[Event]) -> None:
    def without_times(body: bytes) -> Any:
        event = msgspec.json.decode(body)
        del event["time"]
        data = event["data"]
        for name in [n for n in data if n.endswith(("_at", "_on", "_start", "_end", "created"))]:
            del data[name]
        return event

    sample = events[::50]
    now, later = encoded(sample), encoded(sample, END + 12_345_678)
    assert now != later
    assert [*map(without_times, now)] == [*map(without_times, later)]


def test_ids_are_unique(events: list[Event]) -> None:
    ids = {msgspec.json.decode(body)["id"] for body in encoded(events)}
    assert len(ids) == len(events)


def test_money_adds_up(events: list[Event]) -> None:
    lives: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.stream == "billing":
            lives[event.subject].append(event)
    kinds: Counter[str] = Counter()
    for life in lives.values():
        names = [event.type.split(".")[1] for event in life]
        kinds.update(names)
        assert names[0] == "subscription_started"
        assert "subscription_started" not in names[1:]
        assert "subscription_cancelled" not in names[:-1]
        started = life[0].data
        plan, mrr, net_factor = started["plan"], started["mrr_cents"], 1
        if started["interval"] == "year":
            net_factor = 12
        billed: set[int] = set()
        attempts: Counter[str] = Counter()
        for event, name in zip(life, names, strict=True):
            data = event.data
            assert mrr > 0
            billed.add(mrr * net_factor)
            match name:
                case "subscription_changed":
                    assert (data["previous_plan"], data["previous_mrr_cents"]) == (plan, mrr)
                    plan, mrr = data["plan"], data["mrr_cents"]
                case "subscription_cancelled":
                    assert (data["plan"], data["previous_mrr_cents"]) == (plan, mrr)
                case "payment_failed":
                    attempts[data["invoice_id"]] += 1
                    assert data["attempt"] == attempts[data["invoice_id"]]
                case "invoice_paid":
                    assert data["amount_cents"] - data["tax_cents"] in billed
        invoices = [e.data["invoice_id"] for e in life if e.type == "billing.invoice_paid.v1"]
        assert len(invoices) == len(set(invoices))
    assert set(kinds) == {c.name for c in REGISTRY.contracts_of("billing")}


def test_users_go_along_the_funnel(events: list[Event]) -> None:
    stages: Counter[str] = Counter()
    by_user: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.stream == "product":
            by_user[event.subject].append(event)
    for acts in by_user.values():
        assert acts[0].type == "product.user_signed_up.v1"
        started: set[str] = set()
        for act in acts[1:]:
            if act.type == "product.session_started.v1":
                started.add(act.data["session_id"])
            assert act.data["session_id"] in started
        features = sum(act.type == "product.feature_used.v1" for act in acts)
        stages["signed up"] += 1
        stages["visited"] += bool(started)
        stages["tried"] += features > 0
        stages["repeated"] += features > 3
    assert stages["signed up"] > stages["visited"] > stages["tried"] > stages["repeated"] > 50


def test_tenants_pay_after_they_tried(events: list[Event]) -> None:
    first_feature: dict[str | None, float] = {}
    late = 0
    subscribed = 0
    for event in events:
        if event.type == "product.feature_used.v1":
            first_feature.setdefault(event.tenant, event.offset)
        elif event.type == "billing.subscription_started.v1":
            subscribed += 1
            late += event.tenant not in first_feature
    assert subscribed > 50
    assert late <= subscribed * 0.05  # a founder's first session may end before a feature


def test_few_tenants_are_large_and_many_are_small(events: list[Event]) -> None:
    sizes = Counter(event.tenant for event in events if event.tenant)
    assert len(sizes) > 100
    assert max(sizes.values()) > 10 * statistics.median(sizes.values())
