"""Landed = acknowledged, decided on plain records."""

from __future__ import annotations

from minilab.lake.layout import kafka_file_name
from minilab_dagster.reconcile import Batch, Landing, gaps, shortfalls

SHARD = "minilab-dev-product/0"


def kafka_batch(first: int, last: int, *, topic: str = "minilab-dev-product") -> Batch:
    name = kafka_file_name(topic, 0, first, last).removesuffix(".parquet")
    return Batch(name, SHARD, events=last - first + 1, failed=0)


def test_rows_as_recorded() -> None:
    batches = {"a": Batch("a", "q", 3, 1), "b": Batch("b", "q", 2, 0)}
    assert shortfalls([Landing(frozenset("ab"), 5, 1)], batches) == []


def test_a_lost_file_is_a_shortfall() -> None:
    batches = {"a": Batch("a", "q", 3, 0)}
    (problem,) = shortfalls([Landing(frozenset("ab"), 5, 0)], batches)
    assert problem == "5 events were landed in a, b, but 3 are in the lake"


def test_too_many_rows_are_wrong_too() -> None:
    (problem,) = shortfalls([Landing(frozenset("a"), 2, 0)], {"a": Batch("a", "q", 4, 0)})
    assert "2 events were landed" in problem and "4 are in the lake" in problem


def test_failed_events_count_by_themselves() -> None:
    (problem,) = shortfalls([Landing(frozenset("a"), 2, 1)], {"a": Batch("a", "q", 2, 0)})
    assert problem.startswith("1 failed events")


def test_batches_that_follow_one_another_up_to_the_ledger() -> None:
    assert gaps([kafka_batch(10, 19), kafka_batch(0, 9)], {SHARD: 20}) == []


def test_a_missing_batch_in_the_middle() -> None:
    assert gaps([kafka_batch(0, 9), kafka_batch(20, 29)], {SHARD: 30}) == [
        f"{SHARD}: no batch holds offsets 10 to 19"
    ]


def test_a_missing_last_batch() -> None:
    assert gaps([kafka_batch(0, 9)], {SHARD: 30}) == [f"{SHARD}: no batch holds offsets 10 to 29"]


def test_landed_since_the_ledger_was_read() -> None:
    assert gaps([kafka_batch(0, 9), kafka_batch(10, 14)], {SHARD: 10}) == []


def test_a_topic_made_anew_begins_again() -> None:
    again = kafka_batch(0, 4, topic="minilab-dev-product.e1")
    assert gaps([kafka_batch(7, 9), again], {SHARD: 5}) == []
