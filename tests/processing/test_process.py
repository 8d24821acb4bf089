"""The steps of one batch, watched through an environment that remembers and fails as told."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processing_fixtures import RECEIVED_AT, World, event, record

from minilab.aws import AwsError
from minilab.events.registry import UNROUTED
from minilab.processing import process as module
from minilab.processing.deliver import Trouble
from minilab.processing.process import process
from minilab.processing.records import Record

AGAIN = Trouble("The bus refused it.", away=False)
AWAY = Trouble("The bus is away.", away=True)


def ids(records: Sequence[Record]) -> list[str]:
    return [each.message_id for each in records]


def test_events_go_to_their_bus_enriched(world: World) -> None:
    both = [
        record(event("a"), event("b")),
        record(*(event(n, stream="billing", tenant="nobody") for n in "cd"), stream="billing",
               tenant="nobody"),
    ]  # fmt: skip
    processed = process(world.environment, both)
    assert processed.done == tuple(both)
    assert (processed.events, processed.failed_events, processed.troubles) == (4, 0, {})
    kafka_a, kafka_b, sqs = world.delivered
    assert (kafka_a.stream.name, kafka_a.key, kafka_a.message_id) == (
        "product", "acme", both[0].message_id
    )  # fmt: skip
    assert json.loads(kafka_a.body) == {
        **json.loads(event("a")),
        "receivedat": RECEIVED_AT,
        "tenantplan": "team",
        "tenantregion": "eu",
        "useragent": "tests/1",
    }
    assert json.loads(kafka_b.body)["id"] == "b"
    assert [e["id"] for e in json.loads(sqs.body)] == ["c", "d"], "SQS gets them in one message"
    assert "tenantplan" not in json.loads(sqs.body)[0], "of a tenant that is not known"
    size = len(event("a")) + len(event("b"))
    assert world.counted[0] == ("acme", "product", RECEIVED_AT, 2, size)


def test_a_full_message_that_grows_becomes_two(world: World) -> None:
    events = [event(f"{n:06}", stream="billing") for n in range(6000)]
    full = record(*events, stream="billing")
    assert process(world.environment, [full]).done == (full,)
    assert len(world.delivered) == 2
    assert all(len(delivery.body) < 1024 * 1024 for delivery in world.delivered)
    assert [e["id"] for e in world.events()] == [f"{n:06}" for n in range(6000)]


POISON: dict[str, tuple[bytes, str]] = {
    "not JSON": (b'{"id":"x",', "not_json"),
    "not UTF-8": (b'{"id":"x",\xff', "not_utf8"),
    "no object": (b"[1]", "not_an_event"),
    "a number": (b"7", "not_an_event"),
    "nothing": (b"[]", "empty_batch"),
    "too deep": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep"),
    "another's": (event("x", tenant="other"), "wrong_tenant"),
    "nobody's": (b'{"id":"x"}', "wrong_tenant"),
    "not a name": (b'{"id":"x","tenant":{"a":["acme"]}}', "wrong_tenant"),
}


@pytest.mark.parametrize("name", POISON)
def test_poison_becomes_a_failed_event_and_holds_nobody_up(world: World, name: str) -> None:
    body, reason = POISON[name]
    batch = [
        record(event("a")),
        dataclasses.replace(record(event("b")), text=body.decode(errors="ignore"), sent_ms=17),
        record(event("c")),
    ]
    if reason == "not_utf8":
        import base64

        encoded = {**batch[1].attributes, "content-encoding": "base64"}
        text = base64.b64encode(body).decode()
        batch[1] = dataclasses.replace(batch[1], text=text, attributes=encoded)
    processed = process(world.environment, batch)
    assert processed.done == tuple(batch)
    assert [e["id"] for e in world.events()] == ["a", "c"]
    [failed] = world.failed
    assert failed.reason == reason and failed.violations
    assert failed.body == (b"1" if name == "no object" else body)
    assert (failed.stage, failed.stream, failed.tenant) == ("processing", "product", "acme")
    assert (failed.bus, failed.shard) == ("sqs", "minilab-x-ingest.fifo")
    assert (failed.position, failed.item, failed.published_ms) == (batch[1].message_id, 0, 17)
    assert failed.headers["request-id"] and "content-encoding" not in failed.headers
    assert (processed.events, processed.failed_events) == (2, 1)


def test_poison_in_a_batch_does_not_hold_up_its_neighbours(world: World) -> None:
    mixed = record(event("a"), event("b", tenant="other"), event("c"), b'{"id":7,"type":[]}')
    assert process(world.environment, [mixed]).done == (mixed,)
    assert [e["id"] for e in world.events()] == ["a", "c"]
    assert [(f.item, f.reason, f.id, f.type) for f in world.failed] == [
        (1, "wrong_tenant", "b", "product.page_viewed.v1"),
        (3, "wrong_tenant", None, None),
    ]
    assert world.failed[0].headers["content-type"] == "application/cloudevents+json"


@pytest.mark.parametrize(
    ("missing", "stream"), [("tenant", "product"), ("stream", UNROUTED), ("request-id", "product")]
)
def test_a_message_that_is_not_the_apis(world: World, missing: str, stream: str) -> None:
    whole = record(event("a"))
    attributes = {name: value for name, value in whole.attributes.items() if name != missing}
    whole = dataclasses.replace(whole, attributes=attributes)
    assert process(world.environment, [whole]).done == (whole,)
    [failed] = world.failed
    assert failed.reason == "missing_attribute" and missing in failed.violations[0].message
    assert (failed.stream, failed.body, failed.id) == (stream, event("a"), "a")
    assert failed.tenant == "acme"


def test_a_stream_that_is_not_there(world: World) -> None:
    gone = record(event("a"))
    gone = dataclasses.replace(gone, attributes={**gone.attributes, "stream": "gone"})
    assert process(world.environment, [gone]).done == (gone,)
    assert (world.failed[0].reason, world.failed[0].stream) == ("wrong_stream", "gone")


# What is not taken ---------------------------------------------------------------------------


def test_what_comes_behind_a_failure_in_its_group_fails_too(world: World) -> None:
    batch = [
        record(event("a1", "a"), tenant="a"),
        record(event("b1", "b"), tenant="b"),
        record(event("a2", "a"), tenant="a"),
        record(event("b2", "b"), tenant="b"),
        record(event("a3", "a"), tenant="a"),
    ]
    world.troubles = {"a2": AGAIN}
    processed = process(world.environment, batch)
    assert ids(processed.done) == ids([batch[0], batch[1], batch[3]])
    assert ids(processed.failed) == ids([batch[2], batch[4]])
    assert processed.troubles == {batch[2].message_id: AGAIN}
    assert processed.events == 3
    assert len(world.counted) == 3, "only what is done is counted"


def test_what_waits_for_a_bus_waits_with_those_behind_it(world: World) -> None:
    batch = [record(event(n, n[0]), tenant=n[0]) for n in ("a1", "a2", "b1", "b2", "c1")]
    world.troubles = {"a1": AWAY, "b1": AGAIN, "b2": AWAY}
    processed = process(world.environment, batch)
    assert ids(processed.waiting) == ids(batch[:2])
    assert ids(processed.failed) == ids(batch[2:4])
    assert ids(processed.done) == ids(batch[4:])


def test_on_the_last_try_it_goes_to_the_dead_letters_and_holds_nobody_up(world: World) -> None:
    batch = [
        record(event("a1", "a"), tenant="a", times_received=5),
        record(event("a2", "a"), tenant="a", times_received=5),
        record(event("b1", "b"), tenant="b", times_received=4),
        record(event("c1", "c"), tenant="c", times_received=9),
    ]
    world.troubles = {"a1": AGAIN, "b1": AGAIN, "c1": AWAY}
    processed = process(world.environment, batch)
    assert world.given_up == [(batch[0].message_id, AGAIN.why)]
    assert set(ids(processed.done)) == set(ids(batch[:2]))
    assert ids(processed.given_up) == ids(batch[:1])
    assert ids(processed.failed) == ids(batch[2:3])
    assert ids(processed.waiting) == ids(batch[3:]), "no bus that is away uses tries up"
    assert processed.events == 1


def test_what_cannot_be_given_up_stays(world: World) -> None:
    world.troubles, world.give_up_error = {"a": AGAIN}, "no"
    last = record(event("a"), times_received=5)
    processed = process(world.environment, [last])
    assert (processed.failed, processed.done, processed.given_up) == ((last,), (), ())


def test_poison_that_cannot_be_stored_stays(world: World) -> None:
    world.failed_error = "throttled"
    bad, behind, other = (
        record(b"no", event("a")),
        record(event("b")),
        record(event("c", "x"), tenant="x"),
    )
    processed = process(world.environment, [bad, behind, other])
    assert (processed.failed, processed.done) == ((bad, behind), (other,))
    assert "throttled" in processed.troubles[bad.message_id].why


def test_without_the_tenants_table_everything_waits_and_nothing_is_sent(world: World) -> None:
    world.lookup_error = AwsError("DynamoDB is away.")
    batch = [record(event("a")), record(event("b"))]
    processed = process(world.environment, batch)
    assert processed.waiting == tuple(batch)
    assert world.delivered == []


def test_a_mistake_in_one_message_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enrich(text: bytes, *rest: Any) -> bytes:
        return 1 // 0 if b"boom" in text else text  # type: ignore[return-value]

    monkeypatch.setattr(module, "enrich", enrich)
    batch = [
        record(event("boom", "a"), tenant="a"),
        record(event("a2", "a"), tenant="a"),
        record(event("b1", "b"), tenant="b"),
    ]
    processed = process(world.environment, batch)
    assert (processed.failed, processed.done) == ((batch[0], batch[1]), (batch[2],))
    assert "ZeroDivisionError" in processed.troubles[batch[0].message_id].why

    world.delivered.clear()
    last = [dataclasses.replace(each, times_received=5) for each in batch[:2]]
    processed = process(world.environment, last)
    assert ids(processed.given_up) == ids(last[:1])
    assert set(ids(processed.done)) == set(ids(last))
    assert [e["id"] for e in world.events()] == ["a2"], "done is what was delivered"


def test_poison_is_stored_only_when_its_neighbours_are_delivered(world: World) -> None:
    """Else it would be stored at each try, all the time that a bus is away."""
    world.troubles = {"a": AWAY}
    both = record(event("a"), b"7")
    assert process(world.environment, [both]).waiting == (both,)
    assert world.failed == []
    world.troubles = {}
    assert process(world.environment, [both]).done == (both,)
    assert len(world.failed) == 1


OUTCOMES = st.sampled_from([None, AGAIN, AWAY])


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), OUTCOMES, st.integers(1, 6), st.booleans(), st.booleans()
        ),
        max_size=12,
    ),
    st.sampled_from([None, "no"]),
)
def test_whatever_happens_done_is_durable_and_has_nothing_undone_before_it(
    plan: list[tuple[str, Trouble | None, int, bool, bool]], give_up_error: str | None
) -> None:
    world = World(give_up_error=give_up_error)
    batch = []
    for number, (tenant, trouble, times, poisoned, bad_tenant) in enumerate(plan):
        events = [event(f"{number}", "x" if bad_tenant else tenant), *([b"7"] if poisoned else [])]
        batch.append(record(*events, tenant=tenant, times_received=times))
        if trouble is not None:
            world.troubles[f"{number}"] = trouble
    processed = process(world.environment, batch)
    assert sorted(ids([*processed.done, *processed.failed, *processed.waiting])) == sorted(
        ids(batch)
    )
    done, given_up = set(ids(processed.done)), set(ids(processed.given_up))
    delivered = {e["id"] for e in world.events()}
    stored = Counter(failed.position for failed in world.failed)
    held: set[str] = set()
    for number, each in enumerate(batch):
        _, _, _, poisoned, bad_tenant = plan[number]
        if each.message_id not in done:
            held.add(each.group)
            continue
        assert each.group not in held
        if each.message_id not in given_up:
            assert bad_tenant or f"{number}" in delivered
            assert stored[each.message_id] == poisoned + bad_tenant
    assert given_up == {message_id for message_id, _ in world.given_up}
