"""What a worker holds stays its own until it is done, or is known to be lost."""

from __future__ import annotations

import time
from collections.abc import Sequence

from processing_fixtures import event, eventually, record

from minilab.aws import AwsError
from minilab.processing.holding import Holding
from minilab.processing.records import Record


class Hiding:
    """Remembers what was hidden; ``lost`` are taken by somebody else, ``away`` fails."""

    def __init__(self) -> None:
        self.hidden: list[str] = []
        self.lost: set[str] = set()
        self.away = False

    def __call__(self, records: Sequence[Record], seconds: int) -> list[Record]:
        if self.away:
            raise AwsError("SQS is away.")
        assert seconds == 1
        self.hidden += [r.message_id for r in records]
        return [r for r in records if r.message_id in self.lost]


def test_what_is_held_is_hidden_again_and_again_until_it_is_done() -> None:
    hide, kept, done = Hiding(), record(event("a")), record(event("b"))
    with Holding(hide, 1) as holding:
        holding.add([kept, done])
        holding.remove([done])
        eventually(lambda: hide.hidden.count(kept.message_id) >= 3)
        assert holding.still([kept, done]) == [kept]
        assert len(holding) == 1
    assert done.message_id not in hide.hidden


def test_what_was_lost_to_another_is_let_go() -> None:
    hide, lost = Hiding(), record(event("a"))
    hide.lost = {lost.message_id}
    with Holding(hide, 1) as holding:
        holding.add([lost])
        eventually(lambda: holding.still([lost]) == [])
        assert len(holding) == 0


def test_what_came_again_is_another_one() -> None:
    first = record(event("a"))
    again = record(event("a"), message_id=first.message_id, times_received=2)
    with Holding(Hiding(), 1) as holding:
        holding.add([first])
        holding.add([again])
        assert holding.still([first, again]) == [again]
        holding.remove([first])
        assert holding.still([again]) == [again]


def test_it_goes_on_after_sqs_was_away() -> None:
    hide, kept = Hiding(), record(event("a"))
    hide.away = True
    with Holding(hide, 1) as holding:
        holding.add([kept])
        time.sleep(0.7)
        hide.away = False
        eventually(lambda: kept.message_id in hide.hidden)
